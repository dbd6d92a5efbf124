import fc from 'fast-check'
import { test } from 'tap'
import { normalisedValue } from '../../lib/http/selecting-value.ts'
import { parseWeight } from '../../lib/http/weight.ts'

test('a weight has one way to be read, and nothing else is one (RFC 9110 section 12.4.2)', async (t) => {
  const table: Array<[string, number | undefined]> = [
    ['0', 0], ['0.', 0], ['0.0', 0], ['0.000', 0], ['0.5', 0.5], ['0.50', 0.5], ['0.001', 0.001], ['0.999', 0.999], ['1', 1], ['1.', 1], ['1.000', 1],
    ['', undefined], ['.5', undefined], ['00', undefined], ['0.0000', undefined], ['0.1234', undefined], ['1.1', undefined], ['1.001', undefined], ['1.0000', undefined], ['2', undefined],
    ['-0', undefined], ['-1', undefined], ['+1', undefined], ['1e0', undefined], ['0,5', undefined], [' 1', undefined], ['1 ', undefined], ['1\n', undefined], ['x', undefined]
  ]
  for (const [text, weight] of table) t.equal(parseWeight(text), weight, JSON.stringify(text))
})

test('values that mean the same become one (RFC 9111 section 4.1)', async (t) => {
  const table: Array<[string, string, string[]]> = [
    // That the order of languages of one weight means nothing is said for them alone (RFC 9110 section 12.5.4).
    ['accept-language', 'de, en', ['en, de', 'de, en', 'en,de', 'eN, De', ' en ,   de ', 'en;q=1, de', 'en;Q=1.000,de;q=1.', ',en,,de,', 'en\t,\tde']],
    ['accept-language', 'de, en;q=0.5, fr;q=0.5, *;q=0.1', ['de, en;q=0.5, fr;q=0.5, *;q=0.1', 'fr;q=0.5, de, en;q=0.50, *;q=0.1']],
    ['accept-encoding', 'gzip, br', ['gzip, br', 'gzip;q=1,br;q=1.0', ' GZIP , BR ']],
    ['accept-language', 'de, fr;q=0.5', ['de, fr;q=0.5', 'fr;q=0.5, de;q=1.0', 'fr ; q=0.50,de', 'FR;q=0.500, DE']],
    ['accept-language', 'a, b, d;q=0.7, e;q=0.7, c;q=0', ['a, c;q=0, d;q=0.7, b, e;q=0.7', 'd;q=0.7, a, e;q=0.70, b, c;q=0.']],
    ['accept-encoding', 'br, gzip', ['br, gzip', 'BR,GZIP']],
    ['accept-encoding', '', ['', ' ', ',', ' , ,']],
    ['accept-charset', 'utf-8, *;q=0.1', ['UTF-8, *;q=0.1', '*;q=0.1, utf-8']],
    ['accept', 'text/html, */*;q=0.8', ['text/html, */*;q=0.8', 'Text/HTML,*/*;q=0.8', '*/*; q=0.80 , text/html;q=1']],
    ['accept', 'text/html;level=A, a/b', ['text/html;level=A, a/b', 'text/html ; Level=A;q=1,a/b']],
    ['accept', 'a/b;x="c, d;q=0", e/f;q=0.5', ['a/b;x="c, d;q=0", e/f;q=0.5', 'e/f;q=0.5, a/b; X="c, d;q=0"']]
  ]
  for (const [name, expected, values] of table) {
    for (const value of values) t.equal(normalisedValue(name, value), expected, `${name}: ${JSON.stringify(value)}`)
  }
})

test('values that a server may answer differently stay different (RFC 9110 section 12.5)', async (t) => {
  const table: Array<[string, string[]]> = [
    ['accept-language', ['en, de', 'en', 'en;q=0.5, de', 'en, de;q=0.5', 'en, de;q=0', 'en-us, de', 'en, *', '', 'en, en', 'en, de, en']],
    ['accept-encoding', ['gzip, br', 'br, gzip', 'x-gzip, br', 'gzip', 'gzip, identity;q=0', 'gzip, *;q=0', '*', '']],
    ['accept-charset', ['utf-8, latin1', 'latin1, utf-8']],
    ['accept', ['a/b, a/c', 'a/c, a/b', 'a/b;q=0.5, a/c;q=0.5', 'a/c;q=0.5, a/b;q=0.5']],
    ['accept', ['a/b;x=C', 'a/b;x=c', 'a/b', 'a/*', '*/*', 'a/b;x="c"', 'a/b;x=c;y=d', 'a/b;y=d;x=c', 'a/b;x=c;q=0.5', 'a/b;q=0.5;x=c', 'a/b;q=0.5']],
    // Two weights for one range: which one counts nobody has said, so the order may matter.
    ['accept-encoding', ['gzip;q=0, gzip', 'gzip, gzip;q=0', 'gzip']],
    ['accept', ['a/b;q=0.1, a/b', 'a/b, a/b;q=0.1']]
  ]
  for (const [name, values] of table) {
    t.equal(new Set(values.map((value) => normalisedValue(name, value))).size, values.length, name)
  }
})

