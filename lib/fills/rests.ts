import { digest } from '../cache-key.ts'

const MOST = 10_000

/** Groups of which a run failed a moment ago, and which are left alone until a moment. Kept by digests: clients choose how long a key is. */
export class Rests {
  readonly #until = new Map<string, { readonly at: number, readonly forMs: number }>()
  readonly #now: () => number

  constructor (clock: () => number) {
    this.#now = clock
  }

  get isEmpty (): boolean {
    return this.#until.size === 0
  }

  begin (group: string, forMs: number): void {
    const name = digest(group)
    this.#until.delete(name) // so that the oldest come first
    this.#until.set(name, { at: this.#now() + forMs, forMs })
    if (this.#until.size > MOST) this.#until.delete(this.#until.keys().next().value!)
  }

  end (group: string): void {
    if (!this.isEmpty) this.#until.delete(digest(group))
  }

  /** Milliseconds left, 0 when there is no rest. */
  leftMs (group: string): number {
    if (this.isEmpty) return 0
    const name = digest(group)
    const until = this.#until.get(name)
    if (until === undefined) return 0
    const leftMs = until.at - this.#now()
    // More than it was at first: the clock was set back.
    if (leftMs > 0 && leftMs <= until.forMs) return leftMs
    this.#until.delete(name)
    return 0
  }
}
