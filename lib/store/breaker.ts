/** `closed`: operations are tried. `open`: none is. `half-open`: one is, to see whether it works again. */
export type BreakerState = 'closed' | 'open' | 'half-open'

export interface BreakerOptions {
  /** So many failures with no answer between them open it. */
  readonly failures: number
  /** So long it stays open, give or take a quarter: processes that lost a store at once do not come back at once. */
  readonly openMs: number
  /** Tries whether it works. Without it, the next operation does. */
  readonly probe?: () => Promise<void>
  readonly onChange: (state: BreakerState, fault?: unknown) => void
  /** Milliseconds that never go back. */
  readonly now?: () => number
  readonly random?: () => number
}

/** Failures among many answers are counted for so long. */
const WINDOW_MS = 1000
/** Fewer operations say little about their share. */
const LEAST_OPERATIONS = 20
const FAILING_SHARE = 0.5
const JITTER = 0.25

/** Keeps operations from a store that fails, so that nobody waits for what will not come. */
export class Breaker {
  readonly #options: BreakerOptions
  readonly #now: () => number
  readonly #random: () => number
  #state: BreakerState = 'closed'
  #inRow = 0
  #answers = 0
  #failures = 0
  #windowEndsAt = -Infinity
  #openUntil = 0

  constructor (options: BreakerOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#random = options.random ?? Math.random
  }

  get state (): BreakerState {
    return this.#state
  }

  /** It has been open for long enough: the next operation is to find out. */
  get isDue (): boolean {
    return this.#state === 'open' && this.#now() >= this.#openUntil
  }

  /** Whether an operation is to be tried. Asking is what ends the time of being open: nothing happens where nobody asks. */
  admits (): boolean {
    if (this.#state === 'closed') return true
    if (!this.isDue) return false
    this.#turn('half-open')
    const { probe } = this.#options
    if (probe === undefined) return true
    probe().then(() => { this.answered() }, (fault: unknown) => { this.failed(fault) })
    return false
  }

  /** Something has changed: the next operation tries, or begins the probe. */
  retry (): void {
    this.#openUntil = -Infinity
  }

  answered (): void {
    this.#inRow = 0
    this.#answers++
    if (this.#state !== 'half-open') return
    this.#windowEndsAt = -Infinity
    this.#turn('closed')
  }

  failed (fault: unknown): void {
    if (this.#state === 'open') return
    if (this.#state === 'half-open') return this.#open(fault)
    const now = this.#now()
    if (now >= this.#windowEndsAt) {
      this.#windowEndsAt = now + WINDOW_MS
      this.#answers = 0
      this.#failures = 0
    }
    this.#inRow++
    this.#failures++
    const operations = this.#failures + this.#answers
    if (this.#inRow >= this.#options.failures || (operations >= LEAST_OPERATIONS && this.#failures >= FAILING_SHARE * operations)) this.#open(fault)
  }

  #open (fault: unknown): void {
    this.#openUntil = this.#now() + this.#options.openMs * (1 + JITTER * (2 * this.#random() - 1))
    this.#turn('open', fault)
  }

  #turn (state: BreakerState, fault?: unknown): void {
    this.#state = state
    this.#options.onChange(state, fault)
  }
}
