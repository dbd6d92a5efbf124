import type { LeaseAnswer } from '../leases.ts'

/** The callers of this process who wait for one lease. */
export class Wait {
  readonly #callers = new Set<Caller>()
  readonly #onOver: () => void
  #resume: (() => void) | undefined
  /** Something has happened since this was false. */
  isStirred = false
  isOver = false

  constructor (onOver: () => void) {
    this.#onOver = onOver
  }

  async join (waitMs: number, signal: AbortSignal | undefined): Promise<LeaseAnswer> {
    return await new Promise((resolve, reject) => {
      const settled = (): void => {
        clearTimeout(late)
        signal?.removeEventListener('abort', giveUp)
        this.#callers.delete(caller)
        if (this.#callers.size === 0) this.#end()
      }
      const caller = {
        answer (answer: LeaseAnswer) { settled(); resolve(answer) },
        fail (fault: unknown) { settled(); reject(fault) }
      }
      const giveUp = (): void => { caller.answer({ outcome: 'held' }) }
      const late = setTimeout(giveUp, waitMs)
      signal?.addEventListener('abort', giveUp, { once: true })
      this.#callers.add(caller)
    })
  }

  endOne (answer: LeaseAnswer): void {
    const [caller] = this.#callers
    caller?.answer(answer)
  }

  endAll (answer: LeaseAnswer): void {
    for (const caller of this.#callers) caller.answer(answer)
  }

  failAll (fault: unknown): void {
    for (const caller of this.#callers) caller.fail(fault)
  }

  stir (): void {
    this.isStirred = true
    this.#resume?.()
  }

  /** Until something happens, or for `ms`. */
  async pause (ms: number): Promise<void> {
    if (this.isStirred || this.isOver) return
    await new Promise<void>((resolve) => {
      const timeout = setTimeout(resolve, ms)
      this.#resume = () => { clearTimeout(timeout); resolve() }
    })
    this.#resume = undefined
  }

  #end (): void {
    this.isOver = true
    this.#onOver()
    this.#resume?.()
  }
}

interface Caller {
  answer (answer: LeaseAnswer): void
  fail (fault: unknown): void
}
