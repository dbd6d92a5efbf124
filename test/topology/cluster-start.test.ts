import t from 'tap'
import { createCache, type Cache } from '../../lib/index.ts'
import { startReplicatedCluster } from '../helpers/redis-cluster.ts'
import { until } from '../helpers/until.ts'

// Fleets of servers take their time to start and to fail over where the machine does something else as well.
t.setTimeout(300_000)

const PREFIX = 'start'

for (const lost of ['killMaster', 'freezeMaster'] as const) {
  t.test(`a process that starts after ${lost === 'killMaster' ? 'the loss' : 'the freeze'} of a master and before the failover has a cache once a replica has its place`, async (t) => {
    const cluster = await startReplicatedCluster(t, { nodeTimeoutMs: 3000 })
    const master = await cluster.masterOf(`${PREFIX}:marks`)
    const rootNodes = cluster.rootNodes.filter(({ url }) => url !== master.url)
    let cache: Cache | undefined
    await cluster[lost](`${PREFIX}:marks`, () => {
      cache = createCache({ redis: { rootNodes }, prefix: PREFIX, defaults: { ttl: '1h' }, timeouts: { read: '1s' } })
    })
    t.teardown(() => cache?.close())
    await until(async () => await cache!.set('key', 'value') && await cache!.get('key') === 'value', 60)
    t.pass('it stores and finds')
  })
}
