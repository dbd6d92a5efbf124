import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createClient } from 'redis'
import t, { type Test } from 'tap'
import { addCounts, type Counts } from '../../lib/stats/counts.ts'
import { UNITS } from '../../lib/stats/fleet-log.ts'
import { FLEET_TIMES, readFleetStats } from '../../lib/stats/fleet-stats.ts'
import { startFaultyProxy } from '../helpers/faulty-proxy.ts'
import { spawnPlain } from '../helpers/plain-process.ts'
import { startRedisServer, useRedis, type RedisTestClient } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'
import type { FleetReport, FleetTask } from './fleet-process.ts'
import { CountedRequests, diceOf, flusherOf, logOf, NAMES, plain } from './fleet-scene.ts'

interface Started {
  readonly child: ChildProcess
  /** Gives what it says when it is done. */
  does (task: FleetTask): Promise<FleetReport>
}

t.test('the numbers of four processes are exactly what they have counted, also where answers are lost and a process is killed', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  // Two of them lose every third answer, after Redis has done what they told.
  const start = (seed: number): Promise<Started> => startProcess(t, [url, prefix, String(seed), seed % 2 === 1 ? 'lossy' : ''])
  const processes = await Promise.all([1, 2, 3, 4].map(start))
  const [killed, ...others] = processes as [Started, ...Started[]]
  const rounds = [700, 1300]
  for (const requests of rounds) await Promise.all(processes.map(({ does }) => does({ type: 'count', requests })))
  const reports = [await killed.does({ type: 'tell' })]
  killed.child.kill('SIGKILL')
  await once(killed.child, 'exit')
  const again = await start(5)
  await again.does({ type: 'count', requests: 400 })
  for (const { does } of [...others, again]) {
    await does({ type: 'tell' }) // what is lost at the very end, nobody tells again
    reports.push(await does({ type: 'close' }))
  }

  const counted = [...[1, 2, 3, 4].map((seed) => counts(seed, rounds)), counts(5, [400])]
  const log = logOf(client, prefix)
  for (const last of FLEET_TIMES) {
    const fleet = await readFleetStats(log, { last })
    t.equal(fleet.processes, 5, 'a process that was started again is another one')
    const expected = plain(addCounts(counted.flatMap(({ routes }) => routes)))
    t.match(plain(fleet), expected, last)
    for (const name of NAMES) t.match(plain(fleet.routes.find(({ route }) => route === name)!), plain(addCounts(counted.map(({ routes }) => routes.find(({ route }) => route === name)!))), name)
    t.match(plain(addCounts(Object.values(fleet.namespaces))), expected)
    t.equal(fleet.invalidations.calls, sum(counted.map(({ invalidations }) => invalidations.calls)))
    for (const words of [fleet.invalidations.byKind, fleet.invalidations.byCause]) t.equal(sum(Object.values(words)), fleet.invalidations.calls)
    t.equal(sum(fleet.series.map(requestsOf)), 4 * 2000 + 400)
  }
  const [lost, known] = [sum(reports.map(({ lost }) => lost)), sum(reports.map(({ known }) => known))]
  t.comment(`${lost} answers were lost, ${known} times something was known already`)
  t.ok(known > 5)
})

t.test('what was told and not answered, because the connection broke, is counted once', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const proxy = await startFaultyProxy({ port: Number(new URL(url).port || 6379) })
  t.teardown(() => proxy.close())
  const far = createClient({ url: `redis://127.0.0.1:${proxy.port}`, disableOfflineQueue: true, socket: { reconnectStrategy: 10 } })
  far.on('error', () => {})
  await far.connect()
  t.teardown(() => { far.destroy() })
  const app = new CountedRequests(NAMES, diceOf(1))
  const faults: unknown[] = []
  const flusher = flusherOf({ log: logOf(far as unknown as RedisTestClient, prefix), counts: app.counts, onFailing: (fault) => { faults.push(fault) } })
  const log = logOf(client, prefix)
  const requestsIn = async (): Promise<number> => requestsOf(await readFleetStats(log, { last: '24h' }))
  let counted = 0
  // The answer with the time is 16 bytes long; that to what was told follows and is cut.
  for (const afterBytes of [4, 18, 20, 22]) {
    app.count(100)
    counted += 100
    await proxy.set({ kind: 'cut', afterBytes })
    await flusher.flush()
    t.ok(flusher.stats.pending > 0, `an answer was lost after ${afterBytes} bytes`)
    if (afterBytes > 16) await until(async () => requestsOf(await readFleetStats(log, { last: '1h' })) === counted)
    await proxy.set({ kind: 'none' })
    await until(() => far.isReady)
    await until(async () => await flusher.flush().then(() => flusher.stats.pending === 0))
    t.equal(await requestsIn(), counted)
  }
  t.equal(faults.length, 4, 'told each time that it begins to fail')
  t.same(flusher.stats, { pending: 0, givenUp: { minute: 0, hour: 0 } })
})

