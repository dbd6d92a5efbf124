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
  /** The entry, or `undefined`. */
  get (key: StoreKey): MaybePromise<Entry | undefined>
  /** Keeps the entry for `ttlMs` (a positive whole number of milliseconds), replacing what is there. */
  set (key: StoreKey, entry: Entry, ttlMs: number): MaybePromise<void>
  /** Removes the entry; tells whether there was one. */
  delete (key: StoreKey): MaybePromise<boolean>
  /** Gives an existing entry a new time to live; tells whether there was one. */
  expire (key: StoreKey, ttlMs: number): MaybePromise<boolean>
  /** Milliseconds until the entry goes, or `undefined` without one. */
  ttlMs (key: StoreKey): MaybePromise<number | undefined>
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
