import { ClosedError, describe, expectedGot, InvalidKeyError, InvalidOptionError, MissingTtlError } from '../errors.ts'
import { checkOptions } from '../options/check.ts'
import type { Duration } from '../options/duration.ts'
import { ttlExpected, ttlToMs } from '../options/policy.ts'
import type { CacheSettings } from '../options/resolve.ts'
import type { NamedTtl } from '../options/route-options.ts'
import { SingleFlight } from '../single-flight.ts'
import { UNAVAILABLE, type GuardedStore } from '../store/guarded-store.ts'
import type { StoreKey } from '../store/store.ts'
import type { StoredValue } from '../stored-entry.ts'
import { decodeValueBody, encodeValueBody } from './value-codec.ts'

/** Options of `set`, `setMany` and `getOrSet`. */
export interface SetOptions {
  /** How long the value is kept: seconds, `'5m'` or a name from `ttls`. Default: the ttl of the key's namespace, or of `defaults`. */
  ttl?: NamedTtl | Duration
}

const LONGEST_KEY = 512
/** How the ids of stored responses begin: `<namespace>:<METHOD>:`. */
const RESPONSE_ID = /^[\w.-]+:(?:GET|POST|QUERY):/

/**
 * The client, `fastify.cache`. Keys are relative to the prefix, and what stands before their first `:` is their namespace:
 * `user:1:profile` belongs to `user`. Values are copied on their way in and out.
 *
 * When the store fails, reads find nothing and writes answer `false`; `delete`, `expire` and `ping`, whose outcome a caller
 * has to know, reject with `RESPONSE_CACHE_ERR_STORE_UNAVAILABLE`. After `close()` everything rejects with `RESPONSE_CACHE_ERR_CLOSED`.
 */
export class Cache implements AsyncDisposable {
  readonly #store: GuardedStore
  readonly #settings: CacheSettings
  readonly #flights = new SingleFlight<StoredValue | undefined>()
  #closing: Promise<void> | undefined

  constructor (store: GuardedStore, settings: CacheSettings) {
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
    const storeKey = this.#keyOf(key)
    const ttlMs = this.#ttlMs(key, options)
    const stored = this.#stored(storeKey, value)
    this.#flights.forget(key)
    return await this.#replace(storeKey, stored, ttlMs)
  }

  /** Removes a value; tells whether there was one. A `getOrSet` running in this process does not put its result back. */
  async delete (key: string): Promise<boolean> {
    const storeKey = this.#keyOf(key)
    this.#flights.forget(key)
    return this.#settings.enabled ? await this.#store.delete(storeKey) : false
  }

  /** Whether there is an entry. */
  async has (key: string): Promise<boolean> {
    return await this.ttl(key) !== undefined
  }

  /** Gives an existing value a new time to live; tells whether there was one. */
  async expire (key: string, ttl: NamedTtl | Duration): Promise<boolean> {
    const storeKey = this.#keyOf(key)
    const ttlMs = this.#ttlMs(key, { ttl })
    if (ttlMs < 1) return await this.delete(key)
    return this.#settings.enabled ? await this.#store.expire(storeKey, ttlMs) : false
  }

