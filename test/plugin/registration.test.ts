import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import responseCache from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { listen, repeats, serve } from './serve.ts'

const config = { cache: '5m' }

function bareApp (t: Test): FastifyInstance {
  const app = Fastify()
  t.teardown(() => app.close())
  return app
}

test('a route declared before the plugin was loaded fails loudly instead of going uncached', async (t) => {
  const app = bareApp(t)
  void app.register(responseCache)
  app.get('/items/:id', { config }, async () => 'x')
  app.get('/plain', async () => 'plain')
  app.get('/off', { config: { cache: false } }, async () => 'off')
  const service = await listen(app)
  const refused = await service.get('/items/1')
  t.equal(refused.status, 500)
  t.match(JSON.parse(refused.text), {
    code: 'RESPONSE_CACHE_ERR_NOT_ATTACHED',
    message: 'GET /items/:id has config.cache but was declared before fastify-response-cache was loaded, or an onRoute hook has added config.cache after the plugin saw the route, so it is not cached. ' +
      'Write "await app.register(responseCache)" before declaring routes, and behind such hooks.'
  })
  t.equal((await service.get('/items/1', { method: 'HEAD' })).status, 500)
  t.equal((await service.get('/plain')).text, 'plain')
  t.equal((await service.get('/off')).text, 'off')
})

test('a route of an encapsulated plugin that came before the cache fails loudly as well', async (t) => {
  const app = bareApp(t)
  await app.register(async (child) => { child.get('/early', { config }, async () => 'x') })
  await app.register(responseCache)
  app.get('/late', { config }, async () => 'x')
  const service = await listen(app)
  t.match((await service.get('/early')).text, 'RESPONSE_CACHE_ERR_NOT_ATTACHED')
  await repeats(t, service, '/late')
})

test('a plugin whose registration was not awaited still caches routes of plugins registered behind it', async (t) => {
  const app = bareApp(t)
  void app.register(responseCache)
  void app.register(async (child) => { child.get('/', { config }, async () => 'x') })
  await repeats(t, await listen(app), '/')
})

test('registering twice in one context is refused', async (t) => {
  const app = bareApp(t)
  await app.register(responseCache)
  await t.rejects(Promise.resolve(app.register(responseCache)), {
    code: 'RESPONSE_CACHE_ERR_ALREADY_REGISTERED',
    message: 'fastify.cache exists already: fastify-response-cache was registered twice in one context, or another plugin (such as @fastify/caching) uses the name. Register it once, or in sibling contexts.'
  })
})

test('registering again in a child of a context that has the cache is refused', async (t) => {
  const app = bareApp(t)
  await app.register(responseCache)
  await t.rejects(Promise.resolve(app.register(async (child) => { await child.register(responseCache) })), { code: 'RESPONSE_CACHE_ERR_ALREADY_REGISTERED' })
})

test('a decorator of another plugin with the name "cache" is not overwritten', async (t) => {
  const app = bareApp(t)
  app.decorate('cache' as never, 'mine' as never)
  await t.rejects(Promise.resolve(app.register(responseCache)), { code: 'RESPONSE_CACHE_ERR_ALREADY_REGISTERED' })
  t.equal(app.cache as unknown, 'mine')
})

test('sibling contexts have caches of their own', async (t) => {
  const app = bareApp(t)
  for (const name of ['one', 'two']) {
    await app.register(async (child) => {
      await child.register(responseCache, { name, defaults: { ttl: '1m', jitter: 0 } })
      child.get('/', { config: { cache: true } }, async () => `from ${name}`)
      child.get('/stored', async () => await child.cache.get('key') ?? 'nothing')
      await child.cache.set('key', `value of ${name}`)
    }, { prefix: `/${name}` })
  }
  app.get('/outside', async () => app.hasDecorator('cache'))
  const service = await listen(app)
  for (const name of ['one', 'two']) {
    const { hit } = await repeats(t, service, `/${name}`)
    t.equal(hit.text, `from ${name}`)
    t.equal(hit.field('cache-status'), `${name}; hit; ttl=60`)
    t.equal((await service.get(`/${name}/stored`)).text, `value of ${name}`)
  }
  t.equal((await service.get('/outside')).text, 'false')
})

