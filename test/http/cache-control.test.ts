import fc from 'fast-check'
import { test } from 'tap'
import { parseCacheControl } from '../../lib/http/cache-control.ts'

type Directives = Record<string, Array<string | null>>

function parsed (field: string): Directives | undefined {
  const directives = parseCacheControl(field)
  return directives === undefined ? undefined : Object.fromEntries([...directives].map(([name, values]) => [name, [...values]]))
}

test('directives are read by name, with the values they have', async (t) => {
  const table: Record<string, Directives> = {
    '': {},
    ',': {},
    ' , ,\t': {},
    private: { private: [null] },
    'No-Store': { 'no-store': [null] },
    'max-age=60': { 'max-age': ['60'] },
    'max-age="60"': { 'max-age': ['60'] },
    'max-age = 60': { 'max-age': ['60'] },
    'private="a, b"': { private: ['a, b'] },
    'private,private="a"': { private: [null, 'a'] },
    'max-age=1, max-age=2': { 'max-age': ['1', '2'] },
    ' public ,\tmax-age=60 ': { public: [null], 'max-age': ['60'] },
    ',,public,,': { public: [null] },
    'a=""': { a: [''] },
    'a="\\"b\\\\"': { a: ['"b\\'] },
    'x="private, no-store"': { x: ['private, no-store'] },
    'nothing-to-see-here, max-age=0': { 'nothing-to-see-here': [null], 'max-age': ['0'] },
    __proto__: JSON.parse('{"__proto__":[null]}') as Directives
  }
  for (const [field, directives] of Object.entries(table)) t.strictSame(parsed(field), directives, JSON.stringify(field))
  t.strictSame([...parseCacheControl('__proto__')!.keys()], ['__proto__'])
})

test('a field of which any part is malformed says nothing at all (undici CVE-2026-9678, CVE-2026-14643)', async (t) => {
  const malformed = [
    'private=', 'private= ', '=private', '=', '"', '"private"', 'private"', 'private="', 'private="a', 'private="a\\"', 'a="\\', 'private="a"b', 'a"b"', 'private a', 'private;a', 'private; a', 'a==b', 'a=b=c', 'a= =b',
    'max-age=60 private', 'max-age=60;private', 'public, private=', 'private=, public', 'a=b c', '(private)', 'priv@te', 'a/b', '{}', '[]', 'privaté', 'a=é', 'a\0', 'a\n', 'a\r\nprivate', 'a=\u00a0b', '\u00a0private', 'a:b', 'a=b,"', '\\',
    'private ,=', 'a="b""c"', 'a=b"c"', 'a="\\\u00e9"'
  ]
  for (const field of malformed) t.equal(parsed(field), undefined, JSON.stringify(field))
})

/** The grammar of RFC 9111 section 5.2, one letter after the other; `undefined` when it does not hold. */
function reference (field: string): Directives | undefined {
  const isToken = (letter: string | undefined): boolean => letter !== undefined && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]$/.test(letter)
  const directives = new Map<string, Array<string | null>>()
  let at = 0
  const skip = (): void => { while (field[at] === ' ' || field[at] === '\t') at++ }
  const token = (): string => {
    const from = at
    while (isToken(field[at])) at++
    return field.slice(from, at)
  }
  const quoted = (): string | undefined => {
    let value = ''
    for (at++; at < field.length; at++) {
      if (field[at] === '"') {
        at++
        return value
      }
      if (field[at] === '\\') {
        at++
        if (!/^[\t -~]$/.test(field[at] ?? '')) return undefined
      }
      value += field[at]
    }
    return undefined
  }
  for (;;) {
    skip()
    const name = token().toLowerCase()
    if (name !== '') {
      let value: string | null | undefined = null
      const back = at
      skip()
      if (field[at] === '=') {
        at++
        skip()
        value = field[at] === '"' ? quoted() : token() || undefined
        if (value === undefined) return undefined
      } else at = back
      directives.set(name, [...directives.get(name) ?? [], value])
    }
    skip()
    if (at === field.length) return Object.fromEntries(directives)
    if (field[at++] !== ',') return undefined
  }
}

const letters = fc.constantFrom('a', 'B', '-', '=', '"', '\\', ',', ' ', '\t', '1', ';', 'é', '\0', '@', '_')
const pieces = fc.constantFrom('private', 'No-Store', 'no-cache="set-cookie"', 'max-age=60', 'a="b', ' = ', '=', ', ', ',', '"', '\\"', ' ', ';', '')

test('it reads the same as the grammar, letter by letter (fuzz)', async (t) => {
  const same = (field: string): boolean => JSON.stringify(parsed(field)) === JSON.stringify(reference(field))
  fc.assert(fc.property(fc.array(letters, { maxLength: 8 }).map((part) => part.join('')), same), { numRuns: 30_000 })
  fc.assert(fc.property(fc.array(pieces, { maxLength: 6 }).map((part) => part.join('')), same), { numRuns: 30_000 })
  fc.assert(fc.property(fc.string({ unit: 'binary' }), same), { numRuns: 5000 })
  t.strictSame(parsed('private, a="b'), reference('private, a="b'))
})

test('a directive that forbids is never lost among others (undici CVE-2026-13697)', async (t) => {
  const harmless = fc.constantFrom('public', 'max-age=60', 'x="y"', 'x="private, no-store"', 'x="a\\"b"', '', ' ', 'immutable')
  fc.assert(fc.property(fc.array(harmless), fc.constantFrom('private', 'no-store', 'NO-CACHE', 'private="a"'), fc.array(harmless), fc.constantFrom(',', ', ', ' ,', '\t,\t'), (before, directive, after, comma) => {
    const directives = parsed([...before, directive, ...after].join(comma))
    return directives !== undefined && directives[directive.split('=')[0]!.toLowerCase()] !== undefined
  }), { numRuns: 10_000 })
  t.pass('10,000 fields')
})

test('a field of any length is read in time (denial of service)', async (t) => {
  const long = [' '.repeat(20_000), `${'a'.repeat(20_000)}"`, `a${' '.repeat(20_000)}b`, `a="${'\\"'.repeat(10_000)}`, ','.repeat(20_000), 'a=b,'.repeat(5000), `${' '.repeat(20_000)}"`, `,${' '.repeat(16_000)}"`]
  for (const field of long) {
    const since = process.cpuUsage()
    parseCacheControl(field)
    const ms = process.cpuUsage(since).user / 1000
    t.ok(ms < 300, `${ms} ms for ${field.slice(0, 12)}`)
  }
})
