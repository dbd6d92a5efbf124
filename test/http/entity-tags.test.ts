import fc from 'fast-check'
import { test } from 'tap'
import { parseEntityTags, stronglyEqual, weaklyEqual } from '../../lib/http/entity-tags.ts'

test('the tags of a list are read, and what is no tag is left out (RFC 9110 section 8.8.3)', async (t) => {
  const table: Array<[string, string[]]> = [
    ['', []], [',', []], ['*', []], ['abc', []], ['"', []], ['"abc', []], ['abc"', []], ['w/"abc"', []], ['W"abc"', []], ['W\\"abc"', []], ['W/abc', []], ['W/ "abc"', []], ["'abc'", []],
    ['"a b"', []], ['"a\tb"', []], ['"a""b"', []], ['"a"b', []], ['"a" "b"', []], ['"a";', []],
    ['"abc"', ['"abc"']], ['W/"abc"', ['W/"abc"']], ['""', ['""']], ['"a,b"', ['"a,b"']], ['"a\\"', ['"a\\"']], ['"W/"', ['"W/"']], ['"abc\xfc"', ['"abc\xfc"']], ['"*"', ['"*"']],
    ['"a", "b"', ['"a"', '"b"']], ['"a","b"', ['"a"', '"b"']], [' "a"\t,\t"b" ', ['"a"', '"b"']], [',,"a",,W/"b",', ['"a"', 'W/"b"']],
    ['abc, "d"', ['"d"']], ['"a", b, "c"', ['"a"', '"c"']], ['"a", *', ['"a"']], ['"a" "b", "c"', ['"c"']], ['"a b", "c"', ['"c"']], ['"a", "b', ['"a"']], ['w/"a", W/"b"', ['W/"b"']],
    ['"a,b", "c,d"', ['"a,b"', '"c,d"']], ['"\u0100", "a"', ['"a"']]
  ]
  for (const [field, tags] of table) t.strictSame(parseEntityTags(field), tags, JSON.stringify(field))
})

const tag = fc.tuple(fc.constantFrom('', 'W/'), fc.array(fc.constantFrom('a', ',', '\\', '!', '\xff', 'W', '/'), { maxLength: 4 })).map(([weak, letters]) => `${weak}"${letters.join('')}"`)
const noise = fc.constantFrom('', ' ', 'abc', '*', 'w/', 'W/', '\\')

test('every tag of a list is found, whatever stands between them (property)', async (t) => {
  fc.assert(fc.property(fc.array(fc.oneof(tag, noise)), fc.constantFrom(',', ', ', ' ,\t'), (members, comma) => {
    const expected = members.filter((member) => member.endsWith('"'))
    return JSON.stringify(parseEntityTags(members.join(comma))) === JSON.stringify(expected)
  }), { numRuns: 5000 })
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (field) => parseEntityTags(field).every((found) => field.includes(found))))
  t.pass('5,000 lists')
})

test('weak tags equal weakly only (RFC 9110 section 8.8.3.2)', async (t) => {
  const table: Array<[string, string, boolean, boolean]> = [
    ['W/"1"', 'W/"1"', false, true],
    ['W/"1"', 'W/"2"', false, false],
    ['W/"1"', '"1"', false, true],
    ['"1"', 'W/"1"', false, true],
    ['"1"', '"1"', true, true],
    ['"1"', '1', false, false],
    ['w/"1"', '"1"', false, false],
    ['"A"', '"a"', false, false]
  ]
  for (const [a, b, strong, weak] of table) {
    t.equal(stronglyEqual(a, b), strong, `${a} and ${b}, strong`)
    t.equal(weaklyEqual(a, b), weak, `${a} and ${b}, weak`)
  }
})

test('a list of any length is read in time (denial of service)', async (t) => {
  const n = 16_000
  const long = [' '.repeat(n) + 'x', `,${' '.repeat(n)}x`, `"a"${' '.repeat(n)}x`, `"${'a'.repeat(n)}`, `"${','.repeat(n)}`, '"a,'.repeat(n / 3), '",'.repeat(n / 2), '"a" ,'.repeat(n / 5), 'W/"'.repeat(n / 3), '"a"b,'.repeat(n / 5), 'x,'.repeat(n / 2)]
  for (const field of long) {
    const since = process.cpuUsage()
    parseEntityTags(field)
    const ms = process.cpuUsage(since).user / 1000
    t.ok(ms < 300, `${ms} ms for ${field.slice(0, 12)}`)
  }
})
