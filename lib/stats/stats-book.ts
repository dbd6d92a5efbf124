import type { InvalidationTargets } from '../marks/targets.ts'
import { addCounts, type Counts, type InvalidationCounts, type RouteStats } from './counts.ts'
import { RouteCounters } from './route-counters.ts'

const MOST_LIFETIMES = 100

/** A lifetime that followed the changes of a response. */
export interface ChosenTtl {
  /** What `X-Cache-Key` shows behind the prefix. */
  readonly key: string
  /** Seconds. */
  readonly ttl: number
  /** What was seen of the response. */
  readonly why: string
}

/** What was counted in one process since the cache was made. */
export interface CountedStats extends Counts {
  /** When counting began, in milliseconds since the epoch. */
  readonly since: number
  readonly routes: readonly RouteStats[]
  /** The sums of their routes. */
  readonly namespaces: Readonly<Record<string, Counts>>
  readonly invalidations: InvalidationCounts
  /** The lifetimes that `adaptiveTtl` has chosen in this process, the latest first, 100 at most. */
  readonly adaptiveTtl: readonly ChosenTtl[]
}

type InvalidationKind = keyof InvalidationTargets | 'all'

/** Everything that the cache of one process counts. */
export class StatsBook {
  readonly #since: number
  readonly #routes = new Map<string, RouteCounters>()
  readonly #lifetimes = new Map<string, ChosenTtl>()
  readonly #invalidations = new Map<InvalidationKind, number>()
  #invalidationCalls = 0

  constructor (clock: () => number) {
    this.#since = clock()
  }

  /** Methods and versions of a route that look the same count together. */
  countersOf (route: { route: string, namespace: string }): RouteCounters {
    const name = `${route.route}\n${route.namespace}`
    let counters = this.#routes.get(name)
    if (counters === undefined) this.#routes.set(name, counters = new RouteCounters(route))
    return counters
  }

  invalidated (targets: InvalidationTargets | 'all'): void {
    this.#invalidationCalls++
    for (const kind of kindsOf(targets)) this.#invalidations.set(kind, (this.#invalidations.get(kind) ?? 0) + 1)
  }

  /** Remembers the latest choices. */
  chose (chosen: ChosenTtl): void {
    this.#lifetimes.delete(chosen.key)
    this.#lifetimes.set(chosen.key, chosen)
    if (this.#lifetimes.size > MOST_LIFETIMES) this.#lifetimes.delete(this.#lifetimes.keys().next().value!)
  }

  snapshot (): CountedStats {
    const routes = [...this.#routes.values()].map((counters) => counters.snapshot())
    return {
      ...addCounts(routes),
      since: this.#since,
      routes,
      namespaces: byNamespace(routes),
      invalidations: { calls: this.#invalidationCalls, byKind: Object.fromEntries(this.#invalidations) },
      adaptiveTtl: [...this.#lifetimes.values()].reverse()
    }
  }
}

/** The sums of the routes of each namespace. */
export function byNamespace (routes: readonly RouteStats[]): Record<string, Counts> {
  const names = new Set(routes.map(({ namespace }) => namespace))
  return Object.fromEntries([...names].map((name) => [name, addCounts(routes.filter(({ namespace }) => namespace === name))]))
}

function kindsOf (targets: InvalidationTargets | 'all'): InvalidationKind[] {
  if (targets === 'all') return ['all']
  return (Object.entries(targets) as Array<[keyof InvalidationTargets, readonly unknown[] | undefined]>).flatMap(([kind, list]) => list === undefined || list.length === 0 ? [] : [kind])
}
