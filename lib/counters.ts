/** What the cache of one process has done since it was made. */
export class Counters {
  /** Responses that were fresh, those that were waited for among them. */
  hits = 0
  /** Stale responses. */
  stale = 0
  /** Requests whose handler ran. */
  misses = 0
  /** Requests that might not use the cache. */
  bypasses = 0
  /** Hits with a response that was made while the request waited. */
  collapsed = 0
  /** Responses that became what is stored. */
  fills = 0
  /** Requests repeated in the background. */
  refreshes = 0
  /** Those of them that brought nothing to store. */
  refreshErrors = 0
  /** Requests that were answered with 503, because there were too many or the handler took too long. */
  refused = 0
  readonly #lifetimes = new Map<string, ChosenTtl>()

  /** Remembers the latest choices. */
  chose (chosen: ChosenTtl): void {
    this.#lifetimes.delete(chosen.key)
    this.#lifetimes.set(chosen.key, chosen)
    if (this.#lifetimes.size > MOST_LIFETIMES) this.#lifetimes.delete(this.#lifetimes.keys().next().value!)
  }

  snapshot (): CacheStats {
    const { hits, stale, misses, bypasses, collapsed, fills, refreshes, refreshErrors, refused } = this
    return { hits, stale, misses, bypasses, collapsed, fills, refreshes, refreshErrors, refused, adaptiveTtl: [...this.#lifetimes.values()].reverse() }
  }
}

const MOST_LIFETIMES = 100

/** A lifetime that followed the changes of a response. */
export interface ChosenTtl {
  /** What `X-Cache-Key` shows behind the prefix. */
  readonly key: string
  /** Seconds. */
  readonly ttl: number
  /** What was seen of the response. */
  readonly why: string
}

/** What the responses of this process were, since it was started. */
export interface CacheStats extends Omit<Counters, 'chose' | 'snapshot'> {
  /** The lifetimes that `adaptiveTtl` has chosen in this process, the latest first, 100 at most. */
  readonly adaptiveTtl: readonly ChosenTtl[]
}
