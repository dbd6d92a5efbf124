import type { BypassReason, MissReason } from '../http/cache-status.ts'
import type { ResponseHeaders } from '../http/storability.ts'
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
  | {
    readonly outcome: 'miss'
    readonly reason: MissReason
    readonly admitted: Admitted
    /** Header fields that hooks had set before the look-up. */
    readonly fieldsBefore: ResponseHeaders
    announced?: Announced
  }

export const kExchange = Symbol('fastify-response-cache.exchange')

declare module 'fastify' {
  interface FastifyRequest {
    [kExchange]?: ExchangeState
  }
}
