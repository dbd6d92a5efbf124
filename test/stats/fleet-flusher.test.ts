import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { bucketAt, goesAt, LocalFleetLog, UNIT_MS, type FleetLog, type Told } from '../../lib/stats/fleet-log.ts'
import { readFleetStats } from '../../lib/stats/fleet-stats.ts'
import { PendingNumbers, TOLD_AT_ONCE } from '../../lib/stats/pending-numbers.ts'
import { runPlain } from '../helpers/plain-process.ts'
import { until } from '../helpers/until.ts'
import { CountedRequests, diceOf, flusherOf, nothingOf } from './fleet-scene.ts'

const START = 1_800_000_000_000

/** A log that records what it is told, and does with it what `add` says. */
function recording (add: (told: Told) => Promise<'added' | 'late' | 'full'> = async () => 'added', mostLabels = 1000): FleetLog & { readonly told: Told[] } {
  const told: Told[] = []
  return {
    told,
    mostLabels,
    now: async () => START,
    read: async () => ({ processes: [], numbers: new Map() }),
    add: async (_bucket, one) => {
      told.push(one)
      return await add(one)
    }
  }
}

const never = new Promise<never>(() => {})

t.test('only what was counted since is told, and nothing when nothing was', async (t) => {
  const log = recording()
  const app = new CountedRequests(['GET /a', 'GET /b'], diceOf(1))
  const flusher = flusherOf({ log, counts: app.counts })
  await flusher.flush()
  t.equal(log.told.length, 0)
  const [a, b] = app.routes as [typeof app.routes[0], typeof app.routes[0]]
  a.hits = 3
  b.misses = 1
  await flusher.flush()
  a.hits = 5
  a.savedMs = 0.0016
  await flusher.flush()
  await flusher.flush()
  t.same(log.told.map(({ numbers }) => [...numbers].map(([label, own]) => [label, [...own]])), [
    ...twice([['GET /a\neven', [['hits', 3]]], ['GET /b\nodd', [['misses', 1]]]]),
    ...twice([['GET /a\neven', [['hits', 2], ['savedUs', 2]]]])
  ], 'to the minute and to the hour')
  t.same(new Set(log.told.map(({ sequence }) => sequence)).size, 4)
})

t.test('a count that begins anew is added, not taken away', async (t) => {
  const log = recording()
  const app = new CountedRequests(['GET /a'], diceOf(1))
  const flusher = flusherOf({ log, counts: app.counts })
  for (const hits of [7, 2, 3]) {
    app.routes[0]!.hits = hits
    await flusher.flush()
  }
  t.same(log.told.map(({ numbers }) => numbers.get('GET /a\neven')?.get('hits')), [7, 7, 2, 2, 1, 1])
})

t.test('routes beyond the most there may be are told together', async (t) => {
  const log = recording(undefined, 3)
  const routes = Array.from({ length: 10 }, (_, at) => ({ ...nothingOf(`GET /${at}`, 'n'), hits: at + 1 }))
  const flusher = flusherOf({ log, counts: () => ({ routes: [...routes].reverse(), invalidations: { calls: 0, byKind: {}, byCause: {} } }) })
  await flusher.flush()
  routes[9]!.hits++
  routes[0]!.hits++
  await flusher.flush()
  const told = log.told.map(({ numbers }) => Object.fromEntries([...numbers].map(([label, own]) => [label, own.get('hits')])))
  t.same(told, [...twice({ 'GET /9\nn': 10, 'GET /8\nn': 9, 'GET /7\nn': 8, 'other\nother': 28 }), ...twice({ 'GET /9\nn': 1, 'other\nother': 1 })])
})

t.test('much is told in parts, in order, each with the next sequence', async (t) => {
  const log = recording()
  const app = new CountedRequests(Array.from({ length: 120 }, (_, at) => `GET /${at}`), diceOf(1))
  app.count(5000)
  await flusherOf({ log, counts: app.counts }).flush()
  t.same(log.told.map(({ sequence, numbers }) => [sequence, numbers.size <= TOLD_AT_ONCE]), [1, 2, 3, 4, 5, 6].map((sequence) => [sequence, true]))
})

