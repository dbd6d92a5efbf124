import type { Logger } from '../logger.ts'

/** How long a direction has to work without a fault before it is called available again. */
const CALM_MS = 1000

/** Whether one direction of a store works, reading or writing: a full Redis still reads. Logs each change once. */
export class StoreHealth {
  readonly #direction: 'read' | 'write'
  readonly #clock: () => number
  readonly #logger: Logger
  #failedAt: number | undefined

  constructor (direction: 'read' | 'write', { clock, logger }: { clock: () => number, logger: Logger }) {
    this.#direction = direction
    this.#clock = clock
    this.#logger = logger
  }

  get isFailing (): boolean {
    return this.#failedAt !== undefined
  }

  failed (fault: unknown): void {
    const wasAvailable = this.#failedAt === undefined
    this.#failedAt = this.#clock()
    if (!wasAvailable) return
    const consequence = this.#direction === 'read' ? 'routes answer without the cache' : 'responses are not stored'
    this.#logger.warn({ err: fault, cache: { state: 'store-error', direction: this.#direction } }, `cache store fails to ${this.#direction}: ${consequence}`)
  }

  answered (): void {
    if (this.#failedAt === undefined || this.#clock() - this.#failedAt < CALM_MS) return
    this.#failedAt = undefined
    this.#logger.info({ cache: { state: 'available', direction: this.#direction } }, `cache store can ${this.#direction} again`)
  }
}