  /** Seconds until the value goes, in fractions, or `undefined` without one. */
  async ttl (key: string): Promise<number | undefined> {
    const storeKey = this.#keyOf(key)
    const ttlMs = this.#settings.enabled ? await this.#store.ttlMs(storeKey) : undefined
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
    const checked = pairs.map(([key, value]) => {
      const storeKey = this.#keyOf(key)
      return { key, storeKey, ttlMs: this.#ttlMs(key, options), stored: this.#stored(storeKey, value) }
    })
    return await Promise.all(checked.map(({ key, storeKey, stored, ttlMs }) => {
      this.#flights.forget(key)
      return this.#replace(storeKey, stored, ttlMs)
    }))
  }

  /** Removes several values; gives the number that there were. */
  async deleteMany (keys: readonly string[]): Promise<number> {
    const deleted = await Promise.all(keys.map((key) => this.delete(key)))
    return deleted.filter((existed) => existed).length
  }

  /**
   * The value, or else what `produce` gives, stored for the next call. Calls that come while it runs in this process wait for
   * its result. When it throws, all of them reject and nothing is stored; `undefined` is not stored either. Every caller
   * gets a copy of its own, the same as a later hit would give.
   */
  async getOrSet<T> (key: string, produce: () => T | Promise<T>, options: SetOptions = {}): Promise<T> {
    const storeKey = this.#keyOf(key)
    const ttlMs = this.#ttlMs(key, options)
    const found = await this.#read(storeKey)
    const stored = found ?? await this.#flights.run(key, async (isCurrent) => {
      const value = await produce()
      if (value === undefined) return undefined
      const fresh = this.#stored(storeKey, value)
      if (isCurrent()) await this.#write(storeKey, fresh, ttlMs)
      return fresh
    })
    return (stored === undefined ? undefined : decodeValueBody(stored)) as T
  }

  /** Resolves when the store answers. */
  async ping (): Promise<void> {
    this.#assertOpen()
    await this.#store.ping()
  }

  /** Resolves once the store can be used; with Redis away that is when it comes back. Routes do not wait for it. */
  async connect (): Promise<void> {
    this.#assertOpen()
    await this.#store.connect()
  }

  /** Frees everything the cache holds; Redis clients that you made stay open. Fastify calls it when the app closes. */
  async close (): Promise<void> {
    await (this.#closing ??= this.#store.close())
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    await this.close()
  }

  async #read (key: StoreKey): Promise<StoredValue | undefined> {
    if (!this.#settings.enabled) return undefined
    const entry = await this.#store.get(key)
    return entry === undefined || entry === UNAVAILABLE || entry.kind !== 'value' || entry.key !== key.text ? undefined : entry
  }

  /** What was there before is gone, also when the new value is not to be kept. */
  async #replace (key: StoreKey, stored: StoredValue, ttlMs: number): Promise<boolean> {
    if (ttlMs < 1 && this.#settings.enabled) await this.#store.delete(key)
    return await this.#write(key, stored, ttlMs)
  }

  async #write (key: StoreKey, stored: StoredValue, ttlMs: number): Promise<boolean> {
    if (!this.#settings.enabled || ttlMs < 1) return false
    return await this.#store.set(key, stored, ttlMs)
  }

  #stored (key: StoreKey, value: unknown): StoredValue {
    return { kind: 'value', key: key.text, storedAt: this.#settings.clock(), ...encodeValueBody(key.text, value) }
  }

  #keyOf (key: unknown): StoreKey {
    this.#assertOpen()
    if (typeof key !== 'string' || key === '' || key.length > LONGEST_KEY || /[\r\n\0]/.test(key)) throw new InvalidKeyError(LONGEST_KEY, describe(key))
    if (RESPONSE_ID.test(key)) throw new InvalidKeyError(LONGEST_KEY, `${describe(key)}, which is kept for stored responses`)
    return { id: key, text: key }
  }

  #ttlMs (key: string, options: SetOptions): number {
    checkOptions<SetOptions>(options, { ttl: { expected: '', accepts: () => true } }, `the options for key "${key}"`)
    const { defaults, namespaces, ttls } = this.#settings
    const namespace = key.split(':', 1)[0]!
    const ttl = options.ttl ?? namespaces[namespace]?.ttl ?? defaults.ttl
    // A ttl function is asked about responses; there is none here.
    if (ttl === undefined || typeof ttl === 'function') throw new MissingTtlError(`key "${key}"`, namespace)
    const ttlMs = ttlToMs(ttl, ttls)
    if (ttlMs === undefined) throw new InvalidOptionError('ttl', `the options for key "${key}"`, expectedGot(ttlExpected(ttls), ttl))
    return ttlMs
  }

  #assertOpen (): void {
    if (this.#closing !== undefined) throw new ClosedError()
  }
}
