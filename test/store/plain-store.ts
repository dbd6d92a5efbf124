import type { Store } from '../../lib/store/store.ts'
import type { Entry } from '../../lib/stored-entry.ts'

/** A store as users write them: it keeps entries as it should, and nothing else. */
export function plainStore (): Store {
  const entries = new Map<string, Entry>()
  return {
    get: ({ text }) => entries.get(text),
    set ({ text }, entry) { entries.set(text, entry) },
    delete: ({ text }) => entries.delete(text),
    expire: () => false,
    ttlMs: () => undefined,
    ping () {},
    connect () {},
    close () {}
  }
}
