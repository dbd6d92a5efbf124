import { setTimeout as wait } from 'node:timers/promises'

/** What was away a long time is found again in less than a second. */
const LONGEST_MS = 500

/** How long to wait before trying again, for the number of times that it has failed: 50 ms, and twice as long each time. */
export function retryMs (retries: number): number {
  return Math.min(50 * 2 ** retries, LONGEST_MS) + Math.floor(Math.random() * 200)
}

/** Waits before the next try, or until it is not wanted any more. */
export async function backOff (retries: number, ended: AbortSignal): Promise<void> {
  // Only the end makes it reject, and callers ask for that themselves.
  await wait(retryMs(retries), undefined, { signal: ended }).catch(() => {})
}
