/** A longer timer would fire at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1

/** A timer that fires so much later was kept from it: this process was busy. */
const BUSY_MS = 5
/** So much more time there is then, at most. */
const MOST_MORE_MS = 100

/** There was no answer in time. */
export class LateError extends Error {
  override readonly name = 'LateError'

  constructor (ms: number) {
    super(`no answer within ${ms} ms`)
  }
}

/** What comes after `ms` milliseconds is too late, and rejects with a `LateError`. `idle`: waiting for it alone does not keep the process alive. */
export async function inTime<T> (ms: number, result: Promise<T>, { idle = false }: { idle?: boolean } = {}): Promise<T> {
  return await new Promise((resolve, reject) => {
    const late = timer(ms, reject)
    if (idle) late.unref()
    result.then(resolve, reject).finally(() => { late.clear() })
  })
}

/**
 * Calls `onLate` after `ms` milliseconds unless it is cleared. When the timer fires because this process was busy, the answer
 * may have arrived long ago, or the question may have been sent just now: input that is waiting is read first, and there is as much
 * time again, once.
 */
export function timer (ms: number, onLate: (late: LateError) => void): { clear: () => void, unref: () => void } {
  let immediate: NodeJS.Immediate | undefined
  let isLastTime = false
  let dueAt = performance.now() + ms
  let isIdle = false
  let timeout = setTimeout(fire, ms)
  function fire (): void {
    const wasBusy = performance.now() - dueAt > BUSY_MS
    immediate = setImmediate(() => {
      if (isLastTime || !wasBusy) return onLate(new LateError(ms))
      isLastTime = true
      const moreMs = Math.min(ms, MOST_MORE_MS)
      dueAt = performance.now() + moreMs
      timeout = setTimeout(fire, moreMs)
      if (isIdle) timeout.unref()
    })
  }
  return {
    unref () {
      isIdle = true
      timeout.unref()
    },
    clear () {
      clearTimeout(timeout)
      if (immediate !== undefined) clearImmediate(immediate)
    }
  }
}
