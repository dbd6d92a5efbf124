import { generator } from '../marks/seeded.ts'

/** Chance that is the same for the same seed. */
export class Dice {
  readonly #next: () => number

  constructor (seed: number) {
    this.#next = generator(seed)
  }

  /** A whole number from 0 to `limit`, without it. */
  below (limit: number): number {
    return Math.floor(this.#next() * limit)
  }

  chance (probability: number): boolean {
    return this.#next() < probability
  }

  pick<T> (list: readonly T[]): T {
    return list[this.below(list.length)]!
  }

  /** The value now and then, else nothing: for an option that is mostly left out. */
  sometimes<T extends object> (probability: number, value: T): T | Record<never, never> {
    return this.chance(probability) ? value : {}
  }
}
