import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { freePort } from './free-port.ts'
import { spawnWatched } from './watchdog.ts'

/** A Redis server that a test may kill, start again on the same port, and freeze. */
export interface RedisServer {
  url: string
  port: number
  /** Kills the server. Nothing is saved, its clients see a broken connection. */
  stop (): Promise<void>
  /** Starts it again, empty, on the same port. */
  start (): Promise<void>
  /** Freezes it: connections stay open, nothing is answered. */
  pause (): Promise<void>
  resume (): Promise<void>
  /** Ends it for good and removes what it left. */
  dispose (): Promise<void>
}

export interface RedisServerOptions {
  /** Default: a free one. */
  port?: number
  /** More command line arguments for redis-server, for example `['--maxmemory', '2mb']`. */
  args?: string[]
}

interface Running {
  pid: number
  shell: ChildProcessByStdio<Writable, Readable, null>
  /** Settles when the server has ended, by whatever cause. */
  ended: Promise<unknown>
}

/** Starts a server from a binary and waits until it accepts connections. */
export async function startProcess (binary: string, options: RedisServerOptions): Promise<RedisServer> {
  const { port, running: first } = await launchOnPort(binary, options)
  let running: Running | undefined = first

  async function stop (): Promise<void> {
    const stopping = running
    running = undefined
    if (stopping !== undefined) await end(stopping)
  }

  function signal (name: 'SIGSTOP' | 'SIGCONT'): void {
    if (running === undefined) throw new Error('this Redis server is not running')
    process.kill(running.pid, name)
  }

  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    stop,
    dispose: stop,
    start: async () => { running ??= await launch(binary, port, options.args ?? []) },
    pause: async () => signal('SIGSTOP'),
    resume: async () => signal('SIGCONT')
  }
}

/** A free port may be taken by somebody else before the server has it: then the next one. */
async function launchOnPort (binary: string, options: RedisServerOptions): Promise<{ port: number, running: Running }> {
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? await freePort()
    try {
      return { port, running: await launch(binary, port, options.args ?? []) }
    } catch (error) {
      if (options.port !== undefined || attempt === 5 || !/in use/i.test((error as Error).message)) throw error
    }
  }
}

async function launch (binary: string, port: number, args: string[]): Promise<Running> {
  const folder = await mkdtemp(join(tmpdir(), 'redis-for-tests-'))
  const shell = spawnWatched(folder, [binary, '--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no', ...args])
  const ended = once(shell.stdout, 'close')
  const log: string[] = []
  let pid = 0
  for await (const line of createInterface({ input: shell.stdout })) {
    log.push(line)
    pid ||= Number(/^pid (\d+)$/.exec(line)?.[1] ?? 0)
    if (line.includes('Ready to accept connections')) break
  }

  const running: Running = { pid, shell, ended }
  const text = log.join('\n')
  if (!text.includes('Ready to accept connections')) {
    await end(running)
    await rm(folder, { recursive: true, force: true })
    throw new Error(`${binary} did not start on port ${port}:\n${text}`)
  }
  letGo(running)
  return running
}

/** The log is read away and nothing of it keeps this process alive. */
function letGo ({ shell }: Running): void {
  shell.unref()
  shell.stdout.resume();
  (shell.stdout as Socket).unref();
  (shell.stdin as Socket).unref()
}

async function end ({ pid, shell, ended }: Running): Promise<void> {
  const closed = shell.exitCode === null && shell.signalCode === null ? once(shell, 'exit') : undefined
  try {
    if (pid > 0) process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
  shell.stdin.end()
  shell.ref();
  (shell.stdout as Socket).ref()
  await Promise.all([ended, closed])
}
