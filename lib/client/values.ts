import { MissingTtlError } from '../errors.ts'
import { namespaceLabel, tagLabel } from '../marks/labels.ts'
import { globMatches } from '../marks/glob.ts'
import { isUnmarked, type FillStamp } from '../marks/ledger.ts'
import { labelsOf } from '../marks/targets.ts'
import { checkOptions, tagList } from '../options/check.ts'
import { checkTagLimits } from '../options/limits.ts'
import type { CacheSettings } from '../options/resolve.ts'
import { isHttpTtl, parseLifetime, plannedMs, statusesOf, type Lifetime, type Planned } from '../options/ttl.ts'
import { SingleFlight } from '../single-flight.ts'
import type { StatsBook } from '../stats/stats-book.ts'
import { UNAVAILABLE, type GuardedStore } from '../store/guarded-store.ts'
import type { StoreKey } from '../store/store.ts'
import type { StoredValue } from '../stored-entry.ts'
import { InspectionClient } from './inspection.ts'
import { decodeValueBody, encodeValueBody } from './value-codec.ts'
import { namespaceOf, valueKey } from './value-key.ts'

/** Options of `set`, `setMany` and `getOrSet`. */
export interface SetOptions {
  /** What an invalidation by tag finds the value by. Default: none. */
  tags?: readonly string[]
  /**
   * How long the value is kept: seconds, `'5m'`, a name from `ttls`, a Date, or `{ until: 'midnight' }`. Default: the ttl of the key's
   * namespace, or of `defaults`.
   */
  ttl?: Lifetime
}

/** Options of `getOrSet`. */
export interface GetOrSetOptions<T> extends Omit<SetOptions, 'tags'> {
  /** What an invalidation by tag finds the value by: a list, or a function of the value. Default: none. */
  tags?: readonly string[] | ((value: T) => readonly string[])
}

type ValueBody = Pick<StoredValue, 'encoding' | 'body'>

/** A value that is ready to be stored, but for the moment it is. */
interface Prepared {
  readonly key: StoreKey
  readonly value: ValueBody
  readonly labels: readonly string[]
  readonly planned: Planned
}

/** The part of the client that is about single values. */
export class ValueClient extends InspectionClient {
  readonly #store: GuardedStore
  readonly #settings: CacheSettings
  readonly #flights = new SingleFlight<ValueBody | undefined>()

  constructor (store: GuardedStore, settings: CacheSettings, book: StatsBook) {
    super(store, settings, book)
    this.#store = store
    this.#settings = settings
  }

  /** The value, or `undefined` when there is none. */
  async get<T = unknown> (key: string): Promise<T | undefined> {
    const stored = await this.#read(this.#keyOf(key))
    return stored === undefined ? undefined : decodeValueBody(stored) as T | undefined
  }

