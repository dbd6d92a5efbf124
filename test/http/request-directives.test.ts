import fc from 'fast-check'
import { test } from 'tap'
import { requestDirectives, type RequestDirectives } from '../../lib/http/request-directives.ts'
import type { RequestHeaders } from '../../lib/http/vary.ts'

const nothing: RequestDirectives = { noStore: false, noCache: false, onlyIfCached: false }

function check (headers: RequestHeaders): RequestDirectives | undefined {
  return requestDirectives(headers)
}

test('what a request asks for is read (RFC 9111 section 5.2.1)', async (t) => {
  const table: Array<[string | string[], Partial<RequestDirectives>]> = [
    ['no-store', { noStore: true }],
    ['No-Cache', { noCache: true }],
    ['only-if-cached', { onlyIfCached: true }],
    ['max-age=0', { maxAgeMs: 0 }],
    ['max-age="60"', { maxAgeMs: 60_000 }],
    ['max-age = 60', { maxAgeMs: 60_000 }],
    ['max-age=99999999999', { maxAgeMs: 2 ** 31 * 1000 }],
    ['min-fresh=60', { minFreshMs: 60_000 }],
    ['max-stale=60', { maxStaleMs: 60_000 }],
    ['max-stale', { maxStaleMs: Infinity }],
    ['max-stale=0', { maxStaleMs: 0 }],
    ['nothing-to-see-here, max-age=0', { maxAgeMs: 0 }],
    [['no-store', 'max-age=1'], { noStore: true, maxAgeMs: 1000 }],
    ['max-age=5, max-age=1, max-age=9', { maxAgeMs: 1000 }],
    ['min-fresh=5, min-fresh=9, min-fresh=1', { minFreshMs: 9000 }],
    ['max-stale, max-stale=5', { maxStaleMs: 5000 }],
    ['x="a, no-store", no-cache', { noCache: true }],
    ['x="a\\", no-store, ", no-cache', { noCache: true }]
  ]
  for (const [field, expected] of table) t.strictSame(check({ 'cache-control': field }), { ...nothing, ...expected }, JSON.stringify(field))
})

test('a request that asks for nothing has no directives', async (t) => {
  const table: RequestHeaders[] = [
    {}, { 'cache-control': '' }, { 'cache-control': ',' }, { 'cache-control': 'nothing-to-see-here' }, { 'cache-control': 'no-transform, public, private, s-maxage=0' },
    { 'cache-control': 'max-age' }, { 'cache-control': 'max-age=x, min-fresh=-1, max-stale=1.5' }, { 'cache-control': 'x-no-store' }, { 'cache-control': 'x="no-store"' }, { 'cache-control': 'x=no-store' },
    { 'cache-control': 'x="a,no-store,b"' }, { pragma: 'foo' }, { pragma: '' }, { pragma: 'x="no-cache"' }
  ]
  for (const headers of table) t.equal(check(headers), undefined, JSON.stringify(headers))
})

test('a malformed part is left out, the others count', async (t) => {
  const table: Array<[string, Partial<RequestDirectives>]> = [
    ['max-age=, no-cache', { noCache: true }],
    ['no cache, no-store', { noStore: true }],
    ['max-age=1;x, no-store', { noStore: true }],
    ['a="b, no-store', { noStore: true }],
    ['a=b=c, max-age=1', { maxAgeMs: 1000 }],
    ['max-age=x, max-age=1', { maxAgeMs: 1000 }],
    ['max-stale=x, no-store', { noStore: true }],
    ['é, no-store, (', { noStore: true }]
  ]
  for (const [field, expected] of table) t.strictSame(check({ 'cache-control': field }), { ...nothing, ...expected }, field)
})

test('Pragma counts only in a request without Cache-Control (RFC 9111 section 5.4)', async (t) => {
  t.strictSame(check({ pragma: 'no-cache' }), { ...nothing, noCache: true })
  t.strictSame(check({ pragma: ['foo', 'No-Cache'] }), { ...nothing, noCache: true })
  t.equal(check({ pragma: 'no-cache', 'cache-control': 'foo' }), undefined)
  t.equal(check({ pragma: 'no-cache', 'cache-control': '' }), undefined)
  t.strictSame(check({ pragma: 'no-cache', 'cache-control': 'max-age=1' }), { ...nothing, maxAgeMs: 1000 })
})

test('a directive is never lost among others (property)', async (t) => {
  const other = fc.constantFrom('public', 'x=y', 'x="a, b"', 'a=', 'b c', '', ' ', '"', 'x;y')
  fc.assert(fc.property(fc.array(other, { maxLength: 4 }), fc.array(other, { maxLength: 4 }), fc.constantFrom(',', ', ', ' ,\t'), (before, after, comma) => {
    return requestDirectives({ 'cache-control': [...before, 'no-store', ...after].join(comma) })?.noStore === true
  }), { numRuns: 5000 })
  fc.assert(fc.property(fc.string(), (field) => {
    const directives = requestDirectives({ 'cache-control': field })
    return directives === undefined || /no-store|no-cache|max-age|min-fresh|max-stale|only-if-cached/i.test(field)
  }))
  t.pass('5,000 fields')
})

test('a field of any length is read in time (denial of service)', async (t) => {
  const n = 16_000
  const long = [' '.repeat(n) + '"', `,${' '.repeat(n)}"`, `a${' '.repeat(n)}b`, `a=${' '.repeat(n)}`, `a="${'\\"'.repeat(n / 2)}`, 'a="b,'.repeat(n / 5), 'a=b,'.repeat(n / 4), 'max-age=1,'.repeat(n / 10), ','.repeat(n), 'a=,'.repeat(n / 3)]
  for (const field of long) {
    const since = process.cpuUsage()
    requestDirectives({ 'cache-control': field })
    const ms = process.cpuUsage(since).user / 1000
    t.ok(ms < 300, `${ms} ms for ${field.slice(0, 12)}`)
  }
})
