import type { NotStoredReason } from '../http/cache-status.ts'
import { variesMatch, type RequestHeaders } from '../http/vary.ts'
import type { StoreKey } from '../store/store.ts'
import type { StoredResponse } from '../stored-entry.ts'

type Vary = StoredResponse['vary']

interface Variant {
  readonly vary: Vary
  readonly forMs: number
  /** Undefined: the handler answered past Fastify. */
  readonly reason: NotStoredReason | undefined
  until: number
  /** One request is finding out whether it is still so. */
  isProbed: boolean
}

const FIRST_MS = 5000
const LONGEST_MS = 120_000
/** Of all keys together. */
const MOST_NOTES = 10_000
const MOST_VARIANTS = 16
/** Characters: clients choose how long a value is. */
const LONGEST_VARY = 500

/**
 * Answers that were not storable, by key and variant: requests for them run their handlers at once. Waiting for such an answer would
 * make a queue of the route, as nobody who waited could be given it. Ends as soon as a storable response appears. After its time one request
 * tries how it is now, and the others do not wait for that either.
 */
export class UncacheableMemory {
  readonly #variants = new Map<string, readonly Variant[]>()
  #notes = 0
  readonly #now: () => number

  constructor (clock: () => number) {
    this.#now = clock
  }

  /** Whether a request is to run its handler at once. Asked once for each request: the first one after the time gets a no. */
  mayRun ({ id }: StoreKey, headers: RequestHeaders): boolean {
    if (this.#variants.size === 0) return false
    const variants = this.#variants.get(id)
    if (variants === undefined) return false
    const now = this.#now()
    let isOver = false
    for (const variant of variants) {
      if (!variesMatch(variant.vary, headers)) continue
      if (isAhead(variant, now)) return true
      isOver = true
    }
    if (isOver) this.#probe(variants, headers, now)
    return false
  }

  /** What is remembered of such requests; asking changes nothing. `isAhead`: the next one runs its handler at once. */
  remembered ({ id }: StoreKey, headers: RequestHeaders): { readonly reason: NotStoredReason | undefined, readonly isAhead: boolean } | undefined {
    const variants = this.#variants.get(id)?.filter(({ vary }) => variesMatch(vary, headers)) ?? []
    if (variants.length === 0) return undefined
    const now = this.#now()
    return { reason: variants.at(-1)!.reason, isAhead: variants.some((variant) => isAhead(variant, now)) }
  }

  #probe (variants: readonly Variant[], headers: RequestHeaders, now: number): void {
    for (const variant of variants) {
      if (!variesMatch(variant.vary, headers)) continue
      variant.until = now + FIRST_MS
      variant.isProbed = true
    }
  }

  /** Each time longer, as long as it goes on. */
  note ({ id }: StoreKey, vary: Vary, reason?: NotStoredReason): void {
    if (vary.reduce((sum, [name, value]) => sum + name.length + (value?.length ?? 0), 0) > LONGEST_VARY) return
    const others = this.#variants.get(id) ?? []
    const same = others.find((variant) => isSame(variant.vary, vary))
    const now = this.#now()
    if (same !== undefined && isAhead(same, now) && !same.isProbed) return // run by many at once
    const forMs = same === undefined ? FIRST_MS : Math.min(2 * same.forMs, LONGEST_MS)
    this.#keep(id, []) // so that the oldest come first
    this.#keep(id, [...others.filter((variant) => variant !== same), { vary, forMs, reason, until: now + forMs, isProbed: false }].slice(-MOST_VARIANTS))
    for (const oldest of this.#variants.keys()) {
      if (this.#notes <= MOST_NOTES) return
      this.#keep(oldest, [])
    }
  }

  /** A request with these header fields was given a storable response. */
  forget ({ id }: StoreKey, headers: RequestHeaders): void {
    if (this.#variants.size === 0) return
    const variants = this.#variants.get(id)
    if (variants === undefined) return
    this.#keep(id, variants.filter(({ vary }) => !variesMatch(vary, headers)))
  }

  #keep (id: string, variants: readonly Variant[]): void {
    this.#notes += variants.length - (this.#variants.get(id)?.length ?? 0)
    if (variants.length > 0) this.#variants.set(id, variants)
    else this.#variants.delete(id)
  }
}

/** Its time is not over. One further away than any was: the clock was set back. */
function isAhead ({ until }: Variant, now: number): boolean {
  return until > now && until <= now + LONGEST_MS
}

function isSame (a: Vary, b: Vary): boolean {
  return a.length === b.length && a.every(([name, value], at) => name === b[at]![0] && value === b[at]![1])
}
