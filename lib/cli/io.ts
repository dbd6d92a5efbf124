import { EXIT, ReaderGone } from './exit.ts'

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
  process.stdout.on('error', (fault: NodeJS.ErrnoException) => {
    if (fault.code === 'EPIPE') return ending.abort(new ReaderGone())
    process.stderr.write(`error: the result cannot be written: ${fault.message}\n`)
    process.exitCode = EXIT.failed
    ending.abort(fault)
  })
  process.stderr.on('error', () => {}) // there is nobody to tell
  const { stdout, stderr, stdin, env } = process
  return { stdout, stderr, stdin, env, signal: ending.signal }
}
