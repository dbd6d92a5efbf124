import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import responseCache, { createCache, type CacheOptions } from '../../lib/index.ts'
import { freePort } from '../helpers/free-port.ts'
import { startRedisServer, useRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'

interface Line { level: string, message: string }

t.test('without Redis at start the app boots at once and its routes answer; caching begins when Redis comes', async (t) => {
  const port = await freePort()
  const { app, lines, handled } = await buildApp(t, { redis: `redis://127.0.0.1:${port}` })
  await app.ready()
  for (let i = 0; i < 3; i++) t.match(await request(app), { status: 200, cache: 'MISS', cacheStatus: 'test; fwd=miss; detail=store-error' })
  t.equal(handled(), 3)
  await startRedisServer(t, { port })
  await app.cache.connect()
  await until(async () => (await request(app)).cache === 'HIT')
  await until(async () => (await request(app)).status === 200 && lines.length === 2)
  t.same(lines.map(({ level }) => level), ['warn', 'info'], 'one line per change of state')
})

t.test('routes answer while Redis is away, and the cache comes back by itself', async (t) => {
  const server = await startRedisServer(t)
  const { app, lines } = await buildApp(t, { redis: server.url })
  await app.ready()
  await app.cache.connect()
  await until(async () => (await request(app)).cache === 'HIT')
  for (let round = 1; round <= 2; round++) {
    await server.stop()
    await until(async () => (await request(app)).cache === 'MISS')
    for (let i = 0; i < 5; i++) t.match(await request(app), { status: 200, body: 'handled' })
    t.equal(lines.length, 2 * round - 1)
    await server.start()
    await until(async () => (await request(app)).cache === 'HIT' && lines.length === 2 * round)
  }
  t.same(lines.map(({ level }) => level), ['warn', 'info', 'warn', 'info'])
})

t.test('a Redis that does not answer delays a route by the read deadline and no more', async (t) => {
  const server = await startRedisServer(t)
  const { app } = await buildApp(t, { redis: server.url, timeouts: { read: '40ms' } })
  await app.ready()
  await app.cache.connect()
  await request(app)
  await server.pause()
  t.teardown(() => server.resume())
  const startedAt = performance.now()
  t.match(await request(app), { status: 200, cache: 'MISS', body: 'handled' })
  const ms = performance.now() - startedAt
  t.ok(ms >= 35 && ms < 1000, `answered after ${ms} ms`)
})

t.test('an app whose Redis does not answer closes within seconds', async (t) => {
  const server = await startRedisServer(t)
  const { app } = await buildApp(t, { redis: server.url })
  await app.ready()
  await app.cache.connect()
  await server.pause()
  t.teardown(() => server.resume())
  const startedAt = performance.now()
  await request(app)
  await app.close()
  t.ok(performance.now() - startedAt < 5000)
})

t.test('closing while Redis was never there ends all attempts', async (t) => {
  const cache = createCache({ redis: `redis://127.0.0.1:${await freePort()}`, defaults: { ttl: 60 } })
  t.equal(await cache.get('a'), undefined)
  t.equal(await cache.set('a', 1), false)
  t.equal(await cache.getOrSet('a', () => 'produced'), 'produced')
  for (const use of [() => cache.delete('a'), () => cache.expire('a', 5), () => cache.ping()]) {
    await t.rejects(async () => { await use() }, { code: 'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE', statusCode: 503 })
  }
  await cache.close()
})

t.test('what is not ours under our key is a miss, and the next response replaces it', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const { app } = await buildApp(t, { redis: url, prefix, timeouts: { read: '5s' } })
  await app.ready()
  await app.cache.connect()
  await until(async () => (await request(app)).cache === 'HIT')
  const [key] = (await client.keys(`${prefix}:*`)).filter((name) => name !== `${prefix}:marks`)
  const frame = await client.sendCommand(['GET', key!])
  t.ok(frame)
  const foreign: Array<() => Promise<unknown>> = [
    () => client.set(key!, 'text of another program'),
    () => client.set(key!, ''),
    async () => { await client.del(key!); await client.hSet(key!, 'field', 'value') },
    async () => { await client.del(key!); await client.lPush(key!, 'item') },
    () => client.setRange(key!, 40, '\u0001\u0002')
  ]
  for (const put of foreign) {
    await put()
    t.match(await request(app), { status: 200, body: 'handled', cache: 'MISS' })
    await until(async () => (await request(app)).cache === 'HIT')
  }
})

t.test('a full Redis costs the cache, not the route', async (t) => {
  const server = await startRedisServer(t, { args: ['--maxmemory', '1500kb', '--maxmemory-policy', 'noeviction'] })
  const { app, lines } = await buildApp(t, { redis: server.url, timeouts: { read: '5s' } }, 'x'.repeat(900_000))
  await app.ready()
  await app.cache.connect()
  for (let i = 0; i < 20; i++) t.equal((await request(app, `/?i=${i}`)).status, 200)
  t.equal(lines.length, 1)
  t.match(lines[0]?.message, /fails to write/)
})

async function buildApp (t: Test, options: CacheOptions, body = 'handled'): Promise<{ app: FastifyInstance, lines: Line[], handled: () => number }> {
  const lines: Line[] = []
  let handled = 0
  const log = (level: string) => (_details: object, message: string) => { lines.push({ level, message }) }
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache, { advice: false, ...options, name: 'test', logger: { info: log('info'), warn: log('warn') } })
  app.get('/', { config: { cache: '5m' } }, async () => {
    handled++
    return body
  })
  return { app, lines, handled: () => handled }
}

async function request (app: FastifyInstance, url = '/'): Promise<{ status: number, cache: unknown, cacheStatus: unknown, body: string }> {
  const { statusCode, headers, body } = await app.inject(url)
  return { status: statusCode, cache: headers['x-cache'], cacheStatus: headers['cache-status'], body }
}
