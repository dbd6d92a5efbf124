import fc from 'fast-check'
import { test } from 'tap'
import { httpDate } from '../../lib/http/dates.ts'
import { cachingDirectives, freshnessLifetimeMs, initialAgeMs, saysAny, statesSharing } from '../../lib/http/lifetime.ts'
import type { ResponseHeaders } from '../../lib/http/response-fields.ts'

const NOW = Date.UTC(2026, 10, 21, 12)
const TARGETED = ['own-cache-control', 'cdn-cache-control']
const DAY_MS = 86_400_000

/** The date so many seconds from now. */
function inSeconds (seconds: number): string {
  return httpDate(NOW + seconds * 1000)
}

function lifetime (headers: ResponseHeaders, { status = 200, heuristicMaxMs }: { status?: number, heuristicMaxMs?: number } = {}): number | undefined {
  return freshnessLifetimeMs(headers, { targetedFields: TARGETED, status, heuristicMaxMs, now: NOW })
}

test('the first targeted field that is there and valid counts, and Cache-Control only without one (RFC 9213 section 2.2)', async (t) => {
  const table: Array<[ResponseHeaders, { isTargeted: boolean, directives: Record<string, Array<string | null>> } | 'malformed' | undefined]> = [
    [{}, undefined],
    [{ 'cdn-cache-control': undefined, 'cache-control': undefined, expires: '0' }, undefined],
    [{ 'cache-control': 'Max-Age="60"' }, { isTargeted: false, directives: { 'max-age': ['60'] } }],
    [{ 'cache-control': ['public', 'max-age=60'] }, { isTargeted: false, directives: { public: [null], 'max-age': ['60'] } }],
    [{ 'cache-control': '' }, { isTargeted: false, directives: {} }],
    [{ 'cache-control': 'private=' }, 'malformed'],
    [{ 'cdn-cache-control': 'max-age=60', 'cache-control': 'no-store' }, { isTargeted: true, directives: { 'max-age': ['60'] } }],
    [{ 'cdn-cache-control': 'max-age=60', 'cache-control': 'private=' }, { isTargeted: true, directives: { 'max-age': ['60'] } }],
    [{ 'cdn-cache-control': ['max-age=60', 'public'] }, { isTargeted: true, directives: { 'max-age': ['60'], public: [null] } }],
    [{ 'cdn-cache-control': 'none', 'cache-control': 'no-store' }, { isTargeted: true, directives: { none: [null] } }],
    [{ 'own-cache-control': 'max-age=1', 'cdn-cache-control': 'max-age=2' }, { isTargeted: true, directives: { 'max-age': ['1'] } }],
    [{ 'own-cache-control': 'max-age=1, &&&', 'cdn-cache-control': 'max-age=2' }, { isTargeted: true, directives: { 'max-age': ['2'] } }],
    [{ 'own-cache-control': '', 'cdn-cache-control': 'max-age=2' }, { isTargeted: true, directives: { 'max-age': ['2'] } }],
    [{ 'cdn-cache-control': 'Max-Age=60', 'cache-control': 'no-store' }, { isTargeted: false, directives: { 'no-store': [null] } }],
    [{ 'cdn-cache-control': 'max-age= 60', 'cache-control': 'private=' }, 'malformed'],
    [{ 'other-cache-control': 'max-age=60' }, undefined]
  ]
  for (const [headers, expected] of table) {
    const caching = cachingDirectives(headers, TARGETED)
    const plain = typeof caching === 'object' ? { isTargeted: caching.isTargeted, directives: Object.fromEntries([...caching.directives].map(([name, values]) => [name, [...values]])) } : caching
    t.strictSame(plain, expected, JSON.stringify(headers))
  }
})

