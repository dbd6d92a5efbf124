import Fastify, { type FastifyInstance } from 'fastify'
import diagnostics from 'node:diagnostics_channel'
import t, { type Test } from 'tap'
import responseCache, { createCache, type ResponseCacheOptions } from '../../lib/index.ts'
import { median } from '../helpers/median.ts'
import { startRedisServer, type RedisServer } from '../helpers/redis.ts'
import { plainStore } from '../store/plain-store.ts'
import { until } from '../helpers/until.ts'

t.test('a Redis that does not answer is asked a few times, and then left alone but for one try a while', async (t) => {
  const { app, server, get } = await siteOf(t, { timeouts: { read: '50ms' }, breaker: { openFor: '300ms' } })
  const heard = hearStates(t)
  await server.pause()
  const startedAt = performance.now()
  while (app.cache.stats().store.read === 'closed') t.match(await get(), { status: 200, cache: 'MISS', detail: 'fwd=miss; detail=store-error' })
  t.ok(performance.now() - startedAt < 3000)
  const { timeouts } = app.cache.stats().store
  t.ok(timeouts >= 5 && timeouts < 10, `${timeouts} waited`)
  const times: number[] = []
  for (let i = 0; i < 40; i++) {
    const askedAt = performance.now()
    t.match(await get(), { status: 200, cache: 'MISS' })
    times.push(performance.now() - askedAt)
  }
  t.ok(median(times) < 25, `nobody waits: ${median(times)} ms`)
  await until(async () => { await get(); return heard.includes('read half-open') })
  await server.resume()
  const resumedAt = performance.now()
  await until(async () => (await get()).cache === 'HIT')
  t.ok(performance.now() - resumedAt < 2000, `hits again after ${performance.now() - resumedAt} ms`)
  t.equal(app.cache.stats().store.read, 'closed')
  t.equal(heard[0], 'read open')
  t.equal(heard.filter((state) => state.startsWith('read')).at(-1), 'read closed')
})

t.test('a full Redis is read as before, and asked to store now and then', async (t) => {
  const { app, server, get } = await siteOf(t, { timeouts: { read: '5s', write: '5s' }, breaker: { openFor: '200ms' } })
  t.equal((await get('/kept')).cache, 'MISS')
  await until(async () => (await get('/kept')).cache === 'HIT')
  await server.client.configSet('maxmemory', '1')
  for (let i = 0; i < 5; i++) await get(`/${i}`)
  await until(() => app.cache.stats().store.write === 'open')
  const { errors } = app.cache.stats().store
  for (let i = 0; i < 20; i++) t.match(await get(`/more/${i}`), { status: 200, cache: 'MISS' })
  t.equal((await get('/kept')).cache, 'HIT')
  const { droppedWrites, errors: since, read } = app.cache.stats().store
  t.ok(droppedWrites >= 15 && since - errors <= 5, `${droppedWrites} dropped, ${since - errors} tried`)
  t.equal(read, 'closed')
  await server.client.configSet('maxmemory', '0')
  await until(async () => (await get('/again')).cache === 'HIT')
  t.equal(app.cache.stats().store.write, 'closed')
})

t.test('requests for the same response share one run while Redis is left alone', async (t) => {
  const { app, server, get } = await siteOf(t, { timeouts: { read: '50ms' } })
  await server.stop()
  await until(async () => { await get(); return app.cache.stats().store.read === 'open' })
  const { misses } = app.cache.stats()
  await Promise.all(Array.from({ length: 50 }, () => get('/shared')))
  t.equal(app.cache.stats().misses - misses, 1)
})

t.test('copies in memory are served while Redis is left alone, as long as the invalidations of others may be unknown', async (t) => {
  const { app, server, get } = await siteOf(t, { memory: { maxBlindMs: 3000 }, timeouts: { read: '1s' } })
  await until(async () => (await get('/copied')).cache === 'HIT')
  await until(async () => (await get('/copied')).cache === 'HIT')
  await server.stop()
  const stoppedAt = performance.now()
  await until(async () => { await get(`/other/${Math.random()}`); return app.cache.stats().store.read !== 'closed' })
  t.equal((await get('/copied')).cache, 'HIT')
  await until(async () => (await get('/copied')).cache === 'MISS')
  const ms = performance.now() - stoppedAt
  t.ok(ms < 4500, `none after ${ms} ms`)
})

