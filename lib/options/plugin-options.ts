import type { Logger } from '../logger.ts'
import type { RedisOption } from '../store/redis-client.ts'
import type { Store } from '../store/store.ts'
import type { WarmPluginOption } from '../warming/warm-options.ts'
import type { Duration } from './duration.ts'
import type { LimitOptions } from './limits.ts'
import type { RouteCacheOptions, UserFunction } from './route-options.ts'

/** Entries in this process. */
export interface MemoryOptions {
  /** Bound in bytes. Default 64 MB. */
  maxBytes?: number
  /**
   * With `redis`: when a process cannot hear of the invalidations of others, its copies are used for so many milliseconds at most.
   * `0`: the marks are read for every hit. Default 5000.
   */
  maxBlindMs?: number
}

/** How long the store may take. All of them are above 0. */
export interface TimeoutOptions {
  /** A look-up that takes longer is a miss: the handler answers. Default `'50ms'`. */
  read?: Duration
  /** What stores, deletes or asks for anything else than an entry. A response that takes longer to store counts as not stored. Default `'1s'`. */
  write?: Duration
  /**
   * How long an `invalidate…()` waits for Redis to confirm. Then it rejects with `RESPONSE_CACHE_ERR_INVALIDATION_PENDING`, and is sent again
   * until it is confirmed. Default `'1s'`.
   */
  invalidate?: Duration
}

/** When a store that fails is left alone, so that requests do not wait for it. */
export interface BreakerOptions {
  /** So many operations in a row without an answer, or half of at least 20 within a second, whatever this says. Default 5. */
  failures?: number
  /** So long, a quarter more or less, until one operation in the background tries again. Above 0. Default `'1s'`. */
  openFor?: Duration
}

/** Who may write entries that this cache serves. */
export interface IntegrityOptions {
  /** At least 32 characters that nobody knows who may only write to Redis. In a list the first one signs, and all are accepted: so secrets are replaced. */
  secret: string | readonly string[]
}

/** Options of `createCache()`, and of the plugin as far as they are not about HTTP. */
export interface CacheOptions {
  /**
   * Keep entries in Redis: a URL, options of a node-redis client, cluster or sentinel, or a connected client, cluster,
   * sentinel or pool, which stays yours to close. Default: none, entries are kept in this process.
   */
  redis?: RedisOption

  /** An own store in place of memory and Redis, see docs/custom-store.md. It is closed with the cache. */
  store?: Store

  /** First part of every Redis key, so that two apps in one Redis never meet. Default `'cache'`. */
  prefix?: string

  /** `false`: nothing is looked up or stored; requests say `X-Cache: BYPASS`. Default `true`. */
  enabled?: boolean

  /**
   * Entries in this process. Without `redis` and `store` they are kept here only, which is the default. With `redis`, memory has
   * copies of what is asked for often: hits then cost no round trip, and see the invalidations of other processes milliseconds
   * later, see docs/memory-and-redis.md. `false`, the default with `redis`: none.
   */
  memory?: MemoryOptions | false

  /** Lifetimes by name for `ttl: 'long'`. Default `{ short: '1m', medium: '5m', long: '1h', day: '24h' }`, extended by yours. */
  ttls?: Record<string, Duration>

  /** Options by namespace, used by the routes and keys of that namespace. */
  namespaces?: Record<string, Omit<RouteCacheOptions, 'namespace'>>

  /** Options for every cached route and every key, where nothing more specific says otherwise. */
  defaults?: RouteCacheOptions

  /** Deadlines for the store: `read` (default `'50ms'`, then it is a miss), `write` (default `'1s'`) and `invalidate` (default `'1s'`). */
  timeouts?: TimeoutOptions

  /**
   * A store that fails is left alone for a while, for reads and for writes each: by default after 5 failures in a row, for a second. Requests then
   * do not wait for it. `false`: every request tries.
   */
  breaker?: BreakerOptions | false

  /**
   * With `redis`: entries are signed (HMAC-SHA256, over the key and all of the entry), and one without a right signature is none. For a Redis that others may
   * write to. Default: entries are not signed.
   */
  integrity?: IntegrityOptions

  /** Bounds of everything that clients can make grow, see docs/limits.md. Default: every limit has one that fits most apps. */
  limits?: LimitOptions

  /** The present time in milliseconds since the epoch, for tests. Default `Date.now`. Redis expires by its own clock. */
  clock?: () => number

  /**
   * Whether risky configuration is logged once after the start, see docs/advice.md: risks at level warn, notes at info. `advice()` gives the same
   * at any time. Default `true`.
   */
  advice?: boolean

  /** Where changes of state and faults of option functions are logged. Default: the app's logger; silent without Fastify. */
  logger?: Logger
}

/** Options of the Fastify plugin. */
export interface ResponseCacheOptions extends CacheOptions {
  /** Who sends a request, for `varyByUser: true`. Default: `request.user`, its `sub` (with `iss`) or `id`. */
  user?: UserFunction['user']

  /**
   * After a successful answer to a `POST`, `PUT`, `PATCH`, `DELETE` or the like, cached responses to the same URL are invalidated, and
   * those to its `Location` and `Content-Location` (RFC 9111 section 4.4). Default `true`.
   */
  invalidateOnWrite?: boolean

  /**
   * What to fill the cache with before anybody asks: a list of targets, on start; or `{ targets, concurrency, headers, every, countHits }`,
   * also at an interval, which one process of the fleet does at a time. The app does not wait for it. Default: nothing.
   */
  warm?: WarmPluginOption

  /**
   * Header fields of responses that are meant for this cache alone and count instead of `Cache-Control` and `Expires`, the first one that
   * is there (RFC 9213). Add `'CDN-Cache-Control'` where this cache is one. Default `['Fastify-Cache-Control']`.
   */
  targetedFields?: readonly string[]

  /** How this cache calls itself in `Cache-Status` (RFC 9211). Default `'fastify-response-cache'`. */
  name?: string

  /** Adds `X-Cache-Key`, `X-Cache-TTL-Remaining` (seconds) and `X-Cache-Date` to responses. Not for production. Default `false`. */
  debugHeaders?: boolean

  /**
   * For development: which inputs handlers read that do not select their stored responses, see docs/audit.md. `'warn'`: each is logged once
   * per route. `'refuse'`: the response is not stored either (`unkeyed-input`). Hits cost nothing. Default: nothing is recorded.
   */
  audit?: 'warn' | 'refuse'
}
