import type { AdaptiveOptions } from '../adaptive-ttl.ts'
import { MethodError, MissingTtlError, OptionConflictError } from '../errors.ts'
import type { InvalidationTargets } from '../marks/targets.ts'
import { checkRouteOptions, ownCopy } from './route-rules.ts'
import type { CacheReply, CacheRequest } from './cache-request.ts'
import { durationToMs } from './duration.ts'
import type { WantedWindows } from '../http/freshness.ts'
import type { Coding } from '../coding.ts'
import { isHttpTtl, isStorableStatus, parseTtl, statusesOf, type PlannedTtl } from './ttl.ts'
import type { AdaptiveTtlOptions, DownstreamOptions, RouteCacheConfig, RouteCacheOptions, StoredPayload } from './route-options.ts'

/** Who sends a request: what an option function says, or the subject of its token. */
export type UserOf = (request: CacheRequest) => string | number | TokenSubject | undefined

/** The subject of a token together with who issued it; the issuer is empty where the token names none. */
export class TokenSubject {
  readonly issuer: string
  readonly subject: string | number

  constructor (issuer: string, subject: string | number) {
    this.issuer = issuer
    this.subject = subject
  }
}

/** The checked, complete rules of one cached route. After this nobody asks what type an option has. */
export interface RoutePolicy {
  /** Names the route in messages: `GET /users/:id`. */
  readonly route: string
  /** Its URL with the names of its parameters: `/users/:id`. */
  readonly url: string
  readonly namespace: string
  /** The ttl as it was written. */
  readonly ttl: NonNullable<RouteCacheOptions['ttl']>
  /** What the ttl says of a response on which the work began at `begunAt`. Throws where its function gives no ttl. */
  readonly plan: (request: CacheRequest, reply: CacheReply, begunAt: number) => PlannedTtl
  /** The user of a request, or `false` when responses do not depend on one. */
  readonly userOf: false | UserOf
  /** Names to keep of the query, or all. */
  readonly query: 'all' | ReadonlySet<string>
  readonly headers: readonly string[]
  readonly cookies: readonly string[]
  readonly body: boolean
  readonly key: ((request: CacheRequest) => string) | undefined
  readonly skip: ((request: CacheRequest) => boolean) | undefined
  readonly tags: readonly string[] | ((request: CacheRequest, reply: CacheReply) => unknown)
  readonly storeIf: ((request: CacheRequest, reply: CacheReply, payload: StoredPayload) => boolean) | undefined
  /** `'http'`: where the response says so. */
  readonly shared: boolean | 'http'
  readonly hook: 'preHandler' | 'onRequest'
  readonly unguarded: boolean
  readonly methods: ReadonlySet<string>
  readonly mayStoreStatus: (status: number) => boolean
  readonly maxBytes: number
  /** How concurrent misses wait for one another, or not at all. */
  readonly lock: false | { readonly waitMs: number, readonly leaseMs: number }
  readonly stale: WantedWindows
  /** How long nobody tries after a failure. */
  readonly throttleMs: number
  readonly softMs: number | undefined
  readonly hardMs: number | undefined
  readonly refreshAhead: boolean
  /** The part of a lifetime that is taken off at random, at most. */
  readonly jitter: number
  readonly maxFills: number
  readonly adaptive: AdaptiveOptions | undefined
  /** How long a response is kept after its lifetime so that its handler may say that it has not changed. */
  readonly revalidateMs: number
  /** Whether the directives of a request count; undefined where they never do. */
  readonly obeys: ((request: CacheRequest) => boolean) | undefined
  /** The header fields of the response say how long it is fresh. */
  readonly isHttp: boolean
  readonly downstream: Downstream | undefined
  readonly compress: Coding | undefined
}

/** What clients and caches in front are told about the response, in header fields. */
export interface Downstream {
  readonly maxAgeSeconds: number | undefined
  readonly cdnMaxAgeSeconds: number | undefined
  readonly tags: 'surrogate-key' | 'cache-tag' | undefined
}

/** What a write invalidates, or the function that says so. */
export type Invalidates = InvalidationTargets | ((request: CacheRequest, reply: CacheReply) => InvalidationTargets | Promise<InvalidationTargets>)

/** What a route is checked against: the plugin's own, already checked options. */
export interface PolicySources {
  readonly defaults: RouteCacheOptions
  readonly namespaces: Readonly<Record<string, RouteCacheOptions>>
  readonly ttls: ReadonlyMap<string, number>
  readonly userOf: UserOf
  /** Where no option says it. */
  readonly jitter: number
}

const DEFAULT_MAX_BYTES = 1_048_576
const DEFAULT_LOCK = { waitMs: 10_000, leaseMs: 2000 }
const DEFAULT_THROTTLE = '5s'
/** Of responses whose origin decides: it may well send validators, and answer 304. */
const DEFAULT_REVALIDATE = '10m'