test('a malformed value and any other field stay as they are', async (t) => {
  const malformed: Array<[string, string[]]> = [
    ['accept-language', ['EN;q=2', 'EN;q=0.1234', 'EN;q=', 'EN;q', 'EN;', 'EN;x=1', 'EN;q=1;x=1', 'EN;q=1;q=1', 'EN DE', 'EN;q =1', 'EN;q= 1', 'EN/US', 'É', 'EN, "DE"', 'EN\n', 'EN;q=-1', '(', 'EN;q="1"']],
    ['accept-encoding', ['GZIP;q=1.1', 'GZIP;level=9', 'GZIP BR', 'a/b']],
    ['accept', ['TEXT', 'TEXT/', '/HTML', 'TEXT/HTML;q=x', 'TEXT/HTML;q=1;ext=1', 'TEXT/HTML;', 'TEXT/HTML;a', 'TEXT/HTML;a="', 'TEXT/HTML;a="b', 'A/B/C', 'A / B', 'A/B;c=d e']],
    ['foo', ['1,2', '1, 2', ' 1 , 2 ', 'A, a', 'a;q=1', '', ',']],
    ['cookie', ['A=1; B=2']],
    ['user-agent', ['A (B, like C)']],
    ['Accept', ['A/B']],
    ['toString', ['A , B']]
  ]
  for (const [name, values] of malformed) {
    for (const value of values) t.equal(normalisedValue(name, value), value, `${name}: ${JSON.stringify(value)}`)
  }
})

/** A list of preferences, and one of the ways to write it. */
const written = (maxLength: number): fc.Arbitrary<string> => fc.array(fc.record({
  range: fc.constantFrom('en', 'EN', 'de', 'De-AT', '*', 'fr', 'x'),
  weight: fc.option(fc.constantFrom('0', '0.', '0.000', '0.5', '0.50', '0.123', '1', '1.0', '2', ''), { nil: undefined }),
  q: fc.constantFrom('q', 'Q'),
  space: fc.constantFrom('', ' ', '\t ')
}), { maxLength }).map((members) => members.map(({ range, weight, q, space }) => `${space}${range}${weight === undefined ? '' : `${space};${space}${q}=${weight}`}${space}`).join(','))

/** What a server understands: the ranges from the best to the worst; those of equal weight in their order, which means nothing for languages. */
function understood (name: string, value: string): string {
  const members = value.split(',').map((member) => member.trim()).filter((member) => member !== '').map((member) => {
    const [range, weight] = member.split(';')
    return { range: range!.trim().toLowerCase(), weight: weight === undefined ? 1 : Number(weight.split('=')[1]) }
  })
  // A range that is named twice: which of its weights counts nobody has said.
  const isAnyOrder = name === 'accept-language' && new Set(members.map(({ range }) => range)).size === members.length
  const among = members.map((member, index) => ({ ...member, place: isAnyOrder ? member.range : String(index) }))
  return JSON.stringify(among.sort((a, b) => b.weight - a.weight || (a.place < b.place ? -1 : 1)).map(({ range, weight }) => [range, weight]))
}

test('once normalised it stays the same, and means the same (property)', async (t) => {
  fc.assert(fc.property(fc.oneof(written(5), fc.string()), fc.constantFrom('accept', 'accept-language', 'accept-encoding', 'accept-charset', 'foo'), (value, name) => {
    const normalised = normalisedValue(name, value)
    return normalisedValue(name, normalised) === normalised && (normalised === value || understood(name, normalised) === understood(name, value))
  }), { numRuns: 20_000 })
  t.pass('20,000 values')
})

test('two values become one exactly when a server understands the same (property)', async (t) => {
  for (const name of ['accept-language', 'accept-encoding']) {
    let same = 0
    fc.assert(fc.property(written(2), written(2), (a, b) => {
      const one = normalisedValue(name, a) === normalisedValue(name, b)
      if (one && a !== b) same++
      return !one || understood(name, a) === understood(name, b)
    }), { numRuns: 30_000 })
    t.ok(same > 100, `${same} pairs of ${name}`)
  }
})

test('a value of any length is read in time (denial of service)', async (t) => {
  const n = 16_000
  const long = [' '.repeat(n) + '"', `,${' '.repeat(n)}"`, `a${' '.repeat(n)}b`, `a;${' '.repeat(n)}b`, `a/b;c="${'\\"'.repeat(n / 2)}`, `a/b${';c=d'.repeat(n / 4)}"`, ','.repeat(n), 'a,'.repeat(n / 2), 'a'.repeat(n) + '"', `a${' ;'.repeat(n / 2)}`]
  for (const value of long) {
    for (const name of ['accept', 'accept-language']) {
      const since = process.cpuUsage()
      normalisedValue(name, value)
      const ms = process.cpuUsage(since).user / 1000
      t.ok(ms < 300, `${ms} ms for ${value.slice(0, 12)}`)
    }
  }
})
