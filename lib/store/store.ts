import type { EventLog } from '../events/event-log.ts'
import type { Leases } from '../leases.ts'
import type { HotStore } from '../warming/hot-store.ts'
import type { Labelled } from '../marks/ledger.ts'
import type { Marks } from '../marks/marks.ts'
import type { Entry } from '../stored-entry.ts'

/** A value now, or later: a store in this process answers at once, so that a hit costs no tick. */
export type MaybePromise<T> = T | Promise<T>

/** The name of an entry, in two forms. */
export interface StoreKey {
  /** A short printable name without the prefix, unique up to a 128-bit hash. Use it where keys have a price. */
  readonly id: string
  /** The whole key material: equal only for requests that may share a response. */
  readonly text: string
}

/** Whether nobody needs this entry any more. */
export type IsDead = (entry: Labelled, key: { readonly id: string }) => boolean

export interface WalkOptions {
  /** Ends the walk, which then rejects with the reason of the signal. */
  readonly signal?: AbortSignal
}

export interface DeleteValuesOptions extends WalkOptions {
  /** Hears the ids of each batch that was removed, among them those whose removal was sent and not answered. */
  readonly onRemoved?: (ids: string[]) => Promise<void>
}

export interface Swept {
  /** Entries that were looked at. */
  readonly scanned: number
  readonly removed: number
}

/**
 * Where entries are kept. A store may lose an entry at any time, but may never give one back after its time, nor under
 * another key. It may throw or reject: the cache then runs the handler. `lib/store/contract.ts` holds these promises.
 */
export interface Store {
  /**
   * Marks that all processes with this store share. When a `get` has answered, their ledger knows every mark that was confirmed
   * before that `get` was called. Without them an invalidation is known to the process that makes it.
   */
  readonly marks?: Marks
  /** Events that all processes with this store share. Without them `publish` reaches the handlers of its own process. */
  readonly events?: EventLog
  /** Leases that all processes with this store share. Without them each process makes its responses by itself. */
  readonly leases?: Leases
  /** What all processes with this store are asked for most. Without it each process knows its own hits. */
  readonly hot?: HotStore
  /** The entry, or `undefined`. */
  get (key: StoreKey): MaybePromise<Entry | undefined>
  /** Like `get`, but never a copy that another process may have replaced. Without it, `get` gives none. */
  getLatest? (key: StoreKey): MaybePromise<Entry | undefined>
  /** Keeps the entry for `ttlMs` (a positive whole number of milliseconds), replacing what is there. */
  set (key: StoreKey, entry: Entry, ttlMs: number): MaybePromise<void>
  /** Removes the entry; tells whether there was one. */
  delete (key: StoreKey): MaybePromise<boolean>
  /** Gives an existing entry a new time to live; tells whether there was one. */
  expire (key: StoreKey, ttlMs: number): MaybePromise<boolean>
  /** Milliseconds until the entry goes, or `undefined` without one. */
  ttlMs (key: StoreKey): MaybePromise<number | undefined>
  /** Removes the values of the client whose keys match a glob; gives their number. Without it they go by their time to live. */
  deleteValues? (glob: string, options: DeleteValuesOptions): Promise<number>
  /** Removes the entries that are dead, without being in the way of others. Without it they go by their time to live. */
  sweep? (isDead: IsDead, options: WalkOptions): Promise<Swept>
  /** Resolves when the store answers. */
  ping (): MaybePromise<void>
  /** Resolves once the store can be used. The cache does not wait for it. */
  connect (): MaybePromise<void>
  /** Frees what the store holds. */
  close (): MaybePromise<void>
}

export function isPromise<T> (value: MaybePromise<T>): value is Promise<T> {
  return typeof (value as { then?: unknown } | undefined)?.then === 'function'
}
