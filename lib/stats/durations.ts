import { LATENCY_BOUNDS_MS, type Latency } from './counts.ts'

/** Counts durations by their classes. */
export class Durations {
  #count = 0
  #sumMs = 0
  readonly #classes: number[] = Array<number>(LATENCY_BOUNDS_MS.length + 1).fill(0)

  /** Most are short. */
  add (ms: number): void {
    this.#count++
    this.#sumMs += ms
    let at = 0
    while (at < LATENCY_BOUNDS_MS.length && ms > LATENCY_BOUNDS_MS[at]!) at++
    this.#classes[at]!++
  }

  snapshot (): Latency {
    return { count: this.#count, sumMs: this.#sumMs, classes: [...this.#classes] }
  }
}
