import type { FastifyReply } from 'fastify'
import { appendStatus, bypassStatus, collapsedStatus, hitStatus, missStatus, refusedStatus, revalidatedStatus, staleStatus, type MissReason, type NotStoredReason, type StaleReason } from '../http/cache-status.ts'
import type { StoreKey } from '../store/store.ts'
import type { StoredResponse } from '../stored-entry.ts'
import type { ExchangeState } from './exchange.ts'

type Bypass = Extract<ExchangeState, { outcome: 'bypass' }>
type Miss = Extract<ExchangeState, { outcome: 'miss' }>
type Refused = Extract<ExchangeState, { outcome: 'refused' }>

interface Served {
  readonly response: StoredResponse
  readonly key: StoreKey
  readonly now: number
}

/** Says in the response's header fields what the cache did. */
export class Announcer {
  readonly #name: string
  readonly #debug: { prefix: string } | undefined
  #last = { ttlSeconds: -1, status: '' }
  #lastMiss: { reason: MissReason, stored: true | NotStoredReason | undefined, status: string } | undefined

  /** `debug`: add fields that help while developing; they tell outsiders how keys are made. */
  constructor ({ name, debug }: { name: string, debug: { prefix: string } | undefined }) {
    this.#name = name
    this.#debug = debug
  }

  bypass (reply: FastifyReply, exchange: Bypass): void {
    reply.header('x-cache', 'BYPASS')
    this.#status(reply, exchange, bypassStatus(this.#name, exchange.reason))
  }

  miss (reply: FastifyReply, exchange: Miss, stored: true | NotStoredReason | undefined): void {
    reply.header('x-cache', 'MISS')
    this.#status(reply, exchange, this.#missStatus(exchange.reason, stored))
    this.#key(reply, exchange.key)
  }

  revalidated (reply: FastifyReply, exchange: Miss, stored: true | NotStoredReason | undefined): void {
    reply.header('x-cache', 'REVALIDATED')
    this.#status(reply, exchange, revalidatedStatus(this.#name, stored))
    this.#key(reply, exchange.key)
  }

  refused (reply: FastifyReply, exchange: Refused): void {
    reply.header('x-cache', 'MISS')
    this.#status(reply, exchange, refusedStatus(this.#name, exchange.reason))
  }

  hit (reply: FastifyReply, served: Served): void {
    const ttlSeconds = secondsLeft(served)
    this.#served(reply, 'HIT', this.#hitStatus(ttlSeconds), served)
  }

  /** It was made for another request, for which this one has waited. */
  collapsed (reply: FastifyReply, reason: MissReason, served: Served): void {
    this.#served(reply, 'HIT', collapsedStatus(this.#name, reason), served)
  }

  stale (reply: FastifyReply, { why, forwarded }: { why: StaleReason, forwarded?: number }, served: Served): void {
    this.#served(reply, 'STALE', staleStatus(this.#name, Math.min(0, secondsLeft(served)), { why, forwarded }), served)
  }

  /** RFC 9111 section 5.1: `Age` in whole seconds. */
  #served (reply: FastifyReply, state: 'HIT' | 'STALE', status: string, served: Served): void {
    const { response, key, now } = served
    reply.header('age', String(Math.max(0, Math.floor((now - response.storedAt + response.ageMs) / 1000))))
    reply.header('x-cache', state)
    reply.header('cache-status', appendStatus(reply.getHeader('cache-status'), status))
    if (this.#debug === undefined) return
    reply.header('x-cache-ttl-remaining', String(secondsLeft(served)))
    reply.header('x-cache-date', new Date(response.storedAt).toUTCString())
    this.#key(reply, key)
  }

  /** What is sent after all is no hit. */
  failed (reply: FastifyReply): void {
    for (const name of ['age', 'x-cache', 'cache-status', 'x-cache-ttl-remaining', 'x-cache-date', 'x-cache-key']) reply.removeHeader(name)
  }

  /** Most hits of a moment have the same number of seconds to go. */
  #hitStatus (ttlSeconds: number): string {
    if (ttlSeconds !== this.#last.ttlSeconds) this.#last = { ttlSeconds, status: hitStatus(this.#name, ttlSeconds) }
    return this.#last.status
  }

  /** Most misses of a route say the same. */
  #missStatus (reason: MissReason, stored: true | NotStoredReason | undefined): string {
    if (this.#lastMiss?.reason !== reason || this.#lastMiss.stored !== stored) this.#lastMiss = { reason, stored, status: missStatus(this.#name, reason, stored) }
    return this.#lastMiss.status
  }

  #key (reply: FastifyReply, key: StoreKey): void {
    if (this.#debug !== undefined) reply.header('x-cache-key', `${this.#debug.prefix}:${key.id}`)
  }

  /** Replaces what was announced before: a response that fails while it is sent is announced again as an error. */
  #status (reply: FastifyReply, exchange: Bypass | Miss | Refused, status: string): void {
    const present = reply.getHeader('cache-status')
    const before = exchange.announced?.after === present ? exchange.announced?.before : present
    const after = appendStatus(before, status)
    exchange.announced = { before, after }
    reply.header('cache-status', after)
  }
}

/** Below zero for what is stale (RFC 9211 section 2.2). */
function secondsLeft ({ response, now }: Served): number {
  const ttlMs = response.staleAt - now
  return ttlMs > 0 ? Math.ceil(ttlMs / 1000) : Math.min(-1, Math.floor(ttlMs / 1000))
}
