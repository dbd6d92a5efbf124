import { LocalHot, type HotStore } from '../warming/hot-store.ts'
import { inTime, LONGEST_TIMER_MS, timer } from '../deadline.ts'
import { StoreUnavailableError, StoreUnsupportedError } from '../errors.ts'
import { LocalEventLog, type EventLog } from '../events/event-log.ts'
import { LocalLeases, type Lease, type LeaseAnswer, type LeaseOptions, type Leases } from '../leases.ts'
import type { Logger } from '../logger.ts'
import type { MarkKind } from '../marks/ledger.ts'
import { LocalMarks, type Marks } from '../marks/marks.ts'
import type { Entry } from '../stored-entry.ts'
import { isOffline, StoreHealth } from './store-health.ts'
import { isPromise, type MaybePromise, type Store, type StoreKey, type Swept } from './store.ts'

/** What a read gives when the store could not answer. */
export const UNAVAILABLE = Symbol('store unavailable')

export interface GuardOptions {
  readonly readMs: number
  readonly writeMs: number
  readonly clock: () => number
  readonly logger: Logger
}

/**
 * The one place where faults of a store end: every operation has a deadline of its own (the client's timeout does not
 * bound a command it has already written), a fault becomes a named outcome, and each change of state is logged once.
 */
export class GuardedStore {
  readonly marks: Marks
  /** Its `append` rejects like `delete`. */
  readonly events: EventLog
  /** Its `acquire` rejects when the store cannot be asked, which is noted here. */
  readonly leases: Leases
  readonly hot: HotStore
  readonly #store: Store
  readonly #options: GuardOptions
  readonly #reading: StoreHealth
  readonly #writing: StoreHealth
  #isConnected = false
  /** Why there is no connection; the client only says that there is none. */
  #offline: unknown