t.test('a Redis that is there again is asked at once, however long it was to be left alone', async (t) => {
  const { app, server, get } = await siteOf(t, { timeouts: { read: '1s' }, breaker: { openFor: '10m' } })
  await until(async () => (await get()).cache === 'HIT')
  await server.stop()
  await until(async () => { await get(); return app.cache.stats().store.read === 'open' })
  await server.start()
  const startedAt = performance.now()
  await until(async () => (await get()).cache !== 'MISS' || app.cache.stats().store.read === 'closed')
  await until(async () => (await get()).cache === 'HIT')
  t.ok(performance.now() - startedAt < 5000, `hits again after ${performance.now() - startedAt} ms`)
})

t.test('breaker: false asks every time', async (t) => {
  const { app, server, get } = await siteOf(t, { timeouts: { read: '10ms' }, breaker: false })
  await server.pause()
  for (let i = 0; i < 12; i++) await get()
  const { read, timeouts } = app.cache.stats().store
  t.equal(read, 'closed')
  t.ok(timeouts >= 12, `${timeouts}`)
  await server.resume()
})

t.test('while nothing but the try whether it works again is asked, what comes wrongly or not at all is looked into', async (t) => {
  let [suspected, tried] = [0, 0]
  const store = {
    ...plainStore(),
    get: async () => { throw new Error('what came cannot be read') },
    ping: async () => {
      tried++
      throw new Error('what came cannot be read')
    },
    suspect () { suspected++ }
  }
  const cache = createCache({ store, defaults: { ttl: '1m' }, breaker: { openFor: '1ms' } })
  t.teardown(() => cache.close())
  await until(async () => { await cache.get('a'); return cache.stats().store.read === 'open' })
  const [suspectedBefore, triedBefore] = [suspected, tried]
  await until(async () => { await cache.get('a'); return tried > triedBefore + 2 })
  t.ok(suspected >= suspectedBefore + 2, `${suspected - suspectedBefore} times`)
})

t.test('an invalidation of a store without marks of its own does not depend on the store', async (t) => {
  const store = { ...plainStore(), get: () => { throw new Error('broken') }, set: () => { throw new Error('broken') } }
  const cache = createCache({ store, defaults: { ttl: '1m' } })
  t.teardown(() => cache.close())
  for (let i = 0; i < 10; i++) t.equal(await cache.get('a'), undefined)
  for (let i = 0; i < 10; i++) t.equal(await cache.set('a', 1), false)
  t.match(cache.stats().store, { read: 'open', write: 'closed' })
  await cache.invalidateTags('a')
})

t.test('more writes than may be on their way are dropped, and counted', async (t) => {
  const server = await startRedisServer(t)
  const cache = createCache({ redis: server.url, defaults: { ttl: '1m' }, limits: { pendingWrites: 10, pendingWriteBytes: 100_000 }, timeouts: { read: '5s', write: '5s' } })
  t.teardown(() => cache.close())
  await cache.connect()
  const many = await Promise.all(Array.from({ length: 30 }, (_, i) => cache.set(`a${i}`, i)))
  t.equal(many.filter((isStored) => isStored).length, 10)
  const large = await Promise.all(Array.from({ length: 9 }, (_, i) => cache.set(`b${i}`, Buffer.alloc(30_000))))
  t.equal(large.filter((isStored) => isStored).length, 3)
  t.equal(await cache.set('larger than all together', Buffer.alloc(200_000)), true, 'alone it may be')
  t.match(cache.stats().store, { droppedWrites: 26, pendingWrites: 0 })
})

interface OwnServer extends RedisServer {
  readonly client: { configSet (name: string, value: string): Promise<unknown> }
}

async function siteOf (t: Test, options: ResponseCacheOptions): Promise<{ app: FastifyInstance, server: OwnServer, get: (url?: string) => Promise<{ status: number, cache: unknown, detail: string }> }> {
  const server = await startRedisServer(t)
  const { createClient } = await import('redis')
  const client = createClient({ url: server.url })
  client.on('error', () => {}) // it is stopped
  await client.connect()
  t.teardown(() => { client.destroy() })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache, { redis: server.url, name: 'test', ...options })
  app.get('/*', { config: { cache: '5m' } }, async () => 'handled')
  await app.ready()
  await app.cache.connect()
  return {
    app,
    server: { ...server, client },
    async get (url = '/') {
      const { statusCode, headers } = await app.inject(url)
      return { status: statusCode, cache: headers['x-cache'], detail: String(headers['cache-status']).replace(/^test; /, '') }
    }
  }
}

function hearStates (t: Test): string[] {
  const heard: string[] = []
  const listener = (message: unknown): void => {
    const { direction, state } = message as { direction: string, state: string }
    heard.push(`${direction} ${state}`)
  }
  diagnostics.subscribe('fastify-response-cache:store-state', listener)
  t.teardown(() => { diagnostics.unsubscribe('fastify-response-cache:store-state', listener) })
  return heard
}
