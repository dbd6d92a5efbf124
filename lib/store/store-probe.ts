import { inTime } from '../deadline.ts'
import type { StoreFacts } from './store-facts.ts'
import type { StoreGuard } from './store-guard.ts'
import type { StoreHealth } from './store-health.ts'
import type { Store } from './store.ts'

/** Facts are a few questions one after the other, for somebody who looks into things: they may take longer than what a request waits for. */
const FACTS_MS = 3000

/** Looks at a store without being counted: whether it answers, and what it says of itself. Asks also while the store is left alone. */
export class StoreProbe {
  readonly #store: Store
  readonly #guard: StoreGuard
  readonly #ms: number
  #asked: Promise<boolean> | undefined

  /** `ms`: so long the store may take to answer. */
  constructor (store: Store, { guard, ms }: { guard: StoreGuard, ms: number }) {
    this.#store = store
    this.#guard = guard
    this.#ms = ms
  }

  /** Whether the store answers in time. One question at a time, however many ask. Never rejects. */
  async answers (): Promise<boolean> {
    this.#asked ??= this.#ask().finally(() => { this.#asked = undefined })
    return await this.#asked
  }

  /** Whether the store is left alone because it fails, in each direction. Once it is to be tried again it is not. */
  get leftAlone (): { readonly read: boolean, readonly write: boolean } {
    const { reading, writing } = this.#guard
    return { read: isLeftAlone(reading), write: isLeftAlone(writing) }
  }

  /** Copies in this process are used only after asking the store: invalidations cannot be heard of. */
  get isDeaf (): boolean {
    return this.#store.isDeaf === true
  }

  get hasFacts (): boolean {
    return this.#store.facts !== undefined
  }

  /** What the store says of itself; undefined where it says nothing. Rejects when it cannot be asked. */
  async facts (): Promise<StoreFacts | undefined> {
    const { facts } = this.#store
    return facts === undefined ? undefined : await inTime(FACTS_MS, facts.call(this.#store), { idle: true })
  }

  async #ask (): Promise<boolean> {
    try {
      await inTime(this.#ms, Promise.resolve(this.#store.ping()), { idle: true })
      return true
    } catch {
      return false // who asks is told that it does not answer; why is in the log
    }
  }
}

function isLeftAlone ({ isDue, state }: StoreHealth): boolean {
  return state !== 'closed' && !isDue
}
