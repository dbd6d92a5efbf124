import { isEntry, type Entry } from '../stored-entry.ts'
import { isPromise, type MaybePromise, type Page, type ReadEntry, type Store } from './store.ts'

/** A store of the user's: what it gives back is looked at before it is served. A fault is one of the store, not of the route. */
export function checkedStore (store: Store): Store {
  return {
    ...store.marks === undefined ? {} : { marks: store.marks },
    ...store.events === undefined ? {} : { events: store.events },
    ...store.hot === undefined ? {} : { hot: store.hot },
    ...store.leases === undefined ? {} : { leases: store.leases },
    ...store.getCopy === undefined ? {} : { getCopy: (key) => checked(store.getCopy!(key)) },
    ...store.getLatest === undefined ? {} : { getLatest: (key) => checkedLater(store.getLatest!(key)) },
    ...store.deleteValues === undefined ? {} : { deleteValues: (glob, options) => store.deleteValues!(glob, options) },
    ...store.suspect === undefined ? {} : { suspect: () => { store.suspect!() } },
    ...store.sweep === undefined ? {} : { sweep: (isDead, options) => store.sweep!(isDead, options) },
    ...store.page === undefined ? {} : { page: async (options) => checkedPage(await store.page!(options)) },
    ...store.read === undefined ? {} : { read: async (id) => checkedRead(await store.read!(id)) },
    get: (key) => checkedLater(store.get(key)),
    set: (key, entry, ttlMs) => store.set(key, entry, ttlMs),
    delete: (key) => store.delete(key),
    expire: (key, ttlMs) => store.expire(key, ttlMs),
    ttlMs: (key) => store.ttlMs(key),
    ping: () => store.ping(),
    connect: () => store.connect(),
    close: () => store.close()
  }
}

function checkedLater (found: MaybePromise<unknown>): MaybePromise<Entry | undefined> {
  return isPromise(found) ? found.then(checked) : checked(found)
}

function checked (found: unknown): Entry | undefined {
  if (found === undefined || found === null) return undefined
  const entry = found as Record<string, unknown>
  if (typeof found === 'object' && Buffer.isBuffer(entry.body) && isEntry(entry)) return entry
  throw new TypeError('the store gave back something else than an entry that was stored: expected undefined, or an entry with a Buffer as its body')
}

function checkedPage (page: Page): Page {
  const { entries, cursor, share } = record(page)
  if (Array.isArray(entries) && entries.every(isPaged) && (cursor === undefined || typeof cursor === 'string') && isNumberOrNone(share)) return page
  throw new TypeError('the store gave back something else than a page: expected { entries: [{ id, header, bodyBytes, ttlMs }], cursor? }')
}

function checkedRead (found: ReadEntry | undefined | null): ReadEntry | undefined {
  if (found === undefined || found === null) return undefined
  const { entry, ttlMs } = record(found)
  if (isNumberOrNone(ttlMs) && checked(entry) !== undefined) return found
  throw new TypeError('the store gave back something else than { entry, ttlMs }')
}

function isPaged (value: unknown): boolean {
  const { id, header, bodyBytes, ttlMs } = record(value)
  return typeof id === 'string' && isEntry(record(header)) && typeof bodyBytes === 'number' && isNumberOrNone(ttlMs)
}

function isNumberOrNone (value: unknown): boolean {
  return value === undefined || typeof value === 'number'
}

function record (value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? value as Record<string, unknown> : {}
}
