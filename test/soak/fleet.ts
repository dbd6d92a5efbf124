import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { ServerReport, ServerSample, ServerSettings } from './settings.ts'

export interface Started {
  readonly name: string
  readonly port: number
  readonly memory: boolean
  /** Undefined when it does not answer in its time. */
  sample (): Promise<ServerSample | undefined>
  /** Asks it to close; resolves to its exit code. */
  stop (): Promise<number | null>
  kill (): void
}

const ANSWERS_MS = 10_000

/** Starts a server in a process of its own, which ends with this one. */
export async function startServerProcess (settings: ServerSettings): Promise<Started> {
  const child = fork(join(import.meta.dirname, 'server.ts'), [JSON.stringify(settings)], { execArgv: ['--expose-gc', '--import=tsx'], env: withoutLoaders() })
  const { port } = await nextReport(child) as { port: number }
  return {
    name: settings.name,
    port,
    memory: settings.memory,
    async sample () {
      child.send('sample')
      // One that has ended, or is stopped, says nothing.
      return await nextReport(child, AbortSignal.timeout(ANSWERS_MS)).catch(() => undefined) as ServerSample | undefined
    },
    async stop () {
      const exit = once(child, 'exit')
      child.send('close')
      const [code] = await exit as [number | null]
      return code
    },
    kill: () => { child.kill('SIGKILL') }
  }
}

/** Tap puts its own loaders into every Node that a test starts. */
function withoutLoaders (): NodeJS.ProcessEnv {
  const { NODE_OPTIONS, ...env } = process.env
  return env
}

async function nextReport (child: ChildProcess, signal?: AbortSignal): Promise<ServerReport> {
  const ending = new AbortController()
  try {
    const options = { signal: signal === undefined ? ending.signal : AbortSignal.any([signal, ending.signal]) }
    const exit = once(child, 'exit', options).then(([code]) => { throw new Error(`a server has ended with ${code}`) })
    const [report] = await Promise.race([once(child, 'message', options), exit]) as [ServerReport]
    exit.catch(() => { /* not waited for any more */ })
    return report
  } finally {
    ending.abort()
  }
}
