import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { spawnPlain } from './plain-process.ts'

export interface ProgramOptions {
  args?: string[]
  env?: NodeJS.ProcessEnv
  /** `sandbox.ts` as JavaScript. With it the program is JavaScript, too. */
  sandbox?: string
  /** Port of the Redis that a connection to port 6379 gets. */
  redisPort?: number
  /**
   * Called with the address once the program listens; when it is done, the program is asked to stop.
   * Without it the program has to end by itself.
   */
  visit?: (origin: string) => Promise<void>
  /** Default: a minute. */
  timeoutMs?: number
}

export interface ProgramResult {
  /** `undefined` if all is well, else what went wrong, with what the program wrote. */
  problem: string | undefined
  listened: boolean
  output: string
}

const SANDBOX = join(import.meta.dirname, 'sandbox.ts')

/** Runs a program in a process of its own. It has to exit with 0, or, once visited, to stop when it is told to. */
export async function runProgram (file: string, options: ProgramOptions = {}): Promise<ProgramResult> {
  const child = start(file, options)
  const closed = once(child, 'close')
  const output = Promise.all([text(child.stdout!), text(child.stderr!)]).then(parts => parts.join(''))

  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    child.kill('SIGKILL')
  }, options.timeoutMs ?? 60_000)

  const { listened, complaint } = await watch(child, options)
  const [code] = await closed as [number | null]
  clearTimeout(timer)

  const written = await output
  const outcome = timedOut ? 'it was still running when its time was over' : complaint ?? exitProblem(code, listened)
  return { listened, output: written, problem: outcome && `${outcome}\n${written}` }
}

function start (file: string, { args = [], env = {}, redisPort, sandbox }: ProgramOptions): ChildProcess {
  const { REDIS_URL, ...inherited } = process.env
  const imports = sandbox === undefined ? ['--import', 'tsx', '--import', pathToFileURL(SANDBOX).href] : ['--import', pathToFileURL(sandbox).href]
  return spawnPlain(process.execPath, [...imports, file, ...args], {
    env: { ...inherited, ...redisPort === undefined ? {} : { SANDBOX_REDIS_PORT: String(redisPort) }, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc']
  })
}

async function watch (child: ChildProcess, { visit }: ProgramOptions) {
  if (visit === undefined) return { listened: false, complaint: undefined }

  const exit = once(child, 'exit')
  const message = await Promise.race([once(child, 'message'), exit.then(() => undefined)])
  if (message === undefined) return { listened: false, complaint: undefined }

  try {
    await visit(`http://127.0.0.1:${(message[0] as { port: number }).port}`)
    return { listened: true, complaint: undefined }
  } catch (error) {
    return { listened: true, complaint: (error as Error).message }
  } finally {
    child.kill('SIGTERM')
  }
}

/** A server that was told to stop may end by the signal or close itself. */
function exitProblem (code: number | null, listened: boolean): string | undefined {
  return code === 0 || (code === null && listened) ? undefined : `it ended with ${code ?? 'a signal'}`
}
