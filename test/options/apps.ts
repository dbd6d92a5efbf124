import Fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import responseCache, { type ResponseCacheOptions, type RouteCacheConfig } from 'fastify-response-cache'
import type { Test } from 'tap'

/** An app with the cache; closed when `t` ends. Rejects with what the plugin refuses. */
export async function appWith (t: Test, options: unknown): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache, options as ResponseCacheOptions)
  return app
}

/** An app with a route `/items/:id` of these cache options. Rejects with what is refused. */
export async function appWithRoute (t: Test, cache: unknown, { plugin = {}, ...route }: Partial<RouteOptions> & { plugin?: ResponseCacheOptions } = {}): Promise<FastifyInstance> {
  const app = await appWith(t, plugin)
  app.route({ method: 'GET', url: '/items/:id', handler: async () => 'x', ...route, config: { cache: cache as RouteCacheConfig } })
  return app
}

/** The Cache-Status of the second of two equal requests, without the cache's name. */
export async function secondStatus (app: FastifyInstance, request: { url?: string, method?: 'GET' | 'POST', headers?: Record<string, string>, payload?: object } = {}): Promise<string> {
  await app.inject({ url: '/items/1', ...request })
  const { headers } = await app.inject({ url: '/items/1', ...request })
  return String(headers['cache-status']).replace('fastify-response-cache; ', '')
}
