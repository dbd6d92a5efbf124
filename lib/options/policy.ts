import { InvalidOptionError, MethodError, MissingTtlError, OptionConflictError, expectedGot } from '../errors.ts'
import { labelsOf, type InvalidationTargets } from '../marks/targets.ts'
import { boolean, checkOptions, duration, either, fieldNames, func, isPlainObject, listOf, namespaceName, oneOf, positiveInteger, tagList, type Rule, type Rules } from './check.ts'
import type { CacheReply, CacheRequest } from './cache-request.ts'
import { DURATION_EXPECTED, durationToMs } from './duration.ts'
import type { RouteCacheConfig, RouteCacheOptions, StoredPayload } from './route-options.ts'

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
  /** Milliseconds, or what the option function says for this response, to be read by `ttlToMs`. */
  readonly ttl: number | ((request: CacheRequest, reply: CacheReply) => unknown)
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
  readonly shared: boolean
  readonly hook: 'preHandler' | 'onRequest'
  readonly unguarded: boolean
  readonly methods: ReadonlySet<string>
  readonly statusCodes: ReadonlySet<number>
  readonly maxBytes: number
}

/** What a write invalidates, or the function that says so. */
export type Invalidates = InvalidationTargets | ((request: CacheRequest, reply: CacheReply) => InvalidationTargets | Promise<InvalidationTargets>)

/** What a route is checked against: the plugin's own, already checked options. */
export interface PolicySources {
  readonly defaults: RouteCacheOptions
  readonly namespaces: Readonly<Record<string, RouteCacheOptions>>
  readonly ttls: ReadonlyMap<string, number>
  readonly userOf: UserOf
}

const NEVER_STORABLE = new Set([206, 304, 412, 416])
const DEFAULT_MAX_BYTES = 1_048_576

const ttl: Rule = either(duration, { expected: 'a name from "ttls"', accepts: (value) => typeof value === 'string' }, func)

const ROUTE_RULES: Rules<RouteCacheOptions> = {
  namespace: namespaceName,
  ttl,
  varyByUser: either(boolean, func),
  varyByQuery: either(boolean, listOf('parameter names', (name) => typeof name === 'string')),
  varyByHeaders: fieldNames,
  varyByCookies: fieldNames,
  varyByBody: boolean,
  key: func,
  skip: func,
  shared: boolean,
  tags: either(tagList, func),
  invalidates: either({ expected: 'targets such as { tags: [\'user:1\'] }', accepts: isPlainObject }, func),
  storeIf: func,
  hook: oneOf('preHandler', 'onRequest'),
  unguarded: boolean,
  statusCodes: listOf('status codes from 200 to 599 but 206, 304, 412 and 416', isStorableStatus),
  maxBytes: positiveInteger
}

function isStorableStatus (status: unknown): boolean {
  return Number.isInteger(status) && (status as number) >= 200 && (status as number) <= 599 && !NEVER_STORABLE.has(status as number)
}

/** Throws unless these are valid options, and their ttl is one that `ttls` or a duration explains. */
export function checkRouteOptions (given: unknown, ttls: ReadonlyMap<string, number>, where: string): asserts given is RouteCacheOptions {
  checkOptions<RouteCacheOptions>(given, ROUTE_RULES, where)
  const { ttl, invalidates } = given
  if (typeof invalidates === 'object') labelsOf(invalidates, `invalidates in ${where}`)
  if (ttl === undefined || typeof ttl === 'function' || ttlToMs(ttl, ttls) !== undefined) return
  throw new InvalidOptionError('ttl', where, expectedGot(ttlExpected(ttls), ttl))
}

/** Milliseconds of a ttl as users write it, or `undefined` when it is none. */
export function ttlToMs (ttl: unknown, ttls: ReadonlyMap<string, number>): number | undefined {
  return typeof ttl === 'string' && ttls.has(ttl) ? ttls.get(ttl) : durationToMs(ttl)
}

export function ttlExpected (ttls: ReadonlyMap<string, number>): string {
  return `${DURATION_EXPECTED}, or one of ${[...ttls.keys()].map((name) => `'${name}'`).join(', ')}`
}

/** The options of one route from `config.cache`, or `undefined` where it says `false`. */
function ownOptions (config: RouteCacheConfig, ttls: ReadonlyMap<string, number>, where: string): RouteCacheOptions | undefined {
  if (config === false) return undefined
  const own = config === true ? {} : typeof config === 'object' ? config : { ttl: config }
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
  const options: RouteCacheOptions = { ...defaults, ...namespaces[namespace], ...ownCopy(own) }
  if (options.ttl === undefined) throw new MissingTtlError(route, namespace)
  checkConflicts(options, where)
  const cacheable = methods.filter((method) => isCacheableMethod(method, options))
  if (cacheable.length === 0) throw new MethodError(route)
  return {
    route,
    url,
    namespace,
    ttl: typeof options.ttl === 'function' ? options.ttl : ttlToMs(options.ttl, ttls)!,
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
    statusCodes: new Set(options.statusCodes ?? [200]),
    maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES
  }
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

function checkConflicts (options: RouteCacheOptions, where: string): void {
  const conflict = (text: string) => new OptionConflictError(where, text)
  if (options.unguarded === true && options.hook !== 'onRequest') throw conflict('"unguarded" only has a meaning with hook: \'onRequest\'.')
  if (options.hook === 'onRequest' && options.varyByBody === true) throw conflict('"varyByBody" needs the body, which is not read yet in hook: \'onRequest\'.')
  if (options.shared === true && options.varyByUser) throw conflict('"shared" says the same response for everyone, "varyByUser" one for each; keep one of them.')
  if (options.key !== undefined && options.varyByBody === true) throw conflict('"key" takes the place of the body; keep "key" or "varyByBody".')
}

/** Options that stay what they were when the caller changes its own, without those that it left undefined. */
export function ownCopy (options: RouteCacheOptions): RouteCacheOptions {
  const said = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(said.map(([name, value]) => [name, Array.isArray(value) ? [...value] : value]))
}
