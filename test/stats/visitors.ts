import { once } from 'node:events'
import { Agent, request as send, type IncomingMessage } from 'node:http'
import { connect, type ClientHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { PATHS } from './mixed-app.ts'
import { add, readOutcome, type Tally } from './seen.ts'

export interface Asked {
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly url: string
  readonly headers: Record<string, string>
  readonly body?: string
  /** The client goes away so many milliseconds later, at the latest. */
  readonly patienceMs: number
}

type Fields = Readonly<Record<string, unknown>>

/** Sends a request; gives the header fields of the response, or undefined where the client went before it had them. */
export type Sender = (asked: Asked) => Promise<Fields | undefined>

export interface Seen {
  /** What responses said. */
  readonly told: Tally
  /** Requests whose client knows nothing of what the cache did, by route. */
  readonly unknown: Map<string, number>
}

/** Anything a client may ask, by dice. */
export function ask (dice: () => number, { mayGo }: { mayGo: boolean }): Asked {
  const path = PATHS[Math.floor(PATHS.length * dice())]!
  const headers: Record<string, string> = {}
  const some = (share: number, name: string, ...values: string[]): void => { if (dice() < share) headers[name] = values[Math.floor(values.length * dice())]! }
  some(0.1, 'authorization', 'Bearer a', 'Bearer b')
  some(0.15, 'cache-control', 'no-cache', 'no-store', 'only-if-cached', 'max-stale=100', 'max-age=0')
  some(0.1, 'if-none-match', '*', '"1"', '"other"')
  some(0.05, 'if-match', '"other"', '*')
  some(0.1, 'range', 'bytes=0-2', 'bytes=9999-')
  some(0.3, 'accept-encoding', 'gzip', 'br')
  some(0.3, 'x-user', 'eve', 'bob')
  some(0.5, 'x-pass', '1')
  const isPost = dice() < 0.05
  return {
    method: isPost ? 'POST' : dice() < 0.15 ? 'HEAD' : 'GET',
    url: `/${dice() < 0.05 || isPost ? 'both' : path}/${Math.floor(4 * dice())}${dice() < 0.1 ? '?skip=1' : ''}`,
    headers: { ...headers, ...isPost ? { 'content-type': 'application/json' } : {} },
    ...isPost ? { body: `{"n":${Math.floor(3 * dice())}}` } : {},
    patienceMs: mayGo && dice() < 0.1 ? 1 + Math.floor(15 * dice()) : 10_000
  }
}

/** The route that answers. */
export function routeOf ({ method, url }: Asked): string {
  const path = url.replace(/\/\d+(\?.*)?$/, '/:id')
  return path === '/both/:id' && method !== 'HEAD' ? `GET,POST ${path}` : `GET ${path}`
}

/** So many requests, a few at a time; time passes between them. */
export async function visit (sender: Sender, { requests, dice, mayGo, pass }: { requests: number, dice: () => number, mayGo: boolean, pass: (ms: number) => void }): Promise<Seen> {
  const seen: Seen = { told: new Map(), unknown: new Map() }
  let left = requests
  await Promise.all(Array.from({ length: 20 }, async () => {
    while (left-- > 0) {
      const asked = ask(dice, { mayGo })
      const route = routeOf(asked)
      const fields = await sender(asked)
      const outcome = readOutcome(fields?.['x-cache'] as string | undefined, fields?.['cache-status'] as string | undefined)
      if (outcome === undefined) seen.unknown.set(route, (seen.unknown.get(route) ?? 0) + 1)
      else add(seen.told, route, outcome)
      if (dice() < 0.05) pass(3000 * dice())
    }
  }))
  return seen
}

export function senderByInject (app: FastifyInstance): Sender {
  return async ({ method, url, headers, body }) => (await app.inject({ method, url, headers, ...body === undefined ? {} : { payload: body } }).catch(() => undefined))?.headers
}

export async function senderByHttp (t: Test, app: FastifyInstance): Promise<Sender> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const agent = new Agent({ keepAlive: true, maxSockets: 30 })
  t.teardown(() => { agent.destroy() })
  return async ({ method, url, headers, body, patienceMs }) => {
    const leaving = AbortSignal.timeout(patienceMs)
    try {
      const sent = send({ host: '127.0.0.1', port, method, path: url, headers, agent, signal: leaving })
      sent.on('error', () => {}) // also after the response has begun
      sent.end(body)
      const [response] = await once(sent, 'response') as [IncomingMessage]
      await text(response).catch(() => {}) // cut: its header fields are there
      return response.headers
    } catch {
      return undefined
    }
  }
}

export async function senderByHttp2 (t: Test, app: FastifyInstance): Promise<Sender> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const session: ClientHttp2Session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  t.teardown(() => { session.destroy() })
  return async ({ method, url, headers, body }) => {
    const stream = session.request({ ':method': method, ':path': url, ...headers }, { endStream: body === undefined })
    stream.on('error', () => {})
    if (body !== undefined) stream.end(body)
    const closed = once(stream, 'close').then(() => undefined, () => undefined)
    const fields = await Promise.race([once(stream, 'response').then(([fields]) => fields as Fields, () => undefined), closed])
    stream.resume()
    await closed
    return fields
  }
}
