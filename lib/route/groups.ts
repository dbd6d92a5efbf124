import type { MissReason } from '../http/cache-status.ts'
import { selectingValue, type RequestHeaders } from '../http/vary.ts'
import type { LookupResult, Miss, Stale } from '../response-cache.ts'
import type { StoredResponse } from '../stored-entry.ts'
import type { Admitted } from './admission.ts'

export function reasonOf (result: Stale | Miss): MissReason {
  return result.outcome === 'stale' ? 'stale' : result.reason
}

export function responseOf (result: LookupResult): StoredResponse | undefined {
  return result.outcome === 'miss' ? result.former : result.response
}

/** One response is for all requests of a group: the key, with the values of the header fields that are known to select a response of it. */
export function groupOf ({ admitted, headers }: { readonly admitted: Admitted, readonly headers: RequestHeaders }, result: LookupResult): string {
  const vary = responseOf(result)?.vary ?? []
  let group = admitted.key.text
  for (const [name] of vary) {
    const value = selectingValue(headers, name)
    group += `;${name.length}:${name}${value === null ? '-' : `${value.length}:${value}`}`
  }
  return group
}
