/** How a fill ended, for those who wait for it. */
export type FillOutcome = 'stored' | 'uncacheable' | 'failed'

/**
 * The right to fill something, which one holder has at a time. It saves work and nothing else: what may be served is decided by marks
 * and stamps, so two holders at once, after a failover or a long pause, only do the work twice.
 */
export interface Lease {
  /** Somebody else has it: what its holder produced is not to be stored. Stays so. */
  readonly isLost: boolean
  /** Ends it and wakes who waits. With `restMs` nobody gets it for so long (a failing origin is left alone). Never rejects; only the first call counts. */
  release (outcome: FillOutcome, options?: { restMs?: number }): Promise<void>
}

export type LeaseAnswer =
  /** Who looked up before may have missed what the holder before has stored, and looks again. */
  | { readonly outcome: 'granted', readonly lease: Lease }
  /** Somebody else's, which was waited for. What was `stored` may be gone or outdated already: who does not find it acquires again. */
  | { readonly outcome: 'ended', readonly how: FillOutcome }
  /** `waitMs` is over, or was 0, and somebody else still has it. */
  | { readonly outcome: 'held' }
  /** A failure was not long ago. */
  | { readonly outcome: 'resting', readonly forMs: number }

export interface LeaseOptions {
  /** How long it lasts without a sign of life of its holder, in milliseconds. */
  readonly leaseMs: number
  /** How long to wait for the end of somebody else's at most, in milliseconds; 0: not at all. */
  readonly waitMs: number
  /** Ends the wait: the answer is `held`. */
  readonly signal?: AbortSignal
}

export interface Leases {
  /**
   * Takes the lease of this name, or waits for the end of the one that somebody else has. A holder that dies is replaced when its
   * lease is over: then who waits is granted. Rejects when the store cannot be asked.
   */
  acquire (name: string, options: LeaseOptions): Promise<LeaseAnswer>
}

const MOST_RESTS = 10_000

export interface LocalLeasesOptions {
  /** Milliseconds, of any origin. */
  readonly clock: () => number
  /** How many rests are remembered; the oldest are forgotten. Default: 10,000. */
  readonly mostRests?: number
}

interface Rest {
  readonly endsAt: number
  readonly ms: number
}

/** Leases for a store of this process only. A holder cannot die without those who wait for it, so its lease never runs out. */
export class LocalLeases implements Leases {
  readonly #clock: () => number
  readonly #mostRests: number
  /** Who waits for the end of each lease that somebody has. */
  readonly #held = new Map<string, Set<(how: FillOutcome) => void>>()
  readonly #rests = new Map<string, Rest>()

  constructor ({ clock, mostRests = MOST_RESTS }: LocalLeasesOptions) {
    this.#clock = clock
    this.#mostRests = mostRests
  }

  async acquire (name: string, options: LeaseOptions): Promise<LeaseAnswer> {
    const waiting = this.#held.get(name)
    if (waiting !== undefined) return await ended(waiting, options)
    const forMs = this.#restMs(name)
    if (forMs > 0) return { outcome: 'resting', forMs }
    this.#held.set(name, new Set())
    return { outcome: 'granted', lease: this.#lease(name) }
  }

  #lease (name: string): Lease {
    let isReleased = false
    return {
      isLost: false,
      release: async (how, { restMs = 0 } = {}) => {
        if (isReleased) return
        isReleased = true
        const waiting = this.#held.get(name)!
        this.#held.delete(name)
        if (restMs > 0) this.#rest(name, restMs)
        for (const wake of waiting) wake(how)
      }
    }
  }

  #rest (name: string, ms: number): void {
    this.#rests.delete(name)
    this.#rests.set(name, { endsAt: this.#clock() + ms, ms })
    if (this.#rests.size > this.#mostRests) this.#rests.delete(this.#rests.keys().next().value!)
  }

  #restMs (name: string): number {
    const rest = this.#rests.get(name)
    if (rest === undefined) return 0
    const forMs = rest.endsAt - this.#clock()
    // More than it was at first: the clock was set back.
    if (forMs > 0 && forMs <= rest.ms) return forMs
    this.#rests.delete(name)
    return 0
  }
}

async function ended (waiting: Set<(how: FillOutcome) => void>, { waitMs, signal }: LeaseOptions): Promise<LeaseAnswer> {
  if (waitMs <= 0 || signal?.aborted === true) return { outcome: 'held' }
  return await new Promise((resolve) => {
    const answer = (answered: LeaseAnswer): void => {
      clearTimeout(late)
      signal?.removeEventListener('abort', giveUp)
      waiting.delete(wake)
      resolve(answered)
    }
    const giveUp = (): void => { answer({ outcome: 'held' }) }
    const wake = (how: FillOutcome): void => { answer({ outcome: 'ended', how }) }
    const late = setTimeout(giveUp, waitMs)
    signal?.addEventListener('abort', giveUp, { once: true })
    waiting.add(wake)
  })
}

export interface RenewedLeaseOptions {
  readonly leaseMs: number
  /** Whether it is still ours, or is again because nobody else has it. */
  readonly renew: () => Promise<boolean>
  readonly release: (how: FillOutcome, restMs: number | undefined) => Promise<void>
}

/**
 * A lease in a store that other processes share. It renews itself until it is released or lost. Its time alone takes nothing away: a holder
 * that was kept from renewing it, by a handler that blocks its process or a store that does not answer, goes on unless somebody else has it.
 */
export class RenewedLease implements Lease {
  readonly #held: RenewedLeaseOptions
  readonly #timer: NodeJS.Timeout
  #isLost = false
  #isReleased = false

  constructor (held: RenewedLeaseOptions) {
    this.#held = held
    this.#timer = setInterval(() => { void this.#renew() }, held.leaseMs / 3).unref()
  }

  get isLost (): boolean {
    return this.#isLost
  }

  async release (outcome: FillOutcome, { restMs }: { restMs?: number } = {}): Promise<void> {
    if (this.#isReleased) return
    this.#isReleased = true
    clearInterval(this.#timer)
    await this.#held.release(outcome, restMs)
  }

  async #renew (): Promise<void> {
    try {
      if (await this.#held.renew() || this.#isReleased) return
      this.#isLost = true
      clearInterval(this.#timer)
    } catch {
      // A store that does not answer takes nothing away.
    }
  }
}
