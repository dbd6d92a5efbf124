import type { Counts, RouteStats } from '../../stats/counts.ts'

const COUNTED = ['hits', 'stale', 'misses', 'bypasses', 'refused'] as const

/** What requests of a route came to since the event before. */
export interface RequestsEvent extends Pick<Counts, typeof COUNTED[number]> {
  readonly kind: 'requests'
  /** When it was read, in milliseconds since the epoch. */
  readonly at: number
  readonly route: string
  readonly namespace: string
}

export interface InvalidationEvent {
  readonly kind: 'invalidation'
  readonly at: number
  /** What was named: `tag "user:1"`. */
  readonly targets: readonly string[]
  readonly soft: boolean
}

export type LiveEvent = RequestsEvent | InvalidationEvent

/** Turns sums that grow into what was added. */
export class Growth {
  readonly #sums = new Map<string, RouteStats>()

  /** Sums that are new count from nothing, unless these are the first that are seen at all. */
  added (routes: readonly RouteStats[], { at, isFirst }: { readonly at: number, readonly isFirst: boolean }): RequestsEvent[] {
    return routes.flatMap((stats) => {
      const { route, namespace } = stats
      const name = `${route}\n${namespace}`
      const before = this.#sums.get(name)
      this.#sums.set(name, stats)
      const grown = COUNTED.map((count) => [count, stats[count] - (before?.[count] ?? 0)] as const)
      if (isFirst || grown.every(([, value]) => value <= 0)) return []
      const counts = Object.fromEntries(grown.map(([count, value]) => [count, Math.max(0, value)])) as Pick<Counts, typeof COUNTED[number]>
      return [{ kind: 'requests', at, route, namespace, ...counts }]
    })
  }
}
