import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import responseCache, { type ResponseCacheOptions, type RouteCacheConfig } from 'fastify-response-cache'
import { test, type Test } from 'tap'
import type { Exchange, RequestOptions } from '../plugin/exchange.ts'
import { listen, type Service } from '../plugin/serve.ts'

/** An app that uses this cache and another plugin. */
export interface Setting {
  /** Registers the other plugin. */
  plugin (app: FastifyInstance): unknown
  routes (app: FastifyInstance): unknown
  cache?: ResponseCacheOptions
  fastify?: FastifyServerOptions
}

export type Order = 'before' | 'after'

/** Serves an app whose other plugin is registered before or after the cache; closed when `t` ends. */
export async function serveIn (t: Test, order: Order, { plugin, routes, cache, fastify }: Setting): Promise<Service> {
  const app = Fastify({ forceCloseConnections: true, ...fastify })
  t.teardown(() => app.close())
  if (order === 'before') await plugin(app)
  await app.register(responseCache, { defaults: { ttl: '1m' }, ...cache })
  if (order === 'after') await plugin(app)
  await routes(app)
  return await listen(app)
}

/** A promise that holds whichever of the two is registered first. `given` makes the setting anew for each. */
export function inBothOrders (title: string, given: () => Setting, check: (t: Test, service: Service) => Promise<void>): void {
  for (const order of ['before', 'after'] as const) {
    test(`${title} [registered ${order} the cache]`, async (t) => check(t, await serveIn(t, order, given())))
  }
}

/** A handler that never answers the same twice, so that a body tells which request it was made for. */
export function counter (): () => Promise<{ made: number }> {
  let made = 0
  return async () => ({ made: ++made })
}

/** Anew for each route: @fastify/helmet writes into the `config` of a route. */
export function cached (cache: RouteCacheConfig = true): { config: { cache: RouteCacheConfig } } {
  return { config: { cache } }
}

/**
 * Requests twice: the second response must be a hit with the bytes of the first. Of fields only those that say what the bytes are: a stream
 * is on its way before the cache can make an ETag of it.
 */
export async function repeatsBytes (t: Test, { get }: Service, path: string, options?: RequestOptions): Promise<{ miss: Exchange, hit: Exchange }> {
  const miss = await get(path, options)
  const hit = await get(path, options)
  const told = (response: Exchange): unknown[] => [
    response.status, ...['content-type', 'content-encoding', 'vary', 'cache-control', 'last-modified'].map((name) => response.field(name)), response.body.toString('base64')
  ]
  t.strictSame([miss.field('x-cache'), hit.field('x-cache')], ['MISS', 'HIT'], path)
  t.strictSame(told(hit), told(miss), `bytes of ${path}`)
  t.equal(hit.field('content-length'), String(miss.body.length))
  return { miss, hit }
}
