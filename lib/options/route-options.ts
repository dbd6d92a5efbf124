import type { InvalidationTargets } from '../marks/targets.ts'
import type { CacheReply, CacheRequest } from './cache-request.ts'
import type { Duration } from './duration.ts'
import type { Ttl } from './ttl.ts'

/** What `config.cache` may be: options, a ttl, `true` (the defaults) or `false` (not cached). */
export type RouteCacheConfig = RouteCacheOptions | string | number | boolean

/** What a response body is when it is stored: text, bytes, or nothing. */
export type StoredPayload = string | Buffer | null

/**
 * How the responses of one route are cached. May be set on a route, for a namespace (plugin option `namespaces`) and
 * for all (plugin option `defaults`); the more specific one wins.
 */
export interface RouteCacheOptions {
  /** The group this route belongs to: letters, digits, `_`, `.`, `-`. Default `'default'`. */
  namespace?: string

  /**
   * Freshness lifetime: seconds, `'5m'`, a name from `ttls`, a Date, `{ until: 'midnight' }`, by status `{ 200: '5m', 404: '10s' }`, or a
   * function that is asked when storing. `'http'`: what the response's own header fields say (RFC 9111 section 4.2.1). `0` means: do not store. Required from the route, its namespace or the defaults.
   */
  ttl?: Ttl | TtlFunction['ttl']

  /**
   * Responses are kept per user: `true` uses the plugin option `user`, a function returns the user (or a set of
   * roles) as a string. A request with credentials for which no user is found bypasses the cache. Default `false`.
   */
  varyByUser?: boolean | UserFunction['user']

  /**
   * Which parameters of the validated query select the response. A list: only these, and all others are removed from
   * `request.query` and `request.url` before the handler runs, so that it cannot read what the key does not cover.
   * `false`: none. Default `true`: all.
   */
  varyByQuery?: boolean | readonly string[]

  /** Request header fields that select the response, credentials among them only when named here. Default none. */
  varyByHeaders?: readonly string[]

  /** Cookies that select the response, credentials among them only when named here. Default none. */
  varyByCookies?: readonly string[]

  /** The parsed body selects the response: needed to cache `POST` and `QUERY`. Default `false`. */
  varyByBody?: boolean

  /** An own key in place of path, query and body, kept inside the namespace, method, route and host. */
  key?(request: CacheRequest): string

  /** `true` for requests that neither read nor fill the cache. Runs before every look-up. */
  skip?(request: CacheRequest): boolean

  /**
   * The response is the same for everyone although requests carry credentials. Guards of the route still run before
   * every hit. `'http'`: requests with credentials get what others get, and their own responses are stored where they say `public`,
   * `s-maxage` or `must-revalidate` (RFC 9111 section 3.5). Default `false`.
   */
  shared?: boolean | 'http'

  /**
   * What an invalidation by tag finds the response by: a list, or a function that is asked when storing. A handler adds more with
   * `reply.cacheTags(…)`.
   */
  tags?: readonly string[] | TagsFunction['tags']

  /**
   * On a route that writes: what its answer invalidates, if the status is below 400, before the client gets it. A route with
   * `invalidates` is not cached itself.
   */
  invalidates?: InvalidationTargets | InvalidatesFunction['invalidates']

  /** A last word on storing, asked after all other rules allowed it. */
  storeIf?(request: CacheRequest, reply: CacheReply, payload: StoredPayload): boolean

  /**
   * Where hits are served. `'preHandler'` (default): after every guard and the validation. `'onRequest'`: before the
   * body is read, for public routes; refused where a hit would skip guards, unless `unguarded` says otherwise.
   */
  hook?: 'preHandler' | 'onRequest'

  /** With `hook: 'onRequest'`: the hooks that a hit skips protect nothing. Default `false`. */
  unguarded?: boolean

  /**
   * Status codes that may be stored; never 1xx, 206, 304, 412 or 416. Default: those that a ttl by status names, all of them with
   * `ttl: 'http'`, else `[200]`.
   */
  statusCodes?: readonly number[]

  /** Largest body that is stored, in bytes. Default 1,048,576 (1 MB). */
  maxBytes?: number

  /**
   * Concurrent misses of one key run the handler once, in all processes together: the others wait for its response. `false`: each runs it.
   * Default `{ waitMs: 10_000, leaseMs: 2000 }`.
   */
  lock?: false | LockOptions

  /**
   * So long after its lifetime a response is still served at once, while one request makes a new one in the background (RFC 5861
   * section 3). `stale-while-revalidate` in the response's own `Cache-Control` counts more. Default `0`.
   */
  staleWhileRevalidate?: Duration

  /**
   * So long after its lifetime a response is served when the handler throws or answers with 5xx (RFC 5861 section 4). `stale-if-error` in
   * the response's own `Cache-Control` counts more. Default `0`.
   */
  staleIfError?: Duration

