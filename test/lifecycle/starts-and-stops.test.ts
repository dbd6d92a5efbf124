import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createClient } from 'redis'
import { freePort } from '../helpers/free-port.ts'
import { startRedisCluster } from '../helpers/redis-cluster.ts'
import { startRedisServer } from '../helpers/redis.ts'
import { builtProgram } from '../helpers/built-program.ts'
import type { ManyApps, ManyAppsReport } from './many-apps.ts'
import { runOfFolder } from './run-program.ts'

const program = await builtProgram(join(import.meta.dirname, 'many-apps.ts'))

/** How many apps one after another; the long form: `APPS=1000 npx tap test/lifecycle/starts-and-stops.test.ts`. */
const APPS = Number(process.env.APPS ?? 40)
/** Clients of a Cluster take longer to connect. */
const CLUSTER_APPS = 10
/** What all of them together may leave: a single app that stays takes hundreds of kilobytes. */
const MOST_BYTES = 4_000_000

t.test('apps that keep entries in the process leave nothing behind', async (t) => {
  await leavesNothing(t, { count: APPS, prefix: 'p' })
})

for (const memory of [false, true]) {
  const place = memory ? 'in memory in front of Redis' : 'in Redis'
  t.test(`apps that keep entries ${place} leave nothing behind, here or there`, async (t) => {
    await withServer(t, async (url) => { await leavesNothing(t, { count: APPS, prefix: 'p', redis: url, memory }) })
  })

  t.test(`apps that keep entries ${place} leave nothing on a client that they share`, async (t) => {
    await withServer(t, async (url) => { await leavesNothing(t, { count: APPS, prefix: 'p', redis: url, memory, isOwnClient: true }) })
  })

  t.test(`apps that keep entries ${place} leave nothing behind where nobody listens`, async (t) => {
    const redis = `redis://127.0.0.1:${await freePort()}`
    const { answers } = await leavesNothing(t, { count: APPS, prefix: 'p', redis, memory, isAway: true })
    t.equal((answers['MISS'] ?? 0) + (answers['HIT'] ?? 0), 3 * APPS, 'without Redis every request has its answer, its own or that of one beside it')
  })
}

t.test('apps that keep entries in a Cluster leave nothing behind', async (t) => {
  const { rootNodes } = await startRedisCluster(t)
  for (const memory of [false, true]) await leavesNothing(t, { count: CLUSTER_APPS, prefix: 'p', redis: { rootNodes }, memory })
})

async function leavesNothing (t: Test, settings: ManyApps): Promise<ManyAppsReport> {
  const { said: [report], code, errors } = await runOfFolder<ManyAppsReport>(t, [program, JSON.stringify(settings)], { nodeArgs: ['--expose-gc'] })
  if (report === undefined) throw new Error(`the program has ended with ${code}:\n${errors}`)
  const { before, after, kept, warnings, unhandled, answers } = report
  const grownBytes = after.heapBytes - before.heapBytes
  t.comment(`${settings.count} apps: heap ${(before.heapBytes / 1e6).toFixed(1)} MB before, ${(after.heapBytes / 1e6).toFixed(1)} MB after; answers ${JSON.stringify(answers)}`)
  t.same(after.resources, before.resources, 'nothing keeps the process alive that did not before')
  t.same(after.listeners, before.listeners, 'a client that is shared has the listeners that it had')
  t.equal(kept, 0, 'no app is kept in memory')
  t.ok(grownBytes < MOST_BYTES, `the heap has grown by ${grownBytes} bytes`)
  t.same([warnings, unhandled], [[], []])
  t.equal(code, 0, errors)
  if (settings.isAway !== true) t.equal((answers['HIT'] ?? 0) > settings.count, true, JSON.stringify(answers))
  return report
}

/** A server of its own, whose connections are those of this test. */
async function withServer (t: Test, run: (url: string) => Promise<void>): Promise<void> {
  const { url } = await startRedisServer(t)
  const admin = await createClient({ url }).connect()
  t.teardown(() => admin.close())
  await run(url)
  t.equal((await admin.clientList()).length, 1, 'no connection is left')
}
