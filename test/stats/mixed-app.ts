import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import Fastify, { type FastifyInstance, type FastifyRequest, type RouteHandlerMethod } from 'fastify'
import responseCache, { type ResponseCacheOptions, type RouteCacheOptions } from 'fastify-response-cache'
import type { Test } from 'tap'
import { purposeOf } from '../../lib/route/repeat.ts'

/** An app whose handlers do all that handlers do, by dice. */
export interface MixedApp {
  readonly app: FastifyInstance
  /** Requests of clients that have come to the cache, by route; a HEAD counts with its GET. */
  readonly arrived: Map<string, number>
  /** So much later it is for the cache. */
  pass (ms: number): void
}

/** Paths that visitors ask for, with what comes behind `/`. */
export const PATHS = ['plain', 'stale', 'if-error', 'busy', 'late', 'stream', 'cut', 'hijack', 'unsendable', 'throws', 'redirect', 'empty', 'private', 'etag', 'ahead', 'squeezed', 'skipped', 'by-user', 'guarded', 'child/plain'] as const

const BIG = 'the same text again and again, '.repeat(100)

export async function openMixedApp (t: Test, { dice, cache, http2 = false }: { dice: () => number, cache: ResponseCacheOptions, http2?: boolean }): Promise<MixedApp> {
  let now = Date.now()
  const app = Fastify({ http2: http2 as false, forceCloseConnections: true }) // the same to what is done with it here
  t.teardown(() => app.close())
  app.setErrorHandler(async (fault: Error & { statusCode?: number }, _request, reply) => {
    await wait(1)
    return await reply.code(fault.statusCode ?? 500).send({ error: fault.message })
  })
  await app.register(responseCache, { clock: () => now, ...cache })
  app.addHook('preHandler', async (request, reply) => {
    if (request.url.startsWith('/guarded') && request.headers['x-pass'] === undefined) await reply.code(401).send('no')
  })
  const arrived = new Map<string, number>()
  app.addHook('preHandler', async (request) => {
    if (purposeOf(request) !== undefined || request.is404) return
    const route = routeOf(request)
    arrived.set(route, (arrived.get(route) ?? 0) + 1)
  })
  addRoutes(app, dice)
  await app.ready()
  return { app, arrived, pass: (ms) => { now += ms } }
}

function routeOf ({ method, routeOptions }: FastifyRequest): string {
  return `${method === 'HEAD' ? 'GET' : [routeOptions.method].flat().join(',')} ${routeOptions.url}`
}

function addRoutes (app: FastifyInstance, dice: () => number): void {
  const text = (): string => `answer ${Math.floor(3 * dice())}`
  const now = async (): Promise<string> => text()
  const later = async (): Promise<string> => {
    await wait(20 * dice())
    if (dice() < 0.3) throw new Error('the handler failed')
    return text()
  }
  const get = (path: string, cache: RouteCacheOptions, handler: RouteHandlerMethod): void => { app.get(`/${path}/:id`, { config: { cache } }, handler) }
  get('plain', { namespace: 'a', ttl: '1m', obeyRequestDirectives: true }, now)
  get('stale', { namespace: 'a', ttl: '1s', staleWhileRevalidate: '10s', staleIfError: '1h', refreshThrottle: '1s' }, later)
  get('if-error', { namespace: 'b', ttl: '1s', staleIfError: '10s', refreshThrottle: '1s', obeyRequestDirectives: true }, later)
  get('busy', { namespace: 'b', ttl: '1s', maxConcurrentFills: 1 }, later)
  get('late', { namespace: 'b', ttl: '1s', staleIfError: '3s', softTimeout: 5, hardTimeout: 10 }, later)
  get('stream', { namespace: 'streams', ttl: '2s', maxBytes: 1000 }, async (_request, reply) => reply.type('text/plain').send(Readable.from(chunks(dice() < 0.5 ? 3 : 300))))
  get('cut', { namespace: 'streams', ttl: '2s' }, async (_request, reply) => reply.type('text/plain').send(Readable.from(broken(Math.floor(3 * dice())))))
  get('hijack', { namespace: 'streams', ttl: '1m' }, (_request, reply) => {
    reply.hijack()
    reply.raw.end('raw')
  })
  get('unsendable', { namespace: 'wrong', ttl: '1m' }, async (_request, reply) => dice() < 0.5 ? reply.type('text/plain').send(5) : reply.header('x-wrong', 'a\0b').send('x'))
  get('throws', { namespace: 'wrong', ttl: '1s' }, async () => {
    if (dice() < 0.5) throw Object.assign(new Error('not for you'), { statusCode: 400 + Math.floor(100 * dice()) })
    return text()
  })
  get('redirect', { namespace: 'a', ttl: '1m', statusCodes: [302] }, async (_request, reply) => reply.redirect('/plain/1'))
  get('empty', { namespace: 'a', ttl: '1m', statusCodes: [204] }, async (_request, reply) => reply.code(204).send())
  get('private', { namespace: 'a', ttl: '1m' }, async (_request, reply) => reply.header('cache-control', 'private').send('x'))
  get('etag', { namespace: 'http', ttl: 'http', revalidate: '1h' }, async (request, reply) => {
    reply.header('etag', '"1"').header('cache-control', 'max-age=1')
    return request.headers['if-none-match'] === undefined ? 'x' : reply.code(304).send()
  })
  get('ahead', { namespace: 'a', ttl: '10s', refreshAhead: true }, now)
  get('squeezed', { namespace: 'a', ttl: '1m', compress: 'gzip' }, async (_request, reply) => reply.type('text/plain').send(BIG))
  get('skipped', { namespace: 'a', ttl: '1m', skip: ({ query }) => query.skip === '1' }, now)
  get('by-user', { namespace: 'users', ttl: '1m', varyByUser: ({ headers }) => String(headers['x-user'] ?? '') }, now)
  get('guarded', { namespace: 'a', ttl: '1m' }, now)
  app.route({ method: ['GET', 'POST'], url: '/both/:id', config: { cache: { namespace: 'both', ttl: '1m', varyByBody: true } }, handler: now })
  void app.register(async (child) => { child.get('/plain/:id', { config: { cache: { namespace: 'b', ttl: '1m' } } }, now) }, { prefix: '/child' })
}

function * chunks (count: number): Generator<string> {
  for (let left = count; left > 0; left--) yield 'some text '
}

async function * broken (after: number): AsyncGenerator<string> {
  yield * chunks(after)
  await wait(1)
  throw new Error('the stream broke')
}
