import type { FastifyReply, FastifyRequest } from 'fastify'
import { digest } from '../cache-key.ts'
import type { Coding } from '../coding.ts'
import { describe } from '../errors.ts'
import type { NewKeys } from '../fills/new-keys.ts'
import type { NotStoredReason } from '../http/cache-status.ts'
import { httpDate } from '../http/dates.ts'
import type { ResponseHeaders } from '../http/response-fields.ts'
import { removedFields, selectingFields, storedFields, type HeaderField } from '../http/stored-fields.ts'
import { tagLabel } from '../marks/labels.ts'
import { asCacheRequest } from '../options/cache-request.ts'
import { isTagList, tagList } from '../options/check.ts'
import { exceedsTags, type Limits } from '../options/limits.ts'
import type { RoutePolicy } from '../options/policy.ts'
import type { StoredPayload } from '../options/route-options.ts'
import type { ResponseCache } from '../response-cache.ts'
import { isPromise } from '../store/store.ts'
import { isHeaderField, type StoredResponse } from '../stored-entry.ts'
import type { RouteAdmission } from './admission.ts'
import { compressed, mayCompress } from './compression.ts'
import { downstreamFields } from './downstream.ts'
import { kTags, type ExchangeState } from './exchange.ts'
import type { Lifetimes, PlannedLifetime } from './lifetimes.ts'
import { purposeOf } from './repeat.ts'
import type { Sharing } from './sharing.ts'
import { ownCopy } from './payload.ts'
import { withVary } from './representation.ts'

type Miss = Extract<ExchangeState, { outcome: 'miss' }>

export type Made =
  /** `unkept`: it is for those who wait, and not kept. */
  | { readonly stored: true, readonly response: StoredResponse, readonly isKept: Promise<boolean>, readonly unkept?: 'too-many-keys' }
  | { readonly stored: NotStoredReason }

/** A response as it stands when its header fields are final. */
export interface Candidate {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** Of the handler: its client may be sent another one. */
  readonly status: number
  readonly exchange: Miss
  /** As the handler and other hooks have set them. */
  readonly headers: ResponseHeaders
  /** As the client gets them. */
  readonly sent: ResponseHeaders
  readonly planned: PlannedLifetime
  /** What is stored is compressed. */
  readonly coding: Coding | undefined
}

/** Makes of the answer of a handler what is stored. */
export class ResponseMaker {
  readonly #policy: RoutePolicy
  readonly #cache: ResponseCache
  readonly #lifetimes: Lifetimes
  readonly #admission: RouteAdmission
  readonly #limits: Limits
  readonly #newKeys: NewKeys

  constructor ({ policy, cache, lifetimes, admission, shared }: { policy: RoutePolicy, cache: ResponseCache, lifetimes: Lifetimes, admission: RouteAdmission, shared: Sharing }) {
    this.#policy = policy
    this.#cache = cache
    this.#lifetimes = lifetimes
    this.#admission = admission
    this.#limits = shared.limits
    this.#newKeys = shared.newKeys()
  }

  /** Before the body is known: the header fields are sent before that of a stream is. */
  begin (known: Omit<Candidate, 'sent' | 'coding'>, { isStream }: { isStream: boolean }): Candidate {
    const { request, reply, status, headers } = known
    const coding = mayCompress(status, headers) ? this.#policy.compress : undefined
    this.#addFields(request, reply, { headers, coding, isStream })
    return { ...known, sent: reply.getHeaders() as ResponseHeaders, coding }
  }

