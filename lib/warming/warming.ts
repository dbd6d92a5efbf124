import { setMaxListeners } from 'node:events'
import type { ProducedTarget } from './targets.ts'
import type { UrlTarget } from './hot-target.ts'

/** What `warm()` has done. */
export interface WarmReport {
  /** Targets whose handler or producer ran. */
  readonly filled: number
  /** Targets that were stored already, and are fresh for long enough. */
  readonly fresh: number
  readonly failed: number
  /** The first 100 of those that failed: the URL or key, and why. */
  readonly failures: ReadonlyArray<{ readonly target: string, readonly reason: string }>
}

/** How far `warm()` is. */
export interface WarmProgress {
  /** Targets that are done, those that failed among them. */
  readonly done: number
  /** How many there are; `undefined` while an iterable has not come to its end. */
  readonly total: number | undefined
  readonly failed: number
  /** The URL or key that was done last. */
  readonly target: string
}

export type Outcome = { readonly outcome: 'filled' | 'fresh' } | { readonly outcome: 'failed', readonly reason: string }

/** What is done at once, after all that only stands for others. */
export type SingleTarget = ProducedTarget | UrlTarget & { readonly kind: 'url' }

/** Where targets come from. `total` is known in advance for lists only. */
export interface TargetSource {
  readonly total: number | undefined
  readonly targets: AsyncGenerator<SingleTarget, void>
}

export interface WarmingOptions {
  readonly concurrency: number
  readonly onProgress: (progress: WarmProgress) => void
  readonly signal: AbortSignal
  /** Does one target, until the signal says that nobody wants it any more. Rejects only for what ends the whole. */
  readonly fill: (target: SingleTarget, signal: AbortSignal) => Promise<Outcome>
}

const MOST_FAILURES = 100

/** Works through targets, a few at a time, and takes the next one when one of them is done. */
export async function warmAll ({ total, targets }: TargetSource, { concurrency, onProgress, signal, fill }: WarmingOptions): Promise<WarmReport> {
  const counts = { filled: 0, fresh: 0, failed: 0 }
  const failures: Array<{ target: string, reason: string }> = []
  let given = 0
  let isEnd = false
  const ending = new AbortController()
  const ended = AbortSignal.any([signal, ending.signal])
  setMaxListeners(0, ended) // one for each that is under way

  async function work (): Promise<void> {
    while (!ended.aborted) {
      const { value: target, done } = await targets.next()
      isEnd ||= done === true
      if (target === undefined || ended.aborted) return
      given++
      const result = await fill(target, ended)
      if (ended.aborted) return
      const name = target.kind === 'url' ? target.url : target.key
      counts[result.outcome]++
      if (result.outcome === 'failed' && failures.length < MOST_FAILURES) failures.push({ target: name, reason: result.reason })
      onProgress({ done: counts.filled + counts.fresh + counts.failed, total: total ?? (isEnd ? given : undefined), failed: counts.failed, target: name })
    }
  }

  try {
    await unlessAborted(signal, Promise.all(Array.from({ length: concurrency }, work)))
    return { ...counts, failures }
  } finally {
    ending.abort()
    // Not waited for: what gives the targets may hang. That it fails once nobody asks any more is of no consequence.
    targets.return().catch(() => {})
  }
}

/** Rejects with the reason of the signal as soon as it is aborted, whatever the work does then. */
export async function unlessAborted<T> (signal: AbortSignal, result: Promise<T>): Promise<T> {
  return await new Promise((resolve, reject) => {
    const abort = (): void => { reject(signal.reason) }
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
    result.then(resolve, reject).finally(() => { signal.removeEventListener('abort', abort) })
  })
}
