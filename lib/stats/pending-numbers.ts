import { bucketAt, goesAt, UNITS, type Bucket, type Told, type Unit } from './fleet-log.ts'
import { addNumbers, type Numbers } from './numbers.ts'

/** Labels in one thing told: a script of these takes Redis one or two milliseconds, and nobody behind it should notice. */
export const TOLD_AT_ONCE = 50

/** What was not told of, in requests. One that is missing from its minute may be in its hour. */
export type GivenUp = Readonly<Record<Unit, number>>

interface Pending {
  readonly bucket: Bucket
  /** What was, or may have been, sent: it stays as it is until it is confirmed. */
  readonly sent: Told[]
  /** What was counted since. */
  readonly waiting: Map<string, Map<string, number>>
}

/** Numbers on their way into buckets, in a bounded memory: while the store is away, minutes are given up before hours, the oldest first. */
export class PendingNumbers {
  readonly #process: string
  readonly #most: number
  readonly #buckets = new Map<string, Pending>()
  #sequence = 0
  /** Numbers in all buckets. */
  #size = 0
  readonly #givenUp: Record<Unit, number> = { minute: 0, hour: 0 }

  constructor ({ process, most }: { readonly process: string, readonly most: number }) {
    this.#process = process
    this.#most = most
  }

  get size (): number {
    return this.#size
  }

  get givenUp (): GivenUp {
    return { ...this.#givenUp }
  }

  /** Numbers that were counted at this time of the store's clock. */
  add (at: number, counted: ReadonlyMap<string, Numbers>): void {
    for (const unit of counted.size === 0 ? [] : UNITS) {
      const { waiting } = this.#open(bucketAt(unit, at))
      for (const [label, numbers] of counted) {
        const sums = waiting.get(label) ?? new Map<string, number>()
        this.#size -= sums.size
        addNumbers(sums, numbers)
        this.#size += sums.size
        waiting.set(label, sums)
      }
    }
    this.#giveUpSome(at)
  }

  /** What is to be told next, the oldest first; undefined when that was all. */
  next (): { readonly bucket: Bucket, readonly told: Told } | undefined {
    for (const [name, { bucket, sent, waiting }] of this.#buckets) {
      if (sent.length === 0) {
        const labels = [...waiting]
        waiting.clear()
        for (let at = 0; at < labels.length; at += TOLD_AT_ONCE) sent.push({ process: this.#process, sequence: ++this.#sequence, numbers: new Map(labels.slice(at, at + TOLD_AT_ONCE)) })
      }
      const told = sent[0]
      if (told !== undefined) return { bucket, told }
      this.#buckets.delete(name)
    }
    return undefined
  }

  /** What `next` gave was told, or, with `isLost`, never can be. */
  done (bucket: Bucket, told: Told, { isLost = false }: { isLost?: boolean } = {}): void {
    const sent = this.#buckets.get(nameOf(bucket))?.sent
    if (sent?.[0] !== told) return // given up meanwhile
    sent.shift()
    this.#size -= sizeOf(told.numbers)
    if (isLost) this.#givenUp[bucket.unit] += requestsIn(told.numbers)
  }

  /** What nobody will read, and what is too much, but for the minute and the hour of the moment: those are bounded by the labels there may be. */
  #giveUpSome (at: number): void {
    for (const pending of this.#buckets.values()) if (goesAt(pending.bucket) <= at) this.#giveUp(pending)
    for (const unit of UNITS) {
      const oldestFirst = [...this.#buckets.values()].filter(({ bucket }) => bucket.unit === unit).sort((a, b) => a.bucket.number - b.bucket.number)
      for (const pending of oldestFirst.slice(0, -1)) if (this.#size > this.#most) this.#giveUp(pending)
    }
  }

  #giveUp ({ bucket, sent, waiting }: Pending): void {
    this.#buckets.delete(nameOf(bucket))
    for (const numbers of [...sent.map(({ numbers }) => numbers), waiting]) {
      this.#size -= sizeOf(numbers)
      this.#givenUp[bucket.unit] += requestsIn(numbers)
    }
  }

  #open (bucket: Bucket): Pending {
    const name = nameOf(bucket)
    const open = this.#buckets.get(name) ?? { bucket, sent: [], waiting: new Map<string, Map<string, number>>() }
    this.#buckets.set(name, open)
    return open
  }
}

function nameOf ({ unit, number }: Bucket): string {
  return `${unit} ${number}`
}

function sizeOf (numbers: ReadonlyMap<string, Numbers>): number {
  let size = 0
  for (const { size: own } of numbers.values()) size += own
  return size
}

const REQUESTS = ['hits', 'stale', 'misses', 'bypasses', 'refused'] as const

function requestsIn (numbers: ReadonlyMap<string, Numbers>): number {
  let sum = 0
  for (const own of numbers.values()) for (const name of REQUESTS) sum += own.get(name) ?? 0
  return sum
}
