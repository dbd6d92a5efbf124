/** What is stored outside of the cache, a version of each thing, and which versions were acknowledged: a small oracle. */
export class Versions {
  readonly count: number
  readonly #now: number[]
  /** When an invalidation resolved that was asked for after this version was there, by thing and version. */
  readonly #acks: Array<Array<number | undefined>>

  constructor (count: number) {
    this.count = count
    this.#now = Array.from({ length: count }, () => 0)
    this.#acks = Array.from({ length: count }, () => [])
  }

  read (thing: number): number {
    return this.#now[thing]!
  }

  raise (thing: number): number {
    this.#now[thing]!++
    return this.#now[thing]!
  }

  /** Nobody is to get a version before this one any more. */
  acknowledge (thing: number, version: number): void {
    this.#acks[thing]![version] = performance.now()
  }

  /** For how long this version had been invalidated at that moment, in milliseconds; 0 when nobody had been told so. */
  lateMs (thing: number, version: number, at: number): number {
    const acks = this.#acks[thing]!
    for (let newer = version + 1; newer < acks.length; newer++) {
      const ackedAt = acks[newer]
      if (ackedAt !== undefined && ackedAt < at) return at - ackedAt
    }
    return 0
  }
}
