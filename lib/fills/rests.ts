const MOST = 10_000

/** What failed a moment ago, and is left alone until a moment. */
export class Rests {
  readonly #until = new Map<string, number>()
  readonly #now: () => number

  constructor (clock: () => number) {
    this.#now = clock
  }

  get isEmpty (): boolean {
    return this.#until.size === 0
  }

  begin (name: string, forMs: number): void {
    this.#until.delete(name) // so that the oldest come first
    this.#until.set(name, this.#now() + forMs)
    if (this.#until.size > MOST) this.#until.delete(this.#until.keys().next().value!)
  }

  end (name: string): void {
    this.#until.delete(name)
  }

  /** Milliseconds left, 0 when there is no rest. */
  leftMs (name: string): number {
    const until = this.#until.get(name)
    if (until === undefined) return 0
    const leftMs = until - this.#now()
    if (leftMs <= 0) this.#until.delete(name)
    return Math.max(0, leftMs)
  }
}
