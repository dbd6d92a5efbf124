import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { setTimeout as sleep } from 'node:timers/promises'
import { Registry } from 'prom-client'
import responseCache, { type ResponseCacheOptions } from 'fastify-response-cache'
import { registerMetrics } from 'fastify-response-cache/prometheus'

export interface ShopOptions {
  /** Options of fastify-response-cache; by default it caches in memory. */
  cache?: ResponseCacheOptions
  logger?: FastifyServerOptions['logger']
}

/** A shop whose cache can be watched at `/metrics`. */
export async function buildShop ({ cache = {}, logger = false }: ShopOptions = {}): Promise<FastifyInstance> {
  const app = Fastify({ logger })
  // As little memory that some of the products have to go for others.
  await app.register(responseCache, { memory: { maxBytes: 100_000 }, ...cache })
  await app.register(products)
  await app.register(visitors)

  const registry = new Registry()
  registerMetrics(app.cache, registry)
  app.get('/metrics', async (_request, reply) => {
    reply.type(registry.contentType)
    return await registry.metrics()
  })
  return app
}

/** Queries are stood for by waiting. */
async function query (ms: number): Promise<void> {
  await sleep(ms / 2 + Math.random() * ms)
}

async function products (app: FastifyInstance): Promise<void> {
  const prices = new Map<string, number>()

  app.get<{ Params: { id: string } }>('/products/:id', {
    config: { cache: { namespace: 'product', ttl: '1m', shared: true, obeyRequestDirectives: true, tags: ({ params: { id } }) => [`product:${id}`] } }
  }, async ({ params: { id } }) => {
    await query(20)
    return { id, name: `Product ${id}`, price: prices.get(id) ?? 10, text: 'Made to be looked at. '.repeat(50) }
  })

  app.put<{ Params: { id: string }, Querystring: { price?: string } }>('/products/:id', {
    config: { cache: { invalidates: ({ params: { id } }) => ({ tags: [`product:${id}`] }) } }
  }, async ({ params: { id }, query: { price } }, reply) => {
    prices.set(id, Number(price ?? 10))
    return await reply.code(204).send()
  })

  // Nobody waits for a search again, once somebody did.
  app.get<{ Querystring: { q?: string } }>('/search', {
    config: { cache: { namespace: 'search', ttl: '1s', staleWhileRevalidate: '1h', varyByQuery: ['q'] } }
  }, async ({ query: { q = '' } }) => {
    await query(80)
    return { q, found: ['1', '2', '3'] }
  })
}

async function visitors (app: FastifyInstance): Promise<void> {
  // A request with credentials is a bypass: the route does not say that its response is the same for everyone.
  app.get('/offers', { config: { cache: { namespace: 'offers', ttl: '10s' } } }, async () => {
    await query(40)
    return { offers: ['2', '3'] }
  })

  // A response that sets a cookie is meant for one visitor, and not stored.
  app.get('/welcome', { config: { cache: { namespace: 'welcome', ttl: '10s' } } }, async (_request, reply) => {
    await query(5)
    reply.header('set-cookie', `visitor=${Math.random().toString(36).slice(2)}`)
    return { hello: 'visitor' }
  })
}
