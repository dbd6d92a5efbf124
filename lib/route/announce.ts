import type { FastifyReply } from 'fastify'
import { appendStatus, bypassStatus, hitStatus, missStatus, type BypassReason, type MissReason, type NotStoredReason } from '../http/cache-status.ts'
import type { StoredResponse } from '../stored-entry.ts'

/** Says in the response's header fields what the cache did. */
export class Announcer {
  readonly #name: string
  readonly #debug: { prefix: string } | undefined

  /** `debug`: add fields that help while developing; they tell outsiders how keys are made. */
  constructor ({ name, debug }: { name: string, debug: { prefix: string } | undefined }) {
    this.#name = name
    this.#debug = debug
  }

  bypass (reply: FastifyReply, reason: BypassReason): void {
    this.#write(reply, 'BYPASS', bypassStatus(this.#name, reason))
  }

  miss (reply: FastifyReply, reason: MissReason, stored: true | NotStoredReason | undefined): void {
    this.#write(reply, 'MISS', missStatus(this.#name, reason, stored))
  }

  /** RFC 9111 section 5.1: `Age` in whole seconds. */
  hit (reply: FastifyReply, response: StoredResponse, now: number): void {
    const ttlSeconds = Math.ceil((response.staleAt - now) / 1000)
    reply.header('age', String(Math.max(0, Math.floor((now - response.storedAt) / 1000))))
    this.#write(reply, 'HIT', hitStatus(this.#name, ttlSeconds))
    if (this.#debug === undefined) return
    reply.header('x-cache-ttl-remaining', String(ttlSeconds))
    reply.header('x-cache-date', new Date(response.storedAt).toUTCString())
  }

  key (reply: FastifyReply, id: () => string): void {
    if (this.#debug !== undefined) reply.header('x-cache-key', `${this.#debug.prefix}:${id()}`)
  }

  #write (reply: FastifyReply, xCache: string, status: string): void {
    reply.header('x-cache', xCache)
    reply.header('cache-status', appendStatus(reply.getHeader('cache-status'), status))
  }
}
