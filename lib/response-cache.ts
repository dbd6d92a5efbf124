import type { MissReason } from './http/cache-status.ts'
import { useOf } from './http/freshness.ts'
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
 *                          -> the same selecting header fields? -> still fresh? -> hit
 *                                                               -> of use while a new one is made, or when that fails? -> stale
 *   store     response + lifetime -> store, which forgets it when it is of no use any more
 *
 * Three rules hold whatever the store does. An entry is used only if its whole key material equals the request's, so a hash
 * collision, a swapped value or an entry of another kind is a miss. A look-up ends within the store's deadline, and a store
 * that fails is a miss. A store in this process answers at once: then nothing here waits for a tick.
 *
 * Between look-up and handler stands what is in `fills/`: who runs the handler, and who waits for that.
 */

export interface Hit {
  readonly outcome: 'hit'
  readonly response: StoredResponse
  /** When it was found, by the cache's clock. */
  readonly at: number
}

/** Not fresh, but of use. */
export interface Stale {
  readonly outcome: 'stale'
  readonly response: StoredResponse
  readonly at: number
  readonly use: 'while-revalidate' | 'if-error'
}

export interface Miss {
  readonly outcome: 'miss'
  readonly reason: MissReason
  /** What is stored and of no use for this request. */
  readonly former?: StoredResponse
}

export type LookupResult = Hit | Stale | Miss

/** The stamp of a fill that began while the marks could not be read: its response is not stored, but those who wait share it. */
export const UNMARKED: FillStamp = { incarnation: '', stamp: 0 }

const MISS: Record<'uri-miss' | 'store-error', LookupResult> = {
  'uri-miss': { outcome: 'miss', reason: 'uri-miss' },
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

  /** The same, but never from a copy that another process may have replaced. */
  async lookUpLatest (key: StoreKey, headers: RequestHeaders): Promise<LookupResult> {
    return this.#judge(await this.#store.getLatest(key), key, headers)
  }

  get now (): number {
    return this.#now()
  }

  /** What a fill that begins now is marked with; `UNMARKED` while the marks could not be read. */
  get fillStamp (): FillStamp {
    return this.#ledger.stamp ?? UNMARKED
  }

  /** A response that becomes what is stored, fresh for `ttlMs` from now. */
  makeResponse (key: StoreKey, made: Omit<StoredResponse, 'kind' | 'key' | 'storedAt' | 'staleAt'>, ttlMs: number): StoredResponse {
    const storedAt = this.#now()
    return { kind: 'response', key: key.text, storedAt, staleAt: storedAt + ttlMs, ...made }
  }

  /**
   * Keeps a response for as long as it is of any use, `keepMs` from now. Resolves when the store is done, to whether it was kept. What was
   * invalidated while its handler ran is not kept.
   */
  async store (key: StoreKey, response: StoredResponse, keepMs: number): Promise<boolean> {
    if (response.filled === UNMARKED || this.#ledger.verdict(response, key) !== 'live') return false
    return await this.#store.set(key, response, keepMs)
  }

  /** Whether it may not even be served stale any more. */
  isDead (response: StoredResponse, key: StoreKey): boolean {
    return this.#ledger.verdict(response, key) === 'dead'
  }

  isInvalidated (response: StoredResponse, key: StoreKey): boolean {
    return this.#ledger.verdict(response, key) !== 'live'
  }

  /** There is nothing to serve under this key any more. Nobody has to wait. */
  forget (key: StoreKey): void {
    this.#store.delete(key).catch(() => {}) // the guard of the store has said so, and the entry goes by its time to live
  }

  /** What a response that another request has just made is for this one. */
  judgeShared (response: StoredResponse, key: StoreKey, headers: RequestHeaders): LookupResult {
    // Without marks there is no invalidation that this process could know of.
    if (response.filled !== UNMARKED || this.#ledger.stamp !== undefined) return this.#judge(response, key, headers)
    if (response.key !== key.text) return MISS['uri-miss']
    return variesMatch(response.vary, headers) ? { outcome: 'hit', response, at: this.#now() } : { outcome: 'miss', reason: 'vary-miss', former: response }
  }

  #judge (entry: Entry | undefined | typeof UNAVAILABLE, key: StoreKey, headers: RequestHeaders): LookupResult {
    if (entry === undefined) return MISS['uri-miss']
    if (entry === UNAVAILABLE) return MISS['store-error']
    if (entry.kind !== 'response' || entry.key !== key.text) return MISS['uri-miss']
    const verdict = this.#ledger.verdict(entry, key)
    if (verdict === 'dead') return { outcome: 'miss', reason: 'uri-miss', former: entry }
    if (!variesMatch(entry.vary, headers)) return { outcome: 'miss', reason: 'vary-miss', former: entry }
    const at = this.#now()
    const use = useOf(entry, at, verdict === 'stale')
    if (use === 'fresh') return { outcome: 'hit', response: entry, at }
    return use === 'none' ? { outcome: 'miss', reason: 'stale', former: entry } : { outcome: 'stale', response: entry, at, use }
  }
}
