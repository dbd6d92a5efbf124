import rateLimit, { type RateLimitPluginOptions } from '@fastify/rate-limit'
import Fastify from 'fastify'
import responseCache from 'fastify-response-cache'
import { test } from 'tap'
import type { Service } from '../plugin/serve.ts'
import { cached, counter, inBothOrders } from './orders.ts'

interface Answer {
  status: number
  outcome: string | undefined
  remaining: string | undefined
}

async function ask ({ get }: Service, path = '/', prefix = 'x-ratelimit'): Promise<Answer> {
  const response = await get(path)
  return { status: response.status, outcome: response.field('x-cache'), remaining: response.field(`${prefix}-remaining`) }
}

const MISS_HIT_REFUSED = [
  { status: 200, outcome: 'MISS', remaining: '1' },
  { status: 200, outcome: 'HIT', remaining: '0' },
  { status: 429, outcome: undefined, remaining: '0' }
]

for (const hook of ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const) {
  inBothOrders(`@fastify/rate-limit: with hook ${hook} hits count, and say what is left for the request itself`, () => ({
    plugin: (app) => app.register(rateLimit, { max: 2, hook }),
    routes: (app) => {
      app.get('/', cached(), counter())
      app.get('/own', { config: { ...cached().config, rateLimit: { max: 2, hook } } }, counter())
    }
  }), async (t, service) => {
    for (const path of ['/', '/own']) {
      for (const expected of MISS_HIT_REFUSED) t.strictSame(await ask(service, path), expected, path)
    }
  })
}

inBothOrders('@fastify/rate-limit: a route limit without a global one', () => ({
  plugin: (app) => app.register(rateLimit, { global: false }),
  routes: (app) => {
    app.get('/', { config: { ...cached().config, rateLimit: { max: 2 } } }, counter())
    app.get('/free', cached(), counter())
  }
}), async (t, service) => {
  for (const expected of MISS_HIT_REFUSED) t.strictSame(await ask(service), expected)
  for (const outcome of ['MISS', 'HIT', 'HIT']) t.strictSame(await ask(service, '/free'), { status: 200, outcome, remaining: undefined })
})

inBothOrders('@fastify/rate-limit: with the field names of the draft standard hits have one set of fields, their own', () => ({
  plugin: (app) => app.register(rateLimit, { max: 2, enableDraftSpec: true }),
  routes: (app) => { app.get('/', cached(), counter()) }
}), async (t, service) => {
  for (const expected of MISS_HIT_REFUSED) t.strictSame(await ask(service, '/', 'ratelimit'), expected)
})

inBothOrders('@fastify/rate-limit: a 429 is never stored, and no stored response is sent to who is refused', () => {
  let limit = 0
  const options: RateLimitPluginOptions = { max: () => limit }
  return {
    plugin: (app) => app.register(rateLimit, options),
    routes: (app) => {
      app.get('/', cached({ statusCodes: [200, 429], staleIfError: '1h' }), counter())
      app.post('/raise', { config: { rateLimit: false } }, async () => { limit = 100 })
      app.post('/lower', { config: { rateLimit: false } }, async () => { limit = 0 })
    }
  }
}, async (t, service) => {
  t.match(await ask(service), { status: 429, outcome: undefined })
  await service.get('/raise', { method: 'POST' })
  for (const outcome of ['MISS', 'HIT']) {
    const response = await service.get('/')
    t.strictSame([response.status, response.field('x-cache'), response.field('retry-after')], [200, outcome, undefined])
  }
  await service.get('/lower', { method: 'POST' })
  t.match(await ask(service), { status: 429, outcome: undefined })
  await service.get('/raise', { method: 'POST' })
  t.match(await ask(service), { status: 200, outcome: 'HIT' })
})

inBothOrders('@fastify/rate-limit: a limiter that the handler asks counts misses only', () => ({
  plugin: (app) => app.register(rateLimit, { global: false }),
  routes: (app) => {
    const check = app.createRateLimit({ max: 1, timeWindow: 60_000 })
    app.get('/:id', cached(), async (request, reply) => {
      const limit = await check(request)
      return !limit.isAllowed && limit.isExceeded ? reply.code(429).send('too many') : 'text'
    })
  }
}), async (t, service) => {
  for (const [path, status, outcome] of [['/1', 200, 'MISS'], ['/1', 200, 'HIT'], ['/1', 200, 'HIT'], ['/2', 429, 'MISS'], ['/2', 429, 'MISS']] as const) {
    t.match(await ask(service, path), { status, outcome })
  }
})

inBothOrders('@fastify/rate-limit: with the cache in onRequest hits count, too', () => ({
  plugin: (app) => app.register(rateLimit, { max: 2 }),
  routes: (app) => { app.get('/', cached({ hook: 'onRequest' }), counter()) }
}), async (t, service) => {
  for (const expected of MISS_HIT_REFUSED) t.strictSame(await ask(service), expected)
})

test('@fastify/rate-limit: a limit that hits in onRequest would skip is refused when the app starts, in either order', async (t) => {
  for (const order of ['before', 'after']) {
    const app = Fastify()
    if (order === 'before') await app.register(rateLimit, { max: 2, hook: 'preHandler' })
    await app.register(responseCache)
    if (order === 'after') await app.register(rateLimit, { max: 2, hook: 'preHandler' })
    app.get('/', cached({ ttl: '1m', hook: 'onRequest' }), counter())
    await t.rejects(async () => { await app.ready() }, { code: 'RESPONSE_CACHE_ERR_UNGUARDED' }, order)
    await app.close()
  }
})
