import rateLimit from '@fastify/rate-limit'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import responseCache, { createCache, type ResponseCacheOptions } from '../../lib/index.ts'
import { useRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'
import { recordingLogger } from './doubles.ts'

const silent = { onProgress: false } as const

async function start (t: Test, options: ResponseCacheOptions = {}, prepare: (app: FastifyInstance) => void = () => {}) {
  const calls: string[] = []
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache, { defaults: { ttl: '1h' }, ...options })
  prepare(app)
  app.get<{ Params: { id: string } }>('/pages/:id', { config: { cache: { varyByHeaders: ['accept-language'] } } }, async (request) => {
    calls.push(request.url)
    if (request.params.id === 'broken') throw new Error('broken')
    return { id: request.params.id, language: request.headers['accept-language'] }
  })
  await app.ready()
  return { app, calls }
}

t.test('what was warmed is a hit, for the host and the header fields it was warmed for', async (t) => {
  const { app, calls } = await start(t)
  const headers = { host: 'example.com', 'accept-language': 'de' }
  t.strictSame(await app.cache.warm(['/pages/1?a=b', '/pages/2'], { ...silent, headers }), { filled: 2, fresh: 0, failed: 0, failures: [] })
  t.equal(calls.length, 2)
  const hit = await app.inject({ url: '/pages/1?a=b', headers })
  t.equal(hit.headers['x-cache'], 'HIT')
  t.strictSame(hit.json(), { id: '1', language: 'de' })
  t.equal((await app.inject({ url: '/pages/1?a=b', headers: { ...headers, host: 'example.org' } })).headers['x-cache'], 'MISS')
  t.match(await app.cache.warm(['/pages/1?a=b', '/pages/2', '/pages/3'], { ...silent, headers }), { filled: 1, fresh: 2 })
})

t.test('routes of a scope of their own are warmed, also after the start', async (t) => {
  const calls: string[] = []
  const app = Fastify()
  t.teardown(() => app.close())
  let cache!: FastifyInstance['cache']
  await app.register(async (scope) => {
    await scope.register(responseCache, { defaults: { ttl: '1h' } })
    scope.get('/a', { config: { cache: true } }, async ({ url }) => { calls.push(url); return 'a' })
    cache = scope.cache
  }, { prefix: '/scope' })
  await app.ready()
  t.match(await cache.warm(['/scope/a'], silent), { filled: 1, failed: 0 })
  t.equal((await app.inject('/scope/a')).headers['x-cache'], 'HIT')
  t.match(await cache.warm(['/scope/a'], silent), { filled: 0, fresh: 1 })
  t.strictSame(calls, ['/scope/a'])
})

t.test('a rate limiter counts what is warmed, as of an address that no client has', async (t) => {
  const { app } = await start(t, {}, (app) => {
    app.addHook('onRequest', async ({ ip }) => { if (ip.toLowerCase() === '127.0.0.1') throw new Error('trusted') })
  })
  t.match(await app.cache.warm(['/pages/1'], silent), { filled: 1, failed: 0 })
  const limited = Fastify()
  t.teardown(() => limited.close())
  await limited.register(responseCache, { defaults: { ttl: '1h' } })
  await limited.register(rateLimit, { max: 2 })
  for (const url of ['/a', '/b', '/c']) limited.get(url, { config: { cache: true } }, async () => url)
  t.match(await limited.cache.warm(['/a', '/b', '/c'], { ...silent, concurrency: 1 }), { filled: 2, failed: 1, failures: [{ target: '/c', reason: /429/ }] })
  t.equal((await limited.inject('/a')).headers['x-cache'], 'HIT', 'it is no client\'s rate')
})

t.test('guards of the route stand before warming too', async (t) => {
  const { app, calls } = await start(t, {}, (app) => {
    app.addHook('preHandler', async (request, reply) => {
      if (request.headers['x-warm'] !== 'yes') return await reply.code(403).send({ error: 'no' })
    })
  })
  t.match(await app.cache.warm(['/pages/1'], silent), { filled: 0, failed: 1 })
  t.equal(calls.length, 0)
  t.match(await app.cache.warm([{ url: '/pages/1', headers: { 'X-Warm': 'yes' } }], silent), { filled: 1, failed: 0 })
})

t.test('what fails, is not there or is not cached is in the report', async (t) => {
  const { app } = await start(t, {}, (app) => { app.get('/uncached', async () => 'x') })
  const { failed, failures } = await app.cache.warm(['/pages/broken', '/nowhere', '/uncached'], silent)
  t.equal(failed, 3)
  t.strictSame(failures.map(({ target }) => target).sort(), ['/nowhere', '/pages/broken', '/uncached'])
})

t.test('values are warmed with createCache() as well, URLs are refused', async (t) => {
  await using cache = createCache({ defaults: { ttl: '1h' } })
  t.match(await cache.warm([{ key: 'k', produce: () => 7 }], silent), { filled: 1 })
  t.equal(await cache.get('k'), 7)
  await t.rejects(cache.warm(['/a'], silent), { code: 'RESPONSE_CACHE_ERR_TARGET_INVALID' })
})

