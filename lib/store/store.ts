import type { EventLog } from '../events/event-log.ts'
import type { Leases } from '../leases.ts'
import type { HotStore } from '../warming/hot-store.ts'
import type { Labelled } from '../marks/ledger.ts'
import type { Marks } from '../marks/marks.ts'
import type { FleetLog } from '../stats/fleet-log.ts'
import type { Entry } from '../stored-entry.ts'
import type { StoreFacts } from './store-facts.ts'

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

/** What an entry has besides its body. */
export type EntryHeader = Entry extends infer Kind ? Kind extends Entry ? Omit<Kind, 'body'> : never : never

export interface PageOptions extends WalkOptions {
  /** What the page before has given. Default: from the beginning. */
  readonly cursor?: string | undefined
  /** About so many entries. */
  readonly limit: number
  /** How the ids of the entries begin. */
  readonly head: string
  /** Entries with other ids may be left out, which saves reading them. */
  readonly isWanted?: (id: string) => boolean
  /** Whether to say how large a part the page is. Default `false`. */
  readonly isSample?: boolean
}

/** An entry without its body, as a page has it. */
export interface PagedEntry {
  readonly id: string
  readonly header: EntryHeader
  readonly bodyBytes: number
  /** Milliseconds until it goes; `undefined`: it stays. */
  readonly ttlMs: number | undefined
}

/** Some of the entries. */
export interface Page {
  readonly entries: readonly PagedEntry[]
  /** Where the next page begins. Without it there is none. A page may be empty and not the last one. */
  readonly cursor?: string
  /** About how large a part of all was looked at for this page, from 0 to 1, where that is asked for and known. */
  readonly share?: number
}

/** An entry as it is stored. */
export interface ReadEntry {
  readonly entry: Entry
  /** Milliseconds until it goes; `undefined`: it stays. */
  readonly ttlMs: number | undefined
}

/** How much memory the entries of this process take. */
export interface MemoryStats {
  readonly entries: number
  readonly bytes: number
  readonly maxBytes: number
  /** Entries that went before their time, to make room for others. */
  readonly evictions: number
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
  /** Where processes with this store tell what they have counted. Without it each process knows its own numbers. Not of a store of the user's. */
  readonly fleet?: FleetLog
  /** The entry, or `undefined`. */
  get (key: StoreKey): MaybePromise<Entry | undefined>
  /** What this process may give without asking anybody, because it has a copy of it: while the store cannot be asked. */
  getCopy? (key: StoreKey): Entry | undefined
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
  /**
   * Some of the entries, without their bodies: an entry that is there from the first page to the last is met on one of them. A cursor is
   * whatever somebody gives for one. Without it nobody can look at what is stored.
   */
  page? (options: PageOptions): MaybePromise<Page>
  /** The entry with this id, without counting as its use. Without it nobody can look at it. */
  read? (id: string): MaybePromise<ReadEntry | undefined>
  /** What the store says of itself, for advice. Without it there is none on the store. */
  facts? (): Promise<StoreFacts>
  /** Copies are there, and invalidations cannot be heard of: each hit asks first. */
  readonly isDeaf?: boolean
  /** How full the memory of this process is, where it keeps entries in it. */
  memoryStats? (): MemoryStats
  /** Hears that an answer did not come in time, made no sense, or was that of a replica. */
  suspect? (): void
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
