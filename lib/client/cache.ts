import { ClosedError, describe, expectedGot, InvalidKeyError, InvalidOptionError, MissingTtlError } from '../errors.ts'
import { ALL, namespaceLabel, tagLabel } from '../marks/labels.ts'
import type { FillStamp } from '../marks/ledger.ts'
import { labelsOf, type Invalidated, type InvalidateOptions, type InvalidationTargets, type OneOrMore } from '../marks/targets.ts'
import { boolean, checkOptions, tagList } from '../options/check.ts'
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
  /** What an invalidation by tag finds the value by. Default: none. */
  tags?: readonly string[]
  /** How long the value is kept: seconds, `'5m'` or a name from `ttls`. Default: the ttl of the key's namespace, or of `defaults`. */
  ttl?: NamedTtl | Duration
}

type ValueBody = Pick<StoredValue, 'encoding' | 'body'>

/** A value that is ready to be stored, but for the moment it is. */
interface Prepared {
  readonly key: StoreKey
  readonly value: ValueBody
  readonly labels: readonly string[]
  readonly ttlMs: number
}

const LONGEST_KEY = 512
/** The name of the marks in Redis, behind the prefix. */
const MARKS_ID = 'marks'
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
  readonly #flights = new SingleFlight<ValueBody | undefined>()
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
    const prepared = this.#prepare(key, value, options)
    this.#flights.forget(key)
    return (await this.#replace([prepared]))[0]!
  }

  /** Removes a value; tells whether there was one. A `getOrSet` running in this process does not put its result back. */
  async delete (key: string): Promise<boolean> {
    const storeKey = this.#keyOf(key)
    this.#flights.forget(key)
    if (!this.#settings.enabled) return false
    const [found, existed] = await Promise.all([this.#read(storeKey), this.#store.delete(storeKey)])
    return existed && found !== undefined
  }

  /** Whether there is an entry. */
  async has (key: string): Promise<boolean> {
    return await this.#read(this.#keyOf(key)) !== undefined
  }

  /** Gives an existing value a new time to live; tells whether there was one. */
  async expire (key: string, ttl: NamedTtl | Duration): Promise<boolean> {
    const storeKey = this.#keyOf(key)
    const ttlMs = this.#ttlMs(key, { ttl })
    if (ttlMs < 1) return await this.delete(key)
    if (!this.#settings.enabled) return false
    // An invalidated value may still be in the store.
    const [found, existed] = await Promise.all([this.#read(storeKey), this.#store.expire(storeKey, ttlMs)])
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
   * The value, or else what `produce` gives, stored for the next call. Calls that come while it runs in this process wait for
   * its result. When it throws, all of them reject and nothing is stored; `undefined` is not stored either. Every caller
   * gets a copy of its own, the same as a later hit would give.
   */
  async getOrSet<T> (key: string, produce: () => T | Promise<T>, options: SetOptions = {}): Promise<T> {
    const storeKey = this.#keyOf(key)
    const { labels } = this.#check(key, options)
    const found = await this.#read(storeKey)
    const { ledger } = this.#store.marks
    const filled = ledger.stamp
    // What runs since before an invalidation is not for those who ask after it.
    const mayBeJoined = (): boolean => filled === undefined || ledger.verdict({ filled, labels }, storeKey) === 'live'
    const stored = found ?? await this.#flights.run(key, async (isCurrent) => {
      const value = await produce()
      if (value === undefined) return undefined
      const prepared = this.#prepare(key, value, options)
      if (isCurrent()) await this.#write(prepared, filled)
      return prepared.value
    }, mayBeJoined)
    return (stored === undefined ? undefined : decodeValueBody(stored)) as T
  }

  /**
   * Invalidates everything that one of the targets means and that was filled before this call: responses and values, also those
   * whose handler is running now. When it has resolved, no process serves any of them as fresh. It costs the same however many
   * entries that are. With `soft: true` they may still be served stale where a route allows that.
   *
   * Errors: `RESPONSE_CACHE_ERR_TARGET_INVALID`, and `RESPONSE_CACHE_ERR_STORE_UNAVAILABLE` when Redis did not confirm.
   */
  async invalidate (targets: InvalidationTargets, options: InvalidateOptions = {}): Promise<Invalidated> {
    this.#assertOpen()
    const labels = labelsOf(targets)
    checkOptions<InvalidateOptions>(options, { soft: boolean }, 'the options of invalidate()')
    return await this.#mark(labels, targets, options)
  }

  /** Invalidates values by their keys, and responses by what `X-Cache-Key` shows behind the prefix. */
  async invalidateKey (keys: OneOrMore<string>, options?: InvalidateOptions): Promise<Invalidated> {
    return await this.invalidate({ keys: [keys].flat() }, options)
  }

  async invalidateTags (tags: OneOrMore<string>, options?: InvalidateOptions): Promise<Invalidated> {
    return await this.invalidate({ tags: [tags].flat() }, options)
  }

  async invalidateNamespace (namespaces: OneOrMore<string>, options?: InvalidateOptions): Promise<Invalidated> {
    return await this.invalidate({ namespaces: [namespaces].flat() }, options)
  }

  /** Invalidates by globs over keys, which begin with the namespace: `user:123:*`. `*` is any run of characters, `?` one, `\` escapes. */
  async invalidatePattern (patterns: OneOrMore<string>, options?: InvalidateOptions): Promise<Invalidated> {
    return await this.invalidate({ patterns: [patterns].flat() }, options)
  }

  /** Invalidates what routes with `varyByUser` keep for a user. */
  async invalidateUser (users: OneOrMore<string | number>, options?: InvalidateOptions): Promise<Invalidated> {
    return await this.invalidate({ users: [users].flat() }, options)
  }

  /** Invalidates the responses to URLs: without a query, whatever their query was; with one, that query, names in any order. */
  async invalidateUrl (urls: OneOrMore<string>, options?: InvalidateOptions): Promise<Invalidated> {
    return await this.invalidate({ urls: [urls].flat() }, options)
  }

  /** Invalidates everything under the prefix. */
  async invalidateAll (options: InvalidateOptions = {}): Promise<Invalidated> {
    this.#assertOpen()
    return await this.#mark([ALL], {}, options)
  }

  async #mark (labels: readonly string[], targets: InvalidationTargets, { soft = false }: InvalidateOptions): Promise<Invalidated> {
    if (this.#settings.enabled) await this.#store.mark(soft ? 'soft' : 'hard', labels)
    return { ...targets, soft }
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
    if (entry === undefined || entry === UNAVAILABLE || entry.kind !== 'value' || entry.key !== key.text) return undefined
    return this.#store.marks.ledger.verdict(entry, key) === 'live' ? entry : undefined
  }

  /** What was there before is gone, also when the new value is not to be kept. */
  async #replace (prepared: readonly Prepared[]): Promise<boolean[]> {
    const { enabled } = this.#settings
    // What this process has not heard of yet, and was invalidated before this call, does not mean the new values.
    const filled = enabled && await this.#store.refreshMarks() ? this.#store.marks.ledger.stamp : undefined
    return await Promise.all(prepared.map(async (one) => {
      if (one.ttlMs < 1 && enabled) await this.#store.delete(one.key)
      return await this.#write(one, filled)
    }))
  }

  async #write ({ key, value, labels, ttlMs }: Prepared, filled: FillStamp | undefined): Promise<boolean> {
    if (!this.#settings.enabled || ttlMs < 1 || filled === undefined) return false
    const stored: StoredValue = { kind: 'value', key: key.text, storedAt: this.#settings.clock(), filled, labels, ...value }
    if (this.#store.marks.ledger.verdict(stored, key) !== 'live') return false
    return await this.#store.set(key, stored, ttlMs)
  }

  /** Everything that can be wrong with a value is found here, before anything waits. */
  #prepare (key: string, value: unknown, options: SetOptions): Prepared {
    const storeKey = this.#keyOf(key)
    const { ttlMs, labels } = this.#check(key, options)
    return { key: storeKey, ttlMs, labels, value: encodeValueBody(key, value) }
  }

  #check (key: string, options: SetOptions): { ttlMs: number, labels: readonly string[] } {
    return { ttlMs: this.#ttlMs(key, options), labels: [namespaceLabel(namespaceOf(key)), ...(options.tags ?? []).map(tagLabel)] }
  }

  #keyOf (key: unknown): StoreKey {
    this.#assertOpen()
    if (typeof key !== 'string' || key === '' || key.length > LONGEST_KEY || /[\r\n\0]/.test(key)) throw new InvalidKeyError(LONGEST_KEY, describe(key))
    if (RESPONSE_ID.test(key)) throw new InvalidKeyError(LONGEST_KEY, `${describe(key)}, which is kept for stored responses`)
    if (key === MARKS_ID) throw new InvalidKeyError(LONGEST_KEY, `${describe(key)}, which is kept for the marks of invalidations`)
    return { id: key, text: key }
  }

  #ttlMs (key: string, options: SetOptions): number {
    checkOptions<SetOptions>(options, { ttl: { expected: '', accepts: () => true }, tags: tagList }, `the options for key "${key}"`)
    const { defaults, namespaces, ttls } = this.#settings
    const namespace = namespaceOf(key)
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

function namespaceOf (key: string): string {
  return key.split(':', 1)[0]!
}
