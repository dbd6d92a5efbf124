import { addNumbers, decodeNumbers, encodeNumbers, type Numbers } from './numbers.ts'

/*
 * What processes tell each other of their numbers: sums by the minute and by the hour, in buckets that go by themselves. A bucket is a
 * label on sums, nothing is ordered by it; so what matters of the clock is that all processes use the same one.
 *
 * It is the clock of the store, and the process chooses the bucket *before* it sends. A script that chose by its own clock would put
 * what is sent a second time, because the answer to the first was lost, into another bucket when a minute has ended meanwhile; there
 * nothing tells that it was counted already. (On a Cluster such a script could not even name its key.) And the clocks of the machines
 * of the app would scatter the numbers of one minute over several. So a process asks the store for its clock whenever it tells, and
 * goes by its own from there: it is wrong by the way of an answer, which for a minute is nothing.
 */

export type Unit = 'minute' | 'hour'

/** All that was told in one minute, or hour, since the epoch. */
export interface Bucket {
  readonly unit: Unit
  readonly number: number
}

export const UNIT_MS: Readonly<Record<Unit, number>> = { minute: 60_000, hour: 3_600_000 }

/** So long after its end a bucket is kept: longer than the hour, and the day, that are read from it. */
export const KEPT_MS: Readonly<Record<Unit, number>> = { minute: 130 * 60_000, hour: 48 * 3_600_000 }

export const UNITS: readonly Unit[] = ['minute', 'hour']

export function bucketAt (unit: Unit, at: number): Bucket {
  return { unit, number: Math.floor(at / UNIT_MS[unit]) }
}

/** When the bucket goes, in milliseconds since the epoch. */
export function goesAt ({ unit, number }: Bucket): number {
  return (number + 1) * UNIT_MS[unit] + KEPT_MS[unit]
}

/** Numbers to be added to what is in a bucket, by their labels. */
export interface Told {
  /** Who tells, for as long as it lives: 12 characters of base64url. */
  readonly process: string
  /** Grows with whatever this process tells to this bucket, from 1. */
  readonly sequence: number
  readonly numbers: ReadonlyMap<string, Numbers>
}

/**
 * `known`: it was there already, this is the second time that it was sent. `late`: the bucket has gone. `full`: the bucket has more
 * processes and labels than it may, and does not know this process.
 */
export type ToldOutcome = 'added' | 'known' | 'late' | 'full'

/** What is in a bucket. Whoever may write to the store may have written it. */
export interface BucketNumbers {
  readonly processes: readonly string[]
  readonly numbers: ReadonlyMap<string, Numbers>
}

/** Where processes tell of their numbers. Everything may reject, and what was told may have been added nevertheless. */
export interface FleetLog {
  /** A process tells of no more labels than these. */
  readonly mostLabels: number
  /** The clock of the store, in milliseconds since the epoch. */
  now (): Promise<number>
  /** Adds all of it, or nothing. What has the sequence of what the bucket has from this process, or a lower one, is not added again. */
  add (bucket: Bucket, told: Told): Promise<ToldOutcome>
  read (bucket: Bucket): Promise<BucketNumbers>
}

/** What invalidations are told under. No route has this label, which has no line break. */
export const INVALIDATIONS = 'invalidations'

/** What is told of routes that come after the most there may be. */
export const OTHER_ROUTES = 'other\nother'

const LONGEST_ROUTE = 200
const LONGEST_NAMESPACE = 100

export function labelOf ({ route, namespace }: { readonly route: string, readonly namespace: string }): string {
  return `${shortened(route, LONGEST_ROUTE)}\n${shortened(namespace, LONGEST_NAMESPACE)}`
}

/** Undefined for a label that is not that of a route. */
export function routeOf (label: string): { readonly route: string, readonly namespace: string } | undefined {
  const [, route, namespace] = /^([^\n]{1,200})\n([^\n]{1,100})$/.exec(label) ?? []
  return route === undefined || namespace === undefined ? undefined : { route, namespace }
}

/** Text as it comes back from the store, without what would make another label of it. */
function shortened (text: string, length: number): string {
  // eslint-disable-next-line no-control-regex -- these are what is taken out
  const clean = text.replace(/[\0-\x1f\x7f]/g, '�')
  return (clean.length > length ? `${clean.slice(0, length - 1)}…` : clean).toWellFormed()
}

/** As texts, which are smaller than maps. */
type Kept = Map<string, string>

/** Where no other process can hear of it: the same buckets, in this process. */
export class LocalFleetLog implements FleetLog {
  /** Fewer than in Redis, since this is the memory of the app, which has about 180 buckets. */
  readonly mostLabels = 200
  readonly #clock: () => number
  readonly #buckets = new Map<string, { readonly bucket: Bucket, readonly kept: Kept, readonly processes: Map<string, number> }>()

  constructor ({ clock }: { readonly clock: () => number }) {
    this.#clock = clock
  }

  async now (): Promise<number> {
    return this.#clock()
  }

  async add (bucket: Bucket, { process, sequence, numbers }: Told): Promise<ToldOutcome> {
    const now = this.#clock()
    if (goesAt(bucket) <= now) return 'late'
    const { kept, processes } = this.#open(bucket, now)
    if ((processes.get(process) ?? 0) >= sequence) return 'known'
    processes.set(process, sequence)
    for (const [label, added] of numbers) {
      const sums = decodeNumbers(kept.get(label) ?? '')
      addNumbers(sums, added)
      kept.set(label, encodeNumbers(sums))
    }
    return 'added'
  }

  async read (bucket: Bucket): Promise<BucketNumbers> {
    const { kept, processes } = this.#buckets.get(nameOf(bucket)) ?? { kept: new Map<string, string>(), processes: new Map<string, number>() }
    return { processes: [...processes.keys()], numbers: new Map([...kept].map(([label, text]) => [label, decodeNumbers(text)])) }
  }

  #open (bucket: Bucket, now: number): { readonly kept: Kept, readonly processes: Map<string, number> } {
    const name = nameOf(bucket)
    const open = this.#buckets.get(name)
    if (open !== undefined) return open
    for (const [other, { bucket }] of this.#buckets) if (goesAt(bucket) <= now) this.#buckets.delete(other)
    const opened = { bucket, kept: new Map<string, string>(), processes: new Map<string, number>() }
    this.#buckets.set(name, opened)
    return opened
  }
}

function nameOf ({ unit, number }: Bucket): string {
  return `${unit} ${number}`
}
