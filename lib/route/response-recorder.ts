import type { RouteAudit } from '../audit/route-audit.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { digest } from '../cache-key.ts'
import type { Counters } from '../counters.ts'
import { describe } from '../errors.ts'
import type { UncacheableMemory } from '../fills/uncacheable.ts'
import type { NotStoredReason } from '../http/cache-status.ts'
import { statesSharing } from '../http/lifetime.ts'
import { isSecretField } from '../http/request-fields.ts'
import { refusalToStore } from '../http/storability.ts'
import type { ResponseHeaders } from '../http/response-fields.ts'
import { removedFields, selectingFields, storedFields } from '../http/stored-fields.ts'
import { tagLabel } from '../marks/labels.ts'
import { isTagList, tagList } from '../options/check.ts'
import { asCacheRequest } from '../options/cache-request.ts'
import type { RoutePolicy } from '../options/policy.ts'
import type { StoredPayload } from '../options/route-options.ts'
import type { Coding } from '../coding.ts'
import { httpDate } from '../http/dates.ts'
import { UNMARKED, type ResponseCache } from '../response-cache.ts'
import { isHeaderField, type StoredResponse } from '../stored-entry.ts'
import { isPromise } from '../store/store.ts'
import type { RouteAdmission } from './admission.ts'
import type { Sharing } from './sharing.ts'
import { kExchange, kTags, type ExchangeState } from './exchange.ts'
import { hasTrailers } from './fastify-internals.ts'
import { compressed, mayCompress } from './compression.ts'
import { downstreamFields } from './downstream.ts'
import type { Lifetimes, PlannedLifetime } from './lifetimes.ts'
import { ownCopy, unwrapResponse } from './payload.ts'
import { bodyOf, identityOf, withVary } from './representation.ts'
import { setRenewedFields } from './stored-reply.ts'
import { captureStream, toNodeStream, type Captured } from './stream-capture.ts'
import type { RouteWarnings } from './warnings.ts'

type Miss = Extract<ExchangeState, { outcome: 'miss' }>

type Made = { readonly stored: true, readonly response: StoredResponse, readonly isKept: Promise<boolean> } | { readonly stored: NotStoredReason }

/** What is passed on to the client, and whether it is stored; `undefined`: a stream decides when it ends. */
export interface Recorded {
  readonly payload: unknown
  readonly stored: true | NotStoredReason | undefined
}

/** A response as it stands when its header fields are final. */
interface Candidate {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly exchange: Miss
  /** As the handler and other hooks have set them. */
  readonly headers: ResponseHeaders
  /** As the client gets them. */
  readonly sent: ResponseHeaders
  readonly planned: PlannedLifetime
  /** What is stored is compressed. */
  readonly coding: Coding | undefined
}

/** A stale response to this is wrong, also where it might be served. */
const GONE = new Set([404, 410])

/** What a condition or a range of the request made of a response that others may well be given. */
const OF_CONDITIONS = new Set([206, 304, 412, 416])

/** So long the rest of a stream is read after its client has gone. */
const LINGER_MS = 30_000

/** Decides whether the response to a miss is stored, and stores it. The client does not wait for the store. */
export class ResponseRecorder {
  readonly #policy: RoutePolicy
  readonly #cache: ResponseCache
  readonly #admission: RouteAdmission
  readonly #warnings: RouteWarnings
  readonly #uncacheable: UncacheableMemory
  readonly #counters: Counters
  readonly #lifetimes: Lifetimes
  readonly #targetedFields: readonly string[]
  readonly #audit: RouteAudit | undefined

  constructor ({ policy, cache, lifetimes, targetedFields, admission, shared, warnings, audit }: {
    policy: RoutePolicy
    cache: ResponseCache
    lifetimes: Lifetimes
    targetedFields: readonly string[]
    admission: RouteAdmission
    shared: Sharing
    warnings: RouteWarnings
    audit: RouteAudit | undefined
  }) {
    this.#policy = policy
    this.#cache = cache
    this.#admission = admission
    this.#uncacheable = shared.uncacheable
    this.#lifetimes = lifetimes
    this.#targetedFields = targetedFields
    this.#counters = shared.counters
    this.#warnings = warnings
    this.#audit = audit
  }

