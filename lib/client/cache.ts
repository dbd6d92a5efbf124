import type { Adviser } from '../advice/adviser.ts'
import type { Advice } from '../advice/advice.ts'
import { NotExplainedError } from '../errors.ts'
import { FunctionNames, wrapFunction, type Settled, type WrapOptions, type WrappedFunction } from '../functions/wrap.ts'
import type { CacheSettings } from '../options/resolve.ts'
import { kCachedRoutes, type CachedRoute } from '../route/cached-routes.ts'
import type { FleetStats } from '../stats/fleet-stats.ts'
import { kTime, type Timed } from '../stats/route-counters.ts'
import type { CountedStats, StatsBook } from '../stats/stats-book.ts'
import type { GuardedStore } from '../store/guarded-store.ts'
import type { MemoryStats } from '../store/store.ts'
import type { StoreStats } from '../store/store-stats.ts'
import type { Warmer } from '../warming/warmer.ts'
import type { WarmOptions } from '../warming/warm-options.ts'
import type { WarmTargets } from '../warming/targets.ts'
import type { WarmReport } from '../warming/warming.ts'
import type { ExplainedRequest, Explainer, Explanation } from './explanation.ts'
import { healthOf, type Health } from './health.ts'
import type { Fleet, FleetStatsOptions } from './fleet.ts'
import { ValueClient } from './values.ts'

export type { GetOrSetOptions, SetOptions } from './values.ts'

/** What `stats()` gives. */
export interface CacheStats extends CountedStats {
  readonly store: StoreStats
  /** Of this process, where it keeps entries in memory. */
  readonly memory?: MemoryStats
}

export interface CacheParts {
  readonly warmer: Warmer
  readonly adviser: Adviser
  readonly fleet: Fleet
  /** Without an app there is none. */
  readonly explainer?: Explainer
  readonly book: StatsBook
  /** Of the app; more may come until it is ready. Default: none. */
  readonly routes?: readonly CachedRoute[]
}

/**
 * The client, `fastify.cache`. Keys are relative to the prefix, and what stands before their first `:` is their namespace:
 * `user:1:profile` belongs to `user`. Values are copied on their way in and out.
 *
 * When the store fails, reads find nothing and writes answer `false`; `delete`, `expire` and `ping`, whose outcome a caller
 * has to know, reject with `RESPONSE_CACHE_ERR_STORE_UNAVAILABLE`. After `close()` everything rejects with `RESPONSE_CACHE_ERR_CLOSED`.
 */
export class Cache extends ValueClient {
  readonly #store: GuardedStore
  readonly #settings: CacheSettings
  readonly #adviser: Adviser
  readonly #warmer: Warmer
  readonly #explainer: Explainer | undefined
  readonly #functions = new FunctionNames()
  readonly #book: StatsBook
  readonly #fleet: Fleet
  /** Not for users: admin routes may be those of another app. */
  readonly [kCachedRoutes]: readonly CachedRoute[]

  constructor (store: GuardedStore, settings: CacheSettings, { warmer, adviser, fleet, explainer, book, routes = [] }: CacheParts) {
    super(store, settings, book)
    this.#store = store
    this.#settings = settings
    this.#adviser = adviser
    this.#warmer = warmer
    this.#explainer = explainer
    this.#book = book
    this.#fleet = fleet
    this[kCachedRoutes] = routes
  }

  /**
   * A version of `fn` that gives stored results, by its arguments. Wrap a function once, not in each request. What it reads besides
   * its arguments (`this`, variables around it, AsyncLocalStorage) is not in the key: the user it works for has to be an argument.
   *
   * Concurrent calls in this process run it once. Errors reject all of them and are not stored, and neither is `undefined`.
   * Errors: `RESPONSE_CACHE_ERR_OPTION_*`, `RESPONSE_CACHE_ERR_TTL_MISSING`.
   */
  wrap<This, Args extends unknown[], R> (
    fn: (this: This, ...args: Args) => R,
    options: WrapOptions<Settled<Args>, NoInfer<R>, NoInfer<This>>
  ): WrappedFunction<Args, R, This> {
    this.assertOpen()
    const wrapped = wrapFunction(this, fn, options)
    this.planned(options.name, { ttl: options.ttl })
    this.#functions.take(options)
    return wrapped
  }

