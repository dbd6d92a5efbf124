import t from 'tap'
import { storePromises } from 'fastify-response-cache/store-contract'
import { createCache } from '../../lib/index.ts'
import { RedisStore } from '../../lib/store/redis-store.ts'
import { startRedisCluster } from '../helpers/redis-cluster.ts'

t.test('on a Redis Cluster', async (t) => {
  const cluster = await startRedisCluster(t)

  for (const { name, run } of storePromises) {
    await t.test(name, () => run(() => new RedisStore({ redis: cluster, prefix: 'contract', commandMs: 1000, onFault: (fault) => t.comment(fault) })))
  }

  await t.test('entries spread over the nodes, and many are read at once', async (t) => {
    await using cache = createCache({ redis: cluster, defaults: { ttl: '1m' }, timeouts: { read: '5s' } })
    await cache.connect()
    const keys = Array.from({ length: 50 }, (_, i) => `user:${i}`)
    t.ok((await cache.setMany(keys.map((key) => [key, key] as const))).every((stored) => stored))
    t.same(await cache.getMany(keys), keys)
    t.equal(await cache.deleteMany(keys), 50)
  })
})
