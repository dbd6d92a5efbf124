import { crc32 } from 'node:zlib'

/** Keys of one generation; two are kept, some hundred kilobytes. */
const GENERATION = 10_000

/**
 * Tells what was asked for before, so that memory is not filled with what is asked for once. Forgets the oldest; takes two of four
 * billion keys for one now and then, which only lets one in early.
 */
export class RecentlyAsked {
  #young = new Set<number>()
  #old = new Set<number>()

  /** Whether this text was noted lately. */
  has (text: string): boolean {
    const mark = crc32(text)
    return this.#young.has(mark) || this.#old.has(mark)
  }

  forget (text: string): void {
    const mark = crc32(text)
    this.#young.delete(mark)
    this.#old.delete(mark)
  }

  /** Whether this text was noted lately; notes it. */
  note (text: string): boolean {
    const wasAsked = this.has(text)
    this.#young.add(crc32(text))
    if (this.#young.size >= GENERATION) {
      this.#old = this.#young
      this.#young = new Set()
    }
    return wasAsked
  }
}