  /**
   * What all processes with this Redis have done in the last hour, minute by minute, or in the last 24, hour by hour: this process until now,
   * the others until a few seconds ago. Without Redis it is this process alone. Errors: `RESPONSE_CACHE_ERR_STORE_UNAVAILABLE`,
   * `RESPONSE_CACHE_ERR_OPTION_*`, `RESPONSE_CACHE_ERR_CLOSED`.
   */
  stats (options: FleetStatsOptions): Promise<FleetStats>
  /** What the cached routes of this process have done since it was started, and how their store does. */
  stats (): CacheStats
  stats (options?: FleetStatsOptions): CacheStats | Promise<FleetStats> {
    if (options !== undefined) return this.#fleetStats(options)
    const memory = this.#store.memoryStats()
    return { ...this.#book.snapshot(), store: this.#store.stats(), ...memory === undefined ? {} : { memory } }
  }

  /** For metrics, which want each duration and not its class alone. */
  [kTime] (hear: Timed): () => void {
    return this.#book.time(hear)
  }

  async #fleetStats (options: FleetStatsOptions): Promise<FleetStats> {
    this.assertOpen()
    return await this.#fleet.stats(options)
  }

  protected override async beforeClosed (): Promise<void> {
    await this.#fleet.close()
  }

  /**
   * Fills the cache before anybody asks, a few targets at a time: URLs of the app, requested through their whole lifecycle, keys with
   * what produces their value, and `{ hottest: n }`, what was requested most in the last minutes. What is there and fresh is left
   * alone. A target that fails is in the report. From a terminal a bar shows how far it is.
   *
   * Errors: `RESPONSE_CACHE_ERR_TARGET_INVALID`, `RESPONSE_CACHE_ERR_OPTION_*`, `RESPONSE_CACHE_ERR_CLOSED` also when it is closed
   * meanwhile, the reason of `signal`, and what `onProgress` or what gives the targets throws.
   */
  async warm (targets: WarmTargets, options?: WarmOptions): Promise<WarmReport> {
    this.assertOpen()
    return await this.#warmer.warm(targets, options)
  }

  /**
   * What the cache would do with a request, and why: the request goes through the app from inside, with its guards and its validation, as far
   * as to the look-up. No handler runs, and nothing is stored or counted. With two requests also in what their keys differ.
   *
   * Errors: `RESPONSE_CACHE_ERR_NOT_EXPLAINED` without a Fastify app, and when a guard takes longer than 10 seconds;
   * `RESPONSE_CACHE_ERR_TARGET_INVALID`, `RESPONSE_CACHE_ERR_OPTION_*`, `RESPONSE_CACHE_ERR_CLOSED`.
   */
  async explain (request: string | ExplainedRequest, other?: string | ExplainedRequest): Promise<Explanation> {
    this.assertOpen()
    if (this.#explainer === undefined) throw new NotExplainedError('expected a Fastify app, whose routes say what is cached; app.cache has one')
    return await this.#explainer.explain(request, other)
  }

  /**
   * How the cache does, for health checks: asks the store whether it answers, within `timeouts.read`. Never rejects. Degraded is not dead: routes
   * answer without the cache.
   */
  async health (): Promise<Health> {
    return await healthOf({ settings: this.#settings, store: this.#store, isClosed: this.isClosed })
  }

  /**
   * What is risky in the configuration, by the options, the routes and what Redis says of itself; each with a word, a text and a place in
   * the docs. Takes up to 3 seconds where Redis is slow. Errors: `RESPONSE_CACHE_ERR_CLOSED`.
   */
  async advice (): Promise<Advice[]> {
    this.assertOpen()
    return await this.#adviser.advice()
  }

  override async close (): Promise<void> {
    this.#warmer.close()
    this.#adviser.close()
    await super.close()
  }
}