t.test('what fails is told again as it was, with what was counted since behind it', async (t) => {
  let isBroken = true
  const log = recording(async () => { if (isBroken) throw new Error('broken'); return 'added' })
  const app = new CountedRequests(['GET /a'], diceOf(1))
  const faults: unknown[] = []
  const flusher = flusherOf({ log, counts: app.counts, onFailing: (fault) => { faults.push(fault) } })
  for (const hits of [1, 3, 6]) {
    app.routes[0]!.hits = hits
    await flusher.flush()
  }
  isBroken = false
  await flusher.flush()
  t.same(log.told.map(({ sequence, numbers }) => [sequence, numbers.get('GET /a\neven')!.get('hits')]), [[1, 1], [1, 1], [1, 1], [1, 1], [2, 5], [3, 6]], 'the hour was not sent yet')
  t.equal(faults.length, 1)
})

t.test('a store that cannot add it at all is not asked for ever, and the requests are counted', async (t) => {
  for (const outcome of ['late', 'full'] as const) {
    const log = recording(async () => outcome)
    const app = new CountedRequests(['GET /a'], diceOf(1))
    app.count(10)
    const flusher = flusherOf({ log, counts: app.counts })
    await flusher.flush()
    t.same(flusher.stats, { pending: 0, givenUp: { minute: 10, hour: 10 } })
  }
})

t.test('a store that is silent is asked three times at most, and closing does not wait for it', async (t) => {
  let asked = 0
  const log = { ...recording(), now: () => { asked++; return never } }
  const app = new CountedRequests(['GET /a'], diceOf(1))
  app.count(10)
  const flusher = flusherOf({ log, counts: app.counts, closeMs: 50, answerMs: 1 })
  const alive = setInterval(() => {}, 1000) // nothing of a flush keeps the process alive
  t.teardown(() => { clearInterval(alive) })
  for (let times = 0; times < 10; times++) await flusher.flush()
  t.equal(asked, 3)
  const beganAt = performance.now()
  await flusher.close()
  await flusher.close()
  t.ok(performance.now() - beganAt < 2000)
  t.equal(asked, 3)
  t.ok(flusher.stats.pending > 0)
})

t.test('closing tells the rest, and nothing happens afterwards', async (t) => {
  const log = recording()
  const app = new CountedRequests(['GET /a'], diceOf(1))
  const flusher = flusherOf({ log, counts: app.counts, everyMs: 1 })
  flusher.start()
  app.count(10)
  await flusher.close()
  const { length } = log.told
  t.ok(length > 0)
  app.count(10)
  flusher.start()
  for (let turn = 0; turn < 50; turn++) await nextTurn()
  t.equal(log.told.length, length)
})

t.test('counts that cannot be taken disturb nobody', async (t) => {
  const faults: unknown[] = []
  const flusher = flusherOf({ log: recording(), counts: () => { throw new Error('no counts') }, everyMs: 1, onFailing: (fault) => { faults.push(fault) } })
  flusher.start()
  await until(() => faults.length > 0)
  await flusher.flush()
  await flusher.close()
})

t.test('calls of a moment share a flush, and each has told what was counted before it', async (t) => {
  let open: () => void = () => {}
  const gate = new Promise<void>((resolve) => { open = resolve })
  const log = recording(async () => { await gate; return 'added' })
  const app = new CountedRequests(['GET /a'], diceOf(1))
  const flusher = flusherOf({ log, counts: app.counts })
  app.routes[0]!.hits = 1
  const first = flusher.flush()
  await until(() => log.told.length === 1)
  app.routes[0]!.hits = 2
  const others = [flusher.flush(), flusher.flush(), flusher.flush()]
  open()
  await Promise.all([first, ...others])
  t.same(log.told.map(({ numbers }) => numbers.get('GET /a\neven')!.get('hits')), [1, 1, 1, 1])
  t.equal(flusher.stats.pending, 0)
})

