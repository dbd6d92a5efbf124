import type { Readable } from 'node:stream'
import type { ResponseKey } from '../cache-key.ts'
import type { BypassReason, MissReason, RefusalReason, StaleReason } from '../http/cache-status.ts'
import type { ResponseHeaders } from '../http/response-fields.ts'
import type { Run } from '../fills/run.ts'
import type { FillStamp } from '../marks/ledger.ts'
import type { InvalidationTargets } from '../marks/targets.ts'
import type { Hit, Stale } from '../response-cache.ts'
import type { StoredResponse } from '../stored-entry.ts'
import type { Admitted } from './admission.ts'
import type { Conditions } from './conditions.ts'
import type { Representation } from './representation.ts'

/** The Cache-Status field before and after this cache wrote into it: an error while sending makes it say something else. */
export interface Announced {
  readonly before: unknown
  readonly after: string
}

/** What of the stored body is sent, where it is not all of it: `none` also for one that is sent in another form. */
interface Sent {
  readonly part?: Buffer | 'none'
  readonly decoded?: Decoded
}

/** A stored response that is decompressed for a client. */
export interface Decoded {
  readonly representation: Representation
  readonly body: Readable
}

/** All state of one request, kept on the request. */
export type ExchangeState =
  | { readonly outcome: 'bypass', readonly reason: BypassReason, announced?: Announced, isCounted?: boolean }
  /** `collapsed`: it was made while the request waited for it, for this reason. */
  | (Hit & { readonly collapsed?: MissReason } & Sent)
  | (Stale & { readonly why: StaleReason } & Sent)
  /** No handler ran: there were too many, or it took too long. */
  | { readonly outcome: 'refused', readonly reason: RefusalReason, readonly askedAt: number, announced?: Announced, isCounted?: boolean }
  /** A hit that has no body was given to Fastify. */
  | { readonly outcome: 'sent' }
  /** A hit was given to Fastify; what is sent after it is the answer to a fault. */
  | { readonly outcome: 'failed' }
  | {
    readonly outcome: 'miss'
    readonly reason: MissReason
    readonly admitted: Admitted
    /** Where the response would be, as far as it was known at the look-up. */
    readonly key: ResponseKey
    readonly run: Run
    /** When the request came, by `performance.now()`. */
    readonly askedAt: number
    /** The cache itself has sent it. */
    readonly isOwn: boolean
    /** Its time was over before the handler has answered. */
    isTooLate?: boolean
    /** What is answered when the handler fails. */
    readonly stale: Stale | undefined
    /** What was stored before, of use or not. */
    readonly former: StoredResponse | undefined
    /** What the client asked for besides, which the handler does not get. */
    readonly conditions: Conditions | undefined
    /** What the handler was asked about, and may say has not changed. */
    readonly questioned: StoredResponse | undefined
    /** What the marks were before the handler started. */
    readonly filled: FillStamp
    /** The URL as the client sent it: what the handler reads is made shorter. */
    readonly sentUrl: string
    /** Header fields that hooks had set before the look-up. */
    readonly fieldsBefore: ResponseHeaders
    /** It was counted: an error while sending comes by again. */
    isCounted?: boolean
    announced?: Announced
  }

export const kExchange = Symbol('fastify-response-cache.exchange')

/** Tags and targets that a handler named, on the request. */
export const kTags = Symbol('fastify-response-cache.tags')
export const kTargets = Symbol('fastify-response-cache.targets')

/** Of a write that is answered already, while its answer waits for what it invalidates. */
export const kAnswered = Symbol('fastify-response-cache.answered')

declare module 'fastify' {
  interface FastifyRequest {
    [kExchange]?: ExchangeState
    [kAnswered]?: true
    [kTags]?: string[]
    [kTargets]?: InvalidationTargets[]
  }
}
