import Fastify, { type FastifyInstance } from 'fastify'
import responseCache from 'fastify-response-cache'
import { test } from 'tap'
import { createApp, listen, repeats, serve } from './serve.ts'

const early = { cache: { hook: 'onRequest' } } as const
const earlyUnguarded = { cache: { hook: 'onRequest', unguarded: true } } as const
const nothing = async (): Promise<void> => {}

test('with hook: onRequest a hit is sent before parsing, validation and handler', async (t) => {
  const ran: string[] = []
  const service = await serve(t, (app) => {
    for (const hook of ['preParsing', 'preValidation', 'preHandler'] as const) app.addHook(hook, async () => { ran.push(hook) })
    app.addHook('onRequest', async () => { ran.push('onRequest') })
    app.get('/', { config: earlyUnguarded }, async () => {
      ran.push('handler')
      return 'x'
    })
  })
  await service.get('/')
  t.strictSame(ran.splice(0), ['onRequest', 'preParsing', 'preValidation', 'preHandler', 'handler'])
  t.equal((await service.get('/')).field('x-cache'), 'HIT')
  t.strictSame(ran, ['onRequest'])
})

test('with hook: onRequest a hit repeats what the miss sent', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/:id', { config: early }, async (request, reply) => reply.header('etag', '"1"').send({ params: request.params, query: request.query }))
  })
  t.equal((await repeats(t, service, '/1?b=2&a=1')).hit.text, '{"params":{"id":"1"},"query":{"b":"2","a":"1"}}')
  t.equal((await repeats(t, service, '/2')).hit.text, '{"params":{"id":"2"},"query":{}}')
})

test('onRequest hooks guard hits also when they were added after the route', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', { config: early, onRequest: async (request, reply) => request.headers['x-route'] === 'no' ? await reply.code(403).send('route') : undefined }, async () => 'x')
    app.addHook('onRequest', async (request, reply) => request.headers['x-app'] === 'no' ? await reply.code(401).send('app') : undefined)
  })
  await repeats(t, service, '/')
  t.equal((await service.get('/', { headers: { 'x-app': 'no' } })).text, 'app')
  t.equal((await service.get('/', { headers: { 'x-route': 'no' } })).text, 'route')
})

const guards: Record<string, (app: FastifyInstance) => unknown> = {
  'a preHandler of the route': (app) => app.get('/', { config: early, preHandler: nothing }, async () => 'x'),
  'a preValidation of the route': (app) => app.get('/', { config: early, preValidation: [nothing] }, async () => 'x'),
  'a preParsing of the route': (app) => app.get('/', { config: early, preParsing: nothing }, async () => 'x'),
  'a preHandler of the app': (app) => app.addHook('preHandler', nothing).get('/', { config: early }, async () => 'x'),
  'a preHandler added to the app after the route': (app) => app.get('/', { config: early }, async () => 'x').addHook('preHandler', nothing),
  'a preValidation of the plugin around the route': async (app) => {
    await app.register(async (child) => {
      child.addHook('preValidation', nothing)
      child.get('/', { config: early }, async () => 'x')
    })
  }
}

for (const [title, declare] of Object.entries(guards)) {
  test(`hook: onRequest is refused when a hit would skip ${title}`, async (t) => {
    const app = await createApp(t, declare)
    const hook = /preHandler|preValidation|preParsing/.exec(title)![0]
    await t.rejects(Promise.resolve(app.ready()), {
      code: 'RESPONSE_CACHE_ERR_UNGUARDED',
      message: `Refused to serve hits of GET / in onRequest: it would skip ${hook}. Use hook: 'preHandler' (the default), or say unguarded: true if none of them protects the response.`
    })
  })
}

test('hooks of a sibling plugin do not keep a route from hook: onRequest', async (t) => {
  const service = await serve(t, async (app) => {
    await app.register(async (child) => { child.addHook('preHandler', nothing) })
    await app.register(async (child) => { child.get('/', { config: early }, async () => 'x') })
  })
  await repeats(t, service, '/')
})

test('another onRequest hook that a plugin adds later runs before the look-up', async (t) => {
  let ran = 0
  const service = await serve(t, (app) => {
    app.addHook('onRoute', (route) => { route.onRequest = [...[route.onRequest ?? []].flat(), async () => { ran++ }] as never })
    app.get('/', { config: early }, async () => 'x')
  })
  await repeats(t, service, '/')
  t.equal(ran, 2)
})

test('hook: onRequest in defaults or a namespace counts like one of the route', async (t) => {
  for (const cache of [{ defaults: { ttl: 60, hook: 'onRequest' } }, { namespaces: { default: { ttl: 60, hook: 'onRequest' } } }] as const) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(responseCache, cache)
    app.get('/', { config: { cache: true }, preHandler: nothing }, async () => 'x')
    await t.rejects(Promise.resolve(app.ready()), { code: 'RESPONSE_CACHE_ERR_UNGUARDED' })
  }
})

test('with hook: onRequest an uncovered query parameter is hidden before validation', async (t) => {
  const app = Fastify({ ajv: { customOptions: { removeAdditional: false } } })
  t.teardown(() => app.close())
  await app.register(responseCache)
  app.get('/', {
    config: { cache: { ttl: '1m', hook: 'onRequest', varyByQuery: ['page'] } },
    schema: { querystring: { type: 'object', additionalProperties: false, properties: { page: { type: 'integer' } } } }
  }, async (request) => ({ query: request.query, url: request.url }))
  const service = await listen(app)
  t.equal((await service.get('/?page=2&utm=x')).text, '{"query":{"page":2},"url":"/?page=2"}')
  const hit = await service.get('/?utm=y&page=2')
  t.equal(hit.field('x-cache'), 'HIT')
  t.equal(hit.text, '{"query":{"page":2},"url":"/?page=2"}')
})