test('s-maxage counts before max-age, max-age before Expires (RFC 9111 section 4.2.1)', async (t) => {
  const table: Array<[ResponseHeaders, number | undefined]> = [
    [{}, undefined],
    [{ 'cache-control': 'public' }, undefined],
    [{ 'cache-control': 'max-age=60' }, 60_000],
    [{ 'cache-control': 'max-age=0' }, 0],
    [{ 'cache-control': 'max-age=99999999999' }, 2 ** 31 * 1000],
    [{ 'cache-control': 's-maxage=60' }, 60_000],
    [{ 'cache-control': 'max-age=1, s-maxage=60' }, 60_000],
    [{ 'cache-control': ['s-maxage=1', 'max-age=60'] }, 1000],
    [{ 'cache-control': 'max-age=60', expires: inSeconds(-7200), date: inSeconds(0) }, 60_000],
    [{ 'cache-control': 'max-age=60', expires: '0' }, 60_000],
    [{ 'cache-control': 'max-age=0', expires: inSeconds(7200) }, 0],
    [{ 'cache-control': 'extension="max-age=3600", max-age=1' }, 1000],
    [{ expires: inSeconds(60), date: inSeconds(0) }, 60_000],
    [{ expires: inSeconds(60) }, 60_000],
    [{ expires: inSeconds(60), date: 'foo' }, 60_000],
    [{ expires: inSeconds(60), date: [inSeconds(-5), inSeconds(0)] }, 60_000],
    [{ expires: inSeconds(60), date: inSeconds(-10) }, 70_000],
    [{ expires: inSeconds(0), date: inSeconds(0) }, 0],
    [{ expires: inSeconds(300), date: inSeconds(400) }, 0],
    [{ expires: [inSeconds(60), inSeconds(60)], date: inSeconds(0) }, 60_000],
    [{ 'cache-control': 'public', expires: inSeconds(60) }, 60_000]
  ]
  for (const [headers, ms] of table) t.equal(lifetime(headers), ms, JSON.stringify(headers))
})

test('what is said in a way that cannot be read, or twice in different ways, makes the response stale', async (t) => {
  const table: ResponseHeaders[] = [
    { 'cache-control': 'max-age=' },
    { 'cache-control': 'max-age' },
    { 'cache-control': 'max-age=-60' },
    { 'cache-control': "max-age='60'" },
    { 'cache-control': 'max-age=60.0' },
    { 'cache-control': 'max-age=60s', expires: inSeconds(60) },
    { 'cache-control': 'max-age=60, max-age=61' },
    { 'cache-control': ['max-age=61', 'max-age=60'] },
    { 'cache-control': 'max-age=60, s-maxage=x' },
    { 'cache-control': 'max-age=60, private=', expires: inSeconds(60) },
    { expires: '0' },
    { expires: '' },
    { expires: 0 },
    { expires: '-1' },
    { expires: [inSeconds(60), inSeconds(61)] },
    { expires: inSeconds(60).replace('GMT', 'UTC') },
    { expires: new Date(NOW + 60_000).toISOString() },
    { 'cdn-cache-control': 'max-age="60"', 'cache-control': 'max-age=60' },
    { 'cdn-cache-control': 'max-age=60.0' },
    { 'cdn-cache-control': 'max-age=-60' },
    { 'cdn-cache-control': 'max-age' },
    { 'cdn-cache-control': 'max-age=(60)' }
  ]
  for (const headers of table) t.equal(lifetime(headers, { heuristicMaxMs: DAY_MS }), 0, JSON.stringify(headers))
})

test('with a targeted field neither Cache-Control nor Expires counts (RFC 9213 section 2.2)', async (t) => {
  const table: Array<[ResponseHeaders, number | undefined]> = [
    [{ 'cdn-cache-control': 'max-age=60', 'cache-control': 'max-age=1' }, 60_000],
    [{ 'cdn-cache-control': 'max-age=1', 'cache-control': 's-maxage=60' }, 1000],
    [{ 'cdn-cache-control': 'max-age=60;for=you', expires: '0' }, 60_000],
    [{ 'cdn-cache-control': 's-maxage=60, max-age=1' }, 60_000],
    [{ 'cdn-cache-control': 'max-age=1, max-age=60' }, 60_000],
    [{ 'cdn-cache-control': 'max-age=60', expires: inSeconds(-60) }, 60_000],
    [{ 'cdn-cache-control': 'max-age=0', expires: inSeconds(60) }, 0],
    [{ 'cdn-cache-control': 'none', 'cache-control': 'max-age=60', expires: inSeconds(60) }, undefined],
    [{ 'cdn-cache-control': 'max-age=60, &&&', 'cache-control': 'max-age=1' }, 1000],
    [{ 'cdn-cache-control': 'max-age=60, &&&', expires: inSeconds(1) }, 1000]
  ]
  for (const [headers, ms] of table) t.equal(lifetime(headers), ms, JSON.stringify(headers))
})

