import type { AddressInfo } from 'node:net'
import { createError } from '@fastify/error'
import Fastify, { type FastifyInstance } from 'fastify'
import responseCache, { type ResponseCacheOptions } from 'fastify-response-cache'
import type { Test } from 'tap'
import cacheAdmin, { type AdminOptions } from '../../lib/admin/index.ts'

/** What the guard of these tests asks for. */
export const SIGNED_IN = { cookie: 'sid=operator' }

const SignedOutError = createError('SIGNED_OUT', 'Who are you?', 401)

/** Only an operator gets past it. */
export async function guard ({ headers }: { headers: Record<string, unknown> }): Promise<void> {
  if (headers['cookie'] !== SIGNED_IN.cookie) throw new SignedOutError()
}

export interface SceneOptions {
  cache?: ResponseCacheOptions
  admin?: AdminOptions
  /** Before the cache. */
  plugins?: (app: FastifyInstance) => unknown
}

/** An app with cached routes and the admin routes at /admin/cache, behind `guard`; closed when `t` ends. */
export async function createScene (t: Test, { cache, admin = { onRequest: guard }, plugins }: SceneOptions = {}): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await plugins?.(app)
  await app.register(responseCache, { defaults: { ttl: '5m' }, ...cache })
  app.get<{ Params: { id: string } }>('/users/:id', { config: { cache: { namespace: 'user', tags: ({ params }) => [`user:${params['id']}`, 'users'] } } }, async ({ params }) => ({ id: params.id }))
  app.get('/me', { config: { cache: { namespace: 'user', varyByUser: ({ headers }) => String(headers['x-user']) } } }, async ({ headers }) => ({ secret: `of ${headers['x-user']}` }))
  app.get('/places', { config: { cache: { namespace: 'place', staleWhileRevalidate: '1h' } } }, async () => ({ places: ['Lisbon'] }))
  app.get('/session', { config: { cache: true } }, async (_request, reply) => {
    reply.header('set-cookie', 'a=b')
    return {}
  })
  await app.register(cacheAdmin, { prefix: '/admin/cache', ...admin })
  return app
}

export async function listening (app: FastifyInstance): Promise<string> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
}

/** One request of somebody who is signed in. */
export async function ask (app: FastifyInstance, path: string, { body, headers = {} }: { body?: unknown, headers?: Record<string, string> } = {}) {
  const response = await app.inject({
    method: body === undefined ? 'GET' : 'POST',
    url: `/admin/cache/${path}`,
    headers: { ...SIGNED_IN, ...headers },
    ...body === undefined ? {} : { payload: body as object }
  })
  return { status: response.statusCode, headers: response.headers, text: response.body, json: () => response.json() }
}

export async function outcomeOf (app: FastifyInstance, url: string, headers: Record<string, string> = {}): Promise<unknown> {
  return (await app.inject({ url, headers })).headers['x-cache']
}
