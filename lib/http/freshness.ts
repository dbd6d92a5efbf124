import { directiveMs } from './delta-seconds.ts'
import { cachingDirectives } from './lifetime.ts'
import type { ResponseHeaders } from './response-fields.ts'

/** How long a response may be used after its freshness lifetime, in milliseconds (RFC 5861). */
export interface StaleWindows {
  /** While a new one is being made (section 3). */
  readonly whileRevalidateMs: number
  /** When making a new one fails (section 4). */
  readonly ifErrorMs: number
}

/** What the options of a route say; undefined where they say nothing. */
export type WantedWindows = { readonly [Name in keyof StaleWindows]: number | undefined }

const NEVER_STALE: StaleWindows = { whileRevalidateMs: 0, ifErrorMs: 0 }

/**
 * The windows of a response. What its own Cache-Control says counts more than the route; `must-revalidate` and `proxy-revalidate`
 * forbid stale use altogether, and so does `s-maxage` where only the field itself asks for it (RFC 9111 sections 4.2.4, 5.2.2.2,
 * 5.2.2.8 and 5.2.2.10). What is no number forbids it as well: somebody meant to bound it.
 */
export function staleWindows (headers: ResponseHeaders, route: WantedWindows, targetedFields: readonly string[]): StaleWindows {
  const caching = cachingDirectives(headers, targetedFields)
  if (caching === undefined || caching === 'malformed') return { whileRevalidateMs: route.whileRevalidateMs ?? 0, ifErrorMs: route.ifErrorMs ?? 0 }
  const { directives } = caching
  if (directives.has('must-revalidate') || directives.has('proxy-revalidate') || directives.has('no-cache')) return NEVER_STALE
  const said = (name: string): number | undefined => directives.has('s-maxage') ? undefined : directiveMs(directives, name)
  return {
    whileRevalidateMs: said('stale-while-revalidate') ?? route.whileRevalidateMs ?? 0,
    ifErrorMs: said('stale-if-error') ?? route.ifErrorMs ?? 0
  }
}

/** What a stored response may be used for. */
export type Use = 'fresh' | 'while-revalidate' | 'if-error' | 'none'

/** The use of a response at a moment. One that is not fresh although its time is not over was invalidated softly. */
export function useOf ({ staleAt, storedAt, whileRevalidateMs, ifErrorMs }: StaleWindows & { readonly staleAt: number, readonly storedAt: number }, at: number, isInvalidated: boolean): Use {
  // One that was never fresh is not, by whatever clock.
  if (staleAt > at && staleAt > storedAt && !isInvalidated) return 'fresh'
  const staleMs = at - staleAt
  if (staleMs < whileRevalidateMs && whileRevalidateMs > 0) return 'while-revalidate'
  return staleMs < ifErrorMs && ifErrorMs > 0 ? 'if-error' : 'none'
}

/** Refreshes shorter than this begin early enough without being weighted by what they cost. */
const LEAST_COST_MS = 50
/** And no more of a lifetime than this is given up for that. */
const MOST_OF_LIFETIME = 1 / 50

/**
 * Whether it is time to make a new response before this one is stale. The moment is drawn at random, as in XFetch (Vattani et al., VLDB
 * 2015), but once for each response and the same for all who ask, so that one of them makes one new response: with a draw for each
 * request, many requests begin the earlier, the more they are. It comes one and a half times before the end of what the handler takes, and
 * half as much more on average.
 */
export function isDueAhead ({ costMs, staleAt, storedAt }: { readonly costMs: number, readonly staleAt: number, readonly storedAt: number }, at: number): boolean {
  const weightMs = Math.max(costMs, Math.min(LEAST_COST_MS, (staleAt - storedAt) * MOST_OF_LIFETIME))
  // No draw is longer than this: most hits end here.
  if (at < staleAt - weightMs * (1.5 + 0.5 * LONGEST_DRAW)) return false
  return at >= staleAt - weightMs * (1.5 - 0.5 * Math.log(fractionOf(storedAt)))
}

/** -ln of the smallest fraction. */
const LONGEST_DRAW = 32 * Math.LN2

/** A number above 0, up to 1, that looks like chance (Fibonacci hashing, Knuth, The Art of Computer Programming 3, section 6.4). */
function fractionOf (time: number): number {
  return ((Math.imul(time % 2 ** 31, 2654435769) >>> 0) + 1) / 2 ** 32
}

/** Whether each use of it has to be asked for (RFC 9111 section 5.2.2.4). */
export function isNeverFresh (stored: { readonly isValidatable: boolean, readonly staleAt: number, readonly storedAt: number } | undefined): boolean {
  return stored !== undefined && stored.isValidatable && stored.staleAt <= stored.storedAt
}
