import { test, type Test } from 'tap'
import { answers, date, everywhere, freshUrl, heard, lifetimeOf, scene, type Answer, type Fields, type Scene } from './stage.ts'

const MONTH_S = 30 * 86_400
type Cases = Array<[fields: Fields, expected: number | string, status?: number]>

async function holds (site: Scene, t: Test, cases: Cases): Promise<void> {
  for (const [fields, expected, status = 200] of cases) t.equal(await lifetimeOf(site, { fields, status }), expected, `${status} ${JSON.stringify(fields)}`)
}

/** With `ttl: 'http'`: seconds, or why it is not stored. */
const byFields: Cases = [
  [{}, 'ttl'],
  [{ 'cache-control': 'max-age=60' }, 60],
  [{ 'cache-control': 'public' }, 'ttl'],
  [{ 'cache-control': 'MAX-AGE=60' }, 60],
  [{ 'cache-control': 'max-age="60"' }, 60],
  [{ 'cache-control': 's-maxage=90, max-age=60' }, 90],
  [{ 'cache-control': 's-maxage=0, max-age=60' }, 'ttl'],
  [{ 'cache-control': 'max-age=60', expires: '0' }, 60],
  [{ expires: date(30) }, 30],
  [{ expires: date(0) }, 'ttl'],
  [{ expires: '0' }, 'ttl'],
  [{ expires: 'tomorrow' }, 'ttl'],
  [{ 'last-modified': date(-MONTH_S) }, 'ttl'],
  [{ 'cache-control': 'max-age=99999999999' }, 2 ** 31],
  // Said twice, or in a way that cannot be read.
  [{ 'cache-control': 'max-age=60, max-age=60' }, 60],
  [{ 'cache-control': 'max-age=60, max-age=70' }, 'ttl'],
  [{ 'cache-control': ['max-age=60', 'private'] }, 'private'],
  [{ 'cache-control': 'max-age=-1' }, 'ttl'],
  [{ 'cache-control': 'max-age=60.5' }, 'ttl'],
  [{ 'cache-control': 's-maxage=soon, max-age=60' }, 'ttl'],
  [{ 'cache-control': 'max-age=60, private=' }, 'malformed-cache-control'],
  [{ 'cache-control': 'max-age=60 no-store' }, 'malformed-cache-control'],
  // What forbids it.
  [{ 'cache-control': 'max-age=60, no-store' }, 'no-store'],
  [{ 'cache-control': 'max-age=60, private' }, 'private'],
  [{ 'cache-control': 'max-age=60, private="x-name"' }, 'private'],
  [{ 'cache-control': 'max-age=60, no-cache' }, 'no-cache'],
  [{ 'cache-control': 'max-age=60, no-cache="x-name"' }, 'no-cache'],
  [{ 'cache-control': 'max-age=60, must-understand' }, 60],
  [{ 'cache-control': 'max-age=60, must-understand' }, 'status', 299],
  [{ 'cache-control': 'max-age=60', 'set-cookie': 'a=1' }, 'set-cookie'],
  [{ 'cache-control': 'max-age=60', vary: 'accept, *' }, 'vary']
]

everywhere("with ttl: 'http' Cache-Control and Expires say how long a response is fresh", async (t, cache) => {
  await holds(await scene(t, { ttl: 'http' }, { cache }), t, byFields)
})

test('the age that a response has when it comes is taken off', async (t) => {
  const control = { 'cache-control': 'max-age=60' }
  await holds(await scene(t, { ttl: 'http' }), t, [
    [{ ...control, age: '10' }, 50],
    [{ ...control, age: '60' }, 'ttl'],
    [{ ...control, age: 'old' }, 'ttl'],
    [{ ...control, age: '1, 2' }, 'ttl'],
    [{ ...control, date: date(-20) }, 40],
    [{ ...control, date: date(-20), age: '30' }, 30],
    [{ ...control, date: date(-20), age: '5' }, 40],
    [{ ...control, date: date(20) }, 60],
    [{ ...control, date: 'today' }, 60],
    // Expires is about the Date of the response, not about the clock of this machine.
    [{ expires: date(30), date: date(-10) }, 30],
    [{ expires: date(30), date: date(10) }, 20],
    [{ expires: date(-30), date: date(-60) }, 'ttl']
  ])
})

