import type { BypassReason, MissReason, NotStoredReason, RefusalReason, StaleReason } from '../http/cache-status.ts'
import type { ByWord, RouteStats } from './counts.ts'
import { Durations } from './durations.ts'

/** Where an answer came from, for those that are timed. */
export type Source = 'cached' | 'uncached'

/** The method of a cache by which metrics hear of durations. */
export const kTime = Symbol('fastify-response-cache.time')

/** Hears how long an answer took, when it is counted. */
export type Timed = (route: Pick<RouteStats, 'route' | 'namespace'>, source: Source, ms: number) => void

/** What was served from the cache. */
export interface Served {
  /** From the look-up until it was given to be sent. */
  readonly ms: number
  /** How long its handler had taken. */
  readonly costMs: number
  /** Of the body. */
  readonly bytes: number
}

/** Counts what the requests of one route came to. Each request of a client is one of hits, stale, misses, bypasses and refused. */
export class RouteCounters {
  readonly route: string
  readonly namespace: string
  fills = 0
  refreshes = 0
  refreshErrors = 0
  collapsed = 0
  #hits = 0
  #stale = 0
  #misses = 0
  #bypasses = 0
  #refused = 0
  #savedMs = 0
  #servedBytes = 0
  readonly #cached = new Durations()
  readonly #uncached = new Durations()
  readonly #bypassReasons = new Map<BypassReason, number>()
  readonly #missReasons = new Map<MissReason, number>()
  readonly #staleReasons = new Map<StaleReason, number>()
  readonly #notStoredReasons = new Map<NotStoredReason, number>()
  readonly #refusalReasons = new Map<RefusalReason, number>()
  readonly #timed: ReadonlySet<Timed>

  /** `timed`: who hears of durations; there may be others later. */
  constructor ({ route, namespace }: { route: string, namespace: string }, timed: ReadonlySet<Timed>) {
    this.route = route
    this.namespace = namespace
    this.#timed = timed
  }

  hit (served: Served): void {
    this.#hits++
    this.#serve(served)
  }

  stale (why: StaleReason, served: Served): void {
    this.#stale++
    raise(this.#staleReasons, why)
    this.#serve(served)
  }

  miss (reason: MissReason, ms: number): void {
    this.#misses++
    raise(this.#missReasons, reason)
    this.#uncached.add(ms)
    if (this.#timed.size > 0) this.#tell('uncached', ms)
  }

  bypass (reason: BypassReason): void {
    this.#bypasses++
    raise(this.#bypassReasons, reason)
  }

  refuse (reason: RefusalReason): void {
    this.#refused++
    raise(this.#refusalReasons, reason)
  }

  notStored (reason: NotStoredReason): void {
    raise(this.#notStoredReasons, reason)
  }

  snapshot (): RouteStats {
    const { route, namespace, fills, refreshes, refreshErrors, collapsed } = this
    return {
      route,
      namespace,
      hits: this.#hits,
      stale: this.#stale,
      misses: this.#misses,
      bypasses: this.#bypasses,
      refused: this.#refused,
      collapsed,
      fills,
      refreshes,
      refreshErrors,
      bypassReasons: byWord(this.#bypassReasons),
      missReasons: byWord(this.#missReasons),
      staleReasons: byWord(this.#staleReasons),
      notStoredReasons: byWord(this.#notStoredReasons),
      refusalReasons: byWord(this.#refusalReasons),
      cached: this.#cached.snapshot(),
      uncached: this.#uncached.snapshot(),
      savedMs: this.#savedMs,
      servedBytes: this.#servedBytes
    }
  }

  #serve ({ ms, costMs, bytes }: Served): void {
    this.#cached.add(ms)
    if (costMs > ms) this.#savedMs += costMs - ms
    this.#servedBytes += bytes
    if (this.#timed.size > 0) this.#tell('cached', ms)
  }

  #tell (source: Source, ms: number): void {
    for (const hear of this.#timed) hear(this, source, ms)
  }
}

function raise<Word> (counts: Map<Word, number>, word: Word): void {
  counts.set(word, (counts.get(word) ?? 0) + 1)
}

function byWord<Word extends string> (counts: Map<Word, number>): ByWord<Word> {
  return Object.fromEntries(counts) as ByWord<Word>
}
