import type { FillOutcome, Lease } from '../leases.ts'
import type { Fill, FillResult } from './fills.ts'

export interface RunParts {
  /** Who waits for it. */
  readonly fill?: Fill | undefined
  readonly lease?: Lease | undefined
  /** It has waited too long for another one, which may still store its own. */
  readonly isLate?: boolean
  /** It repeats a request in the background: nobody reads its answer. */
  readonly isBehind?: boolean
  /** The answer is known to be for single clients, so that nobody waits. */
  readonly isForOne?: boolean
}

/** What comes after a run. */
export interface RunEnd {
  /** After a failure nobody tries for so long: there is something stale to serve. */
  readonly restMs: number | undefined
  /** Its end makes room for another one. */
  readonly isCounted: boolean
  /** An app that closes says nothing about its handlers. */
  readonly closed: AbortSignal
  readonly onEnd: (result: FillResult) => void
}

/** One run of a handler from which a response may be stored. It ends once, however its answer ends. */
export class Run {
  readonly isLate: boolean
  readonly isBehind: boolean
  readonly isForOne: boolean
  readonly #parts: RunParts
  readonly #end: RunEnd
  readonly #startedAt = performance.now()
  #isTaken = false
  /** What is stored is still being read although its client has been answered. */
  goesOn = false
  #result: FillResult | undefined
  #listeners: Array<(result: FillResult) => void> | undefined
  #age: NodeJS.Timeout | undefined

  constructor (parts: RunParts, end: RunEnd) {
    this.#parts = parts
    this.#end = end
    this.isLate = parts.isLate ?? false
    this.isBehind = parts.isBehind ?? false
    this.isForOne = parts.isForOne ?? false
  }

  get ended (): Promise<FillResult> {
    const result = this.#result
    return result === undefined ? new Promise((resolve) => { (this.#listeners ??= []).push(resolve) }) : Promise.resolve(result)
  }

  /** Whether anything depends on its end, even when no answer comes of it. */
  get isWatched (): boolean {
    const { restMs, isCounted } = this.#end
    return isCounted || restMs !== undefined || this.#listeners !== undefined || this.#parts.fill !== undefined || this.#parts.lease !== undefined
  }

  /** Whether somebody is waiting for what comes of it. */
  get isAwaited (): boolean {
    return this.isBehind || (this.#parts.fill?.isAwaited ?? false)
  }

  get hasLostLease (): boolean {
    return this.#parts.lease?.isLost ?? false
  }

  /** How long the handler has been running, in milliseconds. */
  get costMs (): number {
    return Math.max(0, Math.round(performance.now() - this.#startedAt))
  }

  /** For the one request that it is made for; false for any other. */
  take (): boolean {
    if (this.#isTaken) return false
    this.#isTaken = true
    return true
  }

  /** Nobody waits any longer than that for a handler that may hang. */
  limit (ms: number): void {
    if (this.#result === undefined) this.#age = setTimeout(() => { this.settle({ how: 'failed' }) }, ms).unref()
  }

  /** Whether the next try has to wait. In the background also after an answer that brought nothing. */
  isFailure (result: FillResult): boolean {
    if (this.#end.closed.aborted) return false
    return result.how === 'failed' ? result.isExcused !== true : this.isBehind && result.how === 'uncacheable'
  }

  /** `stored`: whether the store has kept the response; only then do other processes hear of it. */
  settle (result: FillResult, stored?: Promise<boolean>): void {
    if (this.#result !== undefined) return
    this.#result = result
    clearTimeout(this.#age)
    const { fill, lease } = this.#parts
    const { onEnd, restMs } = this.#end
    fill?.settle(result)
    if (lease !== undefined) void endLease(lease, result.how, { stored, restMs: this.isFailure(result) ? restMs : undefined })
    onEnd(result)
    this.#listeners?.forEach((hear) => { hear(result) })
  }
}

/** Never rejects. */
async function endLease (lease: Lease, how: FillOutcome, { stored, restMs }: { stored: Promise<boolean> | undefined, restMs: number | undefined }): Promise<void> {
  const outcome = await stored ?? true ? how : 'failed'
  await lease.release(outcome, restMs === undefined ? {} : { restMs })
}
