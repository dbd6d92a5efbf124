import { LocalHot, type HotStore } from '../warming/hot-store.ts'
import { stores } from '../channels.ts'
import { inTime } from '../deadline.ts'
import { StoreUnsupportedError } from '../errors.ts'
import { LocalEventLog, type EventLog } from '../events/event-log.ts'
import type { Leases } from '../leases.ts'
import type { MarkKind } from '../marks/ledger.ts'
import { LocalMarks, type Marks } from '../marks/marks.ts'
import { LocalFleetLog, type FleetLog } from '../stats/fleet-log.ts'
import { entryBytes, type Entry } from '../stored-entry.ts'
import { GuardedContents } from './guarded-contents.ts'
import { guardedFleet } from './guarded-fleet.ts'
import { guardedLeases } from './guarded-leases.ts'
import { Invalidations } from './invalidations.ts'
import { PendingWrites } from './pending-writes.ts'
import { StoreProbe } from './store-probe.ts'
import { StoreGuard, unconfirmed, UNAVAILABLE, type GuardOptions, type WriteOptions } from './store-guard.ts'
import type { StoreStats } from './store-stats.ts'
import { isPromise, type MaybePromise, type Store, type StoreKey, type Swept, type MemoryStats } from './store.ts'

export { UNAVAILABLE }

/** So long warming waits for the first connection: without one it warms nothing. */
const CONNECT_MS = 5000

export interface GuardedStoreOptions extends GuardOptions {
  /** How long a caller waits for an invalidation to be confirmed, in milliseconds. */
  readonly invalidateMs: number
  readonly limits: { readonly pendingWrites: number, readonly pendingWriteBytes: number, readonly pendingInvalidations: number, readonly marks: number }
}

/**
 * The one place where faults of a store end: every operation has a deadline of its own (the client's timeout does not
 * bound a command it has already written), a fault becomes a named outcome, a store that keeps failing is left alone for a while,
 * and each change of state is logged once.
 */
export class GuardedStore {
  readonly marks: Marks
  /** Its `append` rejects like `delete`. */
  readonly events: EventLog
  /** Its `acquire` rejects when the store cannot be asked, which is noted here. */
  readonly leases: Leases
  readonly hot: HotStore
  /** Rejects when the store cannot be asked. */
  readonly fleet: FleetLog
  /** What is stored, for who wants to see it. */
  readonly contents: GuardedContents
  /** For people who look, and their tools. */
  readonly probe: StoreProbe
  readonly #store: Store
  readonly #options: GuardedStoreOptions
  readonly #guard: StoreGuard
  readonly #invalidations: Invalidations
  readonly #writes: PendingWrites
  #damaged = 0
  #isConnected = false