  constructor (store: Store, options: GuardOptions) {
    this.#store = store
    this.marks = store.marks ?? new LocalMarks(options)
    this.#options = options
    const events = store.events ?? new LocalEventLog()
    this.events = {
      append: async (json) => { await this.#confirmed('the event', () => events.append(json)) },
      follow: (listener) => events.follow(listener)
    }
    this.hot = store.hot ?? new LocalHot()
    const leases = store.leases ?? new LocalLeases(options)
    this.leases = { acquire: async (name, how) => await this.#acquire(leases, name, how) }
    this.#reading = new StoreHealth('read', options)
    this.#writing = new StoreHealth('write', options)
  }

  /** Never throws or rejects. Answers at once when the store does. */
  get (key: StoreKey): MaybePromise<Entry | undefined | typeof UNAVAILABLE> {
    try {
      const found = this.#store.get(key)
      if (isPromise(found)) return this.#readLater(found)
      this.#reading.answered()
      return found
    } catch (fault) {
      return this.#unavailable(fault)
    }
  }

  /** Like `get`, but never a copy. */
  async getLatest (key: StoreKey): Promise<Entry | undefined | typeof UNAVAILABLE> {
    try {
      return await this.#read(this.#store.getLatest === undefined ? this.#store.get(key) : this.#store.getLatest(key))
    } catch (fault) {
      return this.#unavailable(fault)
    }
  }

  /** Tells whether the store kept the entry. Never throws or rejects. */
  async set (key: StoreKey, entry: Entry, ttlMs: number): Promise<boolean> {
    try {
      await this.#write(() => this.#store.set(key, entry, ttlMs))
      return true
    } catch {
      return false // noted and logged by #write
    }
  }

  /** Rejects with `RESPONSE_CACHE_ERR_STORE_UNAVAILABLE` unless the store confirmed. */
  async delete (key: StoreKey): Promise<boolean> {
    return await this.#confirmed('delete', () => this.#store.delete(key))
  }

  /** Marks labels. Rejects like `delete`. */
  async mark (kind: MarkKind, labels: readonly string[]): Promise<void> {
    await this.#confirmed('the invalidation', () => this.marks.mark(kind, labels))
  }

  /** Says that values were set or removed, for copies of them in other processes. Rejects like `delete`. */
  async changed (ids: readonly string[]): Promise<void> {
    await this.#confirmed('the change', () => this.marks.changed(ids))
  }

  /** Brings what is known of the marks up to date; tells whether that was possible. */
  async refreshMarks (): Promise<boolean> {
    try {
      await this.#read(this.marks.refresh())
      return true
    } catch (fault) {
      this.#reading.failed(fault)
      return false
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

  /** Rejects like `delete`. */
  async ping (): Promise<void> {
    await this.#confirmed('ping', () => this.#store.ping())
  }

  /** `undefined` also when the store could not answer. */
  async ttlMs (key: StoreKey): Promise<number | undefined> {
    try {
      return await this.#read(this.#store.ttlMs(key))
    } catch (fault) {
      this.#reading.failed(fault)
      return undefined
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
    await this.#store.close()
  }

  /** Notes a fault that the store reports outside of an operation, such as a lost connection. */
  failed (fault: unknown): void {
    this.#offline = fault
    this.#reading.failed(fault)
  }

  readonly #unavailable = (fault: unknown): typeof UNAVAILABLE => {
    this.#reading.failed(this.#reason(fault))
    return UNAVAILABLE
  }

  #reason (fault: unknown): unknown {
    return isOffline(fault) ? this.#offline ?? fault : fault
  }

  /** What `#read` does, with one promise in place of many: this is the way of every hit that is not in this process. */
  #readLater (found: Promise<Entry | undefined>): Promise<Entry | undefined | typeof UNAVAILABLE> {
    return new Promise((resolve) => {
      const late = timer(this.#options.readMs, (fault) => { resolve(this.#unavailable(fault)) })
      found.then((entry) => {
        late.clear()
        this.#reading.answered()
        resolve(entry)
      }, (fault: unknown) => {
        late.clear()
        resolve(this.#unavailable(fault))
      })
    })
  }

  async #acquire (leases: Leases, name: string, how: LeaseOptions): Promise<LeaseAnswer> {
    const { readMs, writeMs } = this.#options
    try {
      // It bounds its wait itself, and each of its commands; a store of the user's may not.
      const answer = await inTime(Math.min(how.waitMs + readMs + writeMs, LONGEST_TIMER_MS), leases.acquire(name, how), { idle: true })
      return checkedAnswer(answer)
    } catch (fault) {
      const reason = this.#reason(fault)
      if (!this.#reading.isFailing) this.#writing.failed(reason)
      throw reason
    }
  }

  async #read<T> (result: MaybePromise<T>): Promise<T> {
    const read = isPromise(result) ? await inTime(this.#options.readMs, result) : result
    this.#reading.answered()
    return read
  }

  async #write<T> (run: () => MaybePromise<T>): Promise<T> {
    try {
      const result = run()
      const written = isPromise(result) ? await inTime(this.#options.writeMs, result) : result
      this.#writing.answered()
      return written
    } catch (fault) {
      const reason = this.#reason(fault)
      // A store that is away fails both ways: one change of state, one line.
      if (!this.#reading.isFailing) this.#writing.failed(reason)
      throw reason
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
      throw unconfirmed(walk, fault)
    }
  }

  /** Waits for the first connection: who starts with an invalidation means it. */
  async #confirmed<T> (operation: string, run: () => MaybePromise<T>): Promise<T> {
    try {
      return await this.#write(() => this.#isConnected ? run() : this.#whenConnected(run))
    } catch (fault) {
      throw unconfirmed(operation, fault)
    }
  }
}

/** So long warming waits for the first connection: without one it warms nothing. */
const CONNECT_MS = 5000

const OUTCOMES: ReadonlySet<unknown> = new Set(['granted', 'ended', 'held', 'resting'])

const HOWS: ReadonlySet<unknown> = new Set(['stored', 'uncacheable', 'failed'])

function checkedAnswer (answer: LeaseAnswer): LeaseAnswer {
  if (!OUTCOMES.has(answer?.outcome)) throw new TypeError('the store gave back something else than an answer of leases.acquire: expected an outcome of granted, ended, held or resting')
  if (answer.outcome === 'ended' && !HOWS.has(answer.how)) throw new TypeError('the store gave back something else than an answer of leases.acquire: expected how to be stored, uncacheable or failed')
  if (answer.outcome !== 'granted') return answer
  const { lease } = answer
  const release: Lease['release'] = async (...how) => {
    try {
      await lease.release(...how)
    } catch { /* it ends by its time */ }
  }
  return { outcome: 'granted', lease: { get isLost () { return lease.isLost }, release } }
}

function unconfirmed (operation: string, fault: unknown): Error {
  if (fault instanceof StoreUnavailableError) return fault
  return new StoreUnavailableError(operation, fault instanceof Error ? fault.message : String(fault), { cause: fault })
}
