interface Counter {
  count: number
  /** What of it was counted for those that had the counter before. */
  inherited: number
}

/**
 * Counts what comes most often in bounded memory (Metwally, Agrawal, El Abbadi: "Efficient computation of frequent and top-k elements in
 * data streams", 2005). What comes and has no counter takes that of the one that came least often. Every call takes the same short time.
 */
export class SpaceSaving {
  readonly #most: number
  #counters = new Map<string, Counter>()
  /** The items of each count. */
  #items = new Map<number, Set<string>>()
  #least = 1

  constructor (most: number) {
    this.#most = most
  }

  get size (): number {
    return this.#counters.size
  }

  add (item: string): void {
    const known = this.#counters.get(item)
    if (known !== undefined) return this.#count(item, known)
    const inherited = this.#counters.size < this.#most ? 0 : this.#dropOne()
    this.#count(item, { count: inherited, inherited })
  }

  /** How often each came at least, what came at all. Begins anew. */
  drain (): Map<string, number> {
    const counts = new Map([...this.#counters].map(([item, { count, inherited }]) => [item, count - inherited]))
    this.#counters = new Map()
    this.#items = new Map()
    this.#least = 1
    return counts
  }

  #count (item: string, counter: Counter): void {
    this.#leave(item, counter.count++)
    this.#counters.set(item, counter)
    const items = this.#items.get(counter.count) ?? new Set()
    this.#items.set(counter.count, items.add(item))
    // Who was the last with the least count has one more now.
    this.#least = counter.count === 1 ? 1 : this.#items.has(this.#least) ? this.#least : this.#least + 1
  }

  #dropOne (): number {
    const [item] = this.#items.get(this.#least)!
    const { count } = this.#counters.get(item!)!
    this.#leave(item!, count)
    this.#counters.delete(item!)
    return count
  }

  #leave (item: string, count: number): void {
    const items = this.#items.get(count)
    items?.delete(item)
    if (items?.size === 0) this.#items.delete(count)
  }
}
