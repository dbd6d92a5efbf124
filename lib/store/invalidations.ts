import { backOff } from '../backoff.ts'
import { inTime } from '../deadline.ts'
import { InvalidationPendingError, StoreUnavailableError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { MarkKind } from '../marks/ledger.ts'
import type { Marks } from '../marks/marks.ts'
import type { Batch, UnconfirmedMarks } from '../marks/unconfirmed.ts'
import { LEFT_ALONE } from './store-guard.ts'
import { isPromise } from './store.ts'

export interface InvalidationsOptions {
  readonly marks: Marks
  /** How long a caller waits for the store to confirm, in milliseconds. */
  readonly invalidateMs: number
  /** How long one try may take when nobody waits, in milliseconds. */
  readonly tryMs: number
  readonly logger: Logger
  /** Whether there has been a connection. */
  readonly isConnected: () => boolean
  /** Resolves with the first connection. */
  readonly connect: () => Promise<void>
  /** Whether the store is to be asked. */
  readonly admits: () => boolean
  readonly onAnswered: () => void
  /** Gives the reason: a client that has no connection only says that it has none. */
  readonly onFault: (fault: unknown) => unknown
}

/** A caller whose invalidation is sent again. */
interface Waiting {
  readonly batch: Batch
  resolve: () => void
  reject?: (fault: unknown) => void
  /** Why the first try has failed. */
  reason?: unknown
  isOver?: true
}

/** Labels that are sent again at once. */
const SENT_AT_ONCE = 1000
/** So long closing waits for the last try, at most. */
const CLOSE_MS = 1000

/**
 * Marks labels, and sees to it that they are marked: what the store does not confirm waits, is sent again until it is confirmed, in the
 * order of the calls, and counts in this process from the first moment on.
 */
export class Invalidations {
  readonly #options: InvalidationsOptions
  readonly #unconfirmed: UnconfirmedMarks
  readonly #closing = new AbortController()
  readonly #waiting = new Set<Waiting>()
  #isSendingAgain = false
  #isTold = false
  #tries = 0

  constructor (options: InvalidationsOptions) {
    this.#options = options
    this.#unconfirmed = options.marks.ledger.unconfirmed
  }

  /** How many labels wait. */
  get size (): number {
    return this.#unconfirmed.size
  }

  /** Rejects with `RESPONSE_CACHE_ERR_INVALIDATION_PENDING` when it is not confirmed in time, and at once while the store is left alone. */
  async mark (kind: MarkKind, labels: readonly string[]): Promise<void> {
    if (labels.length === 0) return
    const { admits, invalidateMs, isConnected } = this.#options
    const batch = this.#unconfirmed.add(kind, labels)
    if (!admits()) throw this.#pending(new Error(LEFT_ALONE))
    const waiting: Waiting = { batch, resolve: () => {} }
    try {
      const sent = isConnected() ? this.#send(batch) : this.#sendOnceConnected(batch)
      if (isPromise(sent)) await inTime(invalidateMs, sent.catch(async (fault: unknown) => { await this.#sentAgain(waiting, fault) }))
      this.#options.onAnswered()
    } catch (late) {
      throw this.#pending(waiting.reason ?? late)
    } finally {
      waiting.isOver = true
      this.#waiting.delete(waiting)
    }
  }

  /** Resolves when another try is confirmed. */
  async #sentAgain (waiting: Waiting, fault: unknown): Promise<void> {
    waiting.reason = this.#options.onFault(fault)
    if (this.#closing.signal.aborted) throw waiting.reason
    this.#sendAgain()
    if (waiting.isOver === true || !this.#unconfirmed.isWaiting(waiting.batch)) return
    await new Promise<void>((resolve, reject) => {
      waiting.resolve = resolve
      waiting.reject = reject
      this.#waiting.add(waiting)
    })
  }

  /** Tries once more. What is not confirmed then is told: nobody sends it any more. */
  async close (): Promise<void> {
    this.#closing.abort()
    const { tryMs, logger } = this.#options
    try {
      if (this.size > 0 && this.#options.isConnected()) await inTime(Math.min(tryMs, CLOSE_MS), this.#sendAll(), { idle: true })
    } catch (fault) {
      this.#options.onFault(fault)
    }
    for (const { reject, reason } of this.#waiting) reject?.(reason)
    if (this.size > 0) logger.warn({ cache: { state: 'invalidations-lost', labels: this.#sample() } }, `closed before the store confirmed what was invalidated: ${this.size} labels`)
  }

  /** Who begins with an invalidation means it. */
  async #sendOnceConnected (batch: Batch): Promise<void> {
    await this.#options.connect()
    await this.#send(batch)
  }

  #pending (fault: unknown): Error {
    if (this.#closing.signal.aborted) return new StoreUnavailableError('the invalidation', 'the cache was closed, and it is not sent again', { cause: fault })
    if (!this.#isTold) {
      this.#isTold = true
      this.#options.logger.warn({ err: fault, cache: { state: 'invalidations-pending', labels: this.#sample() } }, 'the store does not confirm what is invalidated: it is sent again until it does, and this process does not serve it as fresh')
    }
    this.#sendAgain()
    return new InvalidationPendingError(fault instanceof Error ? fault.message : String(fault), { cause: fault })
  }

  #send (batch: Batch): void | Promise<void> {
    const marked = this.#options.marks.mark(batch.kind, batch.labels)
    return isPromise(marked) ? marked.then(() => { this.#confirm(batch) }) : this.#confirm(batch)
  }

  #confirm (batch: Batch): void {
    this.#unconfirmed.confirm(batch)
    this.#wake()
  }

  /** Those whose invalidation is confirmed, whoever sent it. */
  #wake (): void {
    for (const { batch, resolve } of this.#waiting) if (!this.#unconfirmed.isWaiting(batch)) resolve()
  }

  /** Whoever asks while this goes on need not. */
  #sendAgain (): void {
    this.#unconfirmed.bound()
    if (this.#isSendingAgain || this.#closing.signal.aborted) return
    this.#isSendingAgain = true
    this.#sendUntilConfirmed().catch(this.#options.onFault)
  }

  async #sendUntilConfirmed (): Promise<void> {
    const { signal } = this.#closing
    const { isConnected, connect, tryMs, logger, onAnswered, onFault } = this.#options
    for (let retries = 0; this.size > 0 && !signal.aborted;) {
      await backOff(retries, signal)
      try {
        if (signal.aborted) return
        if (!isConnected()) await connect()
        await inTime(tryMs, this.#sendAll(), { idle: true })
        onAnswered()
      } catch (fault) {
        onFault(fault)
        retries++
      }
    }
    this.#isSendingAgain = false // at once: what fails from now on is sent again by another one
    if (!this.#isTold || this.size > 0) return
    this.#isTold = false
    logger.info({ cache: { state: 'invalidations-confirmed' } }, 'the store has confirmed what was invalidated')
  }

  /** One that hangs does not go on beside the next one. */
  async #sendAll (): Promise<void> {
    const own = ++this.#tries
    for (let batch = this.#unconfirmed.next(SENT_AT_ONCE); batch !== undefined && own === this.#tries; batch = this.#unconfirmed.next(SENT_AT_ONCE)) await this.#send(batch)
  }

  #sample (): string[] {
    return [...this.#unconfirmed.next(10)?.labels ?? []]
  }
}
