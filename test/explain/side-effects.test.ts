import cookie from '@fastify/cookie'
import rateLimit from '@fastify/rate-limit'
import session from '@fastify/session'
import Fastify, { type FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { openStore } from '../../lib/create-cache.ts'
import responseCache from '../../lib/index.ts'
import { cacheSettings } from '../../lib/options/resolve.ts'
import { ResponseCache } from '../../lib/response-cache.ts'
import { AppExplainer } from '../../lib/route/explainer.ts'
import { Repeater } from '../../lib/route/repeat.ts'
import { useRedis } from '../helpers/redis.ts'
import { sendRaw } from '../safety/helpers.ts'
import { openScene } from './scene.ts'

/** Explains by `app`, and gives up on guards after `longestMs`. */
function explainerOf (t: Test, app: FastifyInstance, longestMs: number): AppExplainer {
  const store = openStore(cacheSettings({}))
  t.teardown(() => store.close())
  return new AppExplainer({ app, repeater: new Repeater(app), cache: new ResponseCache({ store, clock: Date.now }), store, closed: new AbortController().signal, longestMs })
}

t.test('a guard that hangs is given up, and its route is not gone on with when it comes back', async (t) => {
  const calls: string[] = []
  let letGo = (): void => {}
  const isHeld = new Promise<void>((resolve) => { letGo = resolve })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(async (older) => {
    older.addHook('onRequest', async () => { await isHeld })
    older.addHook('preHandler', async () => { calls.push('preHandler') })
    older.post('/older', async () => { calls.push('handler') })
  })
  await app.register(async (inner) => {
    await inner.register(responseCache, { defaults: { ttl: '1h' } })
    inner.get('/things', { config: { cache: true }, preHandler: async () => { await isHeld } }, async () => { calls.push('things') })
  })
  await app.ready()
  const explainer = explainerOf(t, app, 20)
  for (const request of [{ method: 'POST', url: '/older' }, '/things']) {
    await t.rejects(explainer.explain(request), { code: 'RESPONSE_CACHE_ERR_NOT_EXPLAINED', message: /in 20 ms/ })
  }
  letGo()
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => { setImmediate(resolve) })
  t.strictSame(calls, [])
  await app.inject({ method: 'POST', url: '/older' })
  t.strictSame(calls, ['preHandler', 'handler'], 'a real request is not concerned')
})

t.test('while one request is explained, real ones to the same route run their handlers', async (t) => {
  const calls: string[] = []
  const app = Fastify()
  t.teardown(() => app.close())
  let letGo = (): void => {}
  let isHeld = new Promise<void>((resolve) => { letGo = resolve })
  await app.register(async (older) => {
    older.addHook('onRequest', async (request) => { if (request.headers['x-held'] !== undefined) await isHeld })
    older.get('/older', async () => { calls.push('older'); return 'made' })
  })
  await app.register(responseCache, { defaults: { ttl: '1h' } })
  app.addHook('onRequest', async (request) => { if (request.headers['x-held'] !== undefined) await isHeld })
  app.get('/things', { config: { cache: true } }, async () => { calls.push('things'); return 'made' })
  app.get('/plain', async () => { calls.push('plain'); return 'made' })
  await app.ready()
  for (const [url, outcome] of [['/older', 'not-cached'], ['/things', 'hit']] as const) {
    isHeld = new Promise<void>((resolve) => { letGo = resolve })
    const telling = app.cache.explain({ url, headers: { 'x-held': 'yes', host: 'shop.example' } })
    for (const real of [url, '/plain']) t.equal((await app.inject({ url: real, headers: { host: 'shop.example' } })).body, 'made')
    letGo()
    t.match(await telling, { outcome })
  }
  t.strictSame(calls, ['older', 'plain', 'things', 'plain'])
})

