import helmet from '@fastify/helmet'
import { repeats } from '../plugin/serve.ts'
import { cached, counter, inBothOrders } from './orders.ts'

inBothOrders('@fastify/helmet: hits have the same security fields as misses', () => ({
  plugin: (app) => app.register(helmet),
  routes: (app) => { app.get('/', cached(), counter()) }
}), async (t, service) => {
  const { hit } = await repeats(t, service, '/')
  t.match(hit.field('content-security-policy'), /default-src 'self'/)
  t.equal(hit.field('x-content-type-options'), 'nosniff')
  t.equal(hit.lines.filter(([name]) => name === 'strict-transport-security').length, 1)
})

inBothOrders('@fastify/helmet: a page with nonces is never stored, and each has its own', () => ({
  plugin: (app) => app.register(helmet, { enableCSPNonces: true }),
  routes: (app) => {
    app.get('/', cached(), async (request, reply) => reply.type('text/html').send(`<script nonce="${reply.cspNonce.script}"></script>`))
  }
}), async (t, { get }) => {
  const seen = new Set<string>()
  for (let time = 0; time < 3; time++) {
    const page = await get('/')
    t.equal(page.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=nonce')
    const [, nonce = ''] = /nonce="(\w+)"/.exec(page.text) ?? []
    t.ok(page.field('content-security-policy')?.includes(`'nonce-${nonce}'`))
    seen.add(nonce)
  }
  t.equal(seen.size, 3)
})

inBothOrders('@fastify/helmet: nonces of a report-only policy are not repeated either', () => ({
  plugin: (app) => app.register(helmet, { enableCSPNonces: true, contentSecurityPolicy: { reportOnly: true, directives: { defaultSrc: ["'self'"] } } }),
  routes: (app) => { app.get('/', cached(), counter()) }
}), async (t, { get }) => {
  for (let time = 0; time < 2; time++) {
    const page = await get('/')
    t.match(page.field('content-security-policy-report-only'), /'nonce-/)
    t.equal(page.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=nonce')
  }
})

inBothOrders('@fastify/helmet: options of one route, on the route and in its handler, hold for hits', () => ({
  plugin: (app) => app.register(helmet, { global: false, enableCSPNonces: true }),
  routes: (app) => {
    app.get('/plain', cached(), counter())
    app.get('/route', { ...cached(), helmet: { enableCSPNonces: false, frameguard: { action: 'deny' } } }, counter())
    app.get('/handler', cached(), async (request, reply) => {
      await reply.helmet({ referrerPolicy: { policy: 'origin' } })
      return 'text'
    })
    app.get('/nonces', { ...cached(), helmet: { enableCSPNonces: true } }, async () => 'text')
  }
}), async (t, service) => {
  t.equal((await repeats(t, service, '/plain')).hit.field('x-frame-options'), undefined)
  t.equal((await repeats(t, service, '/route')).hit.field('x-frame-options'), 'DENY')
  t.equal((await repeats(t, service, '/handler')).hit.field('referrer-policy'), 'origin')
  t.equal((await service.get('/nonces')).field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=nonce')
})

inBothOrders('@fastify/helmet: security fields are those of today, not of when the response was stored', () => {
  let policy = "'self'"
  return {
    plugin: (app) => app.register(helmet, { contentSecurityPolicy: { directives: { defaultSrc: [() => policy] } } }),
    routes: (app) => {
      app.get('/', cached(), counter())
      app.post('/stricter', async () => { policy = "'none'" })
    }
  }
}, async (t, service) => {
  await service.get('/')
  await service.get('/stricter', { method: 'POST' })
  const hit = await service.get('/')
  t.equal(hit.field('x-cache'), 'HIT')
  t.match(hit.field('content-security-policy'), /default-src 'none'/)
})

inBothOrders('@fastify/helmet: what a handler takes away from a page stays away', () => ({
  plugin: (app) => app.register(helmet),
  routes: (app) => {
    app.get('/', cached(), async (request, reply) => {
      reply.raw.removeHeader('x-frame-options') // where helmet has put it
      return 'text'
    })
  }
}), async (t, service) => {
  t.equal((await repeats(t, service, '/')).hit.field('x-frame-options'), undefined)
})
