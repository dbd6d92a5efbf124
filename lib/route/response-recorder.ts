import type { FastifyReply, FastifyRequest } from 'fastify'
import { nextLifetime, type AdaptiveState } from '../adaptive-ttl.ts'
import { digest } from '../cache-key.ts'
import type { Counters } from '../counters.ts'
import { describe } from '../errors.ts'
import type { UncacheableMemory } from '../fills/uncacheable.ts'
import type { NotStoredReason } from '../http/cache-status.ts'
import { staleWindows } from '../http/freshness.ts'
import { isSecretField } from '../http/request-fields.ts'
import { refusalToStore, type ResponseHeaders } from '../http/storability.ts'
import { removedFields, selectingFields, storedFields } from '../http/stored-fields.ts'
import { variesMatch } from '../http/vary.ts'
import { tagLabel } from '../marks/labels.ts'
import { isTagList, tagList } from '../options/check.ts'
import { asCacheRequest } from '../options/cache-request.ts'
import type { RoutePolicy } from '../options/policy.ts'
import type { StoredPayload } from '../options/route-options.ts'
import { jittered, plannedMs, type Planned } from '../options/ttl.ts'
import { UNMARKED, type ResponseCache } from '../response-cache.ts'
import { isHeaderField, type StoredResponse } from '../stored-entry.ts'
import { isPromise } from '../store/store.ts'
import type { RouteAdmission } from './admission.ts'
import type { Sharing } from './sharing.ts'
import { kExchange, kTags, type ExchangeState } from './exchange.ts'
import { hasTrailers } from './fastify-internals.ts'
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
  readonly headers: ResponseHeaders
  readonly planned: Planned
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
  readonly #random: () => number
  readonly #counters: Counters

  constructor ({ policy, cache, admission, shared, warnings }: {
    policy: RoutePolicy
    cache: ResponseCache
    admission: RouteAdmission
    shared: Sharing
    warnings: RouteWarnings
  }) {
    this.#policy = policy
    this.#cache = cache
    this.#admission = admission
    this.#uncacheable = shared.uncacheable
    this.#random = shared.random
    this.#counters = shared.counters
    this.#warnings = warnings
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
    if (!this.#policy.statusCodes.has(reply.statusCode)) return 'status'
    // Stored it would take the place of a good response.
    if (reply.statusCode >= 500 && exchange.former !== undefined) return 'status'
    const headers = reply.getHeaders() as ResponseHeaders
    const refusal = refusalToStore(headers, request.headers)
    if (refusal !== undefined) return refusal
    if (hasTrailers(reply)) return 'trailers'
    if (!this.#admission.mayStillStore(request, exchange.admitted)) return 'credentials'
    const { now } = this.#cache
    const planned = this.#policy.plan(asCacheRequest(request), reply, now - exchange.run.costMs)
    return plannedMs(planned, now) < 1 ? 'ttl' : { request, reply, exchange, headers, planned }
  }

  /** What is left of it now: the body may have taken its time. */
  #lifetime (planned: Planned, { request, exchange, body }: { request: FastifyRequest, exchange: Miss, body: Buffer }): { ttlMs: number, adaptive?: AdaptiveState } {
    const { adaptive, jitter } = this.#policy
    if (planned.kind === 'until') return { ttlMs: plannedMs(planned, this.#cache.now) }
    if (adaptive === undefined) return { ttlMs: jittered(planned.ms, jitter, this.#random) }
    const { admitted, former, run } = exchange
    const known = former !== undefined && variesMatch(former.vary, request.headers) ? former : undefined
    const own = digest(body).slice(0, 22)
    // A change that an invalidation announced was served to nobody.
    const before = known?.adaptive !== undefined && this.#cache.isInvalidated(known, exchange.key) ? { ...known.adaptive, digest: own } : known?.adaptive
    const { ttlMs, state, why } = nextLifetime(before, { digest: own, at: this.#cache.now - run.costMs, firstMs: planned.ms }, adaptive)
    this.#counters.chose({ key: admitted.key.id, ttl: ttlMs / 1000, why })
    return { ttlMs: jittered(ttlMs, jitter, this.#random), adaptive: state }
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
      this.#end(candidate, this.#admission.mayStillStore(request, exchange.admitted) ? this.#make(candidate, captured.body) : { stored: 'credentials' })
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
    if (this.#policy.lock !== false && !isRefresh) this.#uncacheable.note(admitted.key, vary)
  }

  #make ({ request, reply, exchange, headers, planned }: Candidate, payload: string | Buffer | null): Made {
    if (payload !== null && Buffer.byteLength(payload) > this.#policy.maxBytes) return { stored: 'too-large' }
    if (!this.#isWanted(request, reply, payload)) return { stored: 'store-if' }
    const facts = { requestId: request.id, requestHeaders: request.headers, fieldsBefore: exchange.fieldsBefore }
    const kept = storedFields(headers, facts)
    const { admitted, filled, run, sentUrl } = exchange
    if (!kept.every(isHeaderField)) return { stored: 'invalid-field' }
    const body = ownCopy(payload)
    const lifetime = this.#lifetime(planned, { request, exchange, body })
    const { ttlMs } = lifetime
    if (ttlMs < 1) return { stored: 'ttl' }
    const windows = staleWindows(headers, this.#policy.stale)
    const asked = { key: admitted.key, headers: request.headers }
    const response = this.#cache.makeResponse(asked, {
      filled,
      labels: [...new Set([...this.#admission.labels(request, sentUrl), ...this.#tags(request, reply).map(tagLabel)])],
      status: reply.statusCode,
      headers: kept,
      removed: removedFields(headers, facts),
      vary: selectingFields(headers, facts),
      costMs: run.costMs,
      ...windows,
      ...lifetime.adaptive === undefined ? {} : { adaptive: lifetime.adaptive },
      body
    }, ttlMs)
    // What is known of its changes is of use longer than the response.
    const keepMs = ttlMs + Math.max(windows.whileRevalidateMs, windows.ifErrorMs, this.#policy.adaptive?.maxMs ?? 0)
    const mayKeep = !run.isLate && !run.hasLostLease
    return { stored: true, response, isKept: mayKeep ? this.#cache.store(asked, response, keepMs) : Promise.resolve(false) }
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

/** Bytes of our own: the handler may go on writing into its Buffer, and small Buffers share one larger piece of memory. */
function ownCopy (payload: string | Buffer | null): Buffer {
  if (payload === null) return Buffer.alloc(0)
  const copy = Buffer.allocUnsafeSlow(Buffer.byteLength(payload))
  if (typeof payload === 'string') copy.write(payload)
  else payload.copy(copy)
  return copy
}

/** A `Response` sets status and header fields as Fastify would do a moment later; its body is what is sent. */
function unwrapResponse (reply: FastifyReply, payload: unknown): unknown {
  if (!(payload instanceof Response) || payload.bodyUsed) return payload
  reply.code(payload.status)
  for (const [name, value] of payload.headers) reply.header(name, value)
  return payload.body
}