  /** Ends the run, now or when its stream ends. */
  record (request: FastifyRequest, reply: FastifyReply, sent: unknown): Recorded {
    const payload = unwrapResponse(reply, sent)
    try {
      const candidate = this.#candidate(request, reply)
      return typeof candidate === 'string' ? { payload, stored: this.#refuse(request, reply, candidate) } : this.#recordBody(candidate, payload)
    } catch (fault) {
      this.#warn(fault)
      return { payload, stored: this.#refuse(request, reply, 'function-error') }
    }
  }

  /** The handler says that what is stored has not changed: it is the response, with the header fields of that answer. */
  renew (request: FastifyRequest, reply: FastifyReply, stored: StoredResponse): Recorded {
    const { fieldsBefore } = request[kExchange] as Miss
    const identity = identityOf(stored)
    setRenewedFields(reply, identity.response, fieldsBefore)
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

  #candidate (request: FastifyRequest, reply: FastifyReply): Candidate | NotStoredReason {
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
    const coding = mayCompress(status, headers) ? this.#policy.compress : undefined
    this.#addFields(request, reply, { headers, coding })
    return { request, reply, exchange, headers, sent: reply.getHeaders() as ResponseHeaders, planned, coding }
  }

  #mayStillStore (request: FastifyRequest, { admitted }: Miss, headers: ResponseHeaders): boolean {
    return this.#admission.mayStillStore(request, admitted, () => statesSharing(headers, this.#targetedFields))
  }

