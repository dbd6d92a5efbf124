import cors, { type FastifyCorsOptions } from '@fastify/cors'
import type { FastifyRequest } from 'fastify'
import { test } from 'tap'
import { serve, type Service } from '../plugin/serve.ts'
import { cached, counter, inBothOrders, type Setting } from './orders.ts'

function setting (options: FastifyCorsOptions): () => Setting {
  return () => ({
    plugin: (app) => app.register(cors, options),
    routes: (app) => { app.get('/', cached(), counter()) }
  })
}

async function from ({ get }: Service, origin?: string): Promise<{ outcome: unknown, allowed: unknown, vary: unknown, body: string }> {
  const response = await get('/', { headers: origin === undefined ? {} : { origin } })
  return { outcome: response.field('x-cache'), allowed: response.field('access-control-allow-origin'), vary: response.field('vary'), body: response.text }
}

const [A, B, EVIL] = ['https://a.example', 'https://b.example', 'https://evil.example']

inBothOrders('@fastify/cors: each origin is told of itself, on misses and on hits', setting({ origin: [A, B] }), async (t, service) => {
  const misses = [await from(service, A), await from(service, B)] as const
  t.match(misses, [{ outcome: 'MISS', allowed: A, vary: 'Origin' }, { outcome: 'MISS', allowed: B, vary: 'Origin' }])
  for (let time = 0; time < 2; time++) {
    t.strictSame(await from(service, A), { ...misses[0], outcome: 'HIT' })
    t.strictSame(await from(service, B), { ...misses[1], outcome: 'HIT' })
  }
})

inBothOrders('@fastify/cors: an origin that is not allowed is told nothing by a hit', setting({ origin: [A] }), async (t, service) => {
  await from(service, A)
  for (let time = 0; time < 2; time++) {
    t.match(await from(service, EVIL), { allowed: undefined, vary: 'Origin' })
    t.match(await from(service), { allowed: undefined, vary: 'Origin' })
    t.match(await from(service, A), { allowed: A })
  }
})

inBothOrders("@fastify/cors: with origin '*' all origins share one response", setting({ origin: '*' }), async (t, service) => {
  const miss = await from(service, A)
  t.match(miss, { outcome: 'MISS', allowed: '*', vary: undefined })
  for (const origin of [A, B, undefined]) t.strictSame(await from(service, origin), { ...miss, outcome: 'HIT' })
})

inBothOrders('@fastify/cors: a function for origins is asked on hits, too', () => {
  const asked: Array<string | undefined> = []
  return {
    plugin: (app) => app.register(cors, {
      origin: async (origin: string | undefined) => {
        asked.push(origin)
        return origin === A
      }
    }),
    routes: (app) => {
      app.get('/', cached(), counter())
      app.get('/asked', async () => asked)
    }
  }
}, async (t, service) => {
  for (const origin of [A, A, EVIL, EVIL]) t.match(await from(service, origin), { allowed: origin === A ? A : undefined })
  t.strictSame(JSON.parse((await service.get('/asked')).text).slice(0, 4), [A, A, EVIL, EVIL])
})

inBothOrders('@fastify/cors: credentials are allowed on hits, and requests with cookies are not answered with them', setting({ origin: [A], credentials: true, exposedHeaders: ['Age'] }), async (t, service) => {
  const names = ['access-control-allow-credentials', 'access-control-expose-headers'] as const
  for (const outcome of ['MISS', 'HIT']) {
    const response = await service.get('/', { headers: { origin: A } })
    t.equal(response.field('x-cache'), outcome)
    t.strictSame(names.map((name) => response.field(name)), ['true', 'Age'])
  }
  const withCookie = await service.get('/', { headers: { origin: A, cookie: 'sid=1' } })
  t.equal(withCookie.field('x-cache'), 'BYPASS')
  t.equal(withCookie.field('access-control-allow-origin'), A)
})

inBothOrders('@fastify/cors: preflights are answered by it alone', setting({ origin: [A] }), async (t, service) => {
  await from(service, A)
  for (let time = 0; time < 2; time++) {
    const preflight = await service.get('/', { method: 'OPTIONS', headers: { origin: A, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-mine' } })
    t.equal(preflight.status, 204)
    t.equal(preflight.field('x-cache'), undefined)
    t.equal(preflight.field('cache-status'), undefined)
    t.equal(preflight.field('access-control-allow-origin'), A)
    t.equal(preflight.field('access-control-allow-headers'), 'x-mine')
    t.equal(preflight.text, '')
  }
  t.match(await from(service, A), { outcome: 'HIT' })
})

for (const hook of ['preHandler', 'preSerialization'] as const) {
  inBothOrders(`@fastify/cors: with hook ${hook} no origin gets what another one was told`, setting({ origin: [A, B], hook }), async (t, service) => {
    for (const origin of [A, B, EVIL, A, B, EVIL]) {
      t.match(await from(service, origin), { allowed: origin === EVIL ? undefined : origin, vary: 'Origin' }, origin)
    }
    await from(service, A)
    t.match(await from(service, A), { outcome: 'HIT', allowed: A })
  })
}

inBothOrders('@fastify/cors: a delegator decides by the request, and its answers are kept apart by Origin', () => ({
  plugin: (app) => app.register(cors, () => async (request: FastifyRequest) => ({ origin: request.headers.origin === A, credentials: request.headers.origin === A })),
  routes: (app) => { app.get('/', cached(), counter()) }
}), async (t, service) => {
  for (const origin of [A, EVIL, A, EVIL, EVIL]) t.match(await from(service, origin), { allowed: origin === A ? A : undefined, vary: 'Origin' })
  t.match(await from(service, EVIL), { outcome: 'HIT', allowed: undefined })
})

test('@fastify/cors in a scope with cached routes leaves routes outside of it alone', async (t) => {
  const service = await serve(t, async (app) => {
    await app.register(async (scope) => {
      await scope.register(cors, { origin: [A] })
      scope.get('/', cached(), counter())
    })
    app.get('/outside', cached(), counter())
  })
  await from(service, A)
  t.match(await from(service, A), { outcome: 'HIT', allowed: A })
  for (const outcome of ['MISS', 'HIT']) {
    const outside = await service.get('/outside', { headers: { origin: A } })
    t.equal(outside.field('x-cache'), outcome)
    t.equal(outside.field('access-control-allow-origin'), undefined)
    t.equal(outside.field('vary'), undefined)
  }
})
