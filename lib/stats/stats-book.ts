import type { InvalidationTargets } from '../marks/targets.ts'
import { addCounts, type Counts, type InvalidationCause, type InvalidationCounts, type RouteStats } from './counts.ts'
import { RouteCounters, type Timed } from './route-counters.ts'

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
  readonly #causes = new Map<InvalidationCause, number>()
  readonly #timed = new Set<Timed>()

  constructor (clock: () => number) {
    this.#since = clock()
  }

  /** Methods and versions of a route that look the same count together. */
  countersOf (route: { route: string, namespace: string }): RouteCounters {
    const name = `${route.route}\n${route.namespace}`
    let counters = this.#routes.get(name)
    if (counters === undefined) this.#routes.set(name, counters = new RouteCounters(route, this.#timed))
    return counters
  }

  /** Tells `hear` of the durations of all routes from now on; gives back what ends that. */
  time (hear: Timed): () => void {
    this.#timed.add(hear)
    return () => { this.#timed.delete(hear) }
  }

  invalidated (targets: InvalidationTargets | 'all', cause: InvalidationCause): void {
    this.#causes.set(cause, (this.#causes.get(cause) ?? 0) + 1)
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
      invalidations: { calls: [...this.#causes.values()].reduce((sum, count) => sum + count, 0), byKind: Object.fromEntries(this.#invalidations), byCause: Object.fromEntries(this.#causes) },
      adaptiveTtl: [...this.#lifetimes.values()].reverse()
    }
  }
}

/** The sums of the routes of each namespace. */
export function byNamespace (routes: readonly RouteStats[]): Record<string, Counts> {
  const grouped = new Map<string, RouteStats[]>()
  for (const route of routes) {
    const group = grouped.get(route.namespace)
    if (group === undefined) grouped.set(route.namespace, [route])
    else group.push(route)
  }
  return Object.fromEntries([...grouped].map(([name, group]) => [name, addCounts(group)]))
}

function kindsOf (targets: InvalidationTargets | 'all'): InvalidationKind[] {
  if (targets === 'all') return ['all']
  return (Object.entries(targets) as Array<[keyof InvalidationTargets, readonly unknown[] | undefined]>).flatMap(([kind, list]) => list === undefined || list.length === 0 ? [] : [kind])
}
