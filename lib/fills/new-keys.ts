/** What may come at once after a quiet time: so many seconds' worth. */
const BURST_S = 10

/**
 * How many responses may be stored where nothing was stored before. Who asks for ever new URLs would else fill memory and Redis as fast as
 * handlers answer, and push out what others ask for.
 */
export class NewKeys {
  readonly #perSecond: number
  readonly #now: () => number
  #left: number
  #at: number

  /** `clock`: milliseconds of any origin. */
  constructor ({ perSecond, clock }: { perSecond: number, clock: () => number }) {
    this.#perSecond = perSecond
    this.#now = clock
    this.#left = BURST_S * perSecond
    this.#at = clock()
  }

  /** Whether one more may be stored; counts it. */
  take (): boolean {
    const now = this.#now()
    const passedMs = Math.max(0, now - this.#at) // less: the clock was set back
    this.#at = now
    this.#left = Math.min(BURST_S * this.#perSecond, this.#left + passedMs * this.#perSecond / 1000)
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}
