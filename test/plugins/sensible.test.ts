import sensible from '@fastify/sensible'
import { repeats } from '../plugin/serve.ts'
import { cached, counter, inBothOrders } from './orders.ts'

inBothOrders('@fastify/sensible: its errors are not stored, however they are sent', () => ({
  plugin: (app) => app.register(sensible),
  routes: (app) => {
    app.get('/notFound', cached(), async (request, reply) => reply.notFound('no such thing'))
    app.get('/thrown', cached(), async () => { throw app.httpErrors.imateapot() })
    app.get('/returned', cached(), async () => app.httpErrors.conflict())
    app.get('/asserted', cached(), async () => app.assert.ok(false, 402))
  }
}), async (t, { get }) => {
  for (const [path, status] of [['/notFound', 404], ['/thrown', 418], ['/returned', 409], ['/asserted', 402]] as const) {
    for (let time = 0; time < 2; time++) {
      const response = await get(path)
      t.strictSame([response.status, response.field('cache-status')], [status, 'fastify-response-cache; fwd=uri-miss; detail=status'])
    }
  }
})

inBothOrders('@fastify/sensible: what its helpers say in Cache-Control decides', () => ({
  plugin: (app) => app.register(sensible),
  routes: (app) => {
    app.get('/prevented', cached(), async (request, reply) => reply.preventCache().send('text'))
    app.get('/private', cached(), async (request, reply) => reply.cacheControl('private').cacheControl('max-age', '1m').send('text'))
    app.get('/revalidated', cached(), async (request, reply) => reply.revalidate().send('text'))
    app.get('/public', cached(), async (request, reply) => reply.cacheControl('public').cacheControl('max-age', 60).send('text'))
    app.get('/static', cached(), async (request, reply) => reply.staticCache(3600).send('text'))
  }
}), async (t, service) => {
  for (const [path, detail] of [['/prevented', 'no-store'], ['/private', 'private']] as const) {
    for (let time = 0; time < 2; time++) t.equal((await service.get(path)).field('cache-status'), `fastify-response-cache; fwd=uri-miss; detail=${detail}`, path)
  }
  t.equal((await repeats(t, service, '/public')).hit.field('cache-control'), 'public, max-age=60')
  t.match((await repeats(t, service, '/static')).hit.field('cache-control'), /max-age=3600/)
  t.match((await repeats(t, service, '/revalidated')).hit.field('cache-control'), /must-revalidate/)
})

inBothOrders('@fastify/sensible: reply.vary keeps responses apart', () => ({
  plugin: (app) => app.register(sensible),
  routes: (app) => {
    app.get('/', cached(), async (request, reply) => {
      reply.vary('x-client')
      return `for ${String(request.headers['x-client'])}`
    })
    app.get('/any', cached(), async (request, reply) => {
      reply.vary('*')
      return 'text'
    })
  }
}), async (t, { get }) => {
  for (let time = 0; time < 2; time++) {
    for (const client of ['ios', 'web']) {
      t.equal((await get('/', { headers: { 'x-client': client } })).text, `for ${client}`)
      t.equal((await get('/', { headers: { 'x-client': client } })).field('x-cache'), 'HIT')
    }
    t.equal((await get('/any')).field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=vary')
  }
})

inBothOrders('@fastify/sensible: a 304 is for the client that it was said to', () => ({
  plugin: (app) => app.register(sensible),
  routes: (app) => {
    const make = counter()
    app.get('/', cached(), async (request, reply) => {
      reply.header('etag', '"v1"')
      return request.headers['if-none-match'] === '"v1"' ? reply.code(304).send() : await make()
    })
  }
}), async (t, { get }) => {
  const known = await get('/', { headers: { 'if-none-match': '"v1"' } })
  t.strictSame([known.status, known.text], [304, ''])
  for (let time = 0; time < 2; time++) {
    const whole = await get('/')
    t.strictSame([whole.status, whole.text], [200, '{"made":1}'])
  }
  t.equal((await get('/')).field('x-cache'), 'HIT')
})
