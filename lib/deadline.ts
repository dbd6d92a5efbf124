/** A longer timer would fire at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1

/** What comes after `ms` milliseconds is too late, and rejects. `idle`: waiting for it alone does not keep the process alive. */
export async function inTime<T> (ms: number, result: Promise<T>, { idle = false }: { idle?: boolean } = {}): Promise<T> {
  return await new Promise((resolve, reject) => {
    const late = timer(ms, reject)
    if (idle) late.unref()
    result.then(resolve, reject).finally(() => { late.clear() })
  })
}

/**
 * Calls `onLate` after `ms` milliseconds unless it is cleared. When the timer fires because this process was busy, the answer
 * may have arrived long ago: input that is waiting is read first.
 */
export function timer (ms: number, onLate: (late: Error) => void): { clear: () => void, unref: () => void } {
  let immediate: NodeJS.Immediate | undefined
  const timeout = setTimeout(() => {
    immediate = setImmediate(() => onLate(new Error(`no answer within ${ms} ms`)))
  }, ms)
  return {
    unref () { timeout.unref() },
    clear () {
      clearTimeout(timeout)
      if (immediate !== undefined) clearImmediate(immediate)
    }
  }
}
