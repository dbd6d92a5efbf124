import Fastify from 'fastify'
import responseCache, { createCache, type ResponseCacheOptions, type RouteCacheOptions } from 'fastify-response-cache'
import { test } from 'tap'
import { appWithRoute, secondStatus } from './apps.ts'

/** Freezes plain objects and lists to the ground, so that every write to them throws. */
function deepFreeze<T> (value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const inner of Object.values(value)) deepFreeze(inner)
  return value
}

const routeOptions: RouteCacheOptions = {
  namespace: 'user',
  ttl: '5m',
  varyByUser: false,
  varyByQuery: ['page'],
  varyByHeaders: ['Accept-Language'],
  varyByCookies: ['lang'],
  varyByBody: false,
  skip: () => false,
  storeIf: () => true,
  shared: false,
  hook: 'preHandler',
  unguarded: false,
  statusCodes: [200, 404],
  maxBytes: 1000,
  revalidate: '10m',
  obeyRequestDirectives: () => false,
  downstream: { tags: 'surrogate-key' },
  compress: 'br'
}

const pluginOptions: ResponseCacheOptions = {
  prefix: 'app',
  enabled: true,
  memory: { maxBytes: 1_000_000 },
  ttls: { short: '1s', own: 5 },
  namespaces: { user: { ttl: '1h', statusCodes: [200] } },
  defaults: { ttl: 60, varyByHeaders: ['x-kind'] },
  timeouts: { read: '20ms', write: 1, invalidate: '2s' },
  breaker: { failures: 3, openFor: '1s' },
  limits: { variants: 10, tags: 20 },
  clock: Date.now,
  logger: { info () {}, warn () {} },
  user: () => undefined,
  name: 'api',
  targetedFields: ['CDN-Cache-Control'],
  debugHeaders: true
}

test('the options of the plugin, of a route and of the client are never changed', async (t) => {
  const plugin = deepFreeze(structuredCloneWithFunctions(pluginOptions))
  const route = deepFreeze({
    method: 'GET' as const,
    url: '/items/:id',
    config: { cache: structuredCloneWithFunctions(routeOptions), other: { deep: [1] } },
    preHandler: [async () => {}],
    onSend: [async () => {}],
    handler: async () => 'x'
  })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache, plugin)
  app.route(route)
  const urls = ['/items/1?page=1&utm=2', '/items/1?page=1', '/items/1?page=2']
  const answers = []
  for (const url of urls) answers.push((await app.inject(url)).headers['x-cache'])
  t.strictSame(answers, ['MISS', 'HIT', 'MISS'])
  const options = deepFreeze({ ttl: 5 })
  await app.cache.set('key', 1, options)
  await app.cache.setMany(deepFreeze([['a', 1], ['b', 2]] as const), options)
  t.equal(await app.cache.getOrSet('key', () => 2, options), 1)
})

test('createCache does not change its options', async (t) => {
  const { user, name, targetedFields, debugHeaders, ...options } = pluginOptions
  await using cache = createCache(deepFreeze(structuredCloneWithFunctions(options)))
  t.equal(await cache.set('user:1', 1), true)
})

test('one options object serves several routes and several apps', async (t) => {
  const options = deepFreeze({ ttl: 60, varyByQuery: ['page'] })
  for (let time = 0; time < 2; time++) {
    const app = await appWithRoute(t, options)
    app.get('/other', { config: { cache: options } }, async () => 'y')
    t.match(await secondStatus(app), /^hit/)
    t.match(await secondStatus(app, { url: '/other' }), /^hit/)
  }
})

test('what a caller changes in its options afterwards changes nothing', async (t) => {
  const options = { ttl: 60, varyByQuery: ['page'], varyByHeaders: ['authorization'], varyByCookies: ['sid'], statusCodes: [200] }
  const plugin = { ttls: { own: 5 }, defaults: { ttl: 60, statusCodes: [200] }, namespaces: { n: { ttl: 60, statusCodes: [200] } } }
  const app = await appWithRoute(t, options, { plugin })
  options.ttl = 0
  for (const list of [options.varyByQuery, options.varyByHeaders, options.varyByCookies, options.statusCodes]) list.length = 0
  plugin.ttls.own = 0
  plugin.defaults.ttl = 0
  plugin.namespaces.n.ttl = 0
  app.get('/later', { config: { cache: true } }, async () => 'x')
  app.get('/later-in-n', { config: { cache: { namespace: 'n' } } }, async () => 'x')
  const request = { headers: { authorization: 'x', cookie: 'sid=1' } }
  t.match(await secondStatus(app, request), /^hit/, 'lists of the route')
  t.match(await secondStatus(app, { url: '/later' }), /^hit/, 'defaults')
  t.match(await secondStatus(app, { url: '/later-in-n' }), /^hit/, 'namespaces')
})

test('what a caller changes inside of downstream and targetedFields afterwards changes nothing', async (t) => {
  const own = { maxAge: 60 as unknown }
  const general = { maxAge: 60 as unknown }
  const targetedFields = ['x-cache-control']
  const app = await appWithRoute(t, { ttl: 60, downstream: own }, { plugin: { targetedFields, defaults: { ttl: 60, downstream: general as object } } })
  own.maxAge = general.maxAge = 'no duration'
  targetedFields[0] = 'other'
  app.get('/later', { config: { cache: true } }, async () => 'x')
  app.get('/targeted', { config: { cache: { ttl: 'http', downstream: false } } }, async (request, reply) => reply.headers({ 'x-cache-control': 'max-age=60' }).send('x'))
  for (const url of ['/items/1', '/later']) t.equal((await app.inject(url)).headers['cache-control'], 'public, max-age=60', url)
  t.match(await secondStatus(app, { url: '/targeted' }), /^hit/)
})

/** A copy of the plain objects and lists in a value; functions stay what they are. */
function structuredCloneWithFunctions<T> (value: T): T {
  if (Array.isArray(value)) return value.map(structuredCloneWithFunctions) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, structuredCloneWithFunctions(inner as unknown)])) as T
}
