import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyServerOptions, type InjectOptions } from 'fastify'
import responseCache, { type ResponseCacheOptions } from 'fastify-response-cache'
import type { Answer, Ask } from '../../lib/audit/exchange.ts'
import { exchange, type RequestOptions } from '../plugin/exchange.ts'

/** An app that listens. */
export interface Site {
  readonly app: FastifyInstance
  readonly port: number
  /** Moves the clock of the cache. */
  pass (ms: number): void
  /** One request over a socket of its own, its path and fields as they are. What is stored of the answer is stored when this resolves. */
  send (path: string, options?: RequestOptions): Promise<Answer>
  /** Sends this text and gives all that came back. */
  raw (text: string): Promise<string>
}

export interface SiteOptions {
  readonly cache?: ResponseCacheOptions
  readonly fastify?: FastifyServerOptions
}

/** What nobody but an attacker sends. */
export const CANARY = 'canary7z'

/** Serves these routes for as long as `use` takes. */
export async function withSite<T> (declare: (app: FastifyInstance) => unknown, use: (site: Site) => Promise<T>, { cache, fastify }: SiteOptions = {}): Promise<T> {
  let now = Date.now()
  const app = Fastify({ forceCloseConnections: true, ...fastify })
  await app.register(responseCache, { logger: { info () {}, warn () {} }, defaults: { ttl: '1m', jitter: 0 }, clock: () => now, timeouts: { read: '10s', write: '10s' }, ...cache })
  await declare(app)
  return await serving(app, use, (ms) => { now += ms })
}

/** The same for an app that is made already, which is closed at the end. */
export async function serving<T> (app: FastifyInstance, use: (site: Site) => Promise<T>, pass: Site['pass'] = () => {}): Promise<T> {
  try {
    await app.listen({ port: 0, host: '127.0.0.1' })
    await app.cache.connect()
    const { port } = app.server.address() as AddressInfo
    const send: Site['send'] = async (path, options) => {
      const answer = await overSocket(port, path, options)
      await app.cache.ping() // comes back after whatever was written before it
      return answer
    }
    return await use({ app, port, pass, send, raw: (text) => rawExchange(port, text) })
  } finally {
    await app.close()
  }
}

/** For probes of the audit: the URL and the fields go out as they are, where `inject` makes them right. */
export function socketAsk (port: number, settled: () => Promise<unknown> = async () => {}): Ask {
  return async ({ method, host, url, headers, body }) => {
    const answer = await overSocket(port, url, { method, headers: { host, ...headers }, ...body === undefined ? {} : { body } })
    await settled()
    return answer
  }
}

/** For probes of the audit, over no network. */
export function injectAsk (app: FastifyInstance): Ask {
  return async ({ method, host, url, headers, body }) => {
    const request: InjectOptions = { method: method as NonNullable<InjectOptions['method']>, url, headers: { ...headers, host }, ...body === undefined ? {} : { payload: body } }
    const answer = await app.inject(request).catch(() => undefined)
    return answer === undefined ? { status: 0, headers: {}, body: '' } : { status: answer.statusCode, headers: answer.headers, body: answer.rawPayload.toString('latin1') }
  }
}

/** A connection that ends without an answer is an answer, too. */
async function overSocket (port: number, path: string, { headers = {}, ...options }: RequestOptions = {}): Promise<Answer> {
  const answered = await exchange(port, path, { ...options, headers: { ...headers, connection: closing(headers.connection) } }).catch(() => undefined)
  if (answered === undefined) return { status: 0, headers: {}, body: '' }
  const names = new Set(answered.lines.map(([name]) => name))
  return {
    status: answered.status,
    headers: Object.fromEntries([...names].map((name) => [name, answered.field(name)])),
    body: answered.body.toString('latin1')
  }
}

function closing (connection: string | undefined): string {
  return connection === undefined || connection === 'upgrade' ? 'close' : `${connection}, close`
}

async function rawExchange (port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => {}) // a reset ends the connection like any other end
  socket.setTimeout(5000, () => { socket.destroy() })
  socket.end(text, 'latin1')
  await once(socket, 'close')
  return Buffer.concat(chunks).toString('latin1')
}

/** A prefix in Redis that nothing else has. */
export function ownPrefix (): string {
  return `attack-${randomUUID().slice(0, 8)}`
}