function adaptiveOptions (options: AdaptiveTtlOptions | undefined): AdaptiveOptions | undefined {
  if (options === undefined) return undefined
  return { minMs: durationToMs(options.min)!, maxMs: durationToMs(options.max)!, maxStaleFraction: options.maxStaleFraction ?? 0.01 }
}

/** The options of one route from `config.cache`, or `undefined` where it says `false`. */
function ownOptions (config: RouteCacheConfig, ttls: ReadonlyMap<string, number>, where: string): RouteCacheOptions | undefined {
  if (config === false) return undefined
  const own = config === true ? {} : typeof config === 'object' && !(config instanceof Date) ? config : { ttl: config }
  checkRouteOptions(own, ttls, where)
  return own
}

/** The rules of a route, or `undefined` when it is not cached. Throws on anything the route cannot mean. */
export function routePolicy (
  config: RouteCacheConfig,
  { url, methods, hasOwnHead }: { url: string, methods: readonly string[], hasOwnHead: boolean },
  sources: PolicySources
): RoutePolicy | undefined {
  const route = `${methods.join(',')} ${url}`
  const where = `config.cache of ${route}`
  const own = ownOptions(config, sources.ttls, where)
  if (own === undefined || own.invalidates !== undefined) return undefined
  const { defaults, namespaces, ttls } = sources
  const namespace = own.namespace ?? defaults.namespace ?? 'default'
  const options = withoutOff({ ...defaults, ...namespaces[namespace], ...ownCopy(own) })
  if (options.ttl === undefined) throw new MissingTtlError(route, namespace)
  checkConflicts(options, where)
  const cacheable = methods.filter((method) => isCacheableMethod(method, options))
  if (cacheable.length === 0) throw new MethodError(route)
  return {
    route,
    url,
    namespace,
    ttl: options.ttl,
    plan: planOf(options.ttl, ttls, where),
    userOf: userOf(options.varyByUser, sources),
    query: options.varyByQuery === false ? new Set() : Array.isArray(options.varyByQuery) ? new Set(options.varyByQuery) : 'all',
    headers: (options.varyByHeaders ?? []).map((name) => name.toLowerCase()),
    cookies: options.varyByCookies ?? [],
    body: options.varyByBody ?? false,
    key: options.key,
    skip: options.skip,
    tags: options.tags ?? [],
    storeIf: options.storeIf,
    shared: options.shared ?? false,
    hook: options.hook ?? 'preHandler',
    unguarded: options.unguarded ?? false,
    methods: new Set(hasOwnHead ? [] : cacheable),
    mayStoreStatus: mayStoreStatus(options),
    maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
    lock: options.lock === false ? false : { waitMs: options.lock?.waitMs ?? DEFAULT_LOCK.waitMs, leaseMs: options.lock?.leaseMs ?? DEFAULT_LOCK.leaseMs },
    stale: { whileRevalidateMs: durationToMs(options.staleWhileRevalidate), ifErrorMs: durationToMs(options.staleIfError) },
    throttleMs: durationToMs(options.refreshThrottle ?? DEFAULT_THROTTLE)!,
    softMs: durationToMs(options.softTimeout),
    hardMs: durationToMs(options.hardTimeout),
    refreshAhead: options.refreshAhead ?? false,
    jitter: options.jitter ?? sources.jitter,
    maxFills: options.maxConcurrentFills ?? Infinity,
    adaptive: adaptiveOptions(options.adaptiveTtl),
    revalidateMs: revalidateMsOf(options),
    obeys: options.obeyRequestDirectives === true ? () => true : options.obeyRequestDirectives || undefined,
    isHttp: isHttpTtl(options.ttl),
    downstream: downstreamOf(options.downstream),
    compress: options.compress === true ? 'br' : options.compress || undefined
  }
}

function planOf (ttl: NonNullable<RouteCacheOptions['ttl']>, ttls: ReadonlyMap<string, number>, where: string): RoutePolicy['plan'] {
  if (typeof ttl === 'function') return (request, reply, begunAt) => parseTtl(ttl(request, reply), ttls, `what the ttl function gave for ${where}`)(begunAt, reply.statusCode)
  const parsed = parseTtl(ttl, ttls, where)
  return (_request, reply, begunAt) => parsed(begunAt, reply.statusCode)
}

function revalidateMsOf ({ revalidate, ttl }: Pick<RouteCacheOptions, 'revalidate' | 'ttl'>): number {
  return revalidate === false ? 0 : durationToMs(revalidate ?? (isHttpTtl(ttl) ? DEFAULT_REVALIDATE : 0))!
}

