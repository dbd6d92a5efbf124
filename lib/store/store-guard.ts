import { StoreUnavailableError } from '../errors.ts'
import { inTime, timer } from '../deadline.ts'
import type { Logger } from '../logger.ts'
import { isOffline, isReadOnly, isReply, StoreHealth } from './store-health.ts'
import { isPromise, type MaybePromise } from './store.ts'

export interface GuardOptions {
  readonly readMs: number
  readonly writeMs: number
  /** Undefined: the store is asked whatever it does. */
  readonly breaker: { readonly failures: number, readonly openMs: number } | undefined
  readonly clock: () => number
  readonly logger: Logger
}

export interface WriteOptions {
  /** What is written is of another kind than entries: that Redis refuses it says nothing of them. */
  readonly isOther?: boolean
}

/** What a read gives when the store could not answer. */
export const UNAVAILABLE = Symbol('store unavailable')

/** Why nothing was tried. */
export const LEFT_ALONE = 'the store has failed several times and is left alone for a moment'

/** Deadlines for what is asked of a store, and what becomes of its faults. Each direction is left alone while it keeps failing. */
export class StoreGuard {
  readonly reading: StoreHealth
  readonly writing: StoreHealth
  readonly #options: GuardOptions
  readonly #onDoubt: () => void
  /** Why there is no connection; the client only says that there is none. */
  #offline: unknown

  constructor (options: GuardOptions, { probe, onDoubt }: {
    /** Shows that the store can be read again. */
    probe: () => Promise<unknown>
    /** Hears of answers that do not come in time, make no sense, or are those of a replica. */
    onDoubt: () => void
  }) {
    this.#options = options
    this.#onDoubt = onDoubt
    this.reading = new StoreHealth('read', { ...options, probe: () => this.#probe(probe) })
    this.writing = new StoreHealth('write', options)
  }

  /** Notes a fault that the store reports outside of an operation, such as a lost connection. */
  note (fault: unknown): void {
    this.#offline = fault
    this.reading.note(fault)
  }

  /** It may work again: that is tried with the next operation. */
  retry (): void {
    this.reading.retry()
    this.writing.retry()
  }

  /** What fails from now on is not noted. */
  close (): void {
    this.reading.close()
    this.writing.close()
  }

  /** Whether to ask for what is small, and matters more than storing. */
  admits (): boolean {
    // Where nothing is read, nothing else would find out that it can be read again.
    const isReadable = this.reading.isDue
    return (this.reading.admits() || isReadable) && (this.writing.isRefused || this.writing.admits())
  }

  /** What `read` does, with one promise in place of many: this is the way of every hit that is not in this process. Never rejects. */
  readLater<T> (found: Promise<T>, instead: () => T | typeof UNAVAILABLE): Promise<T | typeof UNAVAILABLE> {
    return new Promise((resolve) => {
      let isLate = false
      const failed = (fault: unknown): void => {
        this.readFailed(fault)
        resolve(instead())
      }
      const late = timer(this.#options.readMs, (fault) => {
        isLate = true
        failed(fault)
      })
      found.then((entry) => {
        if (isLate) return
        late.clear()
        this.reading.answered()
        resolve(entry)
      }, (fault: unknown) => {
        if (isLate) return
        late.clear()
        failed(fault)
      })
    })
  }

  async read<T> (run: () => MaybePromise<T>): Promise<T> {
    if (!this.reading.admits()) throw new Error(LEFT_ALONE)
    try {
      const result = run()
      const read = isPromise(result) ? await inTime(this.#options.readMs, result) : result
      this.reading.answered()
      return read
    } catch (fault) {
      throw this.readFailed(fault)
    }
  }

  async write<T> (run: () => MaybePromise<T>, how?: WriteOptions): Promise<T> {
    if (!this.writing.admits()) throw new Error(LEFT_ALONE)
    return await this.admitted(run, how)
  }

  /** A write that `writing` has admitted. */
  async admitted<T> (run: () => MaybePromise<T>, { isOther = false }: WriteOptions = {}): Promise<T> {
    try {
      const result = run()
      const written = isPromise(result) ? await inTime(this.#options.writeMs, result) : result
      this.writing.answered()
      return written
    } catch (fault) {
      if (isOther && isReply(fault)) {
        this.writing.answered()
        throw fault
      }
      throw this.writeFailed(fault)
    }
  }

  async #probe (run: () => Promise<unknown>): Promise<void> {
    try {
      await inTime(this.#options.readMs, run(), { idle: true })
    } catch (fault) {
      this.#doubt(this.reasonOf(fault)) // where nothing else is asked, nothing else would
      throw fault
    }
  }

  #doubt (reason: unknown): void {
    if (!isReply(reason) || isReadOnly(reason)) this.#onDoubt()
  }

  /** Gives the reason. */
  readFailed (fault: unknown): unknown {
    const reason = this.reasonOf(fault)
    this.#doubt(reason)
    this.reading.failed(reason)
    return reason
  }

  /** Gives the reason. A store that is away fails both ways: one change of state, one line. */
  writeFailed (fault: unknown): unknown {
    const reason = this.reasonOf(fault)
    this.#doubt(reason)
    if (this.reading.isFailing) this.writing.count(reason)
    else this.writing.failed(reason)
    return reason
  }

  /** A client that has no connection only says that it has none. */
  reasonOf (fault: unknown): unknown {
    return isOffline(fault) ? this.#offline ?? fault : fault
  }
}

/** What who asked for an operation is told that was not confirmed. */
export function unconfirmed (operation: string, fault: unknown): Error {
  if (fault instanceof StoreUnavailableError) return fault
  return new StoreUnavailableError(operation, fault instanceof Error ? fault.message : String(fault), { cause: fault })
}
