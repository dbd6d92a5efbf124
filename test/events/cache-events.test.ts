import { setTimeout as wait } from 'node:timers/promises'
import Fastify from 'fastify'
import responseCache, { createCache, type CacheOptions } from 'fastify-response-cache'
import { createClient } from 'redis'
import t, { type Test } from 'tap'
import { startRedisServer, useRedis } from '../helpers/redis.ts'
import { until } from './scene.ts'

type Cache = ReturnType<typeof createCache>

function cacheOf (t: Test, options: CacheOptions): Cache {
  // A machine that is busy is not what is tested.
  const cache = createCache({ defaults: { ttl: '1h' }, timeouts: { read: '5s', write: '5s' }, ...options })
  t.teardown(() => cache.close())
  return cache
}

const points = ({ userId }: { userId: number }) => ({ tags: [`user:${userId}`] })

async function fill (cache: Cache): Promise<void> {
  for (const user of [1, 2]) t.ok(await cache.set(`points:${user}`, user, { tags: [`user:${user}`] }))
}

async function isThere (cache: Cache): Promise<boolean[]> {
  return await Promise.all([cache.has('points:1'), cache.has('points:2')])
}

t.test('in memory, an event invalidates what its handlers name', async (t) => {
  const cache = cacheOf(t, {})
  cache.invalidateOn('points_changed', points)
  await cache.connect()
  await fill(cache)
  await cache.publish('points_changed', { userId: 1 })
  t.strictSame(await isThere(cache), [false, true])
})

t.test('with Redis, what own handlers name is gone when publish has resolved, for all processes', async (t) => {
  const { url, prefix } = await useRedis(t)
  const [a, b] = [cacheOf(t, { redis: url, prefix }), cacheOf(t, { redis: url, prefix })]
  a.invalidateOn('points_changed', points)
  await Promise.all([a.connect(), b.connect()])
  for (let round = 0; round < 50; round++) {
    await fill(a)
    await a.publish('points_changed', { userId: 1 })
    t.strictSame(await isThere(b), [false, true])
  }
})

t.test('handlers of another process, and events of any service', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const [a, b] = [cacheOf(t, { redis: url, prefix }), cacheOf(t, { redis: url, prefix })]
  a.invalidateOn('points_changed', points)
  await Promise.all([a.connect(), b.connect()])
  await fill(b)
  await b.publish('points_changed', { userId: 1 })
  await until('handled by the other process', async () => !(await b.has('points:1')))
  await client.xAdd(`${prefix}:events`, '*', { json: '{"event":"points_changed","data":{"userId":2}}' })
  await until('handled', async () => !(await b.has('points:2')))
})

t.test('copies in memory are invalidated as well', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const [a, b] = [cacheOf(t, { redis: url, prefix, memory: { maxBytes: 1e6 } }), cacheOf(t, { redis: url, prefix, memory: { maxBytes: 1e6 } })]
  a.invalidateOn('points_changed', points)
  await Promise.all([a.connect(), b.connect()])
  await fill(a)
  for (const cache of [a, b, a, b, a, b]) t.strictSame(await isThere(cache), [true, true])
  await client.xAdd(`${prefix}:events`, '*', { json: '{"event":"points_changed","data":{"userId":2}}' })
  for (const cache of [a, b]) await until('handled', async () => !(await cache.has('points:2')))
  await a.publish('points_changed', { userId: 1 })
  t.strictSame(await isThere(a), [false, false])
})

t.test('a bad message is dropped, and later ones are handled', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const lines: string[] = []
  const cache = cacheOf(t, { redis: url, prefix, advice: false, logger: { info () {}, warn: (details, text) => { lines.push(text) } } })
  cache.invalidateOn('points_changed', points)
  await cache.connect()
  await fill(cache)
  for (const json of ['{', '{"event":7}', '{"event":"points_changed"}', '{"event":"points_changed","data":{"userId":2}}']) {
    await client.xAdd(`${prefix}:events`, '*', { json })
  }
  await until('the last is handled', async () => !(await cache.has('points:2')))
  t.strictSame(await isThere(cache), [true, false])
  t.equal(lines.length, 3)
})