test('a tenth of the time without a change is a guess, made only when asked and only where the standard lets one (RFC 9111 section 4.2.2)', async (t) => {
  const changed = { 'last-modified': inSeconds(-86_400), date: inSeconds(0) }
  t.equal(lifetime(changed), undefined)
  t.equal(lifetime(changed, { heuristicMaxMs: DAY_MS }), 8_640_000)
  t.equal(lifetime(changed, { heuristicMaxMs: 60_000 }), 60_000)
  t.equal(lifetime({ 'last-modified': changed['last-modified'] }, { heuristicMaxMs: DAY_MS }), 8_640_000)
  t.equal(lifetime({ ...changed, date: inSeconds(-43_200) }, { heuristicMaxMs: DAY_MS }), 4_320_000)
  t.equal(lifetime({ ...changed, 'last-modified': inSeconds(1) }, { heuristicMaxMs: DAY_MS }), undefined)
  t.equal(lifetime({ ...changed, 'last-modified': 'yesterday' }, { heuristicMaxMs: DAY_MS }), undefined)
  t.equal(lifetime({ date: inSeconds(0) }, { heuristicMaxMs: DAY_MS }), undefined)
  t.equal(lifetime({ ...changed, 'cache-control': 'max-age=5' }, { heuristicMaxMs: DAY_MS }), 5000)
  t.equal(lifetime({ ...changed, expires: inSeconds(5) }, { heuristicMaxMs: DAY_MS }), 5000)
  t.equal(lifetime({ ...changed, expires: '0' }, { heuristicMaxMs: DAY_MS }), 0)
  const guessed = [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501]
  for (let status = 200; status < 600; status++) {
    t.equal(lifetime(changed, { status, heuristicMaxMs: DAY_MS }), guessed.includes(status) ? 8_640_000 : undefined, `${status}`)
  }
  t.equal(lifetime({ ...changed, 'cache-control': 'public' }, { status: 599, heuristicMaxMs: DAY_MS }), 8_640_000)
  t.equal(lifetime({ ...changed, 'cdn-cache-control': 'public' }, { status: 599, heuristicMaxMs: DAY_MS }), 8_640_000)
  t.equal(lifetime({ ...changed, 'cdn-cache-control': 'none', 'cache-control': 'public' }, { status: 599, heuristicMaxMs: DAY_MS }), undefined)
})

test('a lifetime is never below zero, whatever the fields hold (property)', async (t) => {
  const seconds = fc.integer({ min: -100_000, max: 100_000 })
  const field = fc.option(fc.oneof(seconds.map(inSeconds), fc.constantFrom('0', '', 'x'), fc.array(seconds.map(inSeconds), { maxLength: 3 })), { nil: undefined })
  const control = fc.option(fc.constantFrom('max-age=5', 's-maxage=-1', 'public', 'max-age=5, max-age=6', 'a='), { nil: undefined })
  const headers = fc.record({ date: field, expires: field, 'last-modified': field, 'cache-control': control, 'cdn-cache-control': control })
  fc.assert(fc.property(headers, fc.option(fc.nat(DAY_MS), { nil: undefined }), (fields, heuristicMaxMs) => {
    const ms = lifetime(fields, heuristicMaxMs === undefined ? {} : { heuristicMaxMs })
    return ms === undefined || (ms >= 0 && Number.isFinite(ms))
  }), { numRuns: 5000 })
  t.pass('5,000 responses')
})

