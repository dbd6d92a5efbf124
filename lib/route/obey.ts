import { saysAny } from '../http/lifetime.ts'
import type { RequestDirectives } from '../http/request-directives.ts'
import type { LookupResult, ResponseCache, Stale } from '../response-cache.ts'
import type { StoredResponse } from '../stored-entry.ts'

/** What was found, as the request asked for it; `asked-stale`: it takes a response that is not fresh. */
export type FoundAsAsked = LookupResult | { readonly outcome: 'asked-stale', readonly stale: Stale }

/** RFC 9111 section 5.2.1. */
export function asAsked (found: LookupResult, wanted: RequestDirectives, { cache, targetedFields }: { cache: Pick<ResponseCache, 'now' | 'isInvalidated'>, targetedFields: readonly string[] }): FoundAsAsked {
  const response = found.outcome === 'miss' ? found.former : found.response
  if (response === undefined || (found.outcome === 'miss' && found.reason !== 'stale')) return found
  const { key } = found
  const { now } = cache
  const isTooOld = wanted.noCache || (wanted.maxAgeMs !== undefined && ageMs(response, now) > wanted.maxAgeMs)
  const leftMs = response.staleAt - now
  if (found.outcome === 'hit') {
    const isWanted = !isTooOld && leftMs >= (wanted.minFreshMs ?? 0)
    return isWanted ? found : { outcome: 'miss', key, reason: 'request', former: response }
  }
  if (!isTooOld && wanted.maxStaleMs !== undefined && -leftMs <= wanted.maxStaleMs && mayBeStale(response, targetedFields) && !cache.isInvalidated(response, key)) {
    return { outcome: 'asked-stale', stale: { outcome: 'stale', key, response, at: now, use: 'if-error' } }
  }
  const isFreshWanted = isTooOld || wanted.maxAgeMs !== undefined || wanted.minFreshMs !== undefined
  return isFreshWanted ? { outcome: 'miss', key, reason: 'stale', former: response } : found
}

function ageMs ({ storedAt, ageMs }: StoredResponse, now: number): number {
  return now - storedAt + ageMs
}

/** What the response forbids counts more than what the request takes (RFC 9111 section 4.2.4). */
function mayBeStale ({ headers }: StoredResponse, targetedFields: readonly string[]): boolean {
  return !saysAny(Object.fromEntries(headers), targetedFields, ['must-revalidate', 'proxy-revalidate', 's-maxage', 'no-cache'])
}
