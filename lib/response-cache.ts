import type { MissReason } from './http/cache-status.ts'
import { useOf } from './http/freshness.ts'
import { isUnmarked, type FillStamp, type MarkLedger } from './marks/ledger.ts'
import { variesMatch, type RequestHeaders } from './http/vary.ts'
import { UNAVAILABLE, type GuardedStore } from './store/guarded-store.ts'
import { isPromise, type MaybePromise } from './store/store.ts'
import type { Entry, StoredResponse } from './stored-entry.ts'
import type { ResponseKey } from './cache-key.ts'
import { keyLabel } from './marks/labels.ts'
import { isVariants, Variants } from './variants.ts'

/*
 * The engine. It knows neither Fastify nor Redis: the hooks of a route tell it what a request is selected by and hand it
 * responses that may be stored; a store keeps them.
 *
 *   look up   key -> the variant of it -> store -> the same key material? -> not invalidated since it was filled?
 *                          -> still fresh? -> hit
 *                          -> of use while a new one is made, or when that fails? -> stale
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
  /** Of the variant. */
  readonly key: ResponseKey
  readonly response: StoredResponse
  /** When it was found, by the cache's clock. */
  readonly at: number
}

/** Not fresh, but of use. */
export interface Stale {
  readonly outcome: 'stale'
  readonly key: ResponseKey
  readonly response: StoredResponse
  readonly at: number
  readonly use: 'while-revalidate' | 'if-error'
}

export interface Miss {
  readonly outcome: 'miss'
  /** Where the response would be, as far as it is known what it is selected by. */
  readonly key: ResponseKey
  readonly reason: MissReason
  /** What is stored and of no use for this request. */
  readonly former?: StoredResponse
}

/** Whose response is asked for. */
export interface Asked {
  readonly key: ResponseKey
  readonly headers: RequestHeaders
}

export type LookupResult = Hit | Stale | Miss

export class ResponseCache {
  readonly #store: GuardedStore
  readonly #ledger: MarkLedger
  readonly #variants: Variants
  readonly #now: () => number

  /** `mostVariants`: of one key. */
  constructor ({ store, clock, mostVariants }: { store: GuardedStore, clock: () => number, mostVariants?: number }) {
    this.#store = store
    this.#ledger = store.marks.ledger
    this.#variants = new Variants({ store, clock, ...mostVariants === undefined ? {} : { most: mostVariants } })
    this.#now = clock
  }