test('two apps in one process share nothing', async (t) => {
  const services = await Promise.all(['one', 'two'].map(async (name) => await serve(t, (app) => {
    app.get('/', { config }, async () => `from ${name}`)
  })))
  for (const [index, name] of ['one', 'two'].entries()) t.equal((await repeats(t, services[index]!, '/')).hit.text, `from ${name}`)
})

type RouteHook = 'preHandler' | 'onRequest' | 'onSend'

const added: Record<string, (route: RouteOptions, hook: RouteHook, own: (...args: unknown[]) => Promise<unknown>) => void> = {
  'in a new list, behind': (route, hook, own) => { route[hook] = [...[route[hook] ?? []].flat(), own] as never },
  'in a new list, in front': (route, hook, own) => { route[hook] = [own, ...[route[hook] ?? []].flat()] as never },
  'in the same list': (route, hook, own) => {
    if (Array.isArray(route[hook])) route[hook].push(own as never)
    else route[hook] = [route[hook] ?? [], own].flat() as never
  }
}

for (const [how, add] of Object.entries(added)) {
  for (const hook of ['preHandler', 'onRequest'] as const) {
    test(`a ${hook} that a plugin puts on routes ${how} guards hits, whether it is registered before or after the cache`, async (t) => {
      for (const order of ['before', 'after']) {
        const guarding = fp(async (app: FastifyInstance) => {
          app.addHook('onRoute', (route) => { add(route, hook, guard) })
        })
        const app = bareApp(t)
        if (order === 'before') await app.register(guarding)
        await app.register(responseCache, { defaults: { ttl: '1m', hook } })
        if (order === 'after') await app.register(guarding)
        app.get('/', { config: { cache: true } }, async () => 'inside')
        const service = await listen(app)
        await repeats(t, service, '/')
        t.equal((await service.get('/', { headers: { 'x-stop': '1' } })).status, 403, order)
      }
    })
  }

  test(`an onSend that a plugin puts on routes ${how} has its part in what is stored, once`, async (t) => {
    for (const order of ['before', 'after']) {
      let runs = 0
      const transforming = fp(async (app: FastifyInstance) => {
        const number = async (...[, , payload]: unknown[]): Promise<string> => `${String(payload)} ${++runs}`
        app.addHook('onRoute', (route) => { add(route, 'onSend', number) })
      })
      const app = bareApp(t)
      if (order === 'before') await app.register(transforming)
      await app.register(responseCache)
      if (order === 'after') await app.register(transforming)
      app.get('/', { config }, async () => 'x')
      t.equal((await repeats(t, await listen(app), '/')).hit.text, 'x 1')
    }
  })
}

/** A guard of a plugin: refuses requests with `x-stop`. */
async function guard (...[request, reply]: unknown[]): Promise<unknown> {
  return (request as FastifyRequest).headers['x-stop'] === undefined ? undefined : await (reply as FastifyReply).code(403).send('no')
}

test('the plugin can be registered with a function, as any other', async (t) => {
  const app = bareApp(t)
  app.decorate('ttl' as never, '7s' as never)
  await app.register(responseCache, (parent: FastifyInstance) => ({ defaults: { jitter: 0, ttl: (parent as unknown as { ttl: string }).ttl } }))
  app.get('/', { config: { cache: true } }, async () => 'x')
  const { hit } = await repeats(t, await listen(app), '/')
  t.equal(hit.field('cache-status'), 'fastify-response-cache; hit; ttl=7')
})

test('closing the app closes its cache', async (t) => {
  const app = bareApp(t)
  await app.register(responseCache)
  await app.ready()
  await app.cache.set('key', 1, { ttl: '1m' })
  await app.close()
  await t.rejects(app.cache.get('key'), { code: 'RESPONSE_CACHE_ERR_CLOSED' })
})

test('a route without config.cache, and one that says false, do not know the cache', async (t) => {
  const service = await serve(t, (app) => {
    let runs = 0
    app.get('/without', async () => ++runs)
    app.get('/false', { config: { cache: false } }, async () => ++runs)
  })
  for (const [path, text] of [['/without', '1'], ['/without', '2'], ['/false', '3'], ['/false', '4']] as const) {
    const response = await service.get(path)
    t.equal(response.text, text)
    t.equal(response.field('x-cache'), undefined)
    t.equal(response.field('cache-status'), undefined)
  }
})
