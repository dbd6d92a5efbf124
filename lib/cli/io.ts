/** A stream that text is written to. */
export interface Written {
  readonly isTTY?: boolean
  readonly columns?: number
  write (text: string): unknown
}

/** What the command line has of the world. */
export interface Io {
  /** Results, and nothing else. */
  readonly stdout: Written
  /** What is said besides: errors, questions, progress. */
  readonly stderr: Written
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly env: Readonly<Record<string, string | undefined>>
  /** Somebody wants it to end. */
  readonly signal: AbortSignal
}

/** That of this process. The first Ctrl+C ends what runs, the second one the process. */
export function processIo (): Io {
  const ending = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => { ending.abort() })
  // Whoever reads has had enough, as `head` has: that is an end, and no fault.
  process.stdout.on('error', () => { ending.abort() })
  const { stdout, stderr, stdin, env } = process
  return { stdout, stderr, stdin, env, signal: ending.signal }
}