  /** What is there for this key and these request header fields. Never throws or rejects; answers at once when the store does. */
  lookUp (key: ResponseKey, headers: RequestHeaders): MaybePromise<LookupResult> {
    const variant = this.#variants.keyFor(key, headers)
    const found = this.#store.get(variant)
    if (isPromise(found)) return found.then((entry) => this.#found(entry, variant, { key, headers }))
    return isResponse(found, variant) ? this.#judgeOwn(found, variant) : this.#found(found, variant, { key, headers })
  }

  /** The same, but never from a copy that another process may have replaced. */
  async lookUpLatest (key: ResponseKey, headers: RequestHeaders): Promise<LookupResult> {
    const variant = this.#variants.keyFor(key, headers)
    const found = await this.#store.getLatest(variant)
    if (!isVariants(found, variant)) return this.#judge(found, variant, { key, headers })
    const learned = this.#variants.learnFrom(found, key, headers)
    return this.#judge(await this.#store.getLatest(learned), learned, { key, headers })
  }

  /** Where the response would be, as far as this process knows what it is selected by. */
  keyFor ({ key, headers }: Asked): ResponseKey {
    return this.#variants.keyFor(key, headers)
  }

  /** What is known to select the response to such a request, with the values of this one. */
  selecting ({ key, headers }: Asked): StoredResponse['vary'] {
    return this.#variants.selecting(key, headers)
  }

  get now (): number {
    return this.#now()
  }

  /** What a fill that begins now is marked with. */
  get fillStamp (): FillStamp {
    return this.#ledger.stamp ?? this.#ledger.unmarked
  }

  /** A response that becomes what is stored for such requests, fresh for `ttlMs` from now. */
  makeResponse ({ key, headers }: Asked, made: Omit<StoredResponse, 'kind' | 'key' | 'storedAt' | 'staleAt'>, ttlMs: number): StoredResponse {
    const storedAt = this.#now()
    const variant = this.#variants.learn(key, { vary: made.vary, headers })
    return { kind: 'response', key: variant.text, storedAt, staleAt: storedAt + ttlMs, ...made }
  }

  /**
   * Keeps a response for as long as it is of any use, `keepMs` from now. Resolves when the store is done, to whether it was kept. What was
   * invalidated while its handler ran is not kept.
   */
  async store ({ key, headers }: Asked, response: StoredResponse, keepMs: number): Promise<boolean> {
    if (isUnmarked(response.filled) || this.#ledger.verdict(response, key) !== 'live') return false
    const variant = await this.#variants.list(key, response, { keepMs, headers })
    if (variant === undefined) return false
    if (variant === key) return await this.#store.set(key, response, keepMs)
    // Found by the key of all variants as well.
    return await this.#store.set(variant, { ...response, key: variant.text, labels: [...response.labels, keyLabel(key.id)] }, keepMs)
  }

  /** Whether it may not even be served stale any more. */
  isDead (response: StoredResponse, key: ResponseKey): boolean {
    return this.#ledger.verdict(response, key) === 'dead'
  }

  isInvalidated (response: StoredResponse, key: ResponseKey): boolean {
    return this.#ledger.verdict(response, key) !== 'live'
  }

  /** There is nothing to serve under this key, which is that of a variant, any more. Nobody has to wait. */
  forget (key: ResponseKey): void {
    this.#store.delete(key).catch(() => {}) // the guard of the store has said so, and the entry goes by its time to live
  }

  /** What a response that another request has just made is for this one. */
  judgeShared (response: StoredResponse, { key, headers }: Asked): LookupResult {
    const variant = this.#variants.keyFor(key, headers)
    if (!key.covers(response.key)) return { outcome: 'miss', key: variant, reason: 'uri-miss' }
    if (!variesMatch(response.vary, headers)) return { outcome: 'miss', key: variant, reason: 'vary-miss' }
    return this.#judgeOwn(response, variant)
  }

  /** What stands under a key may say where to look. */
  #found (entry: Entry | undefined | typeof UNAVAILABLE, variant: ResponseKey, asked: Asked): MaybePromise<LookupResult> {
    if (!isVariants(entry, variant)) return this.#judge(entry, variant, asked)
    const learned = this.#variants.learnFrom(entry, asked.key, asked.headers)
    const found = this.#store.get(learned)
    return isPromise(found) ? found.then((later) => this.#judge(later, learned, asked)) : this.#judge(found, learned, asked)
  }

  #judge (entry: Entry | undefined | typeof UNAVAILABLE, key: ResponseKey, asked: Asked): LookupResult {
    if (entry === UNAVAILABLE) return { outcome: 'miss', key, reason: 'store-error' }
    if (isResponse(entry, key)) return this.#judgeOwn(entry, key)
    return { outcome: 'miss', key, reason: key === asked.key || this.#variants.isListed(asked.key, asked.headers) ? 'uri-miss' : 'vary-miss' }
  }

  #judgeOwn (response: StoredResponse, key: ResponseKey): LookupResult {
    const verdict = this.#ledger.verdict(response, key)
    if (verdict === 'dead') return { outcome: 'miss', key, reason: 'uri-miss', former: response }
    const at = this.#now()
    const use = useOf(response, at, verdict === 'stale')
    if (use === 'fresh') return { outcome: 'hit', key, response, at }
    return use === 'none' ? { outcome: 'miss', key, reason: 'stale', former: response } : { outcome: 'stale', key, response, at, use }
  }
}

/** Whether this is the response to that key, and not something else that stands there. */
function isResponse (entry: Entry | undefined | typeof UNAVAILABLE, key: ResponseKey): entry is StoredResponse {
  return entry !== undefined && entry !== UNAVAILABLE && entry.kind === 'response' && entry.key === key.text
}