test('hits go on counting from that age, and repeat the Date', async (t) => {
  const site = await scene(t, { ttl: 'http' })
  answers(site, { fields: { 'cache-control': 'max-age=60', age: '10', date: date(-12) } })
  await site.ask('/')
  site.pass(5000)
  const hit = await site.ask('/')
  t.strictSame([heard(hit), hit.field('age'), hit.field('date')], ['HIT hit; ttl=43', '17', date(-12)])
  site.pass(42_000)
  t.equal(heard(await site.ask('/')), 'HIT hit; ttl=1')
  site.pass(1000)
  t.match(heard(await site.ask('/')), /^MISS/)
})

everywhere('a targeted field counts in place of Cache-Control and Expires, where it is well-formed', async (t, cache) => {
  const ours = (value: string, rest: Fields = {}): Fields => ({ 'fastify-cache-control': value, ...rest })
  await holds(await scene(t, { ttl: 'http' }, { cache }), t, [
    [ours('max-age=20', { 'cache-control': 'no-store' }), 20],
    [ours('s-maxage=10, max-age=20', { 'cache-control': 'max-age=60' }), 10],
    [ours('no-store', { 'cache-control': 'max-age=60' }), 'no-store'],
    [ours('private', { 'cache-control': 'max-age=60' }), 'private'],
    [ours('public', { expires: date(30) }), 'ttl'],
    [ours('max-age="20"', { 'cache-control': 'max-age=60' }), 'ttl'],
    [ours('Max-Age=20', { 'cache-control': 'max-age=60' }), 60],
    [ours('max-age=20,', { 'cache-control': 'max-age=60' }), 60],
    [ours('', { 'cache-control': 'max-age=60' }), 60],
    [{ 'cdn-cache-control': 'max-age=20', 'cache-control': 'max-age=60' }, 60]
  ])
})

test('the first of the targeted fields that the plugin is told about counts', async (t) => {
  const site = await scene(t, { ttl: 'http' }, { cache: { targetedFields: ['Mine', 'CDN-Cache-Control'] } })
  await holds(site, t, [
    [{ mine: 'max-age=10', 'cdn-cache-control': 'max-age=20', 'cache-control': 'max-age=60' }, 10],
    [{ mine: '=', 'cdn-cache-control': 'max-age=20', 'cache-control': 'max-age=60' }, 20],
    [{ 'fastify-cache-control': 'max-age=10', 'cache-control': 'max-age=60' }, 60]
  ])
})

test('a heuristic lifetime is a tenth of the time without a change, bounded, and only where nothing is said', async (t) => {
  const changed = (seconds: number, control?: string): Fields => ({ 'last-modified': date(-seconds), ...control === undefined ? {} : { 'cache-control': control } })
  await holds(await scene(t, { ttl: { http: true, heuristic: '1d' } }), t, [
    [changed(1000), 100],
    [changed(MONTH_S), 86_400],
    [changed(-1000), 'ttl'],
    [{}, 'ttl'],
    [{ 'last-modified': 'long ago' }, 'ttl'],
    [changed(1000, 'max-age=60'), 60],
    [changed(1000, 'max-age=0'), 'MISS fwd=stale; stored'], // to be asked about each time
    [changed(1000, 'no-store'), 'no-store'],
    [{ ...changed(1000), expires: date(30) }, 30],
    [{ ...changed(1000), age: '40' }, 60],
    [changed(1000), 100, 404],
    [changed(1000), 'ttl', 403],
    [changed(1000, 'public'), 100, 403]
  ])
})

test("with ttl: 'http' every status may be stored but those that belong to one request", async (t) => {
  const fields = { 'cache-control': 'max-age=60' }
  const site = await scene(t, { ttl: 'http' })
  await holds(site, t, [200, 203, 204, 299, 300, 301, 302, 307, 308, 400, 403, 404, 405, 410, 418, 451, 500, 503].map((status) => [fields, 60, status]))
  await holds(site, t, [206, 304, 412, 416].map((status) => [fields, 'status', status]))
  const few = await scene(t, { ttl: 'http', statusCodes: [200, 404] })
  await holds(few, t, [[fields, 60, 200], [fields, 60, 404], [fields, 'status', 203]])
})

test("'http' may be said by status, and by a function", async (t) => {
  const fields = { 'cache-control': 'max-age=60' }
  await holds(await scene(t, { ttl: { 200: 'http', 203: { http: true, heuristic: 100 }, 404: '10s' } }), t, [
    [fields, 60], [{}, 'ttl'], [{ 'last-modified': date(-MONTH_S) }, 'ttl'], [{ 'last-modified': date(-MONTH_S) }, 100, 203], [fields, 10, 404], [fields, 'status', 500]
  ])
  await holds(await scene(t, { ttl: () => 'http' }), t, [[fields, 60], [{}, 'ttl'], [{ expires: date(20) }, 20], [fields, 'status', 404]])
})

