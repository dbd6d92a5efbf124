import { once } from 'node:events'
import { isAbsolute, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { spawnPlain } from '../helpers/plain-process.ts'
import { now, saidIn } from './said.ts'

export interface Ended<Said> {
  /** All that the program has said, the last one last. */
  readonly said: ReadonlyArray<Said & { readonly saidAt: number }>
  /** Nobody ended it: 0 when all is well. */
  readonly code: number | null
  /** Milliseconds between the last word and the end of the process. */
  readonly lingeredMs: number
  readonly errors: string
}

export interface ProgramOptions<Said> {
  readonly nodeArgs?: string[]
  /** Hears each word as it is said; `input` is what the program reads. */
  readonly onSaid?: (said: Said, input: Writable) => void | Promise<void>
}

/** Runs a program of this folder, or one that was built from one of them, to its own end. It is killed with the test, whose time limit is its own. */
export async function runOfFolder<Said> (t: Test, [file, ...args]: [file: string, ...args: string[]], { nodeArgs = [], onSaid }: ProgramOptions<Said> = {}): Promise<Ended<Said>> {
  const program = isAbsolute(file) ? [file] : ['--import=tsx', join(import.meta.dirname, file)]
  const child = spawnPlain(process.execPath, [...nodeArgs, ...program, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  t.teardown(() => { child.kill('SIGKILL') })
  const [stdin, stdout, stderr] = [child.stdin!, child.stdout!, child.stderr!]
  stdin.on('error', () => {}) // a program that has ended reads nothing
  const said: Array<Said & { saidAt: number }> = []
  const told: Array<void | Promise<void>> = []
  const lines = createInterface({ input: stdout }).on('line', (line) => {
    for (const one of saidIn(line) as typeof said) {
      said.push(one)
      told.push(onSaid?.(one, stdin))
    }
  })
  const exit = once(child, 'exit').then(([code]) => ({ code: code as number | null, at: now() }))
  const [{ code, at }, errors] = await Promise.all([exit, text(stderr), once(lines, 'close')])
  await Promise.all(told)
  return { said, code, lingeredMs: at - (said.at(-1)?.saidAt ?? at), errors }
}
