import { isEntry, type Entry } from '../stored-entry.ts'
import { isPromise, type MaybePromise, type Store } from './store.ts'

/** A store of the user's: what it gives back is looked at before it is served. A fault is one of the store, not of the route. */
export function checkedStore (store: Store): Store {
  return {
    ...store.marks === undefined ? {} : { marks: store.marks },
    ...store.events === undefined ? {} : { events: store.events },
    ...store.hot === undefined ? {} : { hot: store.hot },
    ...store.leases === undefined ? {} : { leases: store.leases },
    ...store.getLatest === undefined ? {} : { getLatest: (key) => checkedLater(store.getLatest!(key)) },
    ...store.deleteValues === undefined ? {} : { deleteValues: (glob, options) => store.deleteValues!(glob, options) },
    ...store.sweep === undefined ? {} : { sweep: (isDead, options) => store.sweep!(isDead, options) },
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
