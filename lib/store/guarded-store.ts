import { StoreUnavailableError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { Entry } from '../stored-entry.ts'
import { isPromise, type MaybePromise, type Store, type StoreKey } from './store.ts'

/** What a read gives when the store could not answer. */
export const UNAVAILABLE = Symbol('store unavailable')

export interface GuardOptions {
  readonly readMs: number
  readonly writeMs: number
  readonly clock: () => number
  readonly logger: Logger
}

/** How long a store has to answer without a fault before it is called available again. */
const CALM_MS = 1000

/**
 * The one place where faults of a store end: every operation has a deadline of its own (the client's timeout does not
 * bound a command it has already written), a fault becomes a named outcome, and each change of state is logged once.
 */
export class GuardedStore {
  readonly #store: Store
  readonly #options: GuardOptions
  #failedAt: number | undefined

  constructor (store: Store, options: GuardOptions) {
    this.#store = store
    this.#options = options
  }

  /** Never throws or rejects. Answers at once when the store does. */
  get (key: StoreKey): MaybePromise<Entry | undefined | typeof UNAVAILABLE> {
    try {
      const found = this.#store.get(key)
      if (!isPromise(found)) return this.#failedAt === undefined ? found : this.#answered(found)
      return this.#inTime(found, this.#options.readMs).catch((fault: unknown) => {
        this.failed(fault)
        return UNAVAILABLE
      })
    } catch (fault) {
      this.failed(fault)
      return UNAVAILABLE
    }
  }

  /** Tells whether the store kept the entry. Never throws or rejects. */
  async set (key: StoreKey, entry: Entry, ttlMs: number): Promise<boolean> {
    try {
      await this.#inTime(this.#store.set(key, entry, ttlMs), this.#options.writeMs)
      return true
    } catch (fault) {
      this.failed(fault)
      return false
    }
  }

  /** Rejects with `RESPONSE_CACHE_ERR_STORE_UNAVAILABLE` unless the store confirmed. */
  async delete (key: StoreKey): Promise<boolean> {
    return await this.#confirmed('delete', () => this.#store.delete(key))
  }

  /** Rejects like `delete`. */
  async expire (key: StoreKey, ttlMs: number): Promise<boolean> {
    return await this.#confirmed('expire', () => this.#store.expire(key, ttlMs))
  }

  /** Rejects like `delete`. */
  async ping (): Promise<void> {
    await this.#confirmed('ping', () => this.#store.ping())
  }

  /** `undefined` also when the store could not answer. */
  async ttlMs (key: StoreKey): Promise<number | undefined> {
    try {
      return await this.#inTime(this.#store.ttlMs(key), this.#options.readMs)
    } catch (fault) {
      this.failed(fault)
      return undefined
    }
  }

  async connect (): Promise<void> {
    await this.#store.connect()
  }

  async close (): Promise<void> {
    await this.#store.close()
  }

  /** Notes a fault of the store, also one that it reports outside of an operation. */
  failed (fault: unknown): void {
    const wasAvailable = this.#failedAt === undefined
    this.#failedAt = this.#options.clock()
    if (!wasAvailable) return
    this.#options.logger.warn({ err: fault, cache: { state: 'store-error' } }, 'cache store unavailable: routes answer without the cache')
  }

  #answered<T> (result: T): T {
    if (this.#failedAt !== undefined && this.#options.clock() - this.#failedAt >= CALM_MS) {
      this.#failedAt = undefined
      this.#options.logger.info({ cache: { state: 'available' } }, 'cache store available again')
    }
    return result
  }

  async #confirmed<T> (operation: string, run: () => MaybePromise<T>): Promise<T> {
    try {
      return await this.#inTime(run(), this.#options.writeMs)
    } catch (fault) {
      this.failed(fault)
      throw new StoreUnavailableError(operation, fault instanceof Error ? fault.message : String(fault), { cause: fault })
    }
  }

  async #inTime<T> (result: MaybePromise<T>, ms: number): Promise<T> {
    if (!isPromise(result)) return this.#answered(result)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
    })
    try {
      return this.#answered(await Promise.race([result, late]))
    } finally {
      clearTimeout(timer)
    }
  }
}
