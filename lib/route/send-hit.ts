import type { FastifyReply, FastifyRequest } from 'fastify'
import { Readable } from 'node:stream'
import { parseHttpDate } from '../http/dates.ts'
import { preconditions } from '../http/preconditions.ts'
import { contentRange, requestedRange } from '../http/ranges.ts'
import type { Announcer } from './announce.ts'
import { fieldOf, hasConditions } from './conditions.ts'
import { ReplyInternals } from './fastify-internals.ts'
import { kExchange, type Decoded, type ExchangeState } from './exchange.ts'
import { bodyOf, CodingMemory, representationFor, type Representation } from './representation.ts'
import { setFieldsOfBytes, setNotModifiedFields, setStoredFields } from './stored-reply.ts'
import type { StoredResponse } from '../stored-entry.ts'
import type { Turn } from './turn.ts'

type Served = Extract<ExchangeState, { outcome: 'hit' | 'stale' }>

/** What of a stored response a request is sent. */
type Answer = 'whole' | 'not-modified' | 'failed' | 'unsatisfiable' | { readonly from: number, readonly to: number }

const FAILED = { outcome: 'failed' } as const
const SENT = { outcome: 'sent' } as const

/** Sends what is stored: all of it, a part, or word that the client's copy is still good. */
export class HitSender {
  readonly #announcer: Announcer
  readonly #internals = new ReplyInternals()
  readonly #codings = new CodingMemory()
  /** Whether other `onSend` hooks may change what a hit sends; known when all hooks are. */
  mayBeTransformed = true

  constructor (announcer: Announcer) {
    this.#announcer = announcer
  }

  /** Tells how many bytes of a body that is. */
  send (turn: Turn, found: Served): number {
    const { request } = turn
    const { response } = found
    if (response.coded === undefined && !hasConditions(request.headers)) return this.#sendWhole(turn, found)
    return response.coded === undefined && isCurrent(request, response) ? this.#sendNotModified(turn, found) : this.#sendSelected(turn, found)
  }

  #sendWhole (turn: Turn, found: Served): number {
    const { request, reply } = turn
    const { response } = found
    request[kExchange] = found
    setStoredFields(reply, response)
    this.#announce(reply, found)
    // Of a 204 Fastify leaves the body out that a handler has given it (RFC 9110 section 15.3.5).
    const bytes = request.method !== 'HEAD' && response.status !== 204 ? response.body.length : 0
    if (bytes > 0 && this.#write(turn, response.body)) return bytes
    // A hook may write into the bytes it is given; where there is no other hook, `finish` adds them.
    void reply.send(this.mayBeTransformed && response.body.length > 0 ? Buffer.from(response.body) : undefined)
    return bytes
  }

  /** Runs as the last `onSend` of a hit. What was stored was stored after other such hooks had run. */
  finish (request: FastifyRequest, reply: FastifyReply, { found, payload }: { found: Served, payload: unknown }): unknown {
    // Once: when sending fails, what an error handler sends next is its own.
    request[kExchange] = FAILED
    const { response, part, decoded } = found
    if (part === 'none') {
      if (request.method === 'HEAD') setLengthOfHead(reply, response)
      return decoded === undefined ? undefined : this.#asDecoded(reply, payload, decoded)
    }
    const body = part ?? (response.body.length === 0 ? undefined : response.body)
    if (!this.mayBeTransformed) return body
    // Where a hook chose another status, such as 304, its answer stands.
    if (reply.statusCode !== (part === undefined ? response.status : 206)) return undefined
    const range = reply.getHeader('content-range')
    setFieldsOfBytes(reply, response)
    if (part !== undefined && range !== undefined) reply.header('content-range', range)
    if (request.method === 'HEAD' && payload === null) {
      reply.header('content-length', String(response.body.length))
      return undefined
    }
    (payload as { destroy?: () => void } | undefined)?.destroy?.()
    return body ?? null
  }

