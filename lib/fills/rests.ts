const MOST = 10_000

/** What failed a moment ago, and is left alone until a moment. */
export class Rests {
  readonly #until = new Map<string, { readonly at: number, readonly forMs: number }>()
  readonly #now: () => number

  constructor (clock: () => number) {
    this.#now = clock
  }

  get isEmpty (): boolean {
    return this.#until.size === 0
  }

  begin (name: string, forMs: number): void {
    this.#until.delete(name) // so that the oldest come first
    this.#until.set(name, { at: this.#now() + forMs, forMs })
    if (this.#until.size > MOST) this.#until.delete(this.#until.keys().next().value!)
  }

  end (name: string): void {
    this.#until.delete(name)
  }

  /** Milliseconds left, 0 when there is no rest. */
  leftMs (name: string): number {
    const until = this.#until.get(name)
    if (until === undefined) return 0
    const leftMs = until.at - this.#now()
    // More than it was at first: the clock was set back.
    if (leftMs > 0 && leftMs <= until.forMs) return leftMs
    this.#until.delete(name)
    return 0
  }
}
