import { parseCacheControl, type CacheDirectives } from './cache-control.ts'
import { parseHttpDate } from './dates.ts'
import { directiveMs, parseDeltaMs } from './delta-seconds.ts'
import { fieldText, type ResponseHeaders } from './response-fields.ts'
import { parseDictionary } from './structured-dictionary.ts'

/** The directives that count for this cache. With those of a targeted field Cache-Control and Expires do not. */
export interface CachingDirectives {
  readonly directives: CacheDirectives
  readonly isTargeted: boolean
}

/**
 * RFC 9213 section 2.2: the first of the targeted fields (lower-case names) that is there, well-formed and not empty; without one
 * Cache-Control. `undefined` when there is neither. Surrogate-Control is older than that and has names in any case (Edge Architecture 1.0).
 */
export function cachingDirectives (headers: ResponseHeaders, targetedFields: readonly string[]): CachingDirectives | 'malformed' | undefined {
  for (const name of targetedFields) {
    const field = headers[name]
    const directives = field === undefined ? undefined : parseDictionary(name === 'surrogate-control' ? fieldText(field).toLowerCase() : fieldText(field))
    if (directives !== undefined) return { directives, isTargeted: true }
  }
  const field = headers['cache-control']
  if (field === undefined) return undefined
  const directives = parseCacheControl(fieldText(field))
  return directives === undefined ? 'malformed' : { directives, isTargeted: false }
}

/** Whether the response has one of these directives. What cannot be read counts as having any: who sent it meant to say something. */
export function saysAny (headers: ResponseHeaders, targetedFields: readonly string[], names: readonly string[]): boolean {
  const caching = cachingDirectives(headers, targetedFields)
  return caching !== undefined && (caching === 'malformed' || names.some((name) => caching.directives.has(name)))
}

/** What else is needed to find how long a response is fresh. */
export interface LifetimeContext {
  readonly targetedFields: readonly string[]
  readonly status: number
  /** Allows a heuristic lifetime, up to this. */
  readonly heuristicMaxMs?: number | undefined
  /** When the response was received: stands in for a missing Date. */
  readonly now: number
}

/** RFC 9110 section 15.1. */
const HEURISTICALLY_CACHEABLE = new Set([200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501])

/**
 * How long a response is fresh from its generation on, in milliseconds (RFC 9111 section 4.2.1): 0 also where it says so in a way that
 * cannot be read, `undefined` where it says nothing.
 */
export function freshnessLifetimeMs (headers: ResponseHeaders, { targetedFields, status, heuristicMaxMs, now }: LifetimeContext): number | undefined {
  const caching = cachingDirectives(headers, targetedFields)
  if (caching === 'malformed') return 0
  const said = caching && (directiveMs(caching.directives, 's-maxage') ?? directiveMs(caching.directives, 'max-age'))
  if (said !== undefined) return said
  const generatedAt = dateOf(headers.date, now) ?? now
  if (headers.expires !== undefined && caching?.isTargeted !== true) {
    return Math.max(0, (dateOf(headers.expires, now) ?? 0) - generatedAt)
  }
  const mayGuess = HEURISTICALLY_CACHEABLE.has(status) || caching?.directives.has('public') === true
  return mayGuess && heuristicMaxMs !== undefined ? heuristicMs(dateOf(headers['last-modified'], now), { generatedAt, heuristicMaxMs }) : undefined
}

/** RFC 9111 section 4.2.2: a tenth of the time for which it has not changed. */
function heuristicMs (modifiedAt: number | undefined, { generatedAt, heuristicMaxMs }: { generatedAt: number, heuristicMaxMs: number }): number | undefined {
  if (modifiedAt === undefined || modifiedAt > generatedAt) return undefined
  return Math.min((generatedAt - modifiedAt) / 10, heuristicMaxMs)
}

/** The instant in a field; `undefined` without the field, and when its lines disagree or hold no date. */
function dateOf (field: ResponseHeaders[string], now: number): number | undefined {
  if (field === undefined) return undefined
  const lines = new Set([field].flat().map(String))
  return lines.size === 1 ? parseHttpDate([...lines][0]!, now) : undefined
}

/** An age that cannot be read counts as one that no response has: whoever sent it meant to say that the response is not new. */
const UNREADABLE_AGE_MS = 2 ** 31 * 1000

/**
 * How old a response was when it was received, in milliseconds (RFC 9111 section 4.2.3, corrected_initial_age). `now` is when it was,
 * `delayMs` the time since it was asked for. A Date in the future counts as no age. Section 5.1 would have an Age that is no number, or several,
 * ignored or read in part; then a response would be taken for younger than it is, so that it counts as stale here.
 */
export function initialAgeMs (headers: ResponseHeaders, { now, delayMs }: { readonly now: number, readonly delayMs: number }): number {
  const generatedAt = dateOf(headers.date, now) ?? now
  // Date has no parts of a second: without this every response would be half a second old on average when it is new.
  const apparentMs = Math.max(0, Math.floor((now - generatedAt) / 1000) * 1000)
  const ageMs = headers.age === undefined ? 0 : parseDeltaMs(fieldText(headers.age)) ?? UNREADABLE_AGE_MS
  return Math.max(apparentMs, ageMs + delayMs)
}

/** Whether the response says that it may be used for others although its request carried credentials (RFC 9111 section 3.5). */
export function statesSharing (headers: ResponseHeaders, targetedFields: readonly string[]): boolean {
  const caching = cachingDirectives(headers, targetedFields)
  if (caching === undefined || caching === 'malformed') return false
  const { directives } = caching
  const isSaid = (name: string): boolean => directives.get(name)?.includes(null) === true
  return isSaid('public') || isSaid('must-revalidate') || parseDeltaMs(directives.get('s-maxage')?.[0]) !== undefined
}