  /** What clients are told about a response that is stored, hit or not. */
  #addFields (request: FastifyRequest, reply: FastifyReply, { headers, coding }: { headers: ResponseHeaders, coding: Coding | undefined }): void {
    if (coding !== undefined) reply.header('vary', withVary(headers.vary, 'accept-encoding'))
    if (this.#policy.downstream === undefined) return
    for (const [name, value] of downstreamFields(this.#policy, { headers, tags: this.#tags(request, reply) })) reply.header(name, value)
  }

  #recordBody (candidate: Candidate, payload: unknown): Recorded {
    if (payload === undefined || payload === null) return { payload, stored: this.#end(candidate, this.#make(candidate, null)) }
    if (Buffer.isBuffer(payload)) return { payload, stored: this.#end(candidate, this.#make(candidate, payload)) }
    // Sent as bytes like a hit: with text, Node writes the header fields in the encoding of the body.
    if (typeof payload === 'string') return { payload: Buffer.from(payload), stored: this.#end(candidate, this.#make(candidate, payload)) }
    const { maxBytes } = this.#policy
    if (this.#announcedBytes(candidate) > maxBytes) return { payload, stored: this.#end(candidate, { stored: 'too-large' }) }
    const stream = toNodeStream(payload)
    if (stream === undefined) {
      // Not a payload that Fastify can send: it says so itself.
      candidate.exchange.run.settle({ how: 'failed' })
      return { payload, stored: undefined }
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
      this.#end(candidate, refusal === undefined ? this.#make(candidate, captured.body) : { stored: refusal })
    } catch (fault) {
      this.#warn(fault)
      this.#end(candidate, { stored: 'function-error' })
    }
  }

  /** What comes of the response, for those who wait for it and those who come later. */
  #end ({ exchange: { admitted, run }, request, reply }: Candidate, made: Made): true | NotStoredReason {
    if (made.stored !== true) return this.#refuse(request, reply, made.stored)
    const { response } = made
    this.#uncacheable.forget(admitted.key, request.headers)
    // Who waits would not be given what was invalidated meanwhile, and would ask anew one after another.
    if (this.#cache.isInvalidated(response, admitted.key)) run.settle({ how: 'failed', isExcused: true })
    else if (response.staleAt <= response.storedAt) run.settle({ how: 'uncacheable' }, made.isKept) // each of them has to ask
    else run.settle({ how: 'stored', response }, made.isKept)
    void made.isKept.then((isKept) => { if (isKept) this.#counters.fills++ })
    if (response.filled === UNMARKED) return 'store-error'
    if (run.isLate) return 'lock-timeout'
    return run.hasLostLease ? 'lock-lost' : true
  }

  #refuse (request: FastifyRequest, reply: FastifyReply, reason: NotStoredReason): NotStoredReason {
    const { former, key, run } = request[kExchange] as Miss
    if (reply.statusCode >= 500) {
      run.settle({ how: 'failed' })
      return reason
    }
    if (OF_CONDITIONS.has(reply.statusCode)) {
      run.settle({ how: 'failed', isExcused: true })
      return reason
    }
    if (GONE.has(reply.statusCode) && former !== undefined && !run.isLate) this.#cache.forget(key)
    if (reason !== 'head' && !run.isForOne) this.#noteUncacheable(request, varyOf(request, reply))
    run.settle({ how: 'uncacheable' })
    return reason
  }

  #noteUncacheable (request: FastifyRequest, vary: StoredResponse['vary']): void {
    const { admitted, former, run } = request[kExchange] as Miss
    // What is refreshed is there and may be served; that one answer was for its client alone does not change that.
    const isRefresh = run.isBehind && former !== undefined
    if (this.#policy.lock === false || isRefresh) return
    // Also by what selects the other responses of the key: they may well be stored.
    const selecting = this.#cache.selecting({ key: admitted.key, headers: request.headers }).filter(([name]) => !vary.some(([own]) => own === name) && !isSecretField(name))
    this.#uncacheable.note(admitted.key, [...vary, ...selecting])
  }

  #make (candidate: Candidate, payload: string | Buffer | null): Made {
    if (payload !== null && Buffer.byteLength(payload) > this.#policy.maxBytes) return { stored: 'too-large' }
    const { request, reply, exchange, headers, planned } = candidate
    if (!this.#isWanted(request, reply, payload)) return { stored: 'store-if' }
    const { admitted, filled, run, sentUrl, fieldsBefore } = exchange
    const facts = { requestId: request.id, requestHeaders: request.headers, fieldsBefore }
    const body = ownCopy(payload)
    const lifetime = this.#lifetimes.settle(planned, { request, exchange, headers, body })
    const { ttlMs, keepMs, ...windows } = lifetime
    if (ttlMs < 1 && !planned.isValidatable) return { stored: 'ttl' }
    const kept = storedFields({ ...candidate.sent, ...this.#addValidators(candidate, body) }, facts)
    if (!kept.every(isHeaderField)) return { stored: 'invalid-field' }
    const asked = { key: admitted.key, headers: request.headers }
    const response = this.#cache.makeResponse(asked, {
      filled,
      labels: [...new Set([...this.#admission.labels(request, sentUrl), ...this.#tags(request, reply).map(tagLabel)])],
      status: reply.statusCode,
      headers: kept,
      removed: removedFields(headers, facts),
      vary: selectingFields(headers, facts),
      ageMs: planned.ageMs,
      costMs: run.costMs,
      isValidatable: planned.isValidatable,
      ...windows,
      body
    }, ttlMs)
    const mayKeep = !run.isLate && !run.hasLostLease
    return { stored: true, response, isKept: mayKeep ? this.#keep(candidate, response, keepMs) : Promise.resolve(false) }
  }

  /**
   * A strong entity tag where the handler has set none (RFC 9110 section 8.8.3), and the Date that its Expires is about. Of a stream the
   * client of the miss has the header fields already.
   */
  #addValidators ({ reply, headers }: Candidate, body: Buffer): ResponseHeaders {
    const fields: Record<string, string> = {}
    if (reply.statusCode === 200 && headers.etag === undefined) fields.etag = `"${digest(body).slice(0, 27)}"`
    if (headers.expires !== undefined && headers.date === undefined) fields.date = httpDate(this.#cache.now)
    if (!reply.raw.headersSent) reply.headers(fields)
    return fields
  }

  /** Those who wait need not wait for the compression. */
  async #keep ({ coding, exchange: { admitted }, request }: Candidate, response: StoredResponse, keepMs: number): Promise<boolean> {
    const asked = { key: admitted.key, headers: request.headers }
    return await this.#cache.store(asked, coding === undefined ? response : await compressed(response, coding), keepMs)
  }

  /** Throws on anything that is no list of tags: an entry that an invalidation would not find is not stored. */
  #tags (request: FastifyRequest, reply: FastifyReply): readonly string[] {
    const { tags } = this.#policy
    const said = typeof tags === 'function' ? tags(asCacheRequest(request), reply) : tags
    if (!isTagList(said)) throw new TypeError(`expected tags to return ${tagList.expected}, got ${describe(said)}`)
    return [...said, ...request[kTags] ?? []]
  }

  #isWanted (request: FastifyRequest, reply: FastifyReply, payload: StoredPayload): boolean {
    if (this.#policy.storeIf === undefined) return true
    const answer: unknown = this.#policy.storeIf(asCacheRequest(request), reply, payload)
    if (isPromise(answer)) throw new TypeError('expected storeIf to return true or false, got a promise: it cannot wait')
    return Boolean(answer)
  }

  #warn (fault: unknown): void {
    this.#warnings.once({ outcome: 'miss', reason: 'function-error', fault }, 'responses are not stored because an option function failed')
  }
}

/** A response that is not stored tells nevertheless by what it was selected. */
function varyOf (request: FastifyRequest, reply: FastifyReply): StoredResponse['vary'] {
  const { fieldsBefore } = request[kExchange] as Miss
  const vary = selectingFields(reply.getHeaders() as ResponseHeaders, { requestId: request.id, requestHeaders: request.headers, fieldsBefore })
  return vary.filter(([name]) => !isSecretField(name))
}
