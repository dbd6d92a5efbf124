import type { Logger } from '../logger.ts'

/** How long a direction has to work without a fault before it is called available again. */
const CALM_MS = 1000

/** Whether one direction of a store works, reading or writing: a full Redis still reads. Logs each change once. */
export class StoreHealth {
  readonly #direction: 'read' | 'write'
  readonly #clock: () => number
  readonly #logger: Logger
  #failedAt: number | undefined
  #isTold = false

  constructor (direction: 'read' | 'write', { clock, logger }: { clock: () => number, logger: Logger }) {
    this.#direction = direction
    this.#clock = clock
    this.#logger = logger
  }

  get isFailing (): boolean {
    return this.#failedAt !== undefined
  }

  /** That a client has no connection says nothing; why it has none is told by another fault, before or after. */
  failed (fault: unknown): void {
    this.#failedAt = this.#clock()
    if (this.#isTold || isOffline(fault)) return
    this.#isTold = true
    const consequence = this.#direction === 'read' ? 'routes answer without the cache' : 'responses are not stored'
    this.#logger.warn({ err: fault, cache: { state: 'store-error', direction: this.#direction } }, `cache store fails to ${this.#direction}: ${consequence}`)
  }

  answered (): void {
    if (this.#failedAt === undefined || this.#clock() - this.#failedAt < CALM_MS) return
    this.#failedAt = undefined
    if (!this.#isTold) return
    this.#isTold = false
    this.#logger.info({ cache: { state: 'available', direction: this.#direction } }, `cache store can ${this.#direction} again`)
  }
}

/** What node-redis says of a client that has no connection; why there is none is told by an event. */
export function isOffline (fault: unknown): boolean {
  return fault instanceof Error && fault.message === 'The client is offline'
}
