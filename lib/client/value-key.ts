import { LEASE_ID, RESERVED_IDS, RESPONSE_ID, STATS_ID } from '../cache-key.ts'
import { describe, InvalidKeyError } from '../errors.ts'
import type { StoreKey } from '../store/store.ts'

/** Characters. */
const LONGEST_KEY = 512

/** The key of a value of the client. Throws on what is no name, or one that is kept for something else. */
export function valueKey (key: unknown): StoreKey {
  if (typeof key !== 'string' || key === '' || key.length > LONGEST_KEY || /[\r\n\0]/.test(key)) throw new InvalidKeyError(LONGEST_KEY, describe(key))
  const keptFor = RESPONSE_ID.test(key) ? 'stored responses' : LEASE_ID.test(key) ? 'leases' : STATS_ID.test(key) ? 'statistics' : RESERVED_IDS.get(key)
  if (keptFor !== undefined) throw new InvalidKeyError(LONGEST_KEY, `${describe(key)}, which is kept for ${keptFor}`)
  return { id: key, text: key }
}

/** What comes before the first colon. */
export function namespaceOf (key: string): string {
  return key.split(':', 1)[0]!
}