t.test('a list is warmed when the app starts, which does not wait for it', async (t) => {
  const logger = recordingLogger()
  let finish = (): void => {}
  const { app, calls } = await start(t, { logger, warm: ['/pages/slow', '/pages/broken'] }, (app) => {
    app.addHook('preHandler', async (request) => {
      if (request.url === '/pages/slow') await new Promise<void>((resolve) => { finish = resolve })
    })
  })
  await until(() => calls.includes('/pages/broken'))
  finish()
  await until(() => logger.lines.some((line) => line.includes('warming on start')))
  t.ok(calls.includes('/pages/slow'))
  t.equal((await app.inject('/pages/fine')).statusCode, 200)
})

t.test('an app that closes while it warms on start does so at once', async (t) => {
  const { app } = await start(t, { warm: ['/pages/slow'] }, (app) => {
    app.addHook('preHandler', async () => await new Promise(() => {}))
  })
  const manual = t.rejects(app.cache.warm(['/pages/1'], silent), { code: 'RESPONSE_CACHE_ERR_CLOSED' })
  await app.close()
  await manual
})

/** Who asks. */
const WITH: Record<string, Record<string, string>> = { '/mine': { 'x-who': 'ada' }, '/guarded': { authorization: 'Bearer 1' }, '/keyed': { authorization: 'Bearer 1' } }

t.test('a new process warms what was requested most in the others, and nothing private', async (t) => {
  const { url: redis, prefix, client } = await useRedis(t)
  const options: ResponseCacheOptions = { redis, prefix, warm: { countHits: true }, user: (request) => request.headers['x-who'] as string | undefined }
  const prepare = (app: FastifyInstance) => {
    app.get('/mine', { config: { cache: { varyByUser: true } } }, async () => 'mine')
    app.get('/guarded', { config: { cache: { shared: true } } }, async () => 'for all with a key')
    app.get('/keyed', { config: { cache: { varyByHeaders: ['authorization'] } } }, async () => 'for one key')
  }
  const [a, b] = [await start(t, options, prepare), await start(t, options, prepare)]
  await a.app.cache.connect()
  await b.app.cache.connect()
  const ask = async ({ app }: typeof a, url: string, times: number) => {
    const headers = { host: 'example.com', 'accept-language': 'de', ...WITH[url] }
    for (let i = 0; i < times; i++) await app.inject({ url, headers })
  }
  for (const url of Object.keys(WITH)) await ask(a, url, 200)
  await ask(a, '/pages/1', 200)
  await ask(b, '/pages/2', 400)
  // Each process tells what it has counted before it asks.
  await b.app.cache.warm([{ hottest: 1 }], silent)
  const seen: string[] = []
  t.match(await a.app.cache.warm([{ hottest: 5 }], { onProgress: ({ target }) => { seen.push(target) } }), { filled: 0, fresh: 2, failed: 0 })
  t.strictSame(seen.sort(), ['/pages/1', '/pages/2'])
  await a.app.cache.invalidateUrl('/pages/1')
  t.match(await b.app.cache.warm([{ hottest: 5 }], silent), { filled: 1, fresh: 1 })
  t.ok(await client.exists(`${prefix}:hot`))
})

t.test('nothing is counted unless it is asked for', async (t) => {
  const { app } = await start(t)
  await t.rejects(app.cache.warm([{ hottest: 5 }], silent), { code: 'RESPONSE_CACHE_ERR_TARGET_INVALID', message: /countHits/ })
})

t.test('warming on start waits for Redis, and says filled only of what is stored', async (t) => {
  const { url: redis, prefix } = await useRedis(t)
  const logger = recordingLogger()
  const app = Fastify({ disableRequestLogging: true, loggerInstance: { ...logger, fatal () {}, error () {}, debug () {}, trace () {}, child () { return this }, level: 'info' } as never })
  t.teardown(() => app.close())
  await app.register(responseCache, { redis, prefix, advice: false, warm: { targets: ['/a', { key: 'rates', produce: () => 1, ttl: '1h' }, { hottest: 3 }] } })
  app.get('/a', { config: { cache: '1h' } }, async () => 'a')
  await app.ready()
  await until(() => logger.lines.length > 0)
  t.strictSame([logger.lines, logger.details.map(({ cache }: { cache?: unknown }) => cache)], [['info warmed on start'], [{ warmed: { filled: 2, fresh: 0, failed: 0 } }]])
  t.equal(await app.cache.get('rates'), 1)
})

t.test('a value that the store has not kept is a failed target', async (t) => {
  const { app } = await start(t, { memory: { maxBytes: 1000 } })
  t.match(await app.cache.warm([{ key: 'large', produce: () => 'x'.repeat(10_000), ttl: '1h' }], silent), { filled: 0, failed: 1, failures: [{ target: 'large', reason: 'the store has not kept it' }] })
})