  /** Stores a value; `false` when the store failed. With ttl 0 nothing stays under the key, and the answer is `false`. `undefined` is no value. */
  async set (key: string, value: unknown, options: SetOptions = {}): Promise<boolean> {
    const prepared = this.#prepare(key, value, options)
    this.#flights.forget(key)
    return (await this.#replace([prepared]))[0]!
  }

  /** Removes a value; tells whether there was one. A `getOrSet` running in this process does not put its result back. */
  async delete (key: string): Promise<boolean> {
    const storeKey = this.#keyOf(key)
    this.#flights.forget(key)
    if (!this.#settings.enabled) return false
    // One after the other: copies and pools do not keep the order. An invalidated value may still be in the store.
    const found = await this.#read(storeKey)
    const existed = await this.#store.delete(storeKey)
    await this.#store.changed([key])
    return existed && found !== undefined
  }

  /** Whether there is an entry. */
  async has (key: string): Promise<boolean> {
    return await this.#read(this.#keyOf(key)) !== undefined
  }

  /** Gives an existing value a new time to live; tells whether there was one. */
  async expire (key: string, ttl: Lifetime): Promise<boolean> {
    const storeKey = this.#keyOf(key)
    const ttlMs = this.#msLeft(this.planned(key, { ttl }))
    if (ttlMs < 1) return await this.delete(key)
    if (!this.#settings.enabled) return false
    const found = await this.#read(storeKey)
    const existed = await this.#store.expire(storeKey, ttlMs)
    await this.#store.changed([key])
    return existed && found !== undefined
  }

  /** Seconds until the value goes, in fractions, or `undefined` without one. */
  async ttl (key: string): Promise<number | undefined> {
    const storeKey = this.#keyOf(key)
    const ttlMs = await this.#read(storeKey) === undefined ? undefined : await this.#store.ttlMs(storeKey)
    return ttlMs === undefined ? undefined : ttlMs / 1000
  }

  /** The values in the order of their keys, `undefined` where there is none. */
  async getMany<T = unknown> (keys: readonly string[]): Promise<Array<T | undefined>> {
    return await Promise.all(keys.map((key) => this.get<T>(key)))
  }

  /** Stores several values; tells for each whether it was stored. Nothing is stored when one of them cannot be. */
  async setMany (
    entries: Iterable<readonly [key: string, value: unknown]> | Readonly<Record<string, unknown>>,
    options: SetOptions = {}
  ): Promise<boolean[]> {
    const pairs = Symbol.iterator in entries ? [...entries as Iterable<readonly [string, unknown]>] : Object.entries(entries)
    const prepared = pairs.map(([key, value]) => this.#prepare(key, value, options))
    for (const { key } of prepared) this.#flights.forget(key.id)
    return await this.#replace(prepared)
  }

  /** Removes several values; gives the number that there were. */
  async deleteMany (keys: readonly string[]): Promise<number> {
    const deleted = await Promise.all(keys.map((key) => this.delete(key)))
    return deleted.filter((existed) => existed).length
  }

  /**
   * Removes the values whose keys match a glob, such as `user:123:*`, and gives the number that there were. It walks through all keys
   * of the prefix behind other traffic, which takes a while: `invalidatePattern` takes effect at once, for responses as well. A
   * `getOrSet` running in this process does not put its result back. Errors: `RESPONSE_CACHE_ERR_TARGET_INVALID`,
   * `RESPONSE_CACHE_ERR_STORE_UNAVAILABLE`, `RESPONSE_CACHE_ERR_STORE_UNSUPPORTED` for a store of your own that cannot do that.
   */
  async deletePattern (pattern: string): Promise<number> {
    this.assertOpen()
    labelsOf({ patterns: [pattern] }, 'deletePattern()') // says what is wrong
    if (!this.#settings.enabled) return 0
    this.#flights.forgetWhere((key) => globMatches(pattern, key))
    return await this.#store.deleteValues(pattern)
  }

  /**
   * The value, or else what `produce` gives, stored for the next call. Calls that come while it runs in this process wait for
   * its result. When it throws, all of them reject and nothing is stored; `undefined` is not stored either. Every caller
   * gets a copy of its own, the same as a later hit would give.
   */
  async getOrSet<T> (key: string, produce: () => T | Promise<T>, options: GetOrSetOptions<T> = {}): Promise<T> {
    const storeKey = this.#keyOf(key)
    const { tags, ...rest } = options
    const tagsOf = typeof tags === 'function' ? tags : () => tags
    const { labels, planned } = this.#check(key, typeof tags === 'function' ? rest : { ...rest, tags })
    const found = await this.#read(storeKey)
    const value = found === undefined ? undefined : decodeValueBody(found)
    if (value !== undefined) return value as T // what cannot be read, because a newer Node has written it, is not there
    const { ledger } = this.#store.marks
    const filled = ledger.stamp ?? ledger.unmarked
    // What runs since before an invalidation is not for those who ask after it; where the tags are not known yet, it may be any.
    const mayBeJoined = (): boolean => typeof tags === 'function' ? ledger.isLatest(filled) : ledger.verdict({ filled, labels }, storeKey) === 'live'
    const stored = await this.#flights.run(key, async (isCurrent) => {
      const made = await produce()
      if (made === undefined) return undefined
      if (this.isClosed) return encodeValueBody(key, made) // closed meanwhile: nothing is stored, and who waits has it
      const prepared = { ...this.#prepare(key, made, { ...rest, tags: tagsOf(made) }), planned }
      if (isCurrent()) await this.#write(prepared, 'produced', filled)
      return prepared.value
    }, mayBeJoined)
    return (stored === undefined ? undefined : decodeValueBody(stored)) as T
  }

  async #read (key: StoreKey): Promise<StoredValue | undefined> {
    if (!this.#settings.enabled) return undefined
    const entry = await this.#store.get(key)
    if (entry === undefined || entry === UNAVAILABLE || entry.kind !== 'value' || entry.key !== key.text) return undefined
    return this.#store.marks.ledger.verdict(entry, key) === 'live' ? entry : undefined
  }

  /** What was there before is gone, also when the new value is not to be kept. */
  async #replace (prepared: readonly Prepared[]): Promise<boolean[]> {
    const { enabled } = this.#settings
    // What this process has not heard of yet, and was invalidated before this call, does not mean the new values.
    const filled = enabled && await this.#store.refreshMarks() ? this.#store.marks.ledger.stamp : undefined
    const written = await Promise.all(prepared.map(async (one) => {
      if (enabled && this.#msLeft(one.planned) < 1) await this.#store.delete(one.key)
      return await this.#write(one, 'set', filled)
    }))
    if (!enabled) return written
    // Not stored as far as the caller is concerned: other processes may still use what was there before.
    const isTold = await this.#store.changed(prepared.map(({ key }) => key.id)).then(() => true, () => false)
    return written.map((isWritten) => isWritten && isTold)
  }

  async #write ({ key, value, labels, planned }: Prepared, origin: StoredValue['origin'], filled: FillStamp | undefined): Promise<boolean> {
    const ttlMs = this.#msLeft(planned)
    if (!this.#settings.enabled || ttlMs < 1 || filled === undefined || isUnmarked(filled)) return false
    const stored: StoredValue = { kind: 'value', key: key.text, storedAt: this.#settings.clock(), filled, labels, origin, ...value }
    if (this.#store.marks.ledger.verdict(stored, key) !== 'live') return false
    return await this.#store.set(key, stored, ttlMs)
  }

  /** Everything that can be wrong with a value is found here, before anything waits. */
  #prepare (key: string, value: unknown, options: SetOptions): Prepared {
    const storeKey = this.#keyOf(key)
    const { planned, labels } = this.#check(key, options)
    return { key: storeKey, planned, labels, value: encodeValueBody(key, value) }
  }

  #check (key: string, options: SetOptions): { planned: Planned, labels: readonly string[] } {
    const planned = this.planned(key, options)
    const tags = options.tags ?? []
    checkTagLimits(tags, this.#settings.limits, `the options for key "${key}"`)
    return { planned, labels: [namespaceLabel(namespaceOf(key)), ...tags.map(tagLabel)] }
  }

  #keyOf (key: unknown): StoreKey {
    this.assertOpen()
    return valueKey(key)
  }

  /** When such a value goes. Throws on options that are wrong. */
  protected planned (key: string, options: SetOptions): Planned {
    checkOptions<SetOptions>(options, { ttl: { expected: '', accepts: () => true }, tags: tagList }, `the options for key "${key}"`)
    const { clock, defaults, namespaces, ttls } = this.#settings
    const namespace = namespaceOf(key)
    const shared = namespaces[namespace]?.ttl ?? defaults.ttl
    // A ttl function, one by status and one by header fields are about responses; there is none here.
    const ttl: unknown = options.ttl ?? (statusesOf(shared) === undefined && !isHttpTtl(shared) ? shared : undefined)
    if (ttl === undefined || typeof ttl === 'function') throw new MissingTtlError(`key "${key}"`, namespace)
    return parseLifetime(ttl, ttls, `the options for key "${key}"`)(clock())
  }

  #msLeft (planned: Planned): number {
    return plannedMs(planned, this.#settings.clock())
  }
}
