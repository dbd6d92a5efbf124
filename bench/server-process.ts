import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bound } from './cores.ts'
import type { Comparison, Contestant } from './contestants.ts'

const GET_WARM_MS = 5000

/*
 * A heap that need not grow while the server warms up. Otherwise the first full collection falls into the warm-up of one server
 * and not of another, takes from V8 what it has just learned of `process.nextTick`, and that server is slower for all its life
 * (seen: 25 % more CPU time in one of six launches).
 */
const SETTLED_HEAP = '--initial-heap-size=128'

/** Calls of the handler and CPU time since the start of the process. */
export interface Usage {
  handlerCalls: number
  cpuMicros: number
}

export interface StartOptions {
  core: number | undefined
  env: NodeJS.ProcessEnv
  nodeArgs?: string[]
}

/** One contestant, running. Plain JavaScript in a process of its own, so that nothing but the server is measured. */
export class ServerProcess {
  readonly contestant: Contestant
  readonly origin: string
  readonly #child: ChildProcess
  readonly #bodyHash: string

  private constructor (contestant: Contestant, child: ChildProcess, port: number, bodyHash: string) {
    this.contestant = contestant
    this.origin = `http://127.0.0.1:${port}`
    this.#child = child
    this.#bodyHash = bodyHash
  }

  static async start (contestant: Contestant, { core, env, nodeArgs = [] }: StartOptions): Promise<ServerProcess> {
    const file = resolve(fileURLToPath(new URL('servers', import.meta.url)), contestant.file)
    const [command, args] = bound(core, process.execPath, [SETTLED_HEAP, ...nodeArgs, file, ...contestant.args ?? []])
    const child = spawn(command, args, {
      env: { ...process.env, ...env, NODE_ENV: 'production' },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc']
    })
    const { port, bodyHash } = await answer<{ port: number, bodyHash: string }>(child, contestant.name)
    return new ServerProcess(contestant, child, port, bodyHash)
  }

  async usage (): Promise<Usage> {
    this.#child.send('usage')
    const { handlerCalls, cpu } = await answer<{ handlerCalls: number, cpu: NodeJS.CpuUsage }>(this.#child, this.contestant.name)
    return { handlerCalls, cpuMicros: cpu.user + cpu.system }
  }

  /** Refuses a contestant that answers something else than the others, or that gives no hit where it should. */
  async verify ({ path, headers, status = 200 }: Pick<Comparison, 'path' | 'headers' | 'status'>): Promise<void> {
    const { name, hit, xCache } = this.contestant
    const giveUpAt = Date.now() + GET_WARM_MS
    for (;;) {
      const before = await this.usage()
      const response = await this.#request(path)
      const ran = (await this.usage()).handlerCalls !== before.handlerCalls
      const said = response.headers.get('x-cache') ?? undefined
      if (said === xCache && !(hit && ran)) break
      // The first requests may come before the connection to Redis, or before the response is stored.
      if (Date.now() > giveUpAt) throw new Error(`${name}: expected a hit (X-Cache: ${xCache}), got X-Cache: ${said}, the handler ${ran ? 'ran' : 'did not run'}`)
    }
    const answer = await fetch(this.origin + path, headers === undefined ? {} : { headers })
    await answer.arrayBuffer()
    if (answer.status !== status) throw new Error(`${name}: expected status ${status}, got ${answer.status}`)
  }

  async #request (path: string): Promise<Response> {
    const response = await fetch(this.origin + path)
    const body = Buffer.from(await response.arrayBuffer())
    const { name } = this.contestant
    if (response.status !== 200) throw new Error(`${name}: expected status 200, got ${response.status}`)
    if (createHash('sha256').update(body).digest('hex') !== this.#bodyHash) {
      throw new Error(`${name}: the body is not the one of the other contestants`)
    }
    return response
  }

  async stop (): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.disconnect()
    await exited
  }
}

async function answer<T> (child: ChildProcess, name: string): Promise<T> {
  const gone = new AbortController()
  const exit = once(child, 'exit', { signal: gone.signal }).then(([code]) => {
    throw new Error(`${name}: the server ended with ${code}`)
  })
  try {
    const [message] = await Promise.race([once(child, 'message', { signal: gone.signal }), exit]) as [T]
    return message
  } finally {
    exit.catch(() => {}) // the listener is taken away below, which rejects the promise
    gone.abort()
  }
}
