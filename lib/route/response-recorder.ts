import type { FastifyReply, FastifyRequest } from 'fastify'
import type { RouteAudit } from '../audit/route-audit.ts'
import type { Coding } from '../coding.ts'
import type { UncacheableMemory } from '../fills/uncacheable.ts'
import type { NotStoredReason } from '../http/cache-status.ts'
import { saysAny, statesSharing } from '../http/lifetime.ts'
import { isSecretField } from '../http/request-fields.ts'
import { fieldText, type ResponseHeaders } from '../http/response-fields.ts'
import { refusalToStore } from '../http/storability.ts'
import { selectingFields } from '../http/stored-fields.ts'
import type { RoutePolicy } from '../options/policy.ts'
import { isUnmarked } from '../marks/ledger.ts'
import type { ResponseCache } from '../response-cache.ts'
import type { RouteCounters } from '../stats/route-counters.ts'
import type { StoredResponse } from '../stored-entry.ts'
import type { RouteAdmission } from './admission.ts'
import { kExchange, type ExchangeState } from './exchange.ts'
import { hasTrailers } from './fastify-internals.ts'
import type { Lifetimes } from './lifetimes.ts'
import { bodyOf, identityOf } from './representation.ts'
import { asHandlerMade, ResponseMaker, type Candidate, type Made } from './response-maker.ts'
import type { Sharing } from './sharing.ts'
import { setRenewedFields } from './stored-reply.ts'
import { captureStream, toNodeStream, type Captured } from './stream-capture.ts'
import type { RouteWarnings } from './warnings.ts'

type Miss = Extract<ExchangeState, { outcome: 'miss' }>

/** What is passed on to the client, and whether it is stored; `undefined`: a stream decides when it ends. */
export interface Recorded {
  readonly payload: unknown
  readonly stored: true | NotStoredReason | undefined
  /** Fastify will answer with an error instead, which comes by here again. */
  readonly isUnsendable?: true
  /** What is stored is compressed. */
  readonly coding?: Coding | undefined
}

/** A stale response to this is wrong, also where it might be served. */
const GONE = new Set([404, 410])

/** What a condition or a range of the request made of a response that others may well be given. */
const OF_CONDITIONS = new Set([206, 304, 412, 416])

/** What lets caches that know no users keep a response. */
const SAY_ALL = ['public', 's-maxage']

/** So long the rest of a stream is read after its client has gone. */
const LINGER_MS = 30_000

/** Decides whether the response to a miss is stored, and stores it. The client does not wait for the store. */
export class ResponseRecorder {
  readonly #policy: RoutePolicy
  readonly #cache: ResponseCache
  readonly #admission: RouteAdmission
  readonly #warnings: RouteWarnings
  readonly #uncacheable: UncacheableMemory
  readonly #counters: RouteCounters
  readonly #lifetimes: Lifetimes
  readonly #maker: ResponseMaker
  readonly #targetedFields: readonly string[]
  readonly #audit: RouteAudit | undefined
  readonly #onPublic: Sharing['onPublic']

  constructor ({ policy, cache, lifetimes, targetedFields, admission, shared, counters, warnings, audit }: {
    policy: RoutePolicy
    cache: ResponseCache
    lifetimes: Lifetimes
    targetedFields: readonly string[]
    admission: RouteAdmission
    shared: Sharing
    counters: RouteCounters
    warnings: RouteWarnings
    audit: RouteAudit | undefined
  }) {
    this.#policy = policy
    this.#cache = cache
    this.#admission = admission
    this.#uncacheable = shared.uncacheable
    this.#lifetimes = lifetimes
    this.#maker = new ResponseMaker({ policy, cache, lifetimes, admission, shared })
    this.#targetedFields = targetedFields
    this.#counters = counters
    this.#warnings = warnings
    this.#audit = audit
    this.#onPublic = shared.onPublic
  }

