import type { FastifyReply, FastifyRequest } from 'fastify'
import { describe } from '../errors.ts'
import type { NotStoredReason } from '../http/cache-status.ts'
import { refusalToStore, type ResponseHeaders } from '../http/storability.ts'
import { removedFields, selectingFields, storedFields } from '../http/stored-fields.ts'
import { tagLabel } from '../marks/labels.ts'
import { isTagList, tagList } from '../options/check.ts'
import { asCacheRequest } from '../options/cache-request.ts'
import { ttlToMs, type RoutePolicy } from '../options/policy.ts'
import type { StoredPayload } from '../options/route-options.ts'
import type { ResponseCache } from '../response-cache.ts'
import { isHeaderField } from '../stored-entry.ts'
import { isPromise } from '../store/store.ts'
import type { RouteAdmission } from './admission.ts'
import { kExchange, kTags, type ExchangeState } from './exchange.ts'
import { hasTrailers } from './fastify-internals.ts'
import { captureStream, toNodeStream } from './stream-capture.ts'
import type { RouteWarnings } from './warnings.ts'

type Miss = Extract<ExchangeState, { outcome: 'miss' }>

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
  readonly ttlMs: number
}

/** Decides whether the response to a miss is stored, and stores it. Nobody waits for the store. */
export class ResponseRecorder {
  readonly #policy: RoutePolicy
  readonly #cache: ResponseCache
  readonly #admission: RouteAdmission
  readonly #ttls: ReadonlyMap<string, number>
  readonly #warnings: RouteWarnings

  constructor ({ policy, cache, admission, ttls, warnings }: {
    policy: RoutePolicy
    cache: ResponseCache
    admission: RouteAdmission
    ttls: ReadonlyMap<string, number>
    warnings: RouteWarnings
  }) {
    this.#policy = policy
    this.#cache = cache
    this.#admission = admission
    this.#ttls = ttls
    this.#warnings = warnings
  }

  record (request: FastifyRequest, reply: FastifyReply, sent: unknown): Recorded {
    const payload = unwrapResponse(reply, sent)
    try {
      const candidate = this.#candidate(request, reply)
      return typeof candidate === 'string' ? { payload, stored: candidate } : this.#recordBody(candidate, payload)
    } catch (fault) {
      this.#warn(fault)
      return { payload, stored: 'function-error' }
    }
  }

  #candidate (request: FastifyRequest, reply: FastifyReply): Candidate | NotStoredReason {
    const exchange = request[kExchange] as Miss
    if (request.method === 'HEAD') return 'head'
    if (!this.#admission.mayStillStore(request, exchange.admitted)) return 'credentials'
    if (!this.#policy.statusCodes.has(reply.statusCode)) return 'status'
    if (hasTrailers(reply)) return 'trailers'
    const headers = reply.getHeaders() as ResponseHeaders
    const refusal = refusalToStore(headers, request.headers)
    if (refusal !== undefined) return refusal
    const ttlMs = this.#ttlMs(request, reply)
    return ttlMs < 1 ? 'ttl' : { request, reply, exchange, headers, ttlMs }
  }

  #ttlMs (request: FastifyRequest, reply: FastifyReply): number {
    const { ttl } = this.#policy
    if (typeof ttl === 'number') return ttl
    const said = ttl(asCacheRequest(request), reply)
    const ttlMs = ttlToMs(said, this.#ttls)
    if (ttlMs === undefined) throw new TypeError(`expected the ttl function to return a ttl, got ${String(said)}`)
    return ttlMs
  }

  #recordBody (candidate: Candidate, payload: unknown): Recorded {
    if (payload === undefined || payload === null) return { payload, stored: this.#store(candidate, null) }
    if (Buffer.isBuffer(payload)) return { payload, stored: this.#store(candidate, payload) }
    // Sent as bytes like a hit: with text, Node writes the header fields in the encoding of the body.
    if (typeof payload === 'string') return { payload: Buffer.from(payload), stored: this.#store(candidate, payload) }
    if (this.#announcedBytes(candidate) > this.#policy.maxBytes) return { payload, stored: 'too-large' }
    const stream = toNodeStream(payload)
    // Not a payload that Fastify can send: it says so itself.
    if (stream === undefined) return { payload, stored: undefined }
    const onComplete = (body: Buffer): void => this.#storeStreamed(candidate, body)
    return { payload: captureStream(stream, { maxBytes: this.#policy.maxBytes, onComplete }), stored: undefined }
  }

  /** Of a stream whose length the handler told; 0 when it did not. */
  #announcedBytes ({ headers }: Candidate): number {
    return Number(headers['content-length'] ?? 0)
  }

  #storeStreamed (candidate: Candidate, body: Buffer): void {
    const announced = candidate.headers['content-length']
    if (announced !== undefined && Number(announced) !== body.length) return
    try {
      if (this.#admission.mayStillStore(candidate.request, candidate.exchange.admitted)) this.#store(candidate, body)
    } catch (fault) {
      this.#warn(fault)
    }
  }

  #store ({ request, reply, exchange, headers, ttlMs }: Candidate, payload: string | Buffer | null): true | NotStoredReason {
    if (payload !== null && Buffer.byteLength(payload) > this.#policy.maxBytes) return 'too-large'
    if (!this.#isWanted(request, reply, payload)) return 'store-if'
    const facts = { requestId: request.id, requestHeaders: request.headers, fieldsBefore: exchange.fieldsBefore }
    const kept = storedFields(headers, facts)
    const { admitted, filled, sentUrl } = exchange
    if (filled === undefined) return 'store-error'
    if (!kept.every(isHeaderField)) return 'invalid-field'
    void this.#cache.store(admitted.key, {
      filled,
      labels: [...new Set([...this.#admission.labels(request, sentUrl), ...this.#tags(request, reply).map(tagLabel)])],
      status: reply.statusCode,
      headers: kept,
      removed: removedFields(headers, facts),
      vary: selectingFields(headers, facts),
      body: ownCopy(payload)
    }, ttlMs)
    return true
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
