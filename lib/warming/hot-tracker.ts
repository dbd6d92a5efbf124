import { inTime } from '../deadline.ts'
import type { Logger } from '../logger.ts'
import type { HotStore } from './hot-store.ts'
import { decodeHotTarget, encodeHotTarget, type UrlTarget } from './hot-target.ts'
import { later, type Later } from './later.ts'
import { SpaceSaving } from './space-saving.ts'

export interface HotTrackerOptions<Hit> {
  readonly store: HotStore
  /** The request that a hit answered, if it can be repeated: shared, a GET, without credentials. Asked for about one hit in eight. */
  readonly toTarget: (hit: Hit) => UrlTarget | undefined
  readonly logger: Logger
  readonly later?: Later
  /** From 0 to 1, for tests. */
  readonly random?: () => number
}

const MOST_COUNTERS = 500
/** On average one hit in so many is counted, at random: what comes in turns must not always or never be the one. */
const SAMPLED = 8
const FLUSH_MS = 10_000
const ANSWER_MS = 5000

/** Counts the hits of this process, and tells the store of them now and then. */
export class HotTracker<Hit> {
  readonly #options: HotTrackerOptions<Hit>
  readonly #sketch = new SpaceSaving(MOST_COUNTERS)
  readonly #later: Later
  readonly #random: () => number
  #until = 1
  #callOff: (() => void) | undefined
  #isClosed = false
  #hasFailed = false

  constructor (options: HotTrackerOptions<Hit>) {
    this.#options = options
    this.#later = options.later ?? later
    this.#random = options.random ?? Math.random
  }

  /** On the way of every hit. */
  note (hit: Hit): void {
    if (--this.#until > 0) return
    this.#count(hit)
  }

  /** The requests that all processes had most hits of in the last minutes. Rejects when the store does. */
  async top (count: number): Promise<UrlTarget[]> {
    await this.#flush()
    const found = await inTime(ANSWER_MS, this.#options.store.top(count))
    return found.slice(0, count).map(decodeHotTarget).filter((target) => target !== undefined)
  }

  /** What was counted and not told is dropped. */
  close (): void {
    this.#isClosed = true
    this.#callOff?.()
  }

  #count (hit: Hit): void {
    this.#until = 1 + Math.floor(this.#random() * (2 * SAMPLED - 1))
    const target = this.#options.toTarget(hit)
    const name = target === undefined ? undefined : encodeHotTarget(target)
    if (name === undefined || this.#isClosed) return
    this.#sketch.add(name)
    this.#callOff ??= this.#later(FLUSH_MS, () => { void this.#flush() })
  }

  /** Never rejects. Counts that the store did not take are dropped: there will be others. */
  async #flush (): Promise<void> {
    this.#callOff?.()
    this.#callOff = undefined
    if (this.#sketch.size === 0) return
    try {
      await inTime(ANSWER_MS, this.#options.store.add(this.#sketch.drain()), { idle: true })
      this.#hasFailed = false
    } catch (fault) {
      if (!this.#hasFailed && !this.#isClosed) this.#options.logger.warn({ err: fault, cache: { state: 'hits-error' } }, 'hits could not be counted: the hottest responses are those of before')
      this.#hasFailed = true
    }
  }
}
