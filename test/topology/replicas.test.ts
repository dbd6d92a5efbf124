import { createCluster, createSentinel } from 'redis'
import t, { type Test } from 'tap'
import { createCache } from '../../lib/index.ts'
import type { RedisOption } from '../../lib/store/redis-client.ts'
import { startSentinelFleet } from '../helpers/redis-sentinel.ts'
import { cutReplica } from './cut-replica.ts'
import { Scene } from './scene.ts'

// Fleets of servers take their time to start and to fail over where the machine does something else as well.
t.setTimeout(300_000)

const TIMEOUTS = { read: '5s', write: '5s' } as const
const THING = 3

t.test('replicas as servers of reads are refused where the options say so: what they have may be older than an acknowledged invalidation', (t) => {
  const sentinelRootNodes = [{ host: '127.0.0.1', port: 1 }]
  const options: RedisOption[] = [{ rootNodes: [], useReplicas: true }, { name: 'fleet', sentinelRootNodes, replicaPoolSize: 1 }]
  for (const redis of options) t.throws(() => createCache({ redis }), { code: 'RESPONSE_CACHE_ERR_OPTION_CONFLICT' })
  t.throws(() => createCache({ redis: createCluster({ rootNodes: [], useReplicas: true }) }), { code: 'RESPONSE_CACHE_ERR_OPTION_CONFLICT' })
  t.end()
})

t.test('a Sentinel client of the user that reads from replicas: an acknowledged invalidation holds, whatever the replicas still have', async (t) => {
  const fleet = await startSentinelFleet(t, { downAfterMs: 30_000 })
  const { name, sentinelRootNodes } = fleet.options
  const client = createSentinel({ name, sentinelRootNodes: [...sentinelRootNodes], replicaPoolSize: 1 })
  await client.connect()
  t.teardown(() => client.close())
  const master = await fleet.master()
  const replicas = fleet.servers.filter((server) => server !== master)
  await holds(t, client, async () => { for (const replica of replicas) await cutReplica(master, replica) })
})

/** Replicas go on answering with what they had. */
async function holds (t: Test, redis: RedisOption, cut: () => Promise<void>): Promise<void> {
  const scene = await Scene.open(t, { redis, timeouts: TIMEOUTS })
  await cut()
  scene.takeCounts()
  for (let round = 0; round < 5; round++) {
    for (const app of scene.apps) {
      t.ok(await scene.change(app, THING))
      for (const reader of scene.apps.filter(({ blindMs }) => blindMs === 0)) t.equal((await scene.request(reader, THING)).version, scene.versions.read(THING), `${reader.name} has what came after`)
    }
  }
  const { staleAsFresh, examples } = scene.takeCounts()
  t.same({ staleAsFresh, examples }, { staleAsFresh: 0, examples: [] })
}
