import type { MissReason } from '../http/cache-status.ts'
import type { LookupResult, Miss, Stale } from '../response-cache.ts'
import type { StoredResponse } from '../stored-entry.ts'

export function reasonOf (result: Stale | Miss): MissReason {
  return result.outcome === 'stale' ? 'stale' : result.reason
}

export function responseOf (result: LookupResult): StoredResponse | undefined {
  return result.outcome === 'miss' ? result.former : result.response
}

/** One response is for all requests of a group: those of one key and, as far as it is known what selects its responses, of one variant. */
export function groupOf (result: LookupResult): string {
  return result.key.text
}
