import { Readable } from 'node:stream'
import { test } from 'tap'
import { repeats, serve } from './serve.ts'
import { stores } from './stores.ts'

const config = { cache: true }
const HEAD = { method: 'HEAD' }

for (const [place, optionsOf] of Object.entries(stores)) {
  test(`with ${place}, the HEAD of a stored response is answered from it, without the handler and without a body`, async (t) => {
    let runs = 0
    const service = await serve(t, (app) => {
      app.get('/json', { config }, async (request, reply) => {
        runs++
        return reply.header('etag', '"1"').send({ a: 'ä' })
      })
      app.get('/stream', { config }, async () => {
        runs++
        return Readable.from(['some', 'thing'])
      })
      app.get('/response', { config }, async () => {
        runs++
        return new Response('web', { headers: { 'x-own': '1' } })
      })
    }, { cache: await optionsOf(t) })
    for (const path of ['/json', '/stream', '/response']) {
      const { hit } = await repeats(t, service, path)
      runs = 0
      const head = await service.get(path, HEAD)
      t.equal(head.field('x-cache'), 'HIT', path)
      t.equal(runs, 0, 'runs of the handler')
      t.equal(head.status, 200)
      t.equal(head.body.length, 0)
      for (const name of ['content-length', 'content-type', 'etag', 'x-own']) t.equal(head.field(name), hit.field(name), `${name} of ${path}`)
    }
  })
}

test('a HEAD that comes first has the length of GET and never fills what GET is answered from', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', { config }, async () => 'the body')
  })
  for (let time = 0; time < 2; time++) {
    const head = await service.get('/', HEAD)
    t.equal(head.field('x-cache'), 'MISS')
    t.equal(head.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=head')
    t.equal(head.field('content-length'), '8')
  }
  const { miss } = await repeats(t, service, '/')
  t.equal(miss.text, 'the body')
})

test('HEAD and GET of a response that hooks transform have the same length', async (t) => {
  const service = await serve(t, (app) => {
    app.addHook('onSend', async (request, reply, payload) => `<${String(payload)}>`)
    app.get('/', { config }, async () => 'body')
  })
  const cold = await service.get('/', HEAD)
  const { hit } = await repeats(t, service, '/')
  const warm = await service.get('/', HEAD)
  t.strictSame([cold, hit, warm].map(({ field }) => field('content-length')), ['6', '6', '6'])
})

test('a HEAD request is announced once', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', { config }, async () => 'x')
  })
  const { field, lines } = await service.get('/', HEAD)
  t.equal(field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=head')
  t.equal(lines.filter(([name]) => name === 'x-cache').length, 1)
})

test('guards of a route run before its HEAD is answered', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', {
      config,
      preHandler: async (request, reply) => request.headers['x-pass'] === 'yes' ? undefined : await reply.code(401).send('no')
    }, async () => 'x')
  })
  await repeats(t, service, '/', { headers: { 'x-pass': 'yes' } })
  t.equal((await service.get('/', HEAD)).status, 401)
})

test('without exposeHeadRoutes GET is cached and HEAD is not found', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', { config }, async () => 'x')
  }, { fastify: { exposeHeadRoutes: false } })
  await repeats(t, service, '/')
  t.equal((await service.get('/', HEAD)).status, 404)
})

test('a route that does not want a HEAD twin has none, one that wants it has one', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/without', { config, exposeHeadRoute: false }, async () => 'x')
    app.get('/with', { config, exposeHeadRoute: true }, async () => 'x')
  })
  await repeats(t, service, '/without')
  await repeats(t, service, '/with')
  t.equal((await service.get('/without', HEAD)).status, 404)
  t.equal((await service.get('/with', HEAD)).status, 200)
})

test('HEAD is answered from the entry of GET on both forms of a prefixed route', async (t) => {
  const service = await serve(t, async (app) => {
    await app.register(async (child) => { child.get('/', { config }, async () => 'body') }, { prefix: '/p' })
  })
  for (const path of ['/p', '/p/']) {
    await repeats(t, service, path)
    t.equal((await service.get(path, HEAD)).field('x-cache'), 'HIT', path)
  }
})

test('a HEAD route of its own keeps its answer, whatever is stored for GET', async (t) => {
  for (const headConfig of [{}, config]) {
    const service = await serve(t, (app) => {
      app.head('/', { config: headConfig }, async (request, reply) => reply.header('x-own', 'head').header('content-length', 99).send())
      app.get('/', { config }, async (request, reply) => reply.header('x-own', 'get').send('body'))
    })
    for (let time = 0; time < 2; time++) {
      t.equal((await service.get('/', HEAD)).field('x-own'), 'head')
      t.equal((await service.get('/')).field('x-own'), 'get')
    }
  }
})

test('a route for GET and HEAD together fills from GET only', async (t) => {
  const service = await serve(t, (app) => {
    app.route({ method: ['GET', 'HEAD'], url: '/', config, handler: async (request) => `for ${request.method}` })
  })
  t.equal((await service.get('/', HEAD)).field('x-cache'), 'MISS')
  t.equal((await repeats(t, service, '/')).hit.text, 'for GET')
  const head = await service.get('/', HEAD)
  t.equal(head.field('x-cache'), 'HIT')
  t.equal(head.field('content-length'), '7')
})
