import { createClient } from 'redis'
import t, { type Test } from 'tap'
import { createCache } from '../../lib/index.ts'
import { startFaultyProxy } from '../helpers/faulty-proxy.ts'
import { startRedisCluster } from '../helpers/redis-cluster.ts'
import { startRedisServer } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'

t.test('a connection with a password is made anew as soon as one without', async (t) => {
  const server = await startRedisServer(t, { args: ['--requirepass', 'secret'] })
  const proxy = await startFaultyProxy({ port: server.port })
  t.teardown(() => proxy.close())
  const cache = createCache({ redis: `redis://:secret@127.0.0.1:${proxy.port}`, defaults: { ttl: '1m' }, timeouts: { read: '200ms' }, breaker: { openFor: '200ms' } })
  t.teardown(() => cache.close())
  await cache.connect()
  await until(async () => await cache.set('a', 'kept'))
  await proxy.set({ kind: 'blackhole', direction: 'replies' })
  proxy.cut()
  const faultyAt = performance.now()
  await until(async () => {
    await cache.get('a')
    return performance.now() - faultyAt > 1500
  })
  await proxy.set({ kind: 'none' })
  const healedAt = performance.now()
  await until(async () => await cache.get('a') === 'kept')
  const ms = performance.now() - healedAt
  t.ok(ms < 5000, `as before after ${ms} ms`)
})

t.test('connections that are accepted and closed at once are opened by one who tries, and none is left after closing', async (t) => {
  const server = await startRedisServer(t)
  const proxy = await startFaultyProxy({ port: server.port })
  t.teardown(() => proxy.close())
  const caches = Array.from({ length: 10 }, (_, at) => createCache({ redis: `redis://127.0.0.1:${proxy.port}`, prefix: `p${at}`, defaults: { ttl: '1m' }, timeouts: { read: '5s' } }))
  await Promise.all(caches.map((cache) => cache.connect()))
  await proxy.set({ kind: 'hang-up' })
  proxy.cut()
  const hungUpAt = performance.now()
  await until(async () => performance.now() - hungUpAt > 2000)
  await proxy.set({ kind: 'delay', ms: 50 })
  await until(async () => (await Promise.all(caches.map((cache) => cache.set('a', 1)))).every(Boolean))
  await until(async () => await connectionsOf(t, server.url) === caches.length)
  await Promise.all(caches.map((cache) => cache.close()))
  await until(async () => await connectionsOf(t, server.url) === 0)
})

t.test('a Cluster that is closed while it is being connected leaves no connection', async (t) => {
  const { rootNodes } = await startRedisCluster(t)
  for (const turns of [0, 5, 20]) {
    const cache = createCache({ redis: { rootNodes }, defaults: { ttl: '1m' } })
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
    await cache.close()
  }
  for (const { url } of rootNodes) await until(async () => await connectionsOf(t, url!) === 0)
})

t.test('nobody waits for an invalidation after the cache is closed', async (t) => {
  const server = await startRedisServer(t)
  const cache = createCache({ redis: server.url, defaults: { ttl: '1m' }, timeouts: { invalidate: '60s', write: '200ms' } })
  await cache.connect()
  await server.pause()
  const outcome = cache.invalidateKey('a').then(() => 'confirmed', ({ code }: { code: string }) => code)
  await cache.close()
  t.equal(await outcome, 'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE')
  await server.resume()
})

/** Those of clients, without the one that asks. */
async function connectionsOf (t: Test, url: string): Promise<number> {
  const client = createClient({ url })
  client.on('error', (fault) => { t.comment(String(fault)) })
  await client.connect()
  try {
    const list = String(await client.sendCommand(['CLIENT', 'LIST', 'TYPE', 'normal']))
    return list.trim().split('\n').filter((line) => !line.includes('cmd=client')).length
  } finally {
    client.destroy()
  }
}
