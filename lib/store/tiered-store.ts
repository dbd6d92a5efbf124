import type { EventLog } from '../events/event-log.ts'
import type { Leases } from '../leases.ts'
import type { Logger } from '../logger.ts'
import type { FleetLog } from '../stats/fleet-log.ts'
import type { Entry } from '../stored-entry.ts'
import type { HotStore } from '../warming/hot-store.ts'
import type { MemoryStore } from './memory-store.ts'
import { RecentlyAsked } from './recently-asked.ts'
import type { CopyStamp, RedisMarks } from './redis-marks.ts'
import type { RedisStore } from './redis-store.ts'
import { isRefusal } from './redis-subscription.ts'
import type { StoreFacts } from './store-facts.ts'
import type { DeleteValuesOptions, IsDead, MaybePromise, Page, PageOptions, ReadEntry, Store, StoreKey, Swept, WalkOptions, MemoryStats } from './store.ts'

export interface TieredStoreOptions {
  readonly near: MemoryStore
  readonly far: RedisStore
  readonly maxBytes: number
  /** So long copies are used without a word from Redis. */
  readonly maxBlindMs: number
  readonly clock: () => number
  /** Milliseconds that never go back; the clock of `near`. */
  readonly monotonic: () => number
  readonly logger: Logger
  readonly onFault: (fault: unknown) => void
}

/** A copy larger than this part of the memory would push out too many others. */
const LARGEST_SHARE = 1 / 16
const ANNOUNCE_AGAIN_MS = 1000

/**
 * Copies in this process in front of Redis. Redis has every entry; memory has copies of those that were asked for twice lately.
 *
 * A copy is used without asking Redis while the marks of all processes are heard of as they are set, and were known completely at
 * most `maxBlindMs` ago. Otherwise the marks are read first, which costs a round trip and no body. When that fails as well and the
 * time is over, there is no answer.
 */
export class TieredStore implements Store {
  readonly marks: RedisMarks
  readonly events: EventLog
  readonly leases: Leases
  readonly hot: HotStore
  readonly fleet: FleetLog
  readonly #options: TieredStoreOptions
  readonly #near: MemoryStore
  readonly #far: RedisStore
  readonly #asked = new RecentlyAsked()
  /** Too large to be kept: their time to live need not be asked for. */
  readonly #large = new RecentlyAsked()
  /** Values can be changed by whoever has their key, so their copies say when they were asked for. */
  readonly #copied = new WeakMap<Entry, CopyStamp>()
  /** Undefined until it has listened, or was refused to. */
  #isListening: boolean | undefined
  #isLooking = false
  #announceAt = -Infinity
  #isClosed = false

