/** What comes after `ms` milliseconds is too late, and rejects. What is there already is given as it is. */
export async function inTime<T> (ms: number, result: T | Promise<T>): Promise<T> {
  if (typeof (result as { then?: unknown } | null | undefined)?.then !== 'function') return result
  return await new Promise((resolve, reject) => {
    const late = timer(ms, reject);
    (result as Promise<T>).then(resolve, reject).finally(() => { late.clear() })
  })
}

/**
 * Calls `onLate` after `ms` milliseconds unless it is cleared. When the timer fires because this process was busy, the answer
 * may have arrived long ago: input that is waiting is read first.
 */
export function timer (ms: number, onLate: (late: Error) => void): { clear: () => void } {
  let immediate: NodeJS.Immediate | undefined
  const timeout = setTimeout(() => {
    immediate = setImmediate(() => onLate(new Error(`no answer within ${ms} ms`)))
  }, ms)
  return {
    clear () {
      clearTimeout(timeout)
      if (immediate !== undefined) clearImmediate(immediate)
    }
  }
}
