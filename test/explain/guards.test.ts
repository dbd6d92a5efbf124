import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import responseCache, { createCache } from '../../lib/index.ts'
import { openScene, partOf } from './scene.ts'

t.test('a guard that answers before the look-up is told with its status', async (t) => {
  const { app, calls } = await openScene(t, {}, (app, handler) => {
    app.addHook('onRequest', async (request, reply) => {
      if (request.headers['x-key'] !== 'yes') return await reply.code(401).send({ error: 'no' })
    })
    app.get('/things', { config: { cache: { varyByHeaders: ['x-key'] } } }, handler)
  })
  t.strictSame(await app.cache.explain('/things'), { method: 'GET', url: '/things', isCached: false, outcome: 'guard', status: 401, docs: 'docs/what-is-cached.md#guard' })
  t.match(await app.cache.explain({ url: '/things', headers: { 'X-Key': 'yes' } }), { outcome: 'miss', reason: 'uri-miss', isCached: true })
  t.strictSame(calls, [])
})

t.test('a guard in the last place is asked, and one that throws is a guard', async (t) => {
  const { app, calls } = await openScene(t, {}, (app, handler) => {
    app.get('/things', { config: { cache: true }, preHandler: async () => { throw Object.assign(new Error('no'), { statusCode: 403 }) } }, handler)
  })
  t.match(await app.cache.explain('/things'), { outcome: 'guard', status: 403 })
  t.strictSame(calls, [])
})

t.test('a query that validation refuses is told as such, and one that it changes is explained as changed', async (t) => {
  const { app, calls } = await openScene(t, {}, (app, handler) => {
    const querystring = { type: 'object', properties: { page: { type: 'integer', default: 1 } } }
    app.get('/things', { schema: { querystring }, config: { cache: true } }, handler)
  })
  t.match(await app.cache.explain('/things?page=x'), { outcome: 'guard', status: 400 })
  t.equal(partOf(await app.cache.explain('/things'), 'query page'), '1')
  t.strictSame((await app.cache.explain('/things', '/things?page=1')).differences, [])
  t.strictSame(calls, [])
})

t.test('a URL without a route, and a route without the cache, are told apart, and no handler runs', async (t) => {
  const { app, calls } = await openScene(t, {}, (app, handler) => {
    app.get('/plain', handler)
    app.post('/plain', handler)
    app.get('/off', { config: { cache: false } }, handler)
    app.put('/things', { config: { cache: { invalidates: { tags: ['thing'] } } } }, handler)
    app.setNotFoundHandler(async (request) => {
      calls.push(`nowhere ${request.url}`)
      return 'the page of an app that has its own routes'
    })
  })
  t.strictSame(await app.cache.explain('/nowhere'), { method: 'GET', url: '/nowhere', isCached: false, outcome: 'no-route' })
  t.match(await app.cache.explain('/plain'), { outcome: 'not-cached', route: 'GET /plain', docs: 'docs/what-is-cached.md#not-cached' })
  t.match(await app.cache.explain({ method: 'post', url: '/plain', body: { a: 1 } }), { outcome: 'not-cached', route: 'POST /plain' })
  t.match(await app.cache.explain('/off'), { outcome: 'not-cached' })
  await app.cache.set('tagged', 1, { tags: ['thing'] })
  t.match(await app.cache.explain({ method: 'PUT', url: '/things' }), { outcome: 'not-cached', route: 'PUT /things' })
  t.equal(await app.cache.get('tagged'), 1)
  t.strictSame(calls, [])
})

t.test('a guard that answers a write with 200 invalidates nothing while it is explained', async (t) => {
  const { app } = await openScene(t, {}, (app, handler) => {
    app.addHook('onRoute', (route) => { route.onRequest = async (_request, reply) => await reply.code(200).send('not today') })
    app.route({ method: ['GET', 'POST'], url: '/things', config: { cache: { tags: ['thing'] } }, handler })
  })
  await app.cache.set('kept', 1, { tags: ['thing'] })
  let invalidations = 0
  app.cache.invalidate = async () => { invalidations++; return { soft: false } }
  t.match(await app.cache.explain({ method: 'POST', url: '/things' }), { outcome: 'guard', status: 200 })
  t.equal(invalidations, 0)
  await app.inject({ method: 'POST', url: '/things' })
  t.equal(invalidations, 1, 'a real one does')
})

t.test('handlers of scopes that are older than the plugin do not run, nor those beside it', async (t) => {
  const calls: string[] = []
  const scope = (path: string) => async (app: FastifyInstance): Promise<void> => {
    app.post(path, async () => { calls.push(path) })
  }
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(scope('/older'))
  let cache!: FastifyInstance['cache']
  await app.register(async (inner) => {
    await inner.register(responseCache, { defaults: { ttl: '1h' } })
    cache = inner.cache
  })
  await app.register(async (other) => {
    await other.register(responseCache, { defaults: { ttl: '1h' } })
    other.get('/beside', { config: { cache: true } }, async () => { calls.push('/beside') })
  })
  await app.register(scope('/younger'))
  for (const url of ['/older', '/younger']) t.match(await cache.explain({ method: 'POST', url }), { outcome: 'not-cached', route: `POST ${url}` })
  t.match(await cache.explain('/beside'), { outcome: 'not-cached', route: 'GET /beside' })
  t.strictSame(calls, [])
  await app.inject({ method: 'POST', url: '/older' })
  t.strictSame(calls, ['/older'], 'a real request runs it')
})

t.test('whoever waits for a guard that hangs is told when the app closes', async (t) => {
  let reached = (): void => {}
  const isReached = new Promise<void>((resolve) => { reached = resolve })
  const { app } = await openScene(t, {}, (app, handler) => {
    app.addHook('onRequest', async () => {
      reached()
      await new Promise(() => {})
    })
    app.get('/things', { config: { cache: true } }, handler)
  })
  const waiting = t.rejects(app.cache.explain('/things'), { code: 'RESPONSE_CACHE_ERR_CLOSED' })
  await isReached
  await app.close()
  await waiting
  await t.rejects(app.cache.explain('/things'), { code: 'RESPONSE_CACHE_ERR_CLOSED' })
})

t.test('what is no request is refused, and a cache without an app says so', async (t) => {
  const { app } = await openScene(t, {}, () => {})
  const wrong: Array<[unknown, string]> = [
    [undefined, 'RESPONSE_CACHE_ERR_TARGET_INVALID'],
    ['things', 'RESPONSE_CACHE_ERR_TARGET_INVALID'],
    ['//other.example/', 'RESPONSE_CACHE_ERR_TARGET_INVALID'],
    [{ url: '/', body: 1n }, 'RESPONSE_CACHE_ERR_TARGET_INVALID'],
    [{ url: '/', method: 'G T' }, 'RESPONSE_CACHE_ERR_OPTION_INVALID'],
    [{ url: '/', headers: { a: 'b\r\nc: d' } }, 'RESPONSE_CACHE_ERR_OPTION_INVALID'],
    [{ url: '/', header: {} }, 'RESPONSE_CACHE_ERR_OPTION_UNKNOWN']
  ]
  for (const [request, code] of wrong) await t.rejects(app.cache.explain(request as string), { code })
  await using cache = createCache({ defaults: { ttl: '1h' } })
  await t.rejects(cache.explain('/things'), { code: 'RESPONSE_CACHE_ERR_NOT_EXPLAINED' })
})
