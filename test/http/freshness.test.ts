import fc from 'fast-check'
import { test } from 'tap'
import { isDueAhead, staleWindows, useOf, type Use } from '../../lib/http/freshness.ts'

const NO_ROUTE = { whileRevalidateMs: undefined, ifErrorMs: undefined }
const ROUTE = { whileRevalidateMs: 1000, ifErrorMs: 2000 }
const MOST = 2 ** 31 * 1000

test('what a response says of its stale use counts more than the route (RFC 5861, RFC 9111 section 4.2.4)', async (t) => {
  const table: Array<[field: string | string[] | undefined, route: typeof NO_ROUTE | typeof ROUTE, whileRevalidateMs: number, ifErrorMs: number]> = [
    [undefined, NO_ROUTE, 0, 0],
    [undefined, ROUTE, 1000, 2000],
    ['', ROUTE, 1000, 2000],
    ['public, max-age=9', ROUTE, 1000, 2000],
    ['stale-while-revalidate=7', NO_ROUTE, 7000, 0],
    ['stale-while-revalidate=7', ROUTE, 7000, 2000],
    ['Stale-If-Error="7"', ROUTE, 1000, 7000],
    [['max-age=9', 'stale-while-revalidate=7, stale-if-error=8'], ROUTE, 7000, 8000],
    ['stale-while-revalidate=0, stale-if-error=0', ROUTE, 0, 0],
    ['stale-if-error=99999999999999999999', NO_ROUTE, 0, MOST],
    // Somebody meant to bound it.
    ['stale-while-revalidate, stale-if-error=""', ROUTE, 0, 0],
    ['stale-while-revalidate=-1, stale-if-error=1.5', ROUTE, 0, 0],
    ['stale-while-revalidate=1, stale-while-revalidate=2', ROUTE, 0, 2000],
    // Said twice, it is said.
    ['stale-while-revalidate=1, stale-while-revalidate=1', ROUTE, 1000, 2000],
    ['stale-while-revalidate=7, stale-if-error=8, stale-while-revalidate="7"', ROUTE, 7000, 8000],
    // Malformed as a whole, it says nothing; such a response is not stored anyway.
    ['stale-while-revalidate=7;', ROUTE, 1000, 2000],
    ['must-revalidate', ROUTE, 0, 0],
    ['MUST-REVALIDATE, stale-while-revalidate=7', ROUTE, 0, 0],
    ['proxy-revalidate, stale-if-error=7', ROUTE, 0, 0],
    ['no-cache, stale-if-error=7', ROUTE, 0, 0],
    ['s-maxage=9', ROUTE, 1000, 2000],
    ['s-maxage=9, stale-while-revalidate=7, stale-if-error=7', ROUTE, 1000, 2000],
    ['s-maxage=9, stale-while-revalidate=7, stale-if-error=7', NO_ROUTE, 0, 0]
  ]
  for (const [field, route, whileRevalidateMs, ifErrorMs] of table) {
    const headers = field === undefined ? {} : { 'cache-control': field }
    t.strictSame(staleWindows(headers, route, []), { whileRevalidateMs, ifErrorMs }, `${String(field)} where the route says ${JSON.stringify(route)}`)
  }
  t.strictSame(staleWindows({ 'cache-control': 'must-revalidate', 'for-us': 'stale-if-error=7' }, ROUTE, ['for-us']), { whileRevalidateMs: 1000, ifErrorMs: 7000 }, 'a targeted field counts instead')
})

test('fresh until the very end of the lifetime, then of use for as long as the windows last, the wider one first counted from the same end', async (t) => {
  const table: Array<[windows: [number, number], at: number, isInvalidated: boolean, use: Use]> = [
    [[0, 0], 99, false, 'fresh'],
    [[0, 0], 100, false, 'none'],
    [[10, 20], 100, false, 'while-revalidate'],
    [[10, 20], 109, false, 'while-revalidate'],
    [[10, 20], 110, false, 'if-error'],
    [[10, 20], 119, false, 'if-error'],
    [[10, 20], 120, false, 'none'],
    [[20, 10], 119, false, 'while-revalidate'],
    [[20, 10], 120, false, 'none'],
    [[0, 20], 100, false, 'if-error'],
    // Invalidated softly.
    [[10, 20], 50, true, 'while-revalidate'],
    [[0, 20], 50, true, 'if-error'],
    [[0, 0], 50, true, 'none'],
    [[0, 20], 120, true, 'none']
  ]
  for (const [[whileRevalidateMs, ifErrorMs], at, isInvalidated, use] of table) {
    t.equal(useOf({ storedAt: 0, staleAt: 100, whileRevalidateMs, ifErrorMs }, at, isInvalidated), use, `${whileRevalidateMs}, ${ifErrorMs} at ${at}`)
  }
})

/** The first moment at which a response is due, by milliseconds before its end. */
function dueBefore (response: { costMs: number, storedAt: number, staleAt: number }): number {
  let [early, late] = [response.storedAt - 1, response.staleAt]
  if (isDueAhead(response, response.storedAt)) return Infinity
  while (late - early > 1) {
    const middle = Math.floor((early + late) / 2)
    if (isDueAhead(response, middle)) late = middle
    else early = middle
  }
  return response.staleAt - late
}

test('each response has one moment from which it is due ahead, the same for all who ask', async (t) => {
  const lifetime = fc.record({ storedAt: fc.integer({ min: 1e12, max: 3e12 }), ms: fc.integer({ min: 1, max: 1e9 }), costMs: fc.integer({ min: 0, max: 60_000 }) })
  fc.assert(fc.property(lifetime, fc.double({ min: 0, max: 1, noNaN: true }), ({ storedAt, ms, costMs }, part) => {
    const response = { storedAt, staleAt: storedAt + ms, costMs }
    const at = Math.floor(storedAt + ms * part)
    return isDueAhead(response, response.staleAt) && (!isDueAhead(response, at) || isDueAhead(response, at + 1)) && isDueAhead(response, at) === isDueAhead({ ...response }, at)
  }))
  t.pass()
})

test('the moment comes at least one and a half times the cost before the end, and seldom much earlier', async (t) => {
  const HOUR_MS = 3_600_000
  for (const costMs of [100, 2000]) {
    const parts = Array.from({ length: 2000 }, (_, at) => {
      const storedAt = Date.UTC(2030, 0, 1) + at * 60_007
      return dueBefore({ storedAt, staleAt: storedAt + HOUR_MS, costMs }) / costMs
    })
    t.ok(Math.min(...parts) >= 1.5 - 0.01, `${Math.min(...parts)}`)
    const mean = parts.reduce((sum, part) => sum + part) / parts.length
    t.ok(mean > 1.9 && mean < 2.1, `${mean}`)
    t.ok(parts.filter((part) => part > 4).length < 0.03 * parts.length)
    t.ok(new Set(parts.map((part) => Math.round(part * 10))).size > 10, 'moments that differ')
  }
})

test('what costs nothing is begun some milliseconds before its end, and never for more than a small part of its lifetime', async (t) => {
  const storedAt = Date.UTC(2030, 0, 1)
  const before = (ms: number): number => dueBefore({ storedAt, staleAt: storedAt + ms, costMs: 0 })
  t.ok(before(3_600_000) >= 75)
  for (const ms of [100, 1000, 2500]) t.ok(before(ms) <= ms / 2, `${before(ms)} of ${ms}`)
})
