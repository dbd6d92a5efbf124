import type { BreakerState } from './breaker.ts'

/** How the store does, since the start of this process. */
export interface StoreStats {
  /** Whether it is asked: `open` while it is left alone because it fails, `half-open` while it is tried again. */
  readonly read: BreakerState
  readonly write: BreakerState
  /** Operations that failed; those that took too long among them. */
  readonly errors: number
  readonly timeouts: number
  /** What was read and is nothing that was stored under that key. */
  readonly damaged: number
  /** Responses and values that were not stored because the store was left alone, or too much was on its way. */
  readonly droppedWrites: number
  /** Writes on their way now. */
  readonly pendingWrites: number
  /** Labels (tags, keys, …) that are invalidated and that the store has not confirmed yet. */
  readonly pendingInvalidations: number
}
