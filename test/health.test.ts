import underPressure from '@fastify/under-pressure'
import Fastify from 'fastify'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import responseCache, { createCache, type Store } from '../lib/index.ts'
import { startFaultyProxy } from './helpers/faulty-proxy.ts'
import { startRedisServer } from './helpers/redis.ts'

const PATIENT = { read: '5s', write: '5s' }

t.test('a cache that works says so, and where its entries are', async (t) => {
  const { url } = await startRedisServer(t)
  for (const [options, store] of [[{}, 'memory'], [{ redis: url }, 'redis'], [{ redis: url, memory: {} }, 'memory and redis']] as const) {
    const cache = createCache({ timeouts: PATIENT, ...options })
    t.teardown(() => cache.close())
    await cache.connect()
    t.same(await cache.health(), { status: 'ok', isAlive: true, store, reasons: [] })
  }
  t.match(await createCache({ enabled: false }).health(), { status: 'ok', reasons: [] })
})

t.test('without Redis it is degraded and alive, and well again once Redis is back, although nobody has used it meanwhile', async (t) => {
  const server = await startRedisServer(t)
  const cache = createCache({ redis: server.url, timeouts: PATIENT, defaults: { ttl: '1m' }, breaker: { failures: 1, openFor: '50ms' } })
  t.teardown(() => cache.close())
  await cache.connect()
  await server.stop()
  await cache.get('x')
  await cache.set('x', 1)
  const health = await cache.health()
  t.match(health, { status: 'degraded', isAlive: true, reasons: [{ word: 'store-error', docs: 'docs/advice.md#store-error' }] })
  t.notMatch(JSON.stringify(health), '127.0.0.1', 'it may be shown to strangers')
  await server.start()
  while ((await cache.health()).status !== 'ok') await setTimeout(10) // nobody tells when the connection is back
})

t.test('however many ask at once, the store is asked once', async (t) => {
  let pings = 0
  const cache = createCache({ store: { ...brokenStore(), ping: () => { pings++ } } })
  await Promise.all(Array.from({ length: 100 }, () => cache.health()))
  t.equal(pings, 1)
  t.match(await cache.health(), { status: 'ok', store: 'own' })
  t.equal(pings, 2)
})

t.test('a Redis that says nothing is waited for as long as a look-up waits', async (t) => {
  const server = await startRedisServer(t)
  const proxy = await startFaultyProxy({ port: server.port })
  t.teardown(() => proxy.close())
  const cache = createCache({ redis: `redis://127.0.0.1:${proxy.port}`, timeouts: { read: '300ms', write: '60s' } })
  t.teardown(() => cache.close())
  await cache.connect()
  await server.pause()
  t.teardown(() => server.resume())
  const askedAt = performance.now()
  t.match((await cache.health()).reasons, [{ word: 'store-error' }])
  t.ok(performance.now() - askedAt < 30_000, 'not as long as a write')
  await server.resume()
})

t.test('a Redis that is full reads, and fails to write', async (t) => {
  const { url } = await startRedisServer(t, { args: ['--maxmemory', '1mb', '--maxmemory-policy', 'noeviction'] })
  const cache = createCache({ redis: url, timeouts: PATIENT, defaults: { ttl: '1m' }, breaker: { failures: 1, openFor: '1h' } })
  t.teardown(() => cache.close())
  await cache.connect()
  while (await cache.set('x', 'x'.repeat(100_000))) t.pass('there is room')
  t.match(await cache.health(), { status: 'degraded', reasons: [{ word: 'write-error' }] })
})

t.test('invalidations that are not confirmed are told', async (t) => {
  const server = await startRedisServer(t)
  const cache = createCache({ redis: server.url, timeouts: { ...PATIENT, invalidate: '100ms' } })
  t.teardown(() => cache.close())
  await cache.connect()
  await server.stop()
  await t.rejects(cache.invalidateTags('a'), { code: 'RESPONSE_CACHE_ERR_INVALIDATION_PENDING' })
  t.match((await cache.health()).reasons.map(({ word }) => word), ['store-error', 'invalidations-pending'])
})

t.test('health never rejects: not when it is closed, nor with a store that throws', async (t) => {
  const cache = createCache()
  await cache.close()
  t.match(await cache.health(), { status: 'degraded', isAlive: true, reasons: [{ word: 'closed' }] })
  const broken = createCache({ store: brokenStore() })
  t.match(await broken.health(), { status: 'degraded', store: 'own', reasons: [{ word: 'store-error' }] })
})

t.test('with @fastify/under-pressure a degraded cache keeps the app in service and shows in its status', async (t) => {
  const server = await startRedisServer(t)
  await server.stop()
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache, { redis: server.url })
  await app.register(underPressure, {
    healthCheck: async () => ({ cache: await app.cache.health() }),
    exposeStatusRoute: { routeOpts: {}, url: '/status', routeResponseSchemaOpts: { cache: { type: 'object', additionalProperties: true } } }
  })
  app.get('/', async () => 'served')
  t.equal((await app.inject('/')).body, 'served')
  const status = await app.inject('/status')
  t.equal(status.statusCode, 200)
  t.match(status.json(), { status: 'ok', cache: { status: 'degraded', isAlive: true, reasons: [{ word: 'store-error' }] } })
})

function brokenStore (): Store {
  const fail = (): never => { throw new Error('broken') }
  return { get: fail, set: fail, delete: fail, expire: fail, ttlMs: fail, ping: fail, connect: () => {}, close: () => {} }
}
