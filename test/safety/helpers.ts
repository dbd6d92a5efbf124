import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyRequest, type FastifyServerOptions } from 'fastify'
import responseCache, { type ResponseCacheOptions, type RouteCacheOptions } from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { exchange, type Exchange, type RequestOptions } from '../plugin/exchange.ts'
import { stores } from '../plugin/stores.ts'

export type { Exchange } from '../plugin/exchange.ts'

/** An app that listens, and what its cache logged. */
export interface Site {
  app: FastifyInstance
  port: number
  warnings: Array<{ details: Record<string, unknown>, message: string }>
  /** One request over a socket of its own. A response that is stored at all is stored when this resolves. */
  ask (path: string, options?: RequestOptions): Promise<Exchange>
}

export interface SiteOptions {
  cache?: ResponseCacheOptions
  fastify?: FastifyServerOptions
}

/** Serves these routes; closed when `t` ends. */
export async function open (t: Test, declare: (app: FastifyInstance) => unknown, { cache, fastify }: SiteOptions = {}): Promise<Site> {
  const app = Fastify({ forceCloseConnections: true, ...fastify })
  const warnings: Site['warnings'] = []
  const logger = { info () {}, warn: (details: object, message: string) => { warnings.push({ details: details as Record<string, unknown>, message }) } }
  t.teardown(() => app.close())
  await app.register(responseCache, { logger, advice: false, defaults: { ttl: '1m' }, ...cache })
  await declare(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  await app.cache.connect()
  const { port } = app.server.address() as AddressInfo
  const ask: Site['ask'] = async (path, options) => {
    const response = await exchange(port, path, options)
    await app.cache.ping() // comes back after whatever was written before it
    return response
  }
  return { app, port, warnings, ask }
}

/** A promise about responses that holds wherever they are kept. */
export function inEveryStore (title: string, check: (t: Test, cache: ResponseCacheOptions) => Promise<void>): void {
  for (const [place, optionsOf] of Object.entries(stores)) {
    test(`${title} [${place}]`, async (t) => check(t, await optionsOf(t)))
  }
}

/** Options of a route that is cached, with these rules. */
export function cached (options: RouteCacheOptions = {}): { config: { cache: RouteCacheOptions } } {
  return { config: { cache: { ttl: '1m', ...options } } }
}

/** A handler that never answers the same twice, so that a body tells which request it was made for. */
export function unique (): () => Promise<{ made: number }> {
  let made = 0
  return async () => ({ made: ++made })
}

/** Sets the identity as authentication plugins do. */
export function setUser (request: FastifyRequest, user: unknown): void {
  (request as unknown as { user: unknown }).user = user
}

/** Sends this text as it is, for requests that no client would make, and gives the whole answer. */
export async function sendRaw (port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.end(request)
  await once(socket, 'close')
  return Buffer.concat(chunks).toString('latin1')
}

export type Ask = readonly [path: string, options?: RequestOptions]

/** The two requests may not share a response, whichever comes first. The handler must answer differently every time. */
export async function apart (t: Test, site: Site, [one, other]: readonly [Ask, Ask], message = describe(one, other)): Promise<void> {
  const first = await site.ask(...one)
  const second = await site.ask(...other)
  const again = await site.ask(...one)
  t.strictSame({
    statuses: [first.status, second.status],
    wasThere: first.field('x-cache') === 'HIT',
    isHit: second.field('x-cache') === 'HIT',
    secondGotFirst: second.text === first.text,
    thirdGotSecond: again.text === second.text
  }, { statuses: [200, 200], wasThere: false, isHit: false, secondGotFirst: false, thirdGotSecond: false }, message)
}

/** The two requests share a response: what `apart` says about others on the same route is not said of an idle cache. */
export async function together (t: Test, site: Site, [one, other]: readonly [Ask, Ask], message = describe(one, other)): Promise<void> {
  const first = await site.ask(...one)
  const second = await site.ask(...other)
  t.strictSame([second.field('x-cache'), second.text], ['HIT', first.text], message)
}

function describe (one: Ask, other: Ask): string {
  return `${JSON.stringify(one)} and ${JSON.stringify(other)}`
}
