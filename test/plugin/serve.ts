import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import responseCache, { type ResponseCacheOptions } from 'fastify-response-cache'
import type { Test } from 'tap'
import { exchange, MADE_ETAG, repeatable, type Exchange, type RequestOptions } from './exchange.ts'

export interface Service {
  app: FastifyInstance
  port: number
  /** One request over a socket of its own. */
  get (path: string, options?: RequestOptions): Promise<Exchange>
}

export interface ServeOptions {
  /** In place of a new one made with `fastify`. */
  app?: FastifyInstance
  fastify?: FastifyServerOptions
  cache?: ResponseCacheOptions
}

type Declare = (app: FastifyInstance) => unknown

/** An app with the cache and these routes, without a server; closed when `t` ends. */
export async function createApp (t: Test, declare: Declare, { fastify, cache, app = Fastify(fastify) }: ServeOptions = {}): Promise<FastifyInstance> {
  t.teardown(() => app.close())
  await app.register(responseCache, { defaults: { ttl: '1m' }, ...cache })
  await declare(app)
  return app
}

/** The same, listening on a free port of 127.0.0.1. */
export async function serve (t: Test, declare: Declare, options?: ServeOptions): Promise<Service> {
  return await listen(await createApp(t, declare, options))
}

export async function listen (app: FastifyInstance): Promise<Service> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  if (app.hasDecorator('cache')) await app.cache.connect()
  const { port } = app.server.address() as AddressInfo
  return { app, port, get: async (path, options) => await exchange(port, path, options) }
}

/**
 * Requests twice: the second response must be a hit that repeats the first. Gives both. The header of what is streamed is on its way before
 * its bytes are known: an ETag that is made of them can only be in the second.
 */
export async function repeats (t: Test, { get }: Service, path: string, { isStreamed, ...options }: RequestOptions & { isStreamed?: boolean } = {}): Promise<{ miss: Exchange, hit: Exchange }> {
  const miss = await get(path, options)
  const hit = await get(path, options)
  t.equal(miss.field('x-cache'), 'MISS', `first ${path}`)
  t.equal(hit.field('x-cache'), 'HIT', `second ${path}`)
  const isTagLate = (isStreamed ?? miss.isChunked) && miss.status === 200 && miss.field('etag') === undefined
  const ignored = isTagLate ? ['etag'] : []
  t.strictSame(repeatable(hit, { ignored }), repeatable(miss, { ignored }), `bytes of ${path}`)
  if (isTagLate) t.match(hit.field('etag'), MADE_ETAG)
  return { miss, hit }
}

/** Requests twice: neither response may come from the cache, and both must be the same. Gives both. */
export async function neverStored (t: Test, { get }: Service, path: string, options?: RequestOptions): Promise<{ first: Exchange, second: Exchange }> {
  const first = await get(path, options)
  const second = await get(path, options)
  t.not(first.field('x-cache'), 'HIT', `first ${path}`)
  t.not(second.field('x-cache'), 'HIT', `second ${path}`)
  t.strictSame(repeatable(second), repeatable(first), `bytes of ${path}`)
  return { first, second }
}
