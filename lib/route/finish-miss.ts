import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Coding } from '../coding.ts'
import type { StaleReason } from '../http/cache-status.ts'
import { acceptsCoding } from '../http/content-coding.ts'
import { preconditions } from '../http/preconditions.ts'
import { fieldText, type ResponseHeaders } from '../http/response-fields.ts'
import { selectingValue } from '../http/vary.ts'
import type { ResponseCache, Stale } from '../response-cache.ts'
import type { Announcer } from './announce.ts'
import type { RouteObserver } from './observer.ts'
import { putBack, type Conditions } from './conditions.ts'
import { kExchange, type ExchangeState } from './exchange.ts'
import { unwrapResponse } from './payload.ts'
import { bodyInstead, codedEtag, representationFor } from './representation.ts'
import type { ResponseRecorder } from './response-recorder.ts'
import { removeBodyFields, setStoredFieldsInstead } from './stored-reply.ts'
import { drain } from './stream-capture.ts'

type Exchanged = Extract<ExchangeState, { outcome: 'miss' }>

interface Finishing {
  readonly exchange: Exchanged
  readonly payload: unknown
}

const FAILED = { outcome: 'failed' } as const

/** The last word on what a handler has answered. */
export class MissFinisher {
  readonly #cache: ResponseCache
  readonly #announcer: Announcer
  readonly #recorder: ResponseRecorder
  readonly #observer: RouteObserver

  constructor ({ cache, announcer, recorder, observer }: { cache: ResponseCache, announcer: Announcer, recorder: ResponseRecorder, observer: RouteObserver }) {
    this.#cache = cache
    this.#announcer = announcer
    this.#recorder = recorder
    this.#observer = observer
  }

  /** Gives what is sent in place of the payload. */
  finish (request: FastifyRequest, reply: FastifyReply, { exchange, payload: sent }: Finishing): unknown {
    const { run, conditions, questioned } = exchange
    if (conditions !== undefined) putBack(request, conditions)
    // First: a Response brings a status of its own.
    const payload = unwrapResponse(reply, sent)
    const stale = this.#usable(exchange)
    if (exchange.isTooLate === true) return this.#finishLate(request, reply, { exchange, stale, payload })
    if (stale !== undefined && reply.statusCode >= 500 && !run.isBehind) {
      run.settle({ how: 'failed' })
      request[kExchange] = FAILED
      return this.#insteadOfError(reply, { exchange, stale, payload }, { why: 'stale-if-error', forwarded: reply.statusCode })
    }
    const isRenewed = questioned !== undefined && reply.statusCode === 304
    const made = isRenewed ? this.#recorder.renew(request, reply, questioned) : this.#recorder.record(request, reply, payload)
    if (isRenewed) this.#announcer.revalidated(reply, exchange, made.stored)
    else this.#announcer.miss(reply, exchange, made.stored)
    if (made.isUnsendable !== true) this.#observer.missed(request, exchange, { stored: made.stored, isRenewed })
    if (run.isBehind) {
      drain(made.payload, run.ended.then(({ how }) => how === 'stored'))
      return ''
    }
    if (conditions === undefined || !isRefused(reply, conditions, made.coding)) return made.payload
    this.#observer.missed(request, exchange, { stored: made.stored, isRenewed }) // also of a payload that could not have been sent
    // The client gets no body, and others may be given it.
    run.goesOn = made.stored === undefined
    drain(made.payload, run.ended.then(({ how }) => how === 'stored'))
    return null
  }

  /** The handler answers past Fastify. */
  hijacked (request: FastifyRequest, reply: FastifyReply): void {
    const exchange = request[kExchange] as Exchanged
    if (exchange.conditions !== undefined) putBack(request, exchange.conditions)
    this.#observer.missed(request, exchange, { stored: undefined })
    this.#recorder.hijacked(request, reply)
  }

  /** The handler took too long: `payload` is what an error handler made of that. */
  #finishLate (request: FastifyRequest, reply: FastifyReply, { exchange, stale, payload }: Finishing & { stale: Stale | undefined }): unknown {
    exchange.run.settle({ how: 'failed' })
    if (stale !== undefined) {
      request[kExchange] = FAILED
      return this.#insteadOfError(reply, { exchange, stale, payload }, { why: 'hard-timeout' })
    }
    request[kExchange] = { outcome: 'refused', reason: 'hard-timeout', askedAt: exchange.askedAt }
    this.#announcer.refused(reply, request[kExchange])
    this.#observer.refused(request, 'hard-timeout', exchange.askedAt)
    return payload
  }

  /** What was stale when the request came, unless it was invalidated since. */
  #usable ({ stale }: Exchanged): Stale | undefined {
    return stale === undefined || this.#cache.isDead(stale.response, stale.key) ? undefined : stale
  }

  /** RFC 5861 section 4: what the handler said is not sent. */
  #insteadOfError (reply: FastifyReply, { exchange, stale, payload }: Finishing & { stale: Stale }, said: { why: StaleReason, forwarded?: number }): unknown {
    const { key, response, at } = stale
    const representation = representationFor(response, reply.request.headers)
    setStoredFieldsInstead(reply, representation.response, exchange.fieldsBefore)
    this.#announcer.stale(reply, said, { response, key, now: at })
    this.#observer.servedInstead(reply.request, exchange, { ...stale, why: said.why })
    return bodyInstead(reply, payload, representation)
  }
}

/** Answers the conditions of the client, which the handler did not get. Only what is successful is compared (RFC 9110 section 13.2.1). */
function isRefused (reply: FastifyReply, conditions: Conditions, coding: Coding | undefined): boolean {
  if (reply.statusCode < 200 || reply.statusCode >= 300) return false
  const headers = reply.getHeaders() as ResponseHeaders
  const text = (name: string): string | undefined => headers[name] === undefined ? undefined : fieldText(headers[name])
  const [etag, lastModified] = [text('etag'), text('last-modified')]
  const outcome = preconditions(conditions, { etag, lastModified })
  // The copy of a client that was sent the stored form has the tag of that.
  if (outcome === 'proceed' && etag !== undefined && coding !== undefined && acceptsCoding(selectingValue(reply.request.headers, 'accept-encoding') ?? undefined, coding)) {
    const isCurrent = preconditions(conditions, { etag: codedEtag(etag, coding), lastModified }) === 'not-modified'
    if (!isCurrent) return false
    removeBodyFields(reply)
    reply.code(304).header('etag', codedEtag(etag, coding))
    return true
  }
  if (outcome !== 'not-modified' && outcome !== 'failed') return false
  removeBodyFields(reply)
  reply.code(outcome === 'failed' ? 412 : 304)
  return true
}