test('an explicit ttl wins over lifetimes of the response, and loses to what forbids storing', async (t) => {
  await holds(await scene(t, { ttl: 40 }), t, [
    [{}, 40],
    [{ 'cache-control': 'max-age=60' }, 40],
    [{ 'cache-control': 's-maxage=0' }, 40],
    [{ 'cache-control': 'max-age=0, must-revalidate' }, 40],
    [{ expires: '0' }, 40],
    [{ age: '100', date: date(-100) }, 40],
    [{ 'fastify-cache-control': 'max-age=5', 'cache-control': 'no-store' }, 40],
    [{ 'cache-control': 'no-store' }, 'no-store'],
    [{ 'cache-control': 'private, max-age=60' }, 'private'],
    [{ 'cache-control': 'no-cache', etag: '"a"' }, 'no-cache'],
    [{ 'cache-control': 'max-age' }, 40],
    [{ 'cache-control': 'max-age==60' }, 'malformed-cache-control'],
    [{ 'fastify-cache-control': 'no-store', 'cache-control': 'public, max-age=60' }, 'no-store']
  ])
})

test('jitter does not shorten what the response has said itself', async (t) => {
  const given: Answer = { fields: { 'cache-control': 'max-age=600' } }
  const lifetimes = async (site: Scene): Promise<Set<unknown>> => {
    const all = new Set<unknown>()
    for (let i = 0; i < 20; i++) all.add(await lifetimeOf(site, given))
    return all
  }
  t.strictSame(await lifetimes(await scene(t, { ttl: 'http', jitter: 0.5 })), new Set([600]))
  t.ok((await lifetimes(await scene(t, { ttl: 600, jitter: 0.5 }))).size > 1, 'where the route says it, it does')
})

/** What is sent 15 seconds later, when the handler answers and when it fails. */
const windows: Array<[fields: Fields, well: RegExp, failing: RegExp]> = [
  [{ 'cache-control': 'max-age=10' }, /^MISS/, /^MISS/],
  [{ 'cache-control': 'max-age=10, stale-while-revalidate=20' }, /^STALE.*while-revalidate$/, /^STALE.*while-revalidate$/],
  [{ 'cache-control': 'max-age=10, stale-if-error=20' }, /^MISS/, /^STALE fwd=stale; fwd-status=500; detail=stale-if-error$/],
  [{ 'cache-control': 'max-age=10, stale-while-revalidate=20, stale-if-error=20, must-revalidate' }, /^MISS/, /^MISS/],
  [{ 'cache-control': 'max-age=10, stale-while-revalidate=20, proxy-revalidate' }, /^MISS/, /^MISS/],
  [{ 'cache-control': 's-maxage=10, stale-while-revalidate=20, stale-if-error=20' }, /^MISS/, /^MISS/],
  [{ 'fastify-cache-control': 'max-age=10, stale-while-revalidate=20', 'cache-control': 'must-revalidate' }, /^STALE/, /^STALE/],
  [{ 'fastify-cache-control': 'max-age=10', 'cache-control': 'stale-while-revalidate=20' }, /^MISS/, /^MISS/]
]

test('the response says how long it may be used after its lifetime', async (t) => {
  for (const [fields, well, failing] of windows) {
    for (const [status, expected] of [[200, well], [500, failing]] as const) {
      const site = await scene(t, { ttl: 'http' })
      const url = freshUrl()
      answers(site, { fields })
      await site.ask(url)
      site.pass(15_000)
      answers(site, { status })
      t.match(heard(await site.ask(url)), expected, `${status} ${JSON.stringify(fields)}`)
    }
  }
})

test('options of the route give windows to responses that do not forbid them', async (t) => {
  const site = await scene(t, { ttl: 'http', staleWhileRevalidate: 20 })
  for (const [control, expected] of [['max-age=10', /^STALE/], ['max-age=10, must-revalidate', /^MISS/], ['s-maxage=10', /^STALE/]] as const) {
    const url = freshUrl()
    answers(site, { fields: { 'cache-control': control } })
    await site.ask(url)
    site.pass(15_000)
    t.match(heard(await site.ask(url)), expected, control)
  }
})
