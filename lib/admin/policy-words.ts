import { types } from 'node:util'
import type { RoutePolicy } from '../options/policy.ts'
import { durationToMs } from '../options/duration.ts'
import type { CachedRoute } from '../route/cached-routes.ts'

/** One thing that a route says of how it is cached, in words. */
export interface PolicyWord {
  /** Stays the same: `ttl`, `key`, `bypass`, … */
  readonly about: 'ttl' | 'key' | 'bypass' | 'stored' | 'found by' | 'stale' | 'handler' | 'look-up' | 'clients'
  readonly text: string
}

/** What somebody who operates the app wants to know of a cached route. What functions of the route decide is named, not told. */
export function policyInWords ({ methods, policy, ttls }: Pick<CachedRoute, 'methods' | 'policy' | 'ttls'>): PolicyWord[] {
  const told: ReadonlyArray<readonly [PolicyWord['about'], readonly string[]]> = [
    ['ttl', ttlWords(policy, ttls)],
    ['key', keyWords(policy)],
    ['bypass', bypassWords(policy, methods)],
    ['stored', storedWords(policy)],
    ['found by', labelWords(policy)],
    ['stale', staleWords(policy)],
    ['handler', handlerWords(policy)],
    ['look-up', [policy.hook === 'preHandler' ? 'behind the guards and the validation of the route' : `before the body is read${policy.unguarded ? ', and before guards of the route' : ''}`]],
    ['clients', clientWords(policy)]
  ]
  return told.filter(([, words]) => words.length > 0).map(([about, words]) => ({ about, text: words.join('; ') }))
}

type Named = CachedRoute['ttls']

function ttlWords ({ adaptive, jitter, ttl }: RoutePolicy, ttls: Named): string[] {
  return [
    typeof ttl === 'function' ? 'what the function of the route says' : ttlText(ttl, ttls),
    ...jitter > 0 ? [`up to ${percent(jitter)} of it taken off at random`] : [],
    ...adaptive === undefined ? [] : [`then as often as it changes, from ${lengthText(adaptive.minMs)} to ${lengthText(adaptive.maxMs)}, so that at most ${percent(adaptive.maxStaleFraction)} of what is served is outdated`]
  ]
}

/** It was checked when the route was declared. */
function ttlText (ttl: unknown, ttls: Named): string {
  if (ttl === 'http') return 'what the header fields of the response say'
  const ms = typeof ttl === 'string' ? ttls.get(ttl) ?? durationToMs(ttl) : durationToMs(ttl)
  if (ms !== undefined) return ms === 0 ? '0: nothing is stored' : typeof ttl === 'string' && ttls.has(ttl) ? `${ttl}, ${lengthText(ms)}` : lengthText(ms)
  if (types.isDate(ttl)) return `until ${ttl.toISOString()}`
  const { heuristic, http, timeZone, until, ...byStatus } = ttl as { heuristic?: unknown, http?: true, timeZone?: string, until?: string | Date }
  if (http === true) return `what the header fields of the response say${heuristic === undefined ? '' : `, or else a tenth of the time since Last-Modified, up to ${lengthText(durationToMs(heuristic)!)}`}`
  if (until !== undefined) return `until ${types.isDate(until) ? until.toISOString() : until}${timeZone === undefined ? '' : ` in ${timeZone}`}`
  return Object.entries(byStatus).filter(([, lifetime]) => lifetime !== undefined).map(([status, lifetime]) => `status ${status}: ${ttlText(lifetime, ttls)}`).join(', ')
}

function keyWords ({ body, cookies, headers, key, query, userOf }: RoutePolicy): string[] {
  const own = key === undefined ? ['the path', queryText(query)] : ['what the key function of the route returns']
  return [
    [
      'protocol and host',
      ...own,
      ...headers.map((name) => `header ${name}`),
      ...cookies.map((name) => `cookie ${name}`),
      ...body ? ['the body'] : [],
      ...userOf === false ? [] : ['the user'],
      'what the response names in Vary'
    ].join(', ')
  ]
}

function queryText (query: RoutePolicy['query']): string {
  if (query === 'all') return 'all of the query'
  return query.size === 0 ? 'nothing of the query, which the handler does not see' : `of the query only ${[...query].join(', ')}, as the handler sees it`
}

