import t from 'tap'
import { createCache } from '../../lib/index.ts'
import { startFaultyProxy } from '../helpers/faulty-proxy.ts'
import { startRedisServer } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'

for (const kind of ['blackhole', 'garble'] as const) {
  t.test(`after a network that ${kind === 'garble' ? 'damages answers' : 'loses answers'}, also those to what a connection begins with, all is as before`, async (t) => {
    const server = await startRedisServer(t)
    const proxy = await startFaultyProxy({ port: server.port })
    t.teardown(() => proxy.close())
    const cache = createCache({ redis: `redis://127.0.0.1:${proxy.port}`, memory: {}, defaults: { ttl: '1m' }, timeouts: { read: '200ms' }, breaker: { openFor: '200ms' } })
    t.teardown(() => cache.close())
    await cache.connect()
    await until(async () => await cache.set('a', 'kept'))
    await until(async () => await cache.get('a') === 'kept')
    await proxy.set(kind === 'garble' ? { kind, every: 50 } : { kind, direction: 'replies' })
    proxy.cut()
    const faultyAt = performance.now()
    await until(async () => {
      t.ok([undefined, 'kept'].includes(await cache.get('a')))
      await cache.getOrSet('b', () => 'made')
      return performance.now() - faultyAt > 3000
    })
    await proxy.set({ kind: 'none' })
    const healedAt = performance.now()
    await until(async () => await cache.set('c', 1) && await cache.get('a') === 'kept' && await cache.get('c') === 1)
    const ms = performance.now() - healedAt
    t.ok(ms < 5000, `as before after ${ms} ms`)
    t.equal(cache.stats().store.read, 'closed')
  })
}
