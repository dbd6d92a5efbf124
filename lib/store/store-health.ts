import diagnostics from 'node:diagnostics_channel'
import { LateError } from '../deadline.ts'
import type { Logger } from '../logger.ts'
import { Breaker, type BreakerState } from './breaker.ts'

/** How long a direction has to work without a fault before it is called available again. Longer for one that failed again soon after. */
const CALM_MS = 1000
const MOST_CALM_MS = 60_000
/** What fails again within so many times as long as it was watched has not recovered. */
const RELAPSE = 10

/** Hears `StoreStateMessage`. */
const stateChannel = diagnostics.channel('fastify-response-cache:store-state')

/** What the diagnostics channel `fastify-response-cache:store-state` tells. */
export interface StoreStateMessage {
  readonly direction: Direction
  readonly state: BreakerState
  /** Why it opened. */
  readonly fault?: unknown
}

export type Direction = 'read' | 'write'

export interface StoreHealthOptions {
  readonly clock: () => number
  readonly logger: Logger
  /** Undefined: the store is asked whatever it does. */
  readonly breaker: { readonly failures: number, readonly openMs: number } | undefined
  readonly probe?: () => Promise<void>
}

/** Whether one direction of a store works, reading or writing: a full Redis still reads. Logs each change once. */
export class StoreHealth {
  readonly #direction: Direction
  readonly #clock: () => number
  readonly #logger: Logger
  readonly #breaker: Breaker | undefined
  #failedAt: number | undefined
  #availableAt = -Infinity
  #calmMs = CALM_MS
  #isTold = false
  /** What was told was an answer of the store. */
  #isRefusalTold = false
  #isClosed = false
  /** Faults, and those among them that were answers which did not come in time; since the start. */
  errors = 0
  timeouts = 0
  /** The last fault was an answer: the store is there, and may do what it is asked next. A full Redis removes, and marks. */
  isRefused = false

  constructor (direction: Direction, { clock, logger, breaker, probe }: StoreHealthOptions) {
    this.#direction = direction
    this.#clock = clock
    this.#logger = logger
    const onChange = (state: BreakerState, fault?: unknown): void => {
      if (stateChannel.hasSubscribers) stateChannel.publish({ direction, state, ...fault === undefined ? {} : { fault } } satisfies StoreStateMessage)
    }
    this.#breaker = breaker === undefined ? undefined : new Breaker({ ...breaker, ...probe === undefined ? {} : { probe }, onChange })
  }

  get isFailing (): boolean {
    return this.#failedAt !== undefined
  }

  get state (): BreakerState {
    return this.#breaker?.state ?? 'closed'
  }

  /** What fails from now on fails because the store is closed, which is no fault of it. */
  close (): void {
    this.#isClosed = true
  }

  /** It may work again. */
  retry (): void {
    this.#breaker?.retry()
  }

  /** It was left alone for long enough, and nobody has asked it since. */
  get isDue (): boolean {
    return this.#breaker?.isDue ?? false
  }

  /** Whether the store is to be asked. */
  admits (): boolean {
    return this.#breaker === undefined || this.#breaker.admits()
  }

  /** An operation has failed. */
  failed (fault: unknown): void {
    this.count(fault)
    this.note(fault)
  }

  /** An operation has failed, for a reason that was told already. */
  count (fault: unknown): void {
    if (this.#isClosed) return
    this.errors++
    if (fault instanceof LateError) this.timeouts++
    this.isRefused = isReply(fault)
    this.#breaker?.failed(fault)
  }

  /** Something is wrong, whether or not an operation has failed. That a client has no connection says nothing; why it has none is told by another fault, before or after. */
  note (fault: unknown): void {
    if (this.#isClosed) return
    this.#failedAt = this.#clock()
    if (isOffline(fault)) return
    // A server that is back and refuses, such as one that has lost its users, is another fault than one that is away.
    const isRefusal = isReply(fault)
    if (this.#isTold && (this.#isRefusalTold || !isRefusal)) return
    this.#isRefusalTold = isRefusal
    if (!this.#isTold) this.#calmMs = this.#failedAt - this.#availableAt < RELAPSE * this.#calmMs ? Math.min(2 * this.#calmMs, MOST_CALM_MS) : CALM_MS
    this.#isTold = true
    const consequence = this.#direction === 'read' ? 'routes answer without the cache' : 'responses are not stored'
    this.#logger.warn({ err: fault, cache: { state: 'store-error', direction: this.#direction } }, `cache store fails to ${this.#direction}: ${consequence}`)
  }

  answered (): void {
    this.#breaker?.answered()
    if (this.#failedAt === undefined || this.#clock() - this.#failedAt < this.#calmMs) return
    this.#failedAt = undefined
    if (!this.#isTold) return
    this.#isTold = false
    this.#availableAt = this.#clock()
    this.#logger.info({ cache: { state: 'available', direction: this.#direction } }, `cache store can ${this.#direction} again`)
  }
}

/** What node-redis says of a client that has no connection; why there is none is told by an event. */
export function isOffline (fault: unknown): boolean {
  return fault instanceof Error && fault.message === 'The client is offline'
}

/** What a replica answers. In a script of Redis 6.2 the word stands behind others. */
export function isReadOnly (fault: unknown): boolean {
  return fault instanceof Error && /(?:^|-)READONLY /.test(fault.message)
}

/** What Redis has answered, such as `OOM …`, `NOPERM …`, `ERR …`; faults of a connection do not begin like that. */
export function isReply (fault: unknown): boolean {
  return fault instanceof Error && /^[A-Z]{2,} /.test(fault.message)
}