function downstreamOf (options: DownstreamOptions | undefined): Downstream | undefined {
  if (options === undefined) return undefined
  const secondsOf = (given: DownstreamOptions['maxAge']): number | undefined => given === undefined ? undefined : Math.floor(durationToMs(given)! / 1000)
  return { maxAgeSeconds: secondsOf(options.maxAge), cdnMaxAgeSeconds: secondsOf(options.cdnMaxAge), tags: options.tags }
}

/** Where the response itself says how long it is fresh, it may have any status. */
function mayStoreStatus (options: RouteCacheOptions): (status: number) => boolean {
  if (isHttpTtl(options.ttl) && options.statusCodes === undefined) return isStorableStatus
  const statuses = statusCodesOf(options)
  return (status) => statuses.has(status)
}

function statusCodesOf ({ ttl, statusCodes }: RouteCacheOptions): ReadonlySet<number> {
  const named = statusesOf(ttl)
  return new Set(statusCodes === undefined ? named ?? [200] : statusCodes.filter((status) => named === undefined || named.has(status)))
}

/** What the answers of a route that writes invalidate, or `undefined` for a route that does not say so. */
export function writePolicy (config: RouteCacheConfig | undefined, route: string): Invalidates | undefined {
  // `null` is no object that options are in; checking them says so.
  if (typeof config !== 'object' || (config as unknown) === null || config.invalidates === undefined) return undefined
  const { invalidates, ...rest } = config
  const other = Object.keys(rest)[0]
  if (other !== undefined) throw new OptionConflictError(`config.cache of ${route}`, `a route with "invalidates" is not cached itself; remove "${other}", or "invalidates".`)
  return invalidates
}

function isCacheableMethod (method: string, options: RouteCacheOptions): boolean {
  if (method === 'GET' || method === 'HEAD') return true
  return (method === 'POST' || method === 'QUERY') && (options.varyByBody === true || options.key !== undefined)
}

function userOf (option: RouteCacheOptions['varyByUser'], sources: PolicySources): RoutePolicy['userOf'] {
  if (option === undefined || option === false) return false
  return option === true ? sources.userOf : option
}

const CAN_BE_OFF = ['softTimeout', 'hardTimeout', 'adaptiveTtl', 'maxConcurrentFills', 'downstream'] as const

type WithoutOff = Omit<RouteCacheOptions, typeof CAN_BE_OFF[number]> & { [Name in typeof CAN_BE_OFF[number]]?: Exclude<RouteCacheOptions[Name], false> }

/** What a route turned off is as if nobody had said it. */
function withoutOff (options: RouteCacheOptions): WithoutOff {
  const kept = { ...options }
  for (const name of CAN_BE_OFF) if (kept[name] === false) delete kept[name]
  return kept as WithoutOff
}

function checkConflicts (options: WithoutOff, where: string): void {
  const conflict = (text: string) => new OptionConflictError(where, text)
  if (options.unguarded === true && options.hook !== 'onRequest') throw conflict('"unguarded" only has a meaning with hook: \'onRequest\'.')
  if (options.hook === 'onRequest' && options.varyByBody === true) throw conflict('"varyByBody" needs the body, which is not read yet in hook: \'onRequest\'.')
  if (options.shared !== undefined && options.shared !== false && options.varyByUser) throw conflict('"shared" says the same response for everyone, "varyByUser" one for each; keep one of them.')
  if (isHttpTtl(options.ttl) && options.adaptiveTtl !== undefined) throw conflict('with ttl: \'http\' the response says how long it is fresh, with "adaptiveTtl" the cache finds out; keep one of them.')
  if (statusesOf(options.ttl) !== undefined && statusCodesOf(options).size === 0) throw conflict('"statusCodes" and the statuses of "ttl" have none in common, so that nothing would be stored.')
  if (options.downstream !== undefined && revalidateMsOf(options) > 0 && (options.downstream.maxAge ?? options.downstream.cdnMaxAge) !== undefined) {
    throw conflict('"downstream" says how long clients may keep a response, where the header fields of the handler do with ttl: \'http\' or "revalidate"; keep its "tags" only.')
  }
  if (options.lock === false) {
    const needing = (['softTimeout', 'hardTimeout', 'refreshAhead', 'staleWhileRevalidate'] as const).find((name) => options[name] === true || durationToMs(options[name] || 0) !== 0)
    if (needing !== undefined) throw conflict(`"${needing}" makes responses in the background, for which "lock" says who does it; remove lock: false, or "${needing}".`)
  }
  if (options.softTimeout !== undefined && options.staleIfError === undefined) throw conflict('"softTimeout" answers with what is stale in place of what takes too long, which needs "staleIfError".')
  if (options.softTimeout !== undefined && options.hardTimeout !== undefined && durationToMs(options.softTimeout)! > durationToMs(options.hardTimeout)!) throw conflict('"softTimeout" is longer than "hardTimeout", and would never be reached.')
  if (options.key !== undefined && options.varyByBody === true) throw conflict('"key" takes the place of the body; keep "key" or "varyByBody".')
}
