import type { ResponseKey } from '../cache-key.ts'
import type { BypassReason, MissReason, NotStoredReason, RefusalReason, StaleReason } from '../http/cache-status.ts'
import type { RoutePolicy } from '../options/policy.ts'
import type { ResponseCache } from '../response-cache.ts'
import type { StoredResponse } from '../stored-entry.ts'

/** What a route has found out about a request that is explained. */
export type Explained =
  | { readonly outcome: 'no-route' }
  | { readonly outcome: 'not-cached', readonly route: string }
  | OfRoute & { readonly outcome: 'bypass', readonly reason: BypassReason }
  | OfRoute & LookedUp

interface OfRoute {
  readonly policy: RoutePolicy
  /** An app may have several, each in a scope of its own. */
  readonly cache: ResponseCache
}

export interface LookedUp {
  readonly outcome: 'hit' | 'stale' | 'miss'
  readonly reason?: MissReason | StaleReason | RefusalReason
  readonly notStored?: NotStoredReason
  /** Of the variant. */
  readonly key: ResponseKey
  /** What is known to select the variant. */
  readonly selecting: StoredResponse['vary']
  /** What is stored, of use or not. */
  readonly response?: StoredResponse
}