test('a response is as old as Age or Date say, whichever is more, and as the time it took (RFC 9111 section 4.2.3)', async (t) => {
  const table: Array<[ResponseHeaders, number, number]> = [
    [{}, 0, 0],
    [{}, 250, 250],
    [{ age: '0' }, 0, 0],
    [{ age: '7200' }, 0, 7_200_000],
    [{ age: 7200 }, 250, 7_200_250],
    [{ age: '2147483649' }, 0, 2 ** 31 * 1000],
    [{ date: inSeconds(0) }, 0, 0],
    [{ date: inSeconds(-60) }, 0, 60_000],
    [{ date: inSeconds(-60) }, 250, 60_000],
    [{ date: inSeconds(-60), age: '5' }, 250, 60_000],
    [{ date: inSeconds(-10), age: '25' }, 0, 25_000],
    [{ date: inSeconds(10), age: '15' }, 0, 15_000],
    [{ date: inSeconds(60) }, 0, 0],
    [{ date: 'foo' }, 0, 0],
    [{ date: [inSeconds(-60), inSeconds(-50)] }, 0, 0]
  ]
  for (const [headers, delayMs, ms] of table) t.equal(initialAgeMs(headers, { now: NOW, delayMs }), ms, `${JSON.stringify(headers)} after ${delayMs}`)
  t.equal(initialAgeMs({ date: inSeconds(0) }, { now: NOW + 999, delayMs: 0 }), 0, 'a Date of the same second')
  t.equal(initialAgeMs({ date: inSeconds(0) }, { now: NOW + 1000, delayMs: 0 }), 1000)
})

test('an Age that is not one number makes a response older than any lifetime: nobody knows how old it is (RFC 9111 section 4.2.1)', async (t) => {
  const longest = lifetime({ 'cache-control': `max-age=${'9'.repeat(30)}` })
  const ages: Array<ResponseHeaders[string]> = [
    '7200,0', '7200, 0', ['7200', '0'], '0, 7200', ['0', '7200'], '0, 0', ['0', '0'], '3600 , x',
    'abc', '', '-7200', '7200.0', '7200;foo=bar', '7200;foo=1', '"7200"', 'x, 7200', '1e3', '0x5', '+5'
  ]
  for (const age of ages) {
    for (const date of [undefined, inSeconds(0), inSeconds(-5)]) {
      const headers = date === undefined ? { age } : { age, date }
      t.ok(initialAgeMs(headers, { now: NOW, delayMs: 0 }) >= longest!, JSON.stringify(headers))
    }
  }
  for (const [age, seconds] of [['0', 0], ['7200', 7200], ['007', 7], [5, 5]] as const) t.equal(initialAgeMs({ age }, { now: NOW, delayMs: 0 }), seconds * 1000, JSON.stringify(age))
})

test('only public, must-revalidate and s-maxage allow others than who asked with credentials (RFC 9111 section 3.5)', async (t) => {
  const table: Array<[ResponseHeaders, boolean]> = [
    [{}, false],
    [{ 'cache-control': 'max-age=60' }, false],
    [{ 'cache-control': 'proxy-revalidate, max-age=60' }, false],
    [{ 'cache-control': 'x="public"' }, false],
    [{ 'cache-control': 'public' }, true],
    [{ 'cache-control': 'max-age=60, Must-Revalidate' }, true],
    [{ 'cache-control': 's-maxage=60' }, true],
    [{ 'cache-control': 's-maxage=0' }, true],
    [{ 'cache-control': 's-maxage' }, false],
    [{ 'cache-control': 'public="x"' }, false],
    [{ 'cache-control': 'public, private=' }, false],
    [{ 'cdn-cache-control': 'public' }, true],
    [{ 'cdn-cache-control': 'public=?0' }, false],
    [{ 'cdn-cache-control': 'public=1' }, false],
    [{ 'cdn-cache-control': 's-maxage="60"' }, false],
    [{ 'cdn-cache-control': 'max-age=60', 'cache-control': 'public' }, false]
  ]
  for (const [headers, expected] of table) t.equal(statesSharing(headers, TARGETED), expected, JSON.stringify(headers))
})

test('a directive is said by its name in the field that counts, and by whatever cannot be read', async (t) => {
  const table: Array<[headers: ResponseHeaders, isSaid: boolean]> = [
    [{}, false],
    [{ 'cache-control': 'max-age=1' }, false],
    [{ 'cache-control': 'max-age=1, NO-Transform' }, true],
    [{ 'cache-control': 'no-transform, private="' }, true],
    [{ 'cache-control': 'a="no-transform"' }, false],
    [{ 'cache-control': 'no-transform', 'for-us': 'max-age=1' }, false],
    [{ 'for-us': 'no-transform' }, true]
  ]
  for (const [headers, isSaid] of table) t.equal(saysAny(headers, ['for-us'], ['no-cache', 'no-transform']), isSaid, JSON.stringify(headers))
})