t.test('nothing that a client sends makes its request one that is explained', async (t) => {
  const { app, calls } = await openScene(t, {}, (app, handler) => {
    app.route({ method: ['GET', 'POST'], url: '/things', config: { cache: true }, handler })
    app.post('/plain', handler)
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const body = JSON.stringify({ explain: true, 'fastify-response-cache.purpose': { explain: true }, __proto__: { explain: {} } })
  const fields = ['fastify-response-cache.purpose: explain', 'Symbol(fastify-response-cache.purpose): {"explain":1}'.replace(/[()]/g, ''), 'x-explain: 1', '__proto__: {"explain":1}', 'purpose: explain', 'user-agent: lightMyRequest', 'cache-control: explain']
  const rest = `HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n${fields.join('\r\n')}\r\n`
  t.match(await sendRaw(port, `GET /things?explain=1&__proto__[explain]=1 ${rest}\r\n`), /^HTTP\/1\.1 200 .*made for/s)
  t.match(await sendRaw(port, `POST /plain ${rest}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`), /^HTTP\/1\.1 [24]00 /)
  t.equal(calls[0], 'GET /things?explain=1&__proto__[explain]=1')
})

t.test('what is explained has no session', async (t) => {
  const saved: string[] = []
  const { app, calls } = await openScene(t, {}, async (app, handler) => {
    await app.register(cookie)
    await app.register(session, {
      secret: 'x'.repeat(32),
      cookie: { secure: false },
      store: { get: (_id, done) => { done(null, null) }, set: (id, _made, done) => { saved.push(id); done() }, destroy: (_id, done) => { done() } }
    })
    app.addHook('onRequest', async (request) => { Object.assign(request.session, { visits: 1 }) })
    app.get('/things', { config: { cache: { shared: true } } }, handler)
    app.get('/plain', handler)
  })
  t.match(await app.cache.explain('/things'), { outcome: 'miss' })
  t.match(await app.cache.explain('/plain'), { outcome: 'not-cached' })
  t.strictSame([saved, calls], [[], []])
  await app.inject('/things')
  t.equal(saved.length, 1, 'a real one has one')
})

t.test('with a rate limiter requests are explained, and use up no client\'s rate', async (t) => {
  const { app, calls } = await openScene(t, {}, async (app, handler) => {
    await app.register(rateLimit, { max: 2 })
    app.get('/things', { config: { cache: true } }, handler)
  })
  const told = []
  for (let i = 0; i < 3; i++) told.push(await app.cache.explain('/things'))
  t.match(told, [{ outcome: 'miss' }, { outcome: 'miss' }, { outcome: 'guard', status: 429 }])
  for (let i = 0; i < 2; i++) t.equal((await app.inject('/things')).statusCode, 200)
  t.equal(calls.length, 1)
})

t.test('what is explained comes from no address that a client may have, nor from this machine', async (t) => {
  const ips: unknown[] = []
  const { app } = await openScene(t, { server: { trustProxy: 'loopback' } }, (app, handler) => {
    app.addHook('onRequest', async ({ ip }) => { ips.push(ip) })
    app.get('/things', { config: { cache: true } }, handler)
  })
  await app.cache.explain({ url: '/things', headers: { 'x-forwarded-for': '203.0.113.9' } })
  t.strictSame(ips, ['0.0.0.0'])
})

t.test('in a scope of its own the plugin explains requests to others, and neither their handlers nor those for what is not found run', async (t) => {
  const calls: string[] = []
  const app = Fastify()
  t.teardown(() => app.close())
  const scope = (path: string) => async (scope: FastifyInstance): Promise<void> => {
    scope.setNotFoundHandler(async () => { calls.push(`not found in ${path}`) })
    scope.addHook('preHandler', async () => { calls.push(`preHandler of ${path}`) })
    scope.post('/', async () => { calls.push(path) })
  }
  await app.register(scope('older'), { prefix: '/older' })
  let cache!: FastifyInstance['cache']
  await app.register(async (inner) => {
    await inner.register(responseCache, { defaults: { ttl: '1h' } })
    inner.get('/things', { config: { cache: true } }, async () => { calls.push('things') })
    cache = inner.cache
  })
  await app.register(scope('younger'), { prefix: '/younger' })
  app.setNotFoundHandler(async () => { calls.push('not found') })
  await app.ready()
  for (const path of ['/older', '/younger']) {
    t.match(await cache.explain({ method: 'POST', url: path }), { outcome: 'not-cached', route: `POST ${path}` })
    for (const url of [`${path}/nowhere`, `${path}/a/b`]) t.match(await cache.explain(url), { outcome: 'no-route' })
  }
  t.match(await cache.explain({ method: 'POST', url: '/nowhere' }), { outcome: 'no-route' })
  t.match(await cache.explain('/things'), { outcome: 'miss' })
  t.strictSame(calls, [])
  await app.inject({ method: 'POST', url: '/older' })
  await app.inject('/older/nowhere')
  t.strictSame(calls, ['preHandler of older', 'older', 'preHandler of older', 'not found in older'], 'real ones run them')
})

t.test('nothing is written to Redis to explain a miss, a hit, what is stale, what was invalidated, a write', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  let now = Date.now()
  const { app, calls } = await openScene(t, { redis: url, prefix, clock: () => now, timeouts: { read: '5s', write: '5s' } }, (app, handler) => {
    app.route({ method: ['GET', 'POST'], url: '/things/:id', config: { cache: { ttl: '10s', staleWhileRevalidate: '1h', tags: ['thing'] } }, handler })
    app.put('/things/:id', handler)
  })
  await app.cache.connect()
  const headers = { host: 'shop.example' }
  const fill = async (): Promise<void> => {
    const { fills } = app.cache.stats()
    await app.inject({ url: '/things/1', headers })
    while (app.cache.stats().fills === fills) await new Promise((resolve) => { setImmediate(resolve) })
  }
  /** Statistics are told by a clock. */
  const dump = async () => {
    const keys = (await client.keys(`${prefix}*`)).filter((key) => !key.startsWith(`${prefix}:stats:`)).sort()
    return await Promise.all(keys.map(async (key) => [key, await client.sendCommand(['DUMP', key])]))
  }
  const told = async (outcome: object, request: object = {}): Promise<void> => {
    const before = await dump()
    t.match(await app.cache.explain({ url: '/things/1', headers, ...request }), outcome)
    for (let turn = 0; turn < 5; turn++) await app.cache.ping() // comes back after what was sent before it
    t.strictSame(await dump(), before, JSON.stringify(outcome))
  }
  await fill()
  await told({ outcome: 'hit' })
  await told({ outcome: 'miss' }, { url: '/things/2' })
  await told({ outcome: 'bypass', reason: 'method' }, { method: 'POST' })
  await told({ outcome: 'not-cached' }, { method: 'PUT' })
  await told({ outcome: 'no-route' }, { method: 'DELETE' })
  now += 20_000
  await told({ outcome: 'stale' })
  await app.cache.invalidateTags(['thing'])
  await told({ outcome: 'miss', entry: { state: 'invalidated' } })
  t.equal(calls.length, 1)
})

t.test('the constraints of routes choose as they do for clients', async (t) => {
  const { app, calls } = await openScene(t, {}, (app, handler) => {
    app.get('/things', { constraints: { host: 'a.example' }, config: { cache: { namespace: 'a' } } }, handler)
    app.get('/things', { constraints: { host: 'b.example', version: '1.2.0' }, config: { cache: { namespace: 'b' } } }, handler)
  })
  t.match(await app.cache.explain('http://a.example/things'), { outcome: 'miss', namespace: 'a' })
  t.match(await app.cache.explain({ url: 'http://b.example/things', headers: { 'accept-version': '1.x' } }), { outcome: 'miss', namespace: 'b' })
  for (const request of ['http://b.example/things', 'http://c.example/things', { url: 'http://a.example/things', method: 'DELETE' }]) t.match(await app.cache.explain(request), { outcome: 'no-route' })
  t.match((await app.cache.explain('http://a.example/things', { url: 'http://b.example/things', headers: { 'accept-version': '1.x' } })).differences!.map(({ part }) => part).sort(), ['constraints of the route', 'namespace', 'protocol and host'])
  t.strictSame(calls, [])
})