  /** What clients are told about a response that is stored, hit or not. */
  #addFields (request: FastifyRequest, reply: FastifyReply, { headers, coding, isStream }: { headers: ResponseHeaders, coding: Coding | undefined, isStream: boolean }): void {
    if (coding !== undefined) reply.header('vary', withVary(headers.vary, 'accept-encoding'))
    // Of a stream it is not known yet whether it is stored.
    if (this.#policy.downstream === undefined || (isStream && this.#policy.storeIf !== undefined)) return
    const tags = this.#tags(request, reply)
    if (exceedsTags(tags, this.#limits)) return // it will not be stored
    for (const [name, value] of downstreamFields(this.#policy, { headers: reply.getHeaders() as ResponseHeaders, tags })) reply.header(name, value)
  }

  /** It is not stored after all: nobody is told how long it may be kept. */
  takeBack ({ reply, headers, sent }: Candidate): void {
    if (reply.raw.headersSent) return
    for (const [name, value] of changedFields(headers, sent) ?? []) {
      if (value === null) reply.removeHeader(name)
      else reply.header(name, value)
    }
  }

  make (candidate: Candidate, payload: string | Buffer | null): Made {
    if (payload !== null && Buffer.byteLength(payload) > this.#policy.maxBytes) return { stored: 'too-large' }
    const { request, reply, exchange, headers, planned } = candidate
    if (!this.#isWanted(request, reply, payload)) return { stored: 'store-if' }
    const tags = this.#tags(request, reply)
    if (exceedsTags(tags, this.#limits)) return { stored: 'too-many-tags' }
    const { admitted, filled, run, sentUrl, fieldsBefore } = exchange
    const facts = { requestId: request.id, requestHeaders: request.headers, fieldsBefore }
    const body = ownCopy(payload)
    const lifetime = this.#lifetimes.settle(planned, { request, exchange, headers, body })
    const { ttlMs, keepMs, ...windows } = lifetime
    if (ttlMs < 1 && !planned.isValidatable) return { stored: 'ttl' }
    const sent = { ...candidate.sent, ...this.#addValidators(candidate, body) }
    const kept = storedFields(sent, facts)
    if (!kept.every(isHeaderField)) return { stored: 'invalid-field' }
    const vary = selectingFields(headers, facts)
    if (fieldBytes(kept) + fieldBytes(vary) > this.#limits.headerBytes) return { stored: 'too-large' }
    const asked = { key: admitted.key, headers: request.headers }
    const response = this.#cache.makeResponse(asked, {
      filled,
      labels: [...new Set([...this.#admission.labels(request, sentUrl), ...tags.map(tagLabel)])],
      status: candidate.status,
      headers: kept,
      removed: removedFields(headers, facts),
      vary,
      ageMs: planned.ageMs,
      costMs: run.costMs,
      isValidatable: planned.isValidatable,
      ...planned.isValidatable ? { changed: changedFields(headers, sent) } : {},
      ...windows,
      body
    }, ttlMs)
    if (run.isLate || run.hasLostLease) return { stored: true, response, isKept: Promise.resolve(false) }
    if (isNewKey(candidate) && !this.#newKeys.take()) return { stored: true, response, isKept: Promise.resolve(false), unkept: 'too-many-keys' }
    return { stored: true, response, isKept: this.#keep(candidate, response, keepMs) }
  }

  /**
   * A strong entity tag where the handler has set none (RFC 9110 section 8.8.3), and the Date that its Expires is about. Of a stream the
   * client of the miss has the header fields already.
   */
  #addValidators ({ reply, status, headers }: Candidate, body: Buffer): ResponseHeaders {
    const fields: Record<string, string> = {}
    if (status === 200 && headers.etag === undefined) fields.etag = `"${digest(body).slice(0, 27)}"`
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
}

/** Nothing was found where it is to be stored, and a client asked for it: warming is the app itself. */
function isNewKey ({ exchange, request }: Candidate): boolean {
  if (exchange.former !== undefined) return false
  const purpose = purposeOf(request)
  return purpose === undefined || 'run' in purpose
}

function fieldBytes (fields: ReadonlyArray<readonly [name: string, value: string | readonly string[] | null]>): number {
  return fields.reduce((sum, [name, value]) => sum + (typeof value === 'string' ? name.length + value.length : (value ?? []).reduce((lines, line) => lines + name.length + line.length, 0)), 0)
}

/** What the cache has made of the header fields: the names, and what the handler had there. */
function changedFields (own: ResponseHeaders, sent: ResponseHeaders): StoredResponse['changed'] {
  return Object.keys(sent).filter((name) => sent[name] !== own[name]).map((name) => {
    const value = own[name]
    return [name, value === undefined ? null : typeof value === 'object' ? value.map(String) : String(value)]
  })
}

/** A stored response without what the cache has made of its header fields. */
export function asHandlerMade (response: StoredResponse): StoredResponse {
  const changed = new Map(response.changed)
  if (changed.size === 0) return response
  const headers = response.headers.flatMap(([name, value]): HeaderField[] => {
    const own = changed.get(name)
    return own === undefined ? [[name, value]] : own === null ? [] : [[name, own]]
  })
  return { ...response, headers }
}