  /** In place of what a hook made of it: the fields are those of the decoded bytes, a strong ETag among them (RFC 9110 section 8.8.3.3). */
  #asDecoded (reply: FastifyReply, payload: unknown, { representation, body }: Decoded): unknown {
    const { response, bytes } = representation
    if (payload === body || reply.statusCode !== response.status) return undefined
    body.destroy()
    ;(payload as { destroy?: () => void } | null | undefined)?.destroy?.()
    setFieldsOfBytes(reply, response)
    reply.header('content-length', String(bytes))
    return bodyOf(representation)
  }

  #sendNotModified (turn: Turn, found: Served): number {
    const { request, reply } = turn
    request[kExchange] = SENT
    setNotModifiedFields(reply, found.response)
    this.#announce(reply, found)
    if (!this.#write(turn, undefined)) void reply.send()
    return 0
  }

  /**
   * Writes the answer where there is nothing left that Fastify would do with it: no hook that looks at it, no trailers. Otherwise says so.
   */
  #write ({ request, reply }: Turn, body: Buffer | undefined): boolean {
    const headers = this.mayBeTransformed ? undefined : this.#internals.headersOf(reply)
    if (headers === undefined) return false
    // When a field cannot be sent, what an error handler sends next is its own.
    request[kExchange] = FAILED
    if (body !== undefined) headers['content-length'] = String(body.length)
    reply.raw.writeHead(reply.statusCode, headers)
    reply.hijack()
    reply.raw.end(body)
    return true
  }

  #sendSelected (turn: Turn, found: Served): number {
    const { request, reply } = turn
    const representation = representationFor(found.response, request.headers, this.#codings.accepts)
    const { response, bytes } = representation
    const answer = answerTo(request, representation)
    if (answer === 'whole' && representation.decoding === undefined) return this.#sendWhole(turn, found)
    if (answer === 'not-modified') return this.#sendNotModified(turn, { ...found, response })
    const part = typeof answer === 'object' ? response.body.subarray(answer.from, answer.to + 1) : 'none'
    request[kExchange] = { ...found, response, part }
    if (answer === 'failed') reply.code(412)
    else if (answer === 'unsatisfiable') reply.code(416).header('content-range', contentRange('unsatisfiable', bytes))
    else setStoredFields(reply, response)
    if (typeof answer === 'object') reply.code(206).header('content-range', contentRange(answer, bytes))
    this.#announce(reply, found)
    if (typeof part !== 'string') void reply.send(this.mayBeTransformed ? Buffer.from(part) : undefined)
    else if (answer === 'whole') this.#sendDecoded(request, reply, representation)
    else void reply.send()
    if (request.method === 'HEAD') return 0
    return typeof part !== 'string' ? part.length : answer === 'whole' ? bytes : 0
  }

  #sendDecoded (request: FastifyRequest, reply: FastifyReply, representation: Representation): void {
    reply.header('content-length', String(representation.bytes))
    const body = request.method === 'HEAD' ? undefined : bodyOf(representation)
    if (body instanceof Readable) request[kExchange] = { ...request[kExchange] as Served, decoded: { representation, body } }
    void reply.send(body)
  }

  #announce (reply: FastifyReply, found: Served): void {
    const { key, response, at } = found
    if (found.outcome === 'stale') this.#announcer.stale(reply, found, { response, key, now: at })
    else if (found.collapsed !== undefined) this.#announcer.collapsed(reply, found.collapsed, { response, key, now: at })
    else this.#announcer.hit(reply, { response, key, now: at })
  }
}

/** The HEAD route that Fastify adds counts the bytes of what it is given, none here: those of the GET count (RFC 9110 section 8.6). */
function setLengthOfHead (reply: FastifyReply, { coded, status }: StoredResponse): void {
  if (coded !== undefined && reply.statusCode === status) reply.header('content-length', String(coded.bytes))
}

/** The usual condition, and nothing else: the copy that the client has is this one. The rest of the rules is in `answerTo`. */
function isCurrent ({ headers, method }: FastifyRequest, response: StoredResponse): boolean {
  const tag = headers['if-none-match']
  return tag !== undefined && headers['if-match'] === undefined && headers['if-unmodified-since'] === undefined &&
    response.status === 200 && (method === 'GET' || method === 'HEAD') && tag === fieldOf(response, 'etag')
}

/** RFC 9110 section 13.2.2: conditions first, then the range. They are about what would be sent without them: a successful response. */
function answerTo ({ headers, method }: FastifyRequest, { response, decoding, bytes }: Representation): Answer {
  if ((method !== 'GET' && method !== 'HEAD') || response.status < 200 || response.status >= 300) return 'whole'
  const validators = { etag: fieldOf(response, 'etag'), lastModified: fieldOf(response, 'last-modified') }
  const outcome = preconditions(headers, validators)
  if (outcome === 'not-modified' || outcome === 'failed') return outcome
  // Parts are cut from bytes that are there.
  if (method !== 'GET' || response.status !== 200 || decoding !== undefined) return 'whole'
  return requestedRange(headers, { length: bytes, ...validators, date: parseHttpDate(fieldOf(response, 'date') ?? '') ?? response.storedAt - response.ageMs })
}