t.test('a handler may be registered while Redis is away, and hears of events once it is there', async (t) => {
  const server = await startRedisServer(t)
  await server.stop()
  const cache = cacheOf(t, { redis: server.url })
  cache.invalidateOn('points_changed', points)
  await t.rejects(cache.publish('points_changed', { userId: 1 }), { code: 'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE' })
  await server.start()
  await cache.connect()
  await fill(cache)
  const client = await createClient({ url: server.url }).connect()
  t.teardown(() => client.close())
  await client.xAdd('cache:events', '*', { json: '{"event":"points_changed","data":{"userId":1}}' })
  await until('handled', async () => !(await cache.has('points:1')))
})

t.test('when events may have been lost, everything filled before is invalidated', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const cache = cacheOf(t, { redis: url, prefix })
  cache.invalidateOn('points_changed', points)
  await cache.connect()
  await fill(cache)
  await client.multi().xAdd(`${prefix}:events`, '*', { json: '{"event":"points_changed","data":{"userId":1}}' }).del(`${prefix}:events`).exec()
  await until('all is gone', async () => (await isThere(cache)).every((is) => !is))
  await fill(cache)
  await client.xAdd(`${prefix}:events`, '*', { json: '{"event":"points_changed","data":{"userId":1}}' })
  await until('handled', async () => !(await cache.has('points:1')))
  t.ok(await cache.has('points:2'))
})

t.test('after a restart of Redis without its data, entries and events of later are as ever', async (t) => {
  const server = await startRedisServer(t)
  const cache = cacheOf(t, { redis: server.url })
  cache.invalidateOn('points_changed', points)
  await cache.connect()
  await fill(cache)
  await server.stop()
  await server.start()
  const client = await createClient({ url: server.url }).connect()
  t.teardown(() => client.close())
  await until('it follows again', async () => await client.xLen('cache:events') > 0)
  await until('it can store, and nothing invalidates it any more', async () => {
    await cache.set('points:1', 1, { tags: ['user:1'] })
    await wait(20)
    return await cache.has('points:1')
  })
  await client.xAdd('cache:events', '*', { json: '{"event":"points_changed","data":{"userId":1}}' })
  await until('handled', async () => !(await cache.has('points:1')))
})

t.test('a cache that is not enabled asks its handlers and marks nothing', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const cache = cacheOf(t, { redis: url, prefix, enabled: false })
  cache.invalidateOn('points_changed', points)
  await cache.connect()
  await cache.publish('points_changed', { userId: 1 })
  t.equal(await client.exists([`${prefix}:events`, `${prefix}:marks`]), 0)
})

t.test('after close() nothing is heard, and the methods say so', async (t) => {
  const cache = cacheOf(t, {})
  await cache.close()
  t.throws(() => cache.invalidateOn('a', () => undefined), { code: 'RESPONSE_CACHE_ERR_CLOSED' })
  await t.rejects(cache.publish('a'), { code: 'RESPONSE_CACHE_ERR_CLOSED' })
})

t.test('closing the app ends following', async (t) => {
  const server = await startRedisServer(t)
  const client = await createClient({ url: server.url }).connect()
  t.teardown(() => client.close())
  const app = Fastify()
  await app.register(responseCache, { redis: server.url })
  app.cache.invalidateOn('points_changed', points)
  await app.ready()
  await app.cache.connect()
  t.ok((await client.clientList()).length >= 3)
  await app.close()
  await until('only this connection is left', async () => (await client.clientList()).length === 1, 1000)
})

t.test('the key of the events is not a key of the client', async (t) => {
  await t.rejects(cacheOf(t, {}).set('events', 1), { code: 'RESPONSE_CACHE_ERR_KEY_INVALID' })
})
