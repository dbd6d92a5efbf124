import { InvalidOptionError, OptionConflictError, expectedGot } from '../errors.ts'
import { silentLogger, type Logger } from '../logger.ts'
import type { RedisOption } from '../store/redis-client.ts'
import type { Store } from '../store/store.ts'
import { warmSettings, type WarmSettings } from '../warming/warm-options.ts'
import type { CacheRequest } from './cache-request.ts'
import { boolean, checkOptions, duration, either, fieldNames, func, isPlainObject, isRedisUrl, namespaceName, object, off, oneOf, positiveInteger, prefixName, type Rule, type Rules } from './check.ts'
import { durationToMs, type Duration } from './duration.ts'
import { limitsOf, type Limits } from './limits.ts'
import type { CacheOptions, MemoryOptions, ResponseCacheOptions } from './plugin-options.ts'
import { TokenSubject, type PolicySources } from './policy.ts'
import { reliabilityOf, type ReliabilitySettings } from './reliability.ts'
import { checkRouteOptions, ownCopy } from './route-rules.ts'
import type { RouteCacheOptions } from './route-options.ts'

/** The checked, complete options of a cache. */
export interface CacheSettings extends ReliabilitySettings {
  readonly redis: RedisOption | undefined
  readonly store: Store | undefined
  readonly prefix: string
  readonly enabled: boolean
  /** Entries or copies in this process. */
  readonly memory: { readonly maxBytes: number, readonly maxBlindMs: number } | undefined
  readonly ttls: ReadonlyMap<string, number>
  readonly namespaces: Readonly<Record<string, RouteCacheOptions>>
  readonly defaults: RouteCacheOptions
  readonly limits: Limits
  readonly clock: () => number
  readonly advice: boolean
  readonly logger: Logger
}

/** The checked, complete options of the plugin. */
export interface PluginSettings extends CacheSettings {
  readonly userOf: PolicySources['userOf']
  readonly jitter: number
  readonly invalidateOnWrite: boolean
  readonly name: string
  /** Lower-case names. */
  readonly targetedFields: readonly string[]
  readonly debugHeaders: boolean
  readonly warm: WarmSettings | undefined
  readonly audit: 'warn' | 'refuse' | undefined
}

const MINUTE_MS = 60_000
const BUILT_IN_TTLS = { short: MINUTE_MS, medium: 5 * MINUTE_MS, long: 60 * MINUTE_MS, day: 24 * 60 * MINUTE_MS }
const DEFAULT_MEMORY_BYTES = 64 * 1024 * 1024
const DEFAULT_MAX_BLIND_MS = 5000
const DEFAULT_JITTER = 0.1
const DEFAULT_TARGETED = ['Fastify-Cache-Control']

const redis: Rule = {
  expected: 'a URL such as \'redis://127.0.0.1:6379\', options of a node-redis client (its host and port are in "socket"), cluster or sentinel, or a node-redis client',
  secret: true,
  accepts: (value) => typeof value === 'string' ? isRedisUrl(value) : isRedisObject(value)
}

/** node-redis ignores what it does not know and takes the defaults for the rest, so that a wrong object would reach for localhost. */
function isRedisObject (value: unknown): boolean {
  if (!isPlainObject(value)) return false
  if (typeof value.withTypeMapping === 'function') return true
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && prototype !== Object.prototype) return false
  if ('host' in value || 'port' in value) return false // ioredis has them there
  return value.url === undefined || (typeof value.url === 'string' && isRedisUrl(value.url))
}