function bypassWords ({ methods: cached, obeys, shared, skip, userOf }: RoutePolicy, methods: readonly string[]): string[] {
  const others = methods.filter((method) => !cached.has(method))
  return [
    ...shared === false ? [userOf === false ? 'requests with credentials that the key does not cover' : 'requests with credentials of which no user is found'] : [],
    ...skip === undefined ? [] : ['requests for which the skip function of the route says so'],
    ...obeys === undefined ? [] : ['requests with Cache-Control: no-store, where what they ask for counts'],
    ...others.length === 0 ? [] : [`the method ${others.join(', ')}`]
  ]
}

const FIRST_STATUS = 200
const LAST_STATUS = 599

function storedWords ({ compress, isHttp, maxBytes, mayStoreStatus, shared, storeIf }: RoutePolicy): string[] {
  const statuses = Array.from({ length: LAST_STATUS - FIRST_STATUS + 1 }, (_, at) => FIRST_STATUS + at).filter(mayStoreStatus)
  return [
    statuses.length > MOST_STATUSES ? `every status${isHttp ? ' whose header fields allow it' : ''}` : `status ${statuses.join(', ')}`,
    `bodies up to ${maxBytes.toLocaleString('en')} bytes`,
    ...storeIf === undefined ? [] : ['where the storeIf function of the route agrees'],
    ...compress === undefined ? [] : [`compressed with ${CODINGS[compress]}`],
    ...shared === true ? ['one response for everybody, credentials or not'] : [],
    ...shared === 'http' ? ['responses to requests with credentials where they say that they are for everybody'] : []
  ]
}

const MOST_STATUSES = 50
const CODINGS = { br: 'brotli', gzip: 'gzip', zstd: 'zstd' } as const

function labelWords ({ tags, userOf }: RoutePolicy): string[] {
  const names = typeof tags === 'function' ? 'the tags that a function of the route gives' : tags.length === 0 ? 'tags that its handler adds' : `tags ${tags.join(', ')}`
  return [['namespace', 'URL', 'key', ...userOf === false ? [] : ['user'], names].join(', ')]
}

function staleWords ({ softMs, stale, throttleMs }: RoutePolicy): string[] {
  const { ifErrorMs = 0, whileRevalidateMs = 0 } = stale
  return [
    ...whileRevalidateMs === 0 ? [] : [`for ${lengthText(whileRevalidateMs)} more, while a new one is made in the background`],
    ...ifErrorMs === 0 ? [] : [`for ${lengthText(ifErrorMs)} more, when the handler fails; it is tried again after ${lengthText(throttleMs)}`],
    ...softMs === undefined ? [] : [`when the handler takes longer than ${lengthText(softMs)}`]
  ]
}

function handlerWords ({ hardMs, lock, maxFills, refreshAhead, revalidateMs }: RoutePolicy): string[] {
  return [
    lock === false ? 'runs for each request that misses' : `runs once for those that miss at the same time; the others wait for it, ${lengthText(lock.waitMs)} at most`,
    ...hardMs === undefined ? [] : [`is not waited for longer than ${lengthText(hardMs)}`],
    ...Number.isFinite(maxFills) ? [`runs ${maxFills} times at once at most`] : [],
    ...refreshAhead ? ['runs shortly before the end of what is asked for often'] : [],
    ...revalidateMs > 0 ? [`may answer 304 for ${lengthText(revalidateMs)} after the end of a response with a validator of its own`] : []
  ]
}

function clientWords ({ downstream }: RoutePolicy): string[] {
  if (downstream === undefined) return []
  const { cdnMaxAgeSeconds, maxAgeSeconds, tags } = downstream
  return [
    ...maxAgeSeconds === undefined ? [] : [`may keep it for ${lengthText(maxAgeSeconds * 1000)}`],
    ...cdnMaxAgeSeconds === undefined ? [] : [`a CDN for ${lengthText(cdnMaxAgeSeconds * 1000)}`],
    ...tags === undefined ? [] : [`a CDN finds the tags in ${tags}`]
  ]
}

function percent (share: number): string {
  return `${Math.round(share * 10_000) / 100} %`
}

const UNITS = [['day', 86_400_000], ['hour', 3_600_000], ['minute', 60_000], ['second', 1000], ['millisecond', 1]] as const

/** In the largest unit of which it is a whole number. */
function lengthText (ms: number): string {
  const [name, length] = UNITS.find(([, length]) => ms >= length && ms % length === 0) ?? ['millisecond', 1]
  return `${ms / length} ${name}${ms === length ? '' : 's'}`
}
