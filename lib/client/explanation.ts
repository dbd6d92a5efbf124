import type { BypassReason, MissReason, NotStoredReason, RefusalReason, StaleReason } from '../http/cache-status.ts'
import type { EntryDetails } from '../inspect/summaries.ts'

/** A request to explain. */
export interface ExplainedRequest {
  /** Default `'GET'`. */
  method?: string
  /**
   * A path of the app with its query, such as `'/users/1?sort=name'`, or a whole http or https URL: the key of a response covers protocol and
   * host. Default of both: `http://localhost:80`, or what the header fields say.
   */
  url: string
  /** Header fields of the request: those that the route varies by, and what its guards ask for. Default: none but `host`. */
  headers?: Readonly<Record<string, string | readonly string[]>>
  /** Texts and Buffers are sent as they are, anything else as JSON. Default: none. */
  body?: unknown
}

/** One thing that a response is selected by. */
export interface KeyPart {
  /** `'path'`, `'query page'`, `'user'`, `'header accept-language'`, … */
  readonly part: string
  /** For people. Of secrets and bodies the beginning of a digest. */
  readonly value: string
}

export interface KeyDifference {
  /** As in `keyParts`; `'outcome'` where one of the two requests has no key. */
  readonly part: string
  readonly first: string
  readonly second: string
}

/** What the cache would do with a request, and why. */
export interface Explanation {
  readonly method: string
  readonly url: string
  /** Methods and pattern, as in `GET /users/:id`. Unknown behind a guard. */
  readonly route?: string
  /** Whether the request would be answered from the cache, or its response be stored as far as that is known before the handler has run. */
  readonly isCached: boolean
  /**
   * `guard`: something answered before the look-up, which may also be the validation of the request. `no-route`: the app has no such route.
   * `not-cached`: the route has no `config.cache`.
   */
  readonly outcome: 'hit' | 'stale' | 'miss' | 'bypass' | 'guard' | 'no-route' | 'not-cached'
  readonly reason?: BypassReason | MissReason | StaleReason | RefusalReason
  /** Why the last response under this key was not stored, as far as this process remembers. */
  readonly notStored?: NotStoredReason
  /** The status of the guard's answer. */
  readonly status?: number
  /** Where the reason is documented. */
  readonly docs?: string
  /** What `invalidateKey` takes. */
  readonly key?: string
  readonly namespace?: string
  readonly keyParts?: readonly KeyPart[]
  /** What is stored under the key, of use or not, without its body. */
  readonly entry?: EntryDetails
  /** The same for the second request. */
  readonly other?: Explanation
  /** In what the keys of two requests differ. Empty: they share their response. */
  readonly differences?: readonly KeyDifference[]
}

/** Finds out what an app would do with a request. */
export interface Explainer {
  explain (request: string | ExplainedRequest, other?: string | ExplainedRequest): Promise<Explanation>
}
