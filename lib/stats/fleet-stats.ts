import { inTime } from '../deadline.ts'
import { StoreUnavailableError } from '../errors.ts'
import { addCounts, type Counts, type InvalidationCounts, type RouteStats } from './counts.ts'
import { INVALIDATIONS, routeOf, UNIT_MS, type BucketNumbers, type FleetLog, type Unit } from './fleet-log.ts'
import { addNumbers, countsOf, invalidationsOf } from './numbers.ts'
import { byNamespace } from './stats-book.ts'

/** One minute, or hour, of all processes. */
export interface FleetPoint extends Pick<Counts, 'hits' | 'stale' | 'misses' | 'bypasses' | 'refused' | 'cached' | 'uncached'> {
  /** When it began, in milliseconds since the epoch. */
  readonly at: number
  /** Calls. */
  readonly invalidations: number
}

/** What all processes with this store have counted in a time. */
export interface FleetStats extends Counts {
  /** When the first minute, or hour, began, in milliseconds since the epoch by the clock of Redis. */
  readonly from: number
  /** When the last one ends: the one that has begun is among them. */
  readonly to: number
  /** How many processes have told numbers in that time; one that was restarted counts as two. */
  readonly processes: number
  readonly routes: readonly RouteStats[]
  /** Sums of the routes. */
  readonly namespaces: Readonly<Record<string, Counts>>
  readonly invalidations: InvalidationCounts
  /** Oldest first: each minute for `1h`, each hour for `24h`. */
  readonly series: readonly FleetPoint[]
}

/** What the time is told in, and how many of these. */
const TIMES = { '1h': { unit: 'minute', count: 60 }, '24h': { unit: 'hour', count: 24 } } as const satisfies Record<string, { unit: Unit, count: number }>

export type FleetTime = keyof typeof TIMES

export const FLEET_TIMES = Object.keys(TIMES) as readonly FleetTime[]

/** Buckets that are read at once: other commands get their turn between them. */
const READ_AT_ONCE = 6
const ANSWER_MS = 10_000

export interface ReadFleetOptions {
  readonly last: FleetTime
  /** Tells what this process has counted until now. Default: the numbers of this process are those that it has told already. */
  readonly flush?: () => Promise<void>
  /** Milliseconds for all of it. Default: 10 s. */
  readonly answerMs?: number
}

/** Errors: `RESPONSE_CACHE_ERR_STORE_UNAVAILABLE`. */
export async function readFleetStats (log: FleetLog, { last, flush = async () => {}, answerMs = ANSWER_MS }: ReadFleetOptions): Promise<FleetStats> {
  const tooLate = new AbortController()
  try {
    return await inTime(answerMs, flush().then(() => readBuckets(log, last, tooLate.signal)))
  } catch (fault) {
    tooLate.abort()
    if (fault instanceof StoreUnavailableError) throw fault
    throw new StoreUnavailableError('the numbers of the fleet', fault instanceof Error ? fault.message : String(fault), { cause: fault })
  }
}

async function readBuckets (log: FleetLog, last: FleetTime, signal: AbortSignal): Promise<FleetStats> {
  const { unit, count } = TIMES[last]
  const first = Math.floor(await log.now() / UNIT_MS[unit]) - count + 1
  const sum = new FleetSum()
  let next = 0
  await Promise.all(Array.from({ length: READ_AT_ONCE }, async () => {
    while (next < count && !signal.aborted) {
      const number = first + next++
      sum.add(await log.read({ unit, number }), number * UNIT_MS[unit])
    }
  }))
  return sum.stats({ from: first * UNIT_MS[unit], to: (first + count) * UNIT_MS[unit] })
}

/** Buckets are added as they come and not kept: a day of many routes is large. */
class FleetSum {
  readonly #processes = new Set<string>()
  readonly #labels = new Map<string, Map<string, number>>()
  readonly #series: FleetPoint[] = []

  add ({ processes, numbers }: BucketNumbers, at: number): void {
    for (const process of processes) this.#processes.add(process)
    const all = new Map<string, number>()
    for (const [label, own] of numbers) {
      addNumbers(this.#of(label), own)
      if (routeOf(label) !== undefined) addNumbers(all, own)
    }
    const { hits, stale, misses, bypasses, refused, cached, uncached } = countsOf(all)
    this.#series.push({ at, hits, stale, misses, bypasses, refused, cached, uncached, invalidations: numbers.get(INVALIDATIONS)?.get('calls') ?? 0 })
  }

  stats ({ from, to }: Pick<FleetStats, 'from' | 'to'>): FleetStats {
    const routes = this.#routes()
    return {
      ...addCounts(routes),
      from,
      to,
      processes: this.#processes.size,
      routes,
      namespaces: byNamespace(routes),
      invalidations: invalidationsOf(this.#of(INVALIDATIONS)),
      series: this.#series.toSorted((a, b) => a.at - b.at)
    }
  }

  #routes (): RouteStats[] {
    return [...this.#labels].flatMap(([label, numbers]) => {
      const named = routeOf(label)
      return named === undefined ? [] : [{ ...named, ...countsOf(numbers) }]
    })
  }

  #of (label: string): Map<string, number> {
    const known = this.#labels.get(label) ?? new Map<string, number>()
    this.#labels.set(label, known)
    return known
  }
}