const cacheName: Rule = {
  expected: 'a token such as \'my-api\' (RFC 9211 section 2)',
  accepts: (value) => typeof value === 'string' && /^[A-Za-z*][\w!#$%&'*+\-.^`|~:/]*$/.test(value)
}

const store: Rule = {
  expected: 'an object with the methods get, set, delete, expire, ttlMs, ping, connect and close',
  accepts: (value) => isPlainObject(value) &&
    ['get', 'set', 'delete', 'expire', 'ttlMs', 'ping', 'connect', 'close'].every((method) => typeof value[method] === 'function')
}

const list: Rule = { expected: 'a list of targets', accepts: Array.isArray }

const CACHE_RULES: Rules<CacheOptions> = {
  redis,
  store,
  prefix: prefixName,
  enabled: boolean,
  memory: either(object, off),
  ttls: object,
  namespaces: object,
  defaults: object,
  timeouts: object,
  breaker: either(object, off),
  integrity: { ...object, secret: true },
  limits: object,
  clock: func,
  advice: boolean,
  logger: { expected: 'a logger with the methods info and warn', accepts: (value) => isPlainObject(value) && typeof value.info === 'function' && typeof value.warn === 'function' }
}

const PLUGIN_RULES: Rules<ResponseCacheOptions> = { ...CACHE_RULES, invalidateOnWrite: boolean, user: func, name: cacheName, targetedFields: fieldNames, debugHeaders: boolean, warm: either(list, object), audit: oneOf('warn', 'refuse') }

export function cacheSettings (options: CacheOptions): CacheSettings {
  checkOptions<CacheOptions>(options, CACHE_RULES, 'createCache()')
  return settingsOf(options, 'createCache()')
}

export function pluginSettings (options: ResponseCacheOptions, logger: Logger): PluginSettings {
  const where = 'the options of fastify-response-cache'
  checkOptions<ResponseCacheOptions>(options, PLUGIN_RULES, where)
  return {
    ...settingsOf({ ...options, logger: options.logger ?? logger }, where),
    userOf: options.user ?? userOfRequest,
    // Who brings a clock wants to know what happens when.
    jitter: options.clock === undefined ? DEFAULT_JITTER : 0,
    invalidateOnWrite: options.invalidateOnWrite ?? true,
    name: options.name ?? 'fastify-response-cache',
    targetedFields: (options.targetedFields ?? DEFAULT_TARGETED).map((name) => name.toLowerCase()),
    debugHeaders: options.debugHeaders ?? false,
    warm: options.warm === undefined ? undefined : warmSettings(options.warm, where),
    audit: options.audit
  }
}

function settingsOf (options: CacheOptions, where: string): CacheSettings {
  refuseReplicas(options.redis, where)
  const ttls = ttlsOf(options.ttls ?? {}, where)
  const defaults = options.defaults ?? {}
  checkRouteOptions(defaults, ttls, `defaults in ${where}`)
  refuseInvalidates(defaults, `defaults in ${where}`)
  return {
    redis: options.redis,
    store: options.store,
    prefix: options.prefix ?? 'cache',
    enabled: options.enabled ?? true,
    memory: memoryOf(options, where),
    ttls,
    namespaces: namespacesOf(options.namespaces ?? {}, ttls, where),
    defaults: ownCopy(defaults),
    ...reliabilityOf(options, where),
    limits: limitsOf(options.limits ?? {}, where),
    clock: options.clock ?? Date.now,
    advice: options.advice ?? true,
    logger: options.logger ?? silentLogger
  }
}

/** What a replica has may be older than what was acknowledged to be invalidated or deleted. A Sentinel client does not say whether it reads from them. */
function refuseReplicas (redis: RedisOption | undefined, where: string): void {
  if (typeof redis !== 'object') return
  const { useReplicas, replicaPoolSize, _options } = redis as { useReplicas?: unknown, replicaPoolSize?: unknown, _options?: { useReplicas?: unknown } }
  const name = useReplicas === true || _options?.useReplicas === true ? 'useReplicas' : 'replicaPoolSize'
  if (name === 'useReplicas' || Number(replicaPoolSize ?? 0) > 0) throw new OptionConflictError(where, `"redis" reads from replicas, which may still have what was invalidated; leave "${name}" out.`)
}

function memoryOf ({ redis, store, memory }: CacheOptions, where: string): CacheSettings['memory'] {
  checkOptions<MemoryOptions>(memory || {}, { maxBytes: positiveInteger, maxBlindMs: { expected: 'a number of milliseconds, 0 or more', accepts: (value) => Number.isInteger(value) && (value as number) >= 0 } }, `memory in ${where}`)
  const conflict = (text: string) => new OptionConflictError(where, text)
  if (store !== undefined && redis !== undefined) throw conflict('entries are kept in "redis" or in "store"; keep one of them.')
  if (store !== undefined && memory) throw conflict('"memory" stands in front of "redis"; an own "store" has to do that itself.')
  if (redis === undefined && store === undefined && memory === false) throw conflict('without "memory" entries need a place: add "redis" or "store", or say enabled: false.')
  if (redis === undefined && memory && memory.maxBlindMs !== undefined) throw conflict('"maxBlindMs" only has a meaning with "redis".')
  if (store !== undefined || memory === false || (redis !== undefined && memory === undefined)) return undefined
  return { maxBytes: memory?.maxBytes ?? DEFAULT_MEMORY_BYTES, maxBlindMs: memory?.maxBlindMs ?? DEFAULT_MAX_BLIND_MS }
}

function ttlsOf (given: Record<string, Duration>, where: string): ReadonlyMap<string, number> {
  const ttls = new Map<string, number>(Object.entries(BUILT_IN_TTLS))
  for (const [name, value] of Object.entries(given)) {
    const ms = durationToMs(value)
    if (ms === undefined) throw new InvalidOptionError(name, `ttls in ${where}`, expectedGot(duration.expected, value))
    ttls.set(name, ms)
  }
  return ttls
}

function namespacesOf (given: Record<string, RouteCacheOptions>, ttls: ReadonlyMap<string, number>, where: string): Record<string, RouteCacheOptions> {
  for (const [name, options] of Object.entries(given)) {
    if (!namespaceName.accepts(name)) throw new InvalidOptionError(name, `namespaces in ${where}`, `expected ${namespaceName.expected}`)
    checkRouteOptions(options, ttls, `namespaces.${name} in ${where}`)
    refuseInvalidates(options, `namespaces.${name} in ${where}`)
    if (options.namespace !== undefined) throw new OptionConflictError(where, `namespaces.${name} cannot have a namespace of its own.`)
  }
  return Object.fromEntries(Object.entries(given).map(([name, options]) => [name, ownCopy(options)]))
}

/** Each write has targets of its own, and a route with `invalidates` is not cached. */
function refuseInvalidates (options: RouteCacheOptions, where: string): void {
  if (options.invalidates !== undefined) throw new OptionConflictError(where, '"invalidates" is an option of single routes.')
}

/** The `sub` of a token is unique for its issuer only (RFC 7519 section 4.1.2), so both together name the user. */
function userOfRequest (request: CacheRequest): string | number | TokenSubject | undefined {
  const user: unknown = request.user
  if (typeof user === 'string' || typeof user === 'number') return user
  if (typeof user !== 'object' || user === null) return undefined
  const { iss, sub, id } = user as Record<string, unknown>
  if (isIdentifier(sub)) return typeof iss === 'string' ? new TokenSubject(iss, sub) : new TokenSubject('', sub)
  return isIdentifier(id) ? id : undefined
}

function isIdentifier (value: unknown): value is string | number {
  return (typeof value === 'string' && value !== '') || typeof value === 'number'
}