  /** After a failure with something stale at hand, that is served for so long before the handler is tried again. Default `'5s'`. */
  refreshThrottle?: Duration

  /** A handler that takes longer is not waited for where `staleIfError`, which this needs, allows a stale response; what it makes is stored. Default `false`: no limit. */
  softTimeout?: Duration | false

  /**
   * A handler that takes longer is not waited for: what is stale is served, else a 503 (`RESPONSE_CACHE_ERR_HANDLER_TIMEOUT`). What it makes is
   * stored. The handler then runs for a request that is repeated in the background. Default `false`: no limit.
   */
  hardTimeout?: Duration | false

  /** What is asked for often is made anew in the background shortly before it is stale. Default `false`. */
  refreshAhead?: boolean

  /**
   * The part of a lifetime that is taken off at random, at most, so that what was made at once does not end at once: `0` to `0.5`. Nothing
   * lives longer than its ttl. Default `0.1`, and `0` with a `clock` of your own.
   */
  jitter?: number

  /**
   * The lifetime follows how often the response changes, which is learned from its body: so long that no more than `maxStaleFraction` (default
   * 0.01) of what is served is outdated. `ttl` is that of a response that was not seen before. Default `false`.
   */
  adaptiveTtl?: AdaptiveTtlOptions | false

  /**
   * So many handlers of this route run at once in one process for requests that may fill the cache; beyond that what is stale is served,
   * else a 503 (`RESPONSE_CACHE_ERR_OVERLOADED`) with `Retry-After`. Default `false`: no limit.
   */
  maxConcurrentFills?: number | false

  /**
   * So long after its lifetime a response with an `ETag` or `Last-Modified` of the handler's own is kept, so that the handler may say 304,
   * not modified, instead of making it again: it gets `If-None-Match` (or `If-Modified-Since`) of the stored response (RFC 9111 section
   * 4.3). Default `'10m'` with `ttl: 'http'`, else `false`: never.
   */
  revalidate?: Duration | false

  /**
   * Whether what requests ask of caches counts: `no-store`, `no-cache`, `max-age`, `min-fresh`, `max-stale` and `only-if-cached` (RFC 9111
   * section 5.2.1). A function approves single requests. Default `false`: with them any client could make the handler run each time.
   */
  obeyRequestDirectives?: boolean | ObeysFunction['obeys']

  /** What clients and a CDN in front are told in header fields, where the handler says nothing itself. Default: nothing. */
  downstream?: DownstreamOptions | false

  /**
   * Bodies from 1 kB of types that shrink are compressed once, when they are stored. `true`: brotli. Clients that accept the coding get
   * them as they are stored, others decompressed. Default `false`.
   */
  compress?: boolean | 'br' | 'gzip' | 'zstd'
}

export interface DownstreamOptions {
  /** `Cache-Control: max-age`, with `private` where responses are kept per user. An invalidation does not reach browsers. */
  maxAge?: Duration
  /** `CDN-Cache-Control: max-age` (RFC 9213). Not where responses are kept per user. */
  cdnMaxAge?: Duration
  /** The header field in which a CDN finds the tags of the response: `Surrogate-Key` (Fastly) or `Cache-Tag` (Cloudflare, Akamai). */
  tags?: 'surrogate-key' | 'cache-tag'
}

export interface AdaptiveTtlOptions {
  /** No lifetime is shorter, how often the response may change. */
  min: Duration
  /** No lifetime is longer. */
  max: Duration
  /** The part of the served responses that may be outdated, between 0 and 1. Default 0.01. */
  maxStaleFraction?: number
}

export interface LockOptions {
  /** So many milliseconds a request waits for another one at most, then it runs the handler and stores nothing. Default 10,000. */
  waitMs?: number
  /** With Redis: a process that dies while it runs a handler is replaced after so many milliseconds, from 100. Default 2000. */
  leaseMs?: number
}

/** Method syntax: a function may annotate a narrower request than `CacheRequest`. */
interface TtlFunction { ttl(request: CacheRequest, reply: CacheReply): Ttl }
interface TagsFunction { tags(request: CacheRequest, reply: CacheReply): readonly string[] }
interface InvalidatesFunction { invalidates(request: CacheRequest, reply: CacheReply): InvalidationTargets | Promise<InvalidationTargets> }
interface ObeysFunction { obeys(request: CacheRequest): boolean }
interface UserFunction { user(request: CacheRequest): string | number | undefined }

export type { InvalidatesFunction, TagsFunction, TtlFunction, UserFunction }

declare module 'fastify' {
  interface FastifyContextConfig {
    /** How responses of this route are cached: options, a ttl, `true` or `false`. */
    cache?: RouteCacheConfig
  }
}