  constructor (options: TieredStoreOptions) {
    this.#options = options
    this.#near = options.near
    this.#far = options.far
    this.marks = options.far.marks
    this.events = options.far.events
    this.leases = options.far.leases
    this.hot = options.far.hot
    this.fleet = options.far.fleet
    this.#far.listen({
      onMessage: (text) => { this.#hear(text) },
      onUp: () => { this.#setListening(true) },
      onDown: (fault) => { this.#setListening(false, fault) }
    })
  }

  /** Not an async function: a copy is given at once. */
  get (key: StoreKey): MaybePromise<Entry | undefined> {
    const copy = this.#near.get(key)
    if (copy === undefined || !this.#isUsable(copy, key)) return this.#fetch(key)
    const { maxBlindMs } = this.#options
    const { blindMs } = this.marks
    if (this.#isListening !== true || blindMs >= maxBlindMs) return this.#confirm(copy, key)
    if (blindMs > maxBlindMs / 2) this.#look()
    return copy
  }

  /** So long after all marks were known, whether or not they can be heard of. */
  getCopy (key: StoreKey): Entry | undefined {
    if (this.marks.blindMs >= this.#options.maxBlindMs) return undefined
    const copy = this.#near.get(key)
    return copy !== undefined && this.#isUsable(copy, key) ? copy : undefined
  }

  getLatest (key: StoreKey): Promise<Entry | undefined> {
    return this.#fetch(key)
  }

  async set (key: StoreKey, entry: Entry, ttlMs: number): Promise<void> {
    this.#near.delete(key)
    await this.#far.set(key, entry, ttlMs)
  }

  async delete (key: StoreKey): Promise<boolean> {
    this.#near.delete(key)
    return await this.#far.delete(key)
  }

  async expire (key: StoreKey, ttlMs: number): Promise<boolean> {
    this.#near.delete(key)
    return await this.#far.expire(key, ttlMs)
  }

  async ttlMs (key: StoreKey): Promise<number | undefined> {
    return await this.#far.ttlMs(key)
  }

  async deleteValues (glob: string, options: DeleteValuesOptions): Promise<number> {
    await this.#near.deleteValues(glob, { ...options, onRemoved: async () => {} })
    return await this.#far.deleteValues(glob, options)
  }

  async sweep (isDead: IsDead, options: WalkOptions): Promise<Swept> {
    await this.#near.sweep(isDead, options)
    return await this.#far.sweep(isDead, options)
  }

  page (options: PageOptions): Promise<Page> {
    return this.#far.page(options)
  }

  read (id: string): Promise<ReadEntry | undefined> {
    return this.#far.read(id)
  }

  memoryStats (): MemoryStats {
    return this.#near.memoryStats()
  }

  async facts (): Promise<StoreFacts> {
    return await this.#far.facts()
  }

  get isDeaf (): boolean {
    return this.#isListening === false
  }

  suspect (): void {
    this.#far.suspect()
  }

  async ping (): Promise<void> {
    await this.#far.ping()
  }

  async connect (): Promise<void> {
    await this.#far.connect()
  }

  async close (): Promise<void> {
    this.#isClosed = true
    this.#near.close()
    await this.#far.close()
  }

  #isUsable (copy: Entry, key: StoreKey): boolean {
    if (this.marks.ledger.verdict(copy, key) !== 'live') return false
    if (copy.kind !== 'value') return true
    const copied = this.#copied.get(copy)
    return copied !== undefined && this.marks.isCurrent(copied, key)
  }

  async #confirm (copy: Entry, key: StoreKey): Promise<Entry | undefined> {
    try {
      await this.marks.refresh()
    } catch (fault) {
      if (this.marks.blindMs >= this.#options.maxBlindMs) throw fault
      this.#failed(fault) // or the copy would pass for an answer of Redis
    }
    return this.#isUsable(copy, key) ? copy : await this.#fetch(key)
  }

  #fetch (key: StoreKey): Promise<Entry | undefined> {
    this.#near.delete(key)
    if (!this.#asked.note(key.text)) return this.#far.get(key)
    return this.#large.has(key.text) ? this.#fetchLarge(key) : this.#fetchToKeep(key)
  }

  async #fetchLarge (key: StoreKey): Promise<Entry | undefined> {
    const entry = await this.#far.get(key)
    if (entry !== undefined && !this.#isLarge(entry)) this.#large.forget(key.text)
    return entry
  }

  #isLarge (entry: Entry): boolean {
    return entry.body.length > this.#options.maxBytes * LARGEST_SHARE
  }

  /**
   * The time to live is that of Redis: the clock of the process that stored the entry may be ahead. It is asked for first: what is read
   * then may be younger, but not older than that.
   */
  async #fetchToKeep (key: StoreKey): Promise<Entry | undefined> {
    const copied = this.marks.copyStamp
    if (isValueKey(key) && copied === undefined) {
      this.#announce()
      return await this.#far.get(key)
    }
    const { clock, monotonic } = this.#options
    const askedAt = monotonic()
    const ttlMs = await this.#far.ttlMs(key)
    const entry = await this.#far.get(key)
    if (ttlMs === undefined || entry === undefined) return entry
    const leftMs = askedAt + ttlMs - monotonic()
    this.#keep(key, entry, entry.kind === 'response' ? Math.min(leftMs, entry.staleAt - clock()) : leftMs, copied)
    return entry
  }

  /** Needs a write: a Redis that is full refuses it, and reads as before. One at a time, and not with every read. */
  #announce (): void {
    const { monotonic } = this.#options
    if (monotonic() < this.#announceAt) return
    this.#announceAt = Infinity
    // That it failed shows in the next try; until then no copy of a value is kept.
    this.marks.keepCopies().then(() => { this.#announceAt = -Infinity }, () => { this.#announceAt = monotonic() + ANNOUNCE_AGAIN_MS })
  }

  #keep (key: StoreKey, entry: Entry, ttlMs: number, copied?: CopyStamp): void {
    if (ttlMs <= 0 || this.marks.ledger.verdict(entry, key) !== 'live') return
    if (this.#isLarge(entry)) {
      this.#large.note(key.text)
      return
    }
    // What was read is part of a larger buffer, which it would keep from being freed.
    const body = Buffer.allocUnsafeSlow(entry.body.length)
    entry.body.copy(body)
    const copy: Entry = { ...entry, body }
    if (copied !== undefined) this.#copied.set(copy, copied)
    this.#near.set(key, copy, ttlMs)
  }

  /** What fails behind a hit; closing makes it fail. */
  readonly #failed = (fault: unknown): void => {
    if (!this.#isClosed) this.#options.onFault(fault)
  }

  #hear (text: string): void {
    if (!this.marks.hear(text)) this.#catchUp()
  }

  /** Messages may have been missed. */
  #catchUp (): void {
    this.marks.doubt()
    this.#look()
  }

  #look (): void {
    if (this.#isLooking) return
    this.#isLooking = true
    this.marks.refresh().catch(this.#failed).finally(() => { this.#isLooking = false })
  }

  #setListening (isListening: boolean, fault?: unknown): void {
    // Before the first time there may be no Redis yet, of which the guard of the store tells.
    if (!isListening && this.#isListening === undefined && !isRefusal(fault)) return
    const { logger } = this.#options
    const wasListening = this.#isListening
    this.#isListening = isListening
    if (isListening) {
      this.#catchUp()
      if (wasListening !== true) logger.info({ cache: { state: 'listening' } }, 'cache hears of invalidations: hits from memory do not ask Redis')
    } else if (wasListening !== false) {
      logger.warn({ err: fault, cache: { state: 'deaf' } }, 'cache does not hear of invalidations: hits from memory ask Redis first')
    }
  }
}

/** Keys of values are their own material, see the client. */
function isValueKey ({ id, text }: StoreKey): boolean {
  return id === text
}
