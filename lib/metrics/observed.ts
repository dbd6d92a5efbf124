import type { CacheStats } from '../client/cache.ts'
import { addCounts, type RouteStats } from '../stats/counts.ts'
import type { kTime, Timed } from '../stats/route-counters.ts'

/** What metrics are made of. */
export type ObservedStats = Pick<CacheStats, 'routes' | 'invalidations' | 'store' | 'memory'>

/** A cache, as far as metrics go. */
export interface ObservedCache {
  stats (): ObservedStats
  /** Where it is missing, no durations are heard of. */
  [kTime]? (hear: Timed): () => void
}

/** A series for each route and each word is kept by whoever reads them, so there is an end to that. */
export const MOST_ROUTES = 1000

/** The name of what is counted together, as route and as namespace. No route is called that: theirs begin with a method. */
export const OTHER = 'other'

/** Those that were declared first keep their names, so that none of the numbers ever becomes smaller. */
export function boundedRoutes (routes: readonly RouteStats[]): readonly RouteStats[] {
  if (routes.length <= MOST_ROUTES) return routes
  return [...routes.slice(0, MOST_ROUTES), { ...addCounts(routes.slice(MOST_ROUTES)), route: OTHER, namespace: OTHER }]
}
