/** Runs the task once after so many milliseconds, without keeping the process alive; gives what calls that off. */
export type Later = (ms: number, task: () => void) => () => void

export const later: Later = (ms, task) => {
  const timeout = setTimeout(task, ms).unref()
  return () => { clearTimeout(timeout) }
}
