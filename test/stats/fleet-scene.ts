import type { ByWord, Counts, InvalidationCounts, Latency, RouteStats } from '../../lib/stats/counts.ts'
import { LATENCY_BOUNDS_MS } from '../../lib/stats/counts.ts'
import { Flusher, type FlusherOptions, type ProcessCounts } from '../../lib/stats/flusher.ts'
import type { ConnectedRedis } from '../../lib/store/redis-client.ts'
import { RedisFleetLog } from '../../lib/store/redis-fleet-log.ts'
import type { RedisTestClient } from '../helpers/redis.ts'

type Changing<T> = { -readonly [Name in keyof T]: T[Name] extends number | string ? T[Name] : T[Name] extends ByWord<infer Word> ? Partial<Record<Word, number>> : never }
export type Counting = Changing<Omit<RouteStats, 'cached' | 'uncached'>> & { cached: Counted, uncached: Counted }
interface Counted extends Latency { count: number, sumMs: number, readonly classes: number[] }

const latency = (): Counted => ({ count: 0, sumMs: 0, classes: Array.from({ length: LATENCY_BOUNDS_MS.length + 1 }, () => 0) })

export function nothingOf (route: string, namespace: string): Counting {
  return {
    route,
    namespace,
    hits: 0,
    stale: 0,
    misses: 0,
    bypasses: 0,
    refused: 0,
    collapsed: 0,
    fills: 0,
    refreshes: 0,
    refreshErrors: 0,
    bypassReasons: {},
    missReasons: {},
    staleReasons: {},
    notStoredReasons: {},
    refusalReasons: {},
    cached: latency(),
    uncached: latency(),
    savedMs: 0,
    servedBytes: 0
  }
}

/** Counts requests by dice, and everything that a process tells of them. */
export class CountedRequests {
  readonly routes: Counting[]
  readonly invalidations = { calls: 0, byKind: {} as Partial<Record<'tags' | 'keys', number>>, byCause: {} as Partial<Record<'call' | 'event', number>> } satisfies InvalidationCounts
  readonly #dice: () => number

  constructor (names: readonly string[], dice: () => number) {
    this.routes = names.map((name, at) => nothingOf(name, at % 2 === 0 ? 'even' : 'odd'))
    this.#dice = dice
  }

  readonly counts = (): ProcessCounts => structuredClone({ routes: this.routes, invalidations: this.invalidations })

  /** The same for the same dice. */
  count (requests: number): void {
    for (let left = requests; left > 0; left--) {
      const route = this.routes[Math.floor(this.#dice() * this.routes.length)]!
      this.#one(route)
      if (this.#dice() < 0.1) {
        this.invalidations.calls++
        const kind = this.#dice() < 0.5 ? 'tags' : 'keys'
        const cause = this.#dice() < 0.8 ? 'call' : 'event'
        this.invalidations.byKind[kind] = (this.invalidations.byKind[kind] ?? 0) + 1
        this.invalidations.byCause[cause] = (this.invalidations.byCause[cause] ?? 0) + 1
      }
    }
  }

  #one (route: Counting): void {
    const what = this.#dice()
    // Thousandths of a millisecond, so that sums have one right result.
    const ms = Math.round(1000 * 10 ** (4 * this.#dice() - 1)) / 1000
    if (what < 0.6) {
      route.hits++
      took(route.cached, ms)
      route.savedMs = rounded(route.savedMs + Math.max(0, 20 - ms))
      route.servedBytes += Math.floor(this.#dice() * 10_000)
    } else if (what < 0.8) {
      route.misses++
      route.fills++
      route.missReasons['uri-miss'] = (route.missReasons['uri-miss'] ?? 0) + 1
      took(route.uncached, ms)
    } else if (what < 0.9) {
      route.stale++
      route.staleReasons['stale-while-revalidate'] = (route.staleReasons['stale-while-revalidate'] ?? 0) + 1
      took(route.cached, ms)
    } else if (what < 0.95) {
      route.bypasses++
      route.bypassReasons['no-store'] = (route.bypassReasons['no-store'] ?? 0) + 1
    } else {
      route.misses++
      route.missReasons.stale = (route.missReasons.stale ?? 0) + 1
      route.notStoredReasons.private = (route.notStoredReasons.private ?? 0) + 1
      took(route.uncached, ms)
    }
  }
}

function took (latency: Counted, ms: number): void {
  const at = LATENCY_BOUNDS_MS.findIndex((bound) => ms <= bound)
  latency.count++
  latency.sumMs = rounded(latency.sumMs + ms)
  latency.classes[at === -1 ? LATENCY_BOUNDS_MS.length : at]!++
}

/** To whole microseconds. */
export function rounded (ms: number): number {
  return Math.round(ms * 1000) / 1000
}

/** Numbers from 0 to 1, the same for the same seed. */
export function diceOf (seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6D2B79F5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function logOf (client: RedisTestClient, prefix: string, own: { mostFields?: number } = {}): RedisFleetLog {
  return new RedisFleetLog({ open: () => client as unknown as ConnectedRedis, prefix, ...own })
}

/** One that tells only when it is asked to. */
export function flusherOf (own: Pick<FlusherOptions, 'log' | 'counts'> & Partial<FlusherOptions>): Flusher {
  return new Flusher({ closeMs: 5000, ...own })
}

/** Without the names and the rounding errors of sums. */
export function plain (counts: Counts): unknown {
  const { savedMs, cached, uncached } = counts
  return { ...structuredClone(counts), savedMs: rounded(savedMs), cached: { ...cached, sumMs: rounded(cached.sumMs) }, uncached: { ...uncached, sumMs: rounded(uncached.sumMs) } }
}

/** The routes of `fleet-process.ts`. */
export const NAMES = ['GET /users/:id', 'GET /posts', 'GET /posts/:id', 'GET /é']
