import type { StoredResponse } from '../stored-entry.ts'

/** What came of a fill: a response that those who wait may be given, one that is for a single client, or none. */
export type FillResult =
  | { readonly how: 'stored', readonly response: StoredResponse }
  | { readonly how: 'uncacheable' }
  /** `isExcused`: the handler is not to be left alone for that. */
  | { readonly how: 'failed', readonly isExcused?: boolean }

/** What a request that waited is to do. */
export type WakeUp =
  | { readonly wake: 'shared', readonly response: StoredResponse }
  /** It turned out what responses are selected by: what was one group is several. */
  | { readonly wake: 'regroup' }
  /** The answer is for nobody else: run the handler, and let nobody wait for it. */
  | { readonly wake: 'run' }
  /** The fill failed: try it, others go on waiting. */
  | { readonly wake: 'lead' }
  /** The fill failed, and there is a stale response. */
  | { readonly wake: 'failed' }
  | { readonly wake: 'late' }
  /** As many wait as may. */
  | { readonly wake: 'crowded' }

export interface Waiter {
  readonly hasStale: boolean
  /** Whether others may be given what its own handler answers. */
  readonly mayLead: boolean
  /** Its client has gone. */
  readonly isGone: () => boolean
}

/** After a failure so many try at once, after another one so many times as many: never all, and never one after the other. */
const RUSH = 3

/** The runs of one handler that requests of the same group wait for: one, or some at once after it has failed. */
export class Fill {
  readonly group: string
  readonly beganAt: number
  readonly #onEnd: () => void
  readonly #mostWaiters: number
  readonly #waiting = new Map<Waiter, (wakeUp: WakeUp) => void>()
  #running = 1
  #rush = 1

  constructor (group: string, { beganAt, onEnd, mostWaiters }: { beganAt: number, onEnd: () => void, mostWaiters: number }) {
    this.group = group
    this.beganAt = beganAt
    this.#onEnd = onEnd
    this.#mostWaiters = mostWaiters
  }

  get isAwaited (): boolean {
    return this.#waiting.size > 0
  }

  /** Waits for the result, `ms` milliseconds at most. */
  async join (waiter: Waiter, ms: number): Promise<WakeUp> {
    if (this.#waiting.size >= this.#mostWaiters) return { wake: 'crowded' }
    return await new Promise((resolve) => {
      const late = setTimeout(() => { wake({ wake: 'late' }) }, ms)
      const wake = (wakeUp: WakeUp): void => {
        clearTimeout(late)
        this.#waiting.delete(waiter)
        resolve(wakeUp)
      }
      this.#waiting.set(waiter, wake)
    })
  }

  /** One run has ended. */
  settle (result: FillResult): void {
    this.#running--
    if (result.how === 'failed') return this.#fail()
    this.#onEnd()
    this.#wake([...this.#waiting.keys()], result.how === 'stored' ? { wake: 'shared', response: result.response } : { wake: 'run' })
  }

  /** Nothing will come of it for those who wait, but they know better now whom to wait for. */
  regroup (): void {
    this.#onEnd()
    this.#wake([...this.#waiting.keys()], { wake: 'regroup' })
  }

  #fail (): void {
    const waiters = [...this.#waiting.keys()]
    this.#wake(waiters.filter(({ hasStale }) => hasStale), { wake: 'failed' })
    if (this.#running > 0) return
    this.#rush *= RUSH
    const able = waiters.filter(({ hasStale, mayLead }) => !hasStale && mayLead)
    // Who has hung up tries when nobody else is left: all of them at once would be a herd.
    const there = able.filter(({ isGone }) => !isGone())
    const next = (there.length > 0 ? there : able).slice(0, this.#rush)
    this.#running = next.length
    if (next.length === 0) {
      this.#onEnd()
      // Who is left can help nobody.
      this.#wake(waiters, { wake: 'run' })
    }
    this.#wake(next, { wake: 'lead' })
  }

  #wake (waiters: readonly Waiter[], wakeUp: WakeUp): void {
    for (const waiter of waiters) this.#waiting.get(waiter)?.(wakeUp)
  }
}

/** The fills of this process by group: what would store under the same key, for requests with the same selecting header fields. */
export class Fills {
  readonly #fills = new Map<string, Fill>()
  readonly #mostWaiters: number

  /** `mostWaiters`: for each of them. */
  constructor ({ mostWaiters }: { mostWaiters: number }) {
    this.#mostWaiters = mostWaiters
  }

  /** The one to wait for. One that began longer ago may hang: it is not waited for by those who come now. */
  running (group: string, { now, maxAgeMs }: { now: number, maxAgeMs: number }): Fill | undefined {
    const fill = this.#fills.get(group)
    return fill === undefined || now - fill.beganAt > maxAgeMs ? undefined : fill
  }

  begin (group: string, now: number): Fill {
    const fill: Fill = new Fill(group, {
      beganAt: now,
      mostWaiters: this.#mostWaiters,
      onEnd: () => { if (this.#fills.get(group) === fill) this.#fills.delete(group) }
    })
    this.#fills.set(group, fill)
    return fill
  }
}
