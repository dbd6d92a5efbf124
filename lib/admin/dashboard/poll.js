/** Longest pause after failures. Milliseconds. */
const LONGEST_MS = 30_000

/**
 * Does something again and again while the page is seen. After a failure it waits longer each time.
 * @param {() => Promise<boolean>} run Whether it went well.
 * @param {{ everyMs: number }} options
 * @returns {{ now: () => void, stop: () => void }}
 */
export function poll (run, { everyMs }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  let isRunning = false
  let isStopped = false
  let waitMs = everyMs

  async function turn () {
    clearTimeout(timer)
    if (isRunning || isStopped || document.hidden) return
    isRunning = true
    waitMs = await run() ? everyMs : Math.min(2 * waitMs, LONGEST_MS)
    isRunning = false
    if (!isStopped && !document.hidden) timer = setTimeout(turn, waitMs)
  }

  function seenOrHidden () {
    clearTimeout(timer)
    if (!document.hidden) turn()
  }

  document.addEventListener('visibilitychange', seenOrHidden)
  turn()
  return {
    now: () => { turn() },
    stop: () => {
      isStopped = true
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', seenOrHidden)
    }
  }
}
