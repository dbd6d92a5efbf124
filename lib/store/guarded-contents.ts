import { inTime } from '../deadline.ts'
import { InvalidOptionError, StoreUnsupportedError } from '../errors.ts'
import type { Marks } from '../marks/marks.ts'
import type { MaybePromise, Page, PageOptions, ReadEntry, Store } from './store.ts'

export interface GuardedContentsOptions {
  readonly store: Store
  readonly marks: Marks
  /** What a caller is told of a fault of the store. */
  readonly failed: (fault: unknown) => Error
}

/** Who looks at what is stored can wait longer than a request. */
const LOOK_MS = 10_000

/**
 * What is stored, with deadlines, and with marks that are as new as what was read. A fault says nothing of look-ups, which are small and in
 * a hurry: the breaker does not hear of it. All reject with `RESPONSE_CACHE_ERR_STORE_UNAVAILABLE`, or `RESPONSE_CACHE_ERR_STORE_UNSUPPORTED`
 * for a store of the user's without the method.
 */
export class GuardedContents {
  readonly #options: GuardedContentsOptions

  constructor (options: GuardedContentsOptions) {
    this.#options = options
  }

  /** Rejects with `RESPONSE_CACHE_ERR_OPTION_INVALID` for a wrong cursor. */
  async page (options: PageOptions): Promise<Page> {
    const { store } = this.#options
    if (store.page === undefined) throw new StoreUnsupportedError('page')
    return await this.#look(() => store.page!({ ...options, signal: AbortSignal.timeout(LOOK_MS) }))
  }

  async read (id: string): Promise<ReadEntry | undefined> {
    const { store } = this.#options
    if (store.read === undefined) throw new StoreUnsupportedError('read')
    return await this.#look(() => store.read!(id))
  }

  async #look<T> (run: () => MaybePromise<T>): Promise<T> {
    try {
      const found = await inTime(LOOK_MS, (async () => await run())())
      await inTime(LOOK_MS, (async () => { await this.#options.marks.refresh() })())
      return found
    } catch (fault) {
      throw fault instanceof InvalidOptionError ? fault : this.#options.failed(fault)
    }
  }
}
