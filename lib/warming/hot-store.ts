/** How often what was requested, by all processes together. What counts is the last minutes: a request weighs half after `HALF_LIFE_MS`. */
export interface HotStore {
  /** Adds requests that were counted just now. Rejects when that is not confirmed; then they may or may not have been added. */
  add (counts: ReadonlyMap<string, number>): Promise<void>
  /** What was requested most, first what was most of all. Whoever may write to the store may have written it. */
  top (count: number): Promise<string[]>
}

export const HALF_LIFE_MS = 5 * 60_000
/** What weighs less than one request of so many half-lives ago is forgotten: an hour. */
export const FORGOTTEN_HALF_LIVES = 12
/** Bound of what a store keeps. */
export const MOST_HOT = 1000

/*
 * A score is the base 2 logarithm of a weight, plus the half-lives since the epoch of the clock. The weight of everything decays alike,
 * so that no score ever changes with time, their order is that of the weights, and a sum needs no more than the two scores.
 */

/** For a store that only this process uses. */
export class LocalHot implements HotStore {
  #scores = new Map<string, number>()
  readonly #now: () => number

  /** `monotonic`: milliseconds that never go back. */
  constructor ({ monotonic = () => performance.now() }: { monotonic?: () => number } = {}) {
    this.#now = monotonic
  }

  async add (counts: ReadonlyMap<string, number>): Promise<void> {
    const now = this.#now() / HALF_LIFE_MS
    for (const [target, count] of counts) this.#scores.set(target, sum(this.#scores.get(target), now + Math.log2(count)))
    this.#scores = new Map(this.#sorted().slice(0, MOST_HOT))
  }

  async top (count: number): Promise<string[]> {
    return this.#sorted().slice(0, count).map(([target]) => target)
  }

  #sorted (): Array<[target: string, score: number]> {
    const least = this.#now() / HALF_LIFE_MS - FORGOTTEN_HALF_LIVES
    return [...this.#scores].filter(([, score]) => score > least).sort(([, a], [, b]) => b - a)
  }
}

function sum (known: number | undefined, added: number): number {
  if (known === undefined) return added
  const [high, low] = known > added ? [known, added] : [added, known]
  return high + Math.log2(1 + 2 ** (low - high))
}