t.test('what was counted while Redis was away is told when it is back', async (t) => {
  const server = await startRedisServer(t)
  const client = createClient({ url: server.url, disableOfflineQueue: true, socket: { reconnectStrategy: 10 } })
  client.on('error', () => {})
  await client.connect()
  t.teardown(() => { client.destroy() })
  const app = new CountedRequests(NAMES, diceOf(1))
  const faults: unknown[] = []
  const log = logOf(client as unknown as RedisTestClient, 'away')
  const flusher = flusherOf({ log, counts: app.counts, everyMs: 10, onFailing: (fault) => { faults.push(fault) } })
  t.teardown(() => flusher.close())
  await server.stop()
  await until(() => !client.isReady)
  flusher.start()
  app.count(500)
  await until(() => faults.length > 0)
  app.count(500)
  t.equal(faults.length, 1, 'said once')
  await t.rejects(readFleetStats(log, { last: '1h' }), { code: 'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE' })
  await server.start()
  await until(() => client.isReady)
  await until(async () => requestsOf(await readFleetStats(log, { last: '1h' })) === 1000)
  t.same(flusher.stats, { pending: 0, givenUp: { minute: 0, hour: 0 } })
})

t.test('40 processes with 50 busy routes fill a bucket of less than 64 kB', async (t) => {
  const { prefix, client } = await useRedis(t)
  const log = logOf(client, prefix)
  const names = Array.from({ length: 50 }, (_, at) => `GET /api/v1/resource-${at}/:id`)
  for (let process = 0; process < 40; process++) {
    const app = new CountedRequests(names, diceOf(process))
    app.count(1000)
    await flusherOf({ log, counts: app.counts }).flush()
  }
  const fleet = await readFleetStats(log, { last: '1h' })
  t.same([fleet.processes, requestsOf(fleet), fleet.routes.length], [40, 40_000, 50])
  let buckets = 0
  for await (const keys of client.scanIterator({ MATCH: `${prefix}:stats:*`, COUNT: 1000 })) {
    for (const key of keys) {
      buckets++
      const bytes = await client.memoryUsage(key, { SAMPLES: 0 }) ?? 0
      t.comment(`${key.slice(prefix.length + 1)}: ${bytes} bytes, ${await client.hLen(key)} fields`)
      t.ok(bytes > 0 && bytes < 65_536)
    }
  }
  t.ok(buckets >= UNITS.length)
})

async function startProcess (t: Test, args: readonly string[]): Promise<Started> {
  const child = spawnPlain(process.execPath, ['--import=tsx', join(import.meta.dirname, 'fleet-process.ts'), ...args], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  t.teardown(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit').then(([code, signal]: unknown[]) => { throw new Error(`a process has ended: ${code ?? signal}`) })
  ended.catch(() => {}) // of interest to those who wait for it only
  const report = async (): Promise<FleetReport> => {
    const [said] = await Promise.race([once(child, 'message'), ended]) as [FleetReport]
    return said
  }
  await report()
  return {
    child,
    does (task) {
      const said = report()
      child.send(task)
      return said
    }
  }
}

/** What a process with this seed has counted. */
function counts (seed: number, rounds: readonly number[]): CountedRequests {
  const app = new CountedRequests(NAMES, diceOf(seed))
  for (const requests of rounds) app.count(requests)
  return app
}

function requestsOf ({ hits, stale, misses, bypasses }: Pick<Counts, 'hits' | 'stale' | 'misses' | 'bypasses'>): number {
  return hits + stale + misses + bypasses
}

function sum (numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0)
}
