import type { MissReason } from './http/cache-status.ts'
import type { FillStamp, MarkLedger } from './marks/ledger.ts'
import { variesMatch, type RequestHeaders } from './http/vary.ts'
import { UNAVAILABLE, type GuardedStore } from './store/guarded-store.ts'
import { isPromise, type MaybePromise, type StoreKey } from './store/store.ts'
import type { Entry, StoredResponse } from './stored-entry.ts'

/*
 * The engine. It knows neither Fastify nor Redis: the hooks of a route tell it what a request is selected by and hand it
 * responses that may be stored; a store keeps them.
 *
 *   look up   key -> store -> the same key material? -> not invalidated since it was filled?
 *                          -> the same selecting header fields? -> still fresh?  -> hit
 *   store     response + lifetime -> store, which forgets it when the lifetime is over
 *
 * Three rules hold whatever the store does. An entry is used only if its whole key material equals the request's, so a hash
 * collision, a swapped value or an entry of another kind is a miss. A look-up ends within the store's deadline, and a store
 * that fails is a miss. A store in this process answers at once: then nothing here waits for a tick.
 *
 * Serving stale (may it be used nevertheless?) is a further question to the entry, in `#judge`; collapsing of misses stands
 * between look-up and handler.
 */

export interface Hit {
  readonly outcome: 'hit'
  readonly response: StoredResponse
  /** When it was found, by the cache's clock. */
  readonly at: number
}

export type LookupResult = Hit | { readonly outcome: 'miss', readonly reason: MissReason }

const MISS: Record<MissReason, LookupResult> = {
  'uri-miss': { outcome: 'miss', reason: 'uri-miss' },
  'vary-miss': { outcome: 'miss', reason: 'vary-miss' },
  stale: { outcome: 'miss', reason: 'stale' },
  'store-error': { outcome: 'miss', reason: 'store-error' }
}

export class ResponseCache {
  readonly #store: GuardedStore
  readonly #ledger: MarkLedger
  readonly #now: () => number

  constructor ({ store, clock }: { store: GuardedStore, clock: () => number }) {
    this.#store = store
    this.#ledger = store.marks.ledger
    this.#now = clock
  }

  /** What is there for this key and these request header fields. Never throws or rejects; answers at once when the store does. */
  lookUp (key: StoreKey, headers: RequestHeaders): MaybePromise<LookupResult> {
    const found = this.#store.get(key)
    return isPromise(found) ? found.then((entry) => this.#judge(entry, key, headers)) : this.#judge(found, key, headers)
  }

  /** What a fill that begins now is marked with; undefined while the marks could not be read. */
  get fillStamp (): FillStamp | undefined {
    return this.#ledger.stamp
  }

  /**
   * Keeps a response for `ttlMs` from now. Resolves when the store is done, to whether it was kept; nobody has to wait. What was
   * invalidated while its handler ran is not kept.
   */
  async store (key: StoreKey, response: Omit<StoredResponse, 'kind' | 'key' | 'storedAt' | 'staleAt'>, ttlMs: number): Promise<boolean> {
    if (this.#ledger.verdict(response, key) !== 'live') return false
    const storedAt = this.#now()
    return await this.#store.set(key, { kind: 'response', key: key.text, storedAt, staleAt: storedAt + ttlMs, ...response }, ttlMs)
  }

  #judge (entry: Entry | undefined | typeof UNAVAILABLE, key: StoreKey, headers: RequestHeaders): LookupResult {
    if (entry === undefined) return MISS['uri-miss']
    if (entry === UNAVAILABLE) return MISS['store-error']
    if (entry.kind !== 'response' || entry.key !== key.text) return MISS['uri-miss']
    const verdict = this.#ledger.verdict(entry, key)
    if (verdict === 'dead') return MISS['uri-miss']
    if (!variesMatch(entry.vary, headers)) return MISS['vary-miss']
    const at = this.#now()
    return verdict === 'live' && entry.staleAt > at ? { outcome: 'hit', response: entry, at } : MISS.stale
  }
}
