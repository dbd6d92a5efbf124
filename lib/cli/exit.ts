/** What the process ends with. */
export const EXIT = { ok: 0, failed: 1, wrongUse: 2, interrupted: 130 } as const

/** Nobody reads what is written any more, as behind `| head -1`: an end, and no fault. */
export class ReaderGone extends Error {
  override readonly name = 'ReaderGone'
}

/** The command was written in a way that it cannot be: says what was expected. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The command could not do what it was to do: says what came, and what to do about it. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}