  constructor (store: Store, options: GuardedStoreOptions) {
    this.#store = store
    this.marks = store.marks ?? new LocalMarks({ clock: options.clock, most: options.limits.marks, mostUnconfirmed: options.limits.pendingInvalidations })
    this.#options = options
    this.#writes = new PendingWrites(options.limits)
    const events = store.events ?? new LocalEventLog()
    this.events = {
      append: async (json) => { await this.#confirmed('the event', () => events.append(json), { isOther: true }) },
      follow: (listener) => events.follow(listener)
    }
    this.hot = store.hot ?? new LocalHot()
    // What every look-up needs.
    this.#guard = new StoreGuard(options, { probe: () => Promise.all([store.ping(), this.marks.refresh()]), onDoubt: () => { this.#suspect() } })
    this.leases = guardedLeases(store.leases, this.#guard, options)
    this.probe = new StoreProbe(store, { guard: this.#guard, ms: options.readMs })
    this.contents = new GuardedContents({ store, marks: this.marks, failed: (fault) => unconfirmed('what is stored', this.#guard.reasonOf(fault)) })
    this.fleet = store.fleet === undefined ? new LocalFleetLog(options) : guardedFleet(store.fleet, this.#guard)
    this.#invalidations = new Invalidations({
      marks: this.marks,
      invalidateMs: options.invalidateMs,
      tryMs: options.writeMs,
      logger: options.logger,
      isConnected: () => this.#isConnected,
      connect: () => this.connect(),
      admits: () => this.#guard.admits(),
      onAnswered: () => { this.#guard.writing.answered() },
      onFault: (fault) => this.#guard.writeFailed(fault)
    })
  }

  stats (): StoreStats {
    const { reading, writing } = this.#guard
    return {
      read: reading.state,
      write: writing.state,
      errors: reading.errors + writing.errors,
      timeouts: reading.timeouts + writing.timeouts,
      damaged: this.#damaged,
      droppedWrites: this.#writes.dropped,
      pendingWrites: this.#writes.size,
      pendingInvalidations: this.#invalidations.size
    }
  }

  memoryStats (): MemoryStats | undefined {
    return this.#store.memoryStats?.()
  }

  /** The store may work again. */
  ready (): void {
    this.#guard.retry()
  }

  /** Something was read that is nothing of ours. */
  damaged (): void {
    this.#damaged++
  }

  /** Never throws or rejects. Answers at once when the store does. */
  get (key: StoreKey): MaybePromise<Entry | undefined | typeof UNAVAILABLE> {
    const { reading } = this.#guard
    if (!reading.admits()) return this.#copyOf(key)
    try {
      const found = this.#store.get(key)
      if (isPromise(found)) return this.#guard.readLater(found, () => this.#copyOf(key))
      reading.answered()
      return found
    } catch (fault) {
      this.#guard.readFailed(fault)
      return this.#copyOf(key)
    }
  }

  /** Like `get`, but never a copy. */
  async getLatest (key: StoreKey): Promise<Entry | undefined | typeof UNAVAILABLE> {
    try {
      return await this.#guard.read(() => this.#store.getLatest === undefined ? this.#store.get(key) : this.#store.getLatest(key))
    } catch {
      return UNAVAILABLE // noted and logged by the guard
    }
  }

  /** Tells whether the store kept the entry. Never throws or rejects. */
  async set (key: StoreKey, entry: Entry, ttlMs: number): Promise<boolean> {
    const bytes = entryBytes(entry)
    if (!this.#writes.admits(bytes) || !this.#guard.writing.admits()) {
      this.#writes.dropped++
      return false
    }
    try {
      const store = (): Promise<void> => this.#guard.admitted(() => this.#writes.track(this.#store.set(key, entry, ttlMs), bytes))
      await (stores.hasSubscribers ? stores.tracePromise(store, { key: key.id }) : store())
      return true
    } catch {
      return false // noted and logged by the guard
    }
  }

  /** Rejects with `RESPONSE_CACHE_ERR_STORE_UNAVAILABLE` unless the store confirmed. */
  async delete (key: StoreKey): Promise<boolean> {
    return await this.#confirmed('delete', () => this.#store.delete(key))
  }

  /** Marks labels, now or as soon as the store can. Rejects with `RESPONSE_CACHE_ERR_INVALIDATION_PENDING` when it has not confirmed in time. */
  async mark (kind: MarkKind, labels: readonly string[]): Promise<void> {
    // Marks of this process alone are set at once: there is nothing to wait for, and nothing that could fail.
    if (this.#store.marks === undefined) await this.marks.mark(kind, labels)
    else await this.#invalidations.mark(kind, labels)
  }

  /** Says that values were set or removed, for copies of them in other processes. Rejects like `delete`. */
  async changed (ids: readonly string[]): Promise<void> {
    await this.#confirmed('the change', () => this.marks.changed(ids))
  }

  /** Brings what is known of the marks up to date; tells whether that was possible. */
  async refreshMarks (): Promise<boolean> {
    try {
      await this.#guard.read(() => this.marks.refresh())
      return true
    } catch {
      return false // noted and logged by the guard
    }
  }

  /** Rejects like `delete`. */
  async expire (key: StoreKey, ttlMs: number): Promise<boolean> {
    return await this.#confirmed('expire', () => this.#store.expire(key, ttlMs))
  }

  /** Removes values by a glob. Has no deadline; rejects like `delete`. */
  async deleteValues (glob: string): Promise<number> {
    const { deleteValues } = this.#store
    if (deleteValues === undefined) throw new StoreUnsupportedError('deleteValues')
    return await this.#walked('the deletion', () => deleteValues.call(this.#store, glob, { onRemoved: async (ids) => { await this.changed(ids) } }))
  }

  /** Removes dead entries. Has no deadline; rejects like `delete`. */
  async sweep (): Promise<Swept> {
    const { sweep } = this.#store
    if (sweep === undefined) throw new StoreUnsupportedError('sweep')
    return await this.#walked('the sweep', async () => {
      await this.marks.refresh()
      return await sweep.call(this.#store, (entry, key) => this.marks.ledger.verdict(entry, key) === 'dead', {})
    })
  }

  /** Asks the store, also while it is left alone. Rejects like `delete`. */
  async ping (): Promise<void> {
    try {
      await inTime(this.#options.writeMs, this.#isConnected ? Promise.resolve(this.#store.ping()) : this.#whenConnected(() => this.#store.ping()))
    } catch (fault) {
      throw unconfirmed('ping', this.#guard.writeFailed(fault))
    }
  }

  /** `undefined` also when the store could not answer. */
  async ttlMs (key: StoreKey): Promise<number | undefined> {
    try {
      return await this.#guard.read(() => this.#store.ttlMs(key))
    } catch {
      return undefined // noted and logged by the guard
    }
  }

  async connect (): Promise<void> {
    await this.#store.connect()
    this.#isConnected = true
  }

  /** Resolves when it is connected, and after some seconds without. Never rejects. */
  async connectedSoon (): Promise<void> {
    if (!this.#isConnected) await inTime(CONNECT_MS, this.connect(), { idle: true }).catch(() => {})
  }

  async close (): Promise<void> {
    await this.#invalidations.close()
    this.#guard.close()
    await this.#store.close()
  }

  /** Notes a fault that the store reports outside of an operation, such as a lost connection. */
  failed (fault: unknown): void {
    this.#guard.note(fault)
  }

  /** What this process has itself, while the store cannot be asked. */
  #copyOf (key: StoreKey): Entry | typeof UNAVAILABLE {
    try {
      return this.#store.getCopy?.(key) ?? UNAVAILABLE
    } catch (fault) {
      this.#guard.reading.note(fault)
      return UNAVAILABLE
    }
  }

  /** Called by timers, where nobody would catch what a store throws. */
  #suspect (): void {
    try {
      this.#store.suspect?.()
    } catch (fault) {
      this.#guard.reading.note(fault)
    }
  }

  async #whenConnected<T> (run: () => MaybePromise<T>): Promise<T> {
    await this.connect()
    return await run()
  }

  async #walked<T> (walk: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (fault) {
      throw unconfirmed(walk, this.#guard.reasonOf(fault))
    }
  }

  /** Waits for the first connection: who begins with one of these means it. */
  async #confirmed<T> (operation: string, run: () => MaybePromise<T>, how?: WriteOptions): Promise<T> {
    try {
      return await this.#guard.write(() => this.#isConnected ? run() : this.#whenConnected(run), how)
    } catch (fault) {
      throw unconfirmed(operation, fault)
    }
  }
}
