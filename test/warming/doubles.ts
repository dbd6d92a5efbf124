import type { Logger } from '../../lib/logger.ts'
import type { HotStore } from '../../lib/warming/hot-store.ts'
import type { UrlTarget } from '../../lib/warming/hot-target.ts'
import type { Later } from '../../lib/warming/later.ts'
import type { GetOrSet, WarmedApp } from '../../lib/warming/warmer.ts'

/** Time that passes when the test says so. */
export class Timeline {
  now = 0
  readonly #tasks = new Set<{ at: number, task: () => void }>()

  readonly later: Later = (ms, task) => {
    const one = { at: this.now + ms, task }
    this.#tasks.add(one)
    return () => { this.#tasks.delete(one) }
  }

  get waiting (): number {
    return this.#tasks.size
  }

  async pass (ms: number): Promise<void> {
    const end = this.now + ms
    for (;;) {
      const [next] = [...this.#tasks].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
      if (next === undefined) break
      this.#tasks.delete(next)
      this.now = next.at
      next.task()
      await settle()
    }
    this.now = end
  }
}

/** Until everything that waits for promises only has gone on. */
export async function settle (): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => { setImmediate(resolve) })
}

export interface Recorded extends UrlTarget {
  readonly freshForMs: number
  readonly signal: AbortSignal
}

/** An app that fills what is asked of it, unless `answer` says otherwise. */
export function recordingApp (answer: (target: UrlTarget) => ReturnType<WarmedApp['fill']> = async () => ({ outcome: 'filled' })): WarmedApp & { fills: Recorded[] } {
  const fills: Recorded[] = []
  return {
    fills,
    async fill (target, options) {
      fills.push({ ...target, ...options })
      return await answer(target)
    }
  }
}

export const noValues: GetOrSet = async (_key, produce) => await produce()

/** What was logged, as `level message`. */
export function recordingLogger (): Logger & { lines: string[], details: object[] } {
  const lines: string[] = []
  const details: object[] = []
  const log = (level: string) => (detail: object, message: string): void => {
    details.push(detail)
    lines.push(`${level} ${message}`)
  }
  return { lines, details, info: log('info'), warn: log('warn') }
}

/** A store that fails while `fault` is set. */
export function recordingHot (top: string[] = []): HotStore & { added: Array<Map<string, number>>, fault: Error | undefined } {
  const added: Array<Map<string, number>> = []
  return {
    added,
    fault: undefined,
    async add (counts) {
      if (this.fault !== undefined) throw this.fault
      added.push(new Map(counts))
    },
    async top () { return top }
  }
}
