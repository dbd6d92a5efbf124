import type { BypassReason, MissReason } from '../http/cache-status.ts'
import type { ResponseHeaders } from '../http/storability.ts'
import type { FillStamp } from '../marks/ledger.ts'
import type { InvalidationTargets } from '../marks/targets.ts'
import type { Hit } from '../response-cache.ts'
import type { Admitted } from './admission.ts'

/** The Cache-Status field before and after this cache wrote into it: an error while sending makes it say something else. */
export interface Announced {
  readonly before: unknown
  readonly after: string
}

/** All state of one request, kept on the request. */
export type ExchangeState =
  | { readonly outcome: 'bypass', readonly reason: BypassReason, announced?: Announced }
  | Hit
  /** A hit was given to Fastify; what is sent after it is the answer to a fault. */
  | { readonly outcome: 'failed' }
  | {
    readonly outcome: 'miss'
    readonly reason: MissReason
    readonly admitted: Admitted
    /** What the marks were before the handler started; undefined when they could not be read, and nothing can be stored. */
    readonly filled: FillStamp | undefined
    /** The URL as the client sent it: what the handler reads is made shorter. */
    readonly sentUrl: string
    /** Header fields that hooks had set before the look-up. */
    readonly fieldsBefore: ResponseHeaders
    announced?: Announced
  }

export const kExchange = Symbol('fastify-response-cache.exchange')

/** Tags and targets that a handler named, on the request. */
export const kTags = Symbol('fastify-response-cache.tags')
export const kTargets = Symbol('fastify-response-cache.targets')

declare module 'fastify' {
  interface FastifyRequest {
    [kExchange]?: ExchangeState
    [kTags]?: string[]
    [kTargets]?: InvalidationTargets[]
  }
}