t.test('what waits is bounded: the oldest minutes are given up first, then the oldest hours', (t) => {
  const pending = new PendingNumbers({ process: 'p', most: 12 })
  const one = new Map([['GET /a\nn', new Map([['hits', 3], ['misses', 1], ['servedBytes', 50]])]])
  for (let minute = 0; minute < 2; minute++) pending.add(START + minute * UNIT_MS.minute, one)
  t.same([pending.size, pending.givenUp], [9, { minute: 0, hour: 0 }])
  for (let minute = 2; minute < 5; minute++) pending.add(START + minute * UNIT_MS.minute, one)
  t.same([pending.size, pending.givenUp], [12, { minute: 8, hour: 0 }])
  for (let hour = 1; hour < 6; hour++) pending.add(START + hour * UNIT_MS.hour, one)
  t.same([pending.size, pending.givenUp], [12, { minute: 36, hour: 5 * 4 + 4 + 4 }])
  const sent = pending.next()!
  pending.add(START + 60 * UNIT_MS.hour, one)
  pending.done(sent.bucket, sent.told)
  let left = 0
  for (let next = pending.next(); next !== undefined; next = pending.next()) {
    left++
    t.ok(goesAt(next.bucket) > START + 60 * UNIT_MS.hour)
    pending.done(next.bucket, next.told)
  }
  t.ok(left > 0)
  t.equal(pending.size, 0)
  t.end()
})

t.test('alone, a process has the same statistics of its own, by the clock it was given', async (t) => {
  let now = START
  const log = new LocalFleetLog({ clock: () => now })
  const app = new CountedRequests(['GET /a', 'GET /b'], diceOf(1))
  const flusher = flusherOf({ log, counts: app.counts })
  const flush = (): Promise<void> => flusher.flush()
  for (let minute = 0; minute < 180; minute++) {
    now = START + minute * UNIT_MS.minute
    app.count(10)
    await flusher.flush()
  }
  app.count(5)
  const hour = await readFleetStats(log, { last: '1h', flush })
  t.same([hour.from, hour.to, hour.processes, hour.series.length], [now - 59 * UNIT_MS.minute, now + UNIT_MS.minute, 1, 60])
  t.same(hour.series.map(({ at, hits, stale, misses, bypasses }) => [at, hits + stale + misses + bypasses]), Array.from({ length: 60 }, (_, at) => [now - (59 - at) * UNIT_MS.minute, at === 59 ? 15 : 10]))
  t.equal(hour.hits + hour.stale + hour.misses + hour.bypasses, 605)
  const day = await readFleetStats(log, { last: '24h', flush })
  t.equal(day.hits + day.stale + day.misses + day.bypasses, 1805)
  t.equal(day.series.length, 24)
  t.equal(day.to % UNIT_MS.hour, 0)
  now += 49 * UNIT_MS.hour
  app.count(1)
  const later = await readFleetStats(log, { last: '24h', flush })
  t.equal(later.hits + later.stale + later.misses + later.bypasses, 1)
  t.same(await log.read(bucketAt('hour', START)), { processes: [], numbers: new Map() }, 'what is old is forgotten')
})

t.test('a store that does not answer makes the statistics fail in time, and the reading end', async (t) => {
  const log = { ...recording(), read: () => never }
  await t.rejects(readFleetStats(log, { last: '1h', answerMs: 20 }), { code: 'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE' })
  await t.rejects(readFleetStats(log, { last: '1h', answerMs: 20, flush: () => never }), { code: 'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE' })
})

t.test('the timer does not keep a process alive', async (t) => {
  const file = join(import.meta.dirname, 'fleet-idle.ts')
  const { code, stdout, stderr } = await runPlain(process.execPath, ['--import=tsx', file], { timeout: 20_000 })
  t.same([code, stdout, stderr], [0, 'ends\n', ''])
})

function twice<T> (value: T): [T, T] {
  return [value, value]
}
