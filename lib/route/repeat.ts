import type { FastifyInstance, FastifyRequest } from 'fastify'
import inject, { type DispatchFunc, type InjectOptions } from 'light-my-request'
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { digest, encodeValue } from '../cache-key.ts'
import type { Run } from '../fills/run.ts'
import type { Miss, Stale } from '../response-cache.ts'
import type { Explained } from './explained.ts'
import { wasBodySent } from './read-fields.ts'

/** What a request of the cache itself is for: a run that waits for it, a response that is to be there afterwards, or to know what would become of it. */
export type Purpose =
  /** A run that has the lease, if the request turns out to have this key, and its body has this digest when it comes to the cache. */
  | { readonly run: Run, readonly key: string, readonly digest: string | undefined, readonly result: Stale | Miss }
  /** `reached` is called when it has come to the cache, and `report` when something has come of it. */
  | { readonly freshForMs: number, reached: () => void, report: (outcome: Warmed) => void }
  /** Called with what a real request would come to. */
  | { readonly explain: (what: Explained) => void }

export type Warmed = { readonly outcome: 'filled' | 'fresh' } | { readonly outcome: 'failed', readonly reason: string }

/** A request to send. */
export interface SentRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | string[]>>
  readonly body: string | Buffer | undefined
  /** Without an address: a unix socket. */
  readonly socket: { readonly remoteAddress: string | undefined, readonly encrypted?: boolean }
}

/**
 * The address of a request that no client has sent. No client has it (RFC 1122 section 3.2.1.3), so that no guard trusts it; without any, hooks that read
 * `request.ip`, such as those of rate limiters, would fail.
 */
export const NOWHERE = '0.0.0.0'

/** A request that can be sent again. */
export interface Repeatable extends SentRequest {
  readonly method: 'GET' | 'POST' | 'QUERY'
  /** Of the body as it is now. */
  readonly digest: string | undefined
}

const kPurpose = Symbol('fastify-response-cache.purpose')

interface Marked {
  [kPurpose]?: Purpose
}

/** What this request is repeated for; undefined for those that come from outside, whatever they say. */
export function purposeOf (request: FastifyRequest): Purpose | undefined {
  return (request.raw as Marked)[kPurpose]
}

/** Whether nothing may come of this request but what is told of it. */
export function isExplained (request: FastifyRequest): boolean {
  const purpose = purposeOf(request)
  return purpose !== undefined && 'explain' in purpose
}

/*
 * What belongs to the connection, and what speaks of a copy that the client has: with it a handler could answer with 304, or a part.
 * Node and Fastify give meaning to the lengths, which are those of the body that is sent again.
 */
const NOT_REPEATED = new Set([
  'connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'expect', 'content-length', 'content-encoding',
  'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range', 'range'
])

/**
 * The request as it came: its header fields whatever hooks have made of them, its body as they left it. Undefined where that cannot be
 * written down again. HEAD becomes GET, whose response answers it.
 */
export function repeatable (request: FastifyRequest, sentUrl: string): Repeatable | undefined {
  const { raw } = request
  const body = raw.method === 'GET' || raw.method === 'HEAD' ? undefined : bodyText(request)
  if (body === null) return undefined
  const socket = raw.socket as Partial<TLSSocket>
  let ofBody: string | undefined
  try {
    ofBody = bodyDigest(request)
  } catch {
    return undefined
  }
  return {
    method: raw.method === 'HEAD' ? 'GET' : raw.method as Repeatable['method'],
    url: sentUrl,
    headers: sentHeaders(raw),
    body,
    digest: ofBody,
    socket: { remoteAddress: socket.remoteAddress, ...socket.encrypted === undefined ? {} : { encrypted: socket.encrypted } }
  }
}

/** The fields as they were received: hooks may have changed those that Node made of them. */
function sentHeaders ({ rawHeaders }: IncomingMessage): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = Object.create(null)
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase()
    if (NOT_REPEATED.has(name) || (name.startsWith(':') && name !== ':authority')) continue
    const before = headers[name]
    headers[name] = before === undefined ? rawHeaders[at + 1]! : [before, rawHeaders[at + 1]!].flat()
  }
  return headers
}

/** What tells bodies apart; undefined without one. Throws on what cannot be written down. */
export function bodyDigest ({ body }: FastifyRequest): string | undefined {
  return body === undefined || body === null ? undefined : digest(encodeValue(body))
}

/** `null`: a body that was not read yet, or parsed into something that cannot be written again as it came. */
function bodyText ({ body, headers, raw }: FastifyRequest): string | Buffer | undefined | null {
  if (body === undefined) return wasBodySent(raw) ? null : undefined
  if (Buffer.isBuffer(body)) return body
  const isJson = /^application\/(?:[\w.+-]+\+)?json\b/i.test(headers['content-type'] ?? '')
  // A text of JSON may be the text that came, or what was in it.
  if (typeof body === 'string') return isJson ? null : body
  return isJson ? jsonText(body) : null
}

/** A parser of the app's own may have made something that JSON has no words for. */
function jsonText (body: unknown): string | null {
  try {
    return JSON.stringify(body) ?? null
  } catch {
    return null
  }
}

/** Sends requests to the app from inside, through its whole lifecycle. */
export class Repeater {
  readonly #app: FastifyInstance

  constructor (app: FastifyInstance) {
    this.#app = app
  }

  /** Resolves to the status of the answer. Rejects when there is none, and when the signal aborts. */
  async send (request: SentRequest | Repeatable, purpose: Purpose, signal: AbortSignal): Promise<number> {
    const { remoteAddress, encrypted } = request.socket
    const dispatch: DispatchFunc = (raw, response) => {
      const incoming = raw as unknown as IncomingMessage & Marked
      incoming.url = request.url // as it was sent, not as it would be written
      if (request.headers.host === undefined && request.headers[':authority'] !== undefined) delete incoming.headers.host
      if (request.headers['user-agent'] === undefined) delete incoming.headers['user-agent'] // light-my-request adds its own
      // light-my-request has one of its own, that of this machine, which guards may trust.
      Object.defineProperty(incoming.socket, 'remoteAddress', { value: remoteAddress })
      if (encrypted !== undefined) Object.assign(incoming.socket, { encrypted })
      incoming[kPurpose] = purpose
      this.#app.routing(incoming, response as never)
    }
    // A signal of its own: light-my-request leaves what it listens with, and so the request, with a signal that lasts.
    const own = new AbortController()
    const end = (): void => { own.abort(signal.reason) }
    if (signal.aborted) end()
    signal.addEventListener('abort', end, { once: true })
    const answer = await inject(dispatch, {
      method: request.method,
      url: 'http://localhost/',
      headers: { ...request.headers },
      signal: own.signal,
      validate: false,
      ...request.body === undefined ? {} : { payload: request.body }
    } as InjectOptions).finally(() => { signal.removeEventListener('abort', end) })
    return answer.statusCode
  }
}