  /** Ends the run, now or when its stream ends. */
  record (request: FastifyRequest, reply: FastifyReply, payload: unknown): Recorded {
    try {
      const candidate = this.#candidate(request, reply, { isStream: isStream(payload) })
      return typeof candidate === 'string' ? { payload, stored: this.#refuse(request, reply, candidate) } : { ...this.#recordBody(candidate, payload), coding: candidate.coding }
    } catch (fault) {
      this.#warn(fault)
      return { payload, stored: this.#refuse(request, reply, 'function-error') }
    }
  }

  /** The handler says that what is stored has not changed: it is the response, with the header fields of that answer. */
  renew (request: FastifyRequest, reply: FastifyReply, stored: StoredResponse): Recorded {
    const { fieldsBefore } = request[kExchange] as Miss
    const identity = identityOf(stored)
    setRenewedFields(reply, asHandlerMade(identity.response), fieldsBefore)
    return this.record(request, reply, bodyOf(identity))
  }

  /** The handler answers past Fastify: nobody else can be given that. */
  hijacked (request: FastifyRequest, reply: FastifyReply): void {
    const { run } = request[kExchange] as Miss
    this.#noteUncacheable(request, [])
    // Nobody reads it, and it may have no end.
    if (run.isBehind) reply.raw.on('error', () => {}).destroy()
    run.settle({ how: 'uncacheable' })
  }

  #candidate (request: FastifyRequest, reply: FastifyReply, body: { isStream: boolean }): Candidate | NotStoredReason {
    const exchange = request[kExchange] as Miss
    if (request.method === 'HEAD') return 'head'
    const { statusCode: status } = reply
    if (!this.#policy.mayStoreStatus(status)) return 'status'
    // Stored it would take the place of a good response.
    if (status >= 500 && exchange.former !== undefined) return 'status'
    const headers = reply.getHeaders() as ResponseHeaders
    const mayBeValidated = this.#policy.isHttp && this.#lifetimes.isValidatable(headers)
    const refusal = refusalToStore(headers, request.headers, { status, targetedFields: this.#targetedFields, mayBeValidated })
    if (refusal !== undefined) return refusal
    if (hasTrailers(reply)) return 'trailers'
    if (!this.#mayStillStore(request, exchange, headers)) return 'credentials'
    const planned = this.#lifetimes.plan(request, reply, { exchange, headers })
    if (planned === undefined) return 'ttl'
    const unkeyed = this.#audit?.refusal(request, reply)
    if (unkeyed !== undefined) return unkeyed
    // A cache in front that selects by credentials keeps users apart as this one does.
    if (this.#policy.userOf !== false && saysAny(headers, [], SAY_ALL) && !/authorization|cookie|\*/i.test(fieldText(headers.vary ?? ''))) this.#onPublic(this.#policy.route)
    return this.#maker.begin({ request, reply, status, exchange, headers, planned }, body)
  }

  #mayStillStore (request: FastifyRequest, { admitted }: Miss, headers: ResponseHeaders): boolean {
    return this.#admission.mayStillStore(request, admitted, () => statesSharing(headers, this.#targetedFields))
  }

  #recordBody (candidate: Candidate, payload: unknown): Recorded {
    if (payload === undefined || payload === null) return { payload, stored: this.#end(candidate, this.#maker.make(candidate, null)) }
    if (Buffer.isBuffer(payload)) return { payload, stored: this.#end(candidate, this.#maker.make(candidate, payload)) }
    // Sent as bytes like a hit: with text, Node writes the header fields in the encoding of the body.
    if (typeof payload === 'string') return { payload: Buffer.from(payload), stored: this.#end(candidate, this.#maker.make(candidate, payload)) }
    const { maxBytes } = this.#policy
    if (this.#announcedBytes(candidate) > maxBytes) return { payload, stored: this.#end(candidate, { stored: 'too-large' }) }
    const stream = toNodeStream(payload)
    if (stream === undefined) {
      // Not a payload that Fastify can send: it says so itself.
      candidate.exchange.run.settle({ how: 'failed' })
      return { payload, stored: undefined, isUnsendable: true }
    }
    this.#audit?.goOn(candidate.request)
    const onEnd = (captured: Captured): void => this.#endStream(candidate, captured)
    return { payload: captureStream(stream, { maxBytes, lingerMs: LINGER_MS, readsAhead: !candidate.exchange.run.isForOne, isAwaited: () => candidate.exchange.run.isAwaited, onEnd }), stored: undefined }
  }

  /** Of a stream whose length the handler told; 0 when it did not. */
  #announcedBytes ({ headers }: Candidate): number {
    return Number(headers['content-length'] ?? 0)
  }

  #endStream (candidate: Candidate, captured: Captured): void {
    const { exchange, headers, request } = candidate
    if (captured === 'too-large') {
      this.#end(candidate, { stored: 'too-large' })
      return
    }
    const announced = headers['content-length']
    if (captured === 'broken' || (announced !== undefined && Number(announced) !== captured.body.length)) return exchange.run.settle({ how: 'failed' })
    try {
      const unkeyed = this.#audit?.refusal(request, candidate.reply) // first: what follows reads the request, too
      const refusal = this.#mayStillStore(request, exchange, headers) ? unkeyed : 'credentials'
      this.#end(candidate, refusal === undefined ? this.#maker.make(candidate, captured.body) : { stored: refusal })
    } catch (fault) {
      this.#warn(fault)
      this.#end(candidate, { stored: 'function-error' })
    }
  }

  /** What comes of the response, for those who wait for it and those who come later. */
  #end (candidate: Candidate, made: Made): true | NotStoredReason {
    const { exchange: { admitted, run }, request, reply } = candidate
    if (made.stored !== true) {
      this.#maker.takeBack(candidate)
      if (made.stored === 'too-many-tags') this.#warnTags()
      return this.#refuse(request, reply, made.stored)
    }
    const { response } = made
    this.#uncacheable.forget(admitted.key, request.headers)
    // Who waits would not be given what was invalidated meanwhile, and would ask anew one after another.
    if (this.#cache.isInvalidated(response, admitted.key)) run.settle({ how: 'failed', isExcused: true })
    else if (response.staleAt <= response.storedAt) run.settle({ how: 'uncacheable' }, made.isKept) // each of them has to ask
    else run.settle({ how: 'stored', response }, made.isKept)
    void made.isKept.then((isKept) => { if (isKept) this.#counters.fills++ })
    const reason = isUnmarked(response.filled) ? 'store-error' : run.isLate ? 'lock-timeout' : run.hasLostLease ? 'lock-lost' : made.unkept
    if (reason === undefined) return true
    this.#counters.notStored(reason)
    if (made.unkept !== undefined) this.#warnings.once({ outcome: 'miss', reason: made.unkept }, 'responses are not stored because more of them are new in a second than limits.newKeysPerSecond allows')
    return reason
  }

  #refuse (request: FastifyRequest, reply: FastifyReply, reason: NotStoredReason): NotStoredReason {
    const { former, key, run } = request[kExchange] as Miss
    this.#counters.notStored(reason)
    if (reply.statusCode >= 500) {
      run.settle({ how: 'failed' })
      return reason
    }
    if (OF_CONDITIONS.has(reply.statusCode)) {
      run.settle({ how: 'failed', isExcused: true })
      return reason
    }
    if (GONE.has(reply.statusCode) && former !== undefined && !run.isLate) this.#cache.forget(key)
    if (reason !== 'head' && !run.isForOne) this.#noteUncacheable(request, varyOf(request, reply), reason)
    run.settle({ how: 'uncacheable' })
    return reason
  }

  #noteUncacheable (request: FastifyRequest, vary: StoredResponse['vary'], reason?: NotStoredReason): void {
    const { admitted, former, run } = request[kExchange] as Miss
    // What is refreshed is there and may be served; that one answer was for its client alone does not change that.
    const isRefresh = run.isBehind && former !== undefined
    if (this.#policy.lock === false || isRefresh) return
    // Also by what selects the other responses of the key: they may well be stored.
    const selecting = this.#cache.selecting({ key: admitted.key, headers: request.headers }).filter(([name]) => !vary.some(([own]) => own === name) && !isSecretField(name))
    this.#uncacheable.note(admitted.key, [...vary, ...selecting], reason)
  }

  #warnTags (): void {
    this.#warnings.once({ outcome: 'miss', reason: 'too-many-tags' }, 'responses are not stored because they have more tags than limits.tags allows, or longer ones than limits.tagLength')
  }

  #warn (fault: unknown): void {
    this.#warnings.once({ outcome: 'miss', reason: 'function-error', fault }, 'responses are not stored because an option function failed')
  }
}

function isStream (payload: unknown): boolean {
  return typeof payload === 'object' && payload !== null && !Buffer.isBuffer(payload)
}

/** A response that is not stored tells nevertheless by what it was selected. */
function varyOf (request: FastifyRequest, reply: FastifyReply): StoredResponse['vary'] {
  const { fieldsBefore } = request[kExchange] as Miss
  const vary = selectingFields(reply.getHeaders() as ResponseHeaders, { requestId: request.id, requestHeaders: request.headers, fieldsBefore })
  return vary.filter(([name]) => !isSecretField(name))
}
