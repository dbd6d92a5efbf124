import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { builtProgram } from '../helpers/built-program.ts'
import { spawnPlain } from '../helpers/plain-process.ts'
import type { ProcessSettings } from '../oracle/settings.ts'
import type { RoundReport } from './oracle-process.ts'
import type { AppReport, AppSettings, LoadReport, LoadSettings, Measured, Operation } from './settings.ts'

export interface FleetSettings {
  /** Options of the cache in all processes; those with memory get it as well. */
  readonly cache: NonNullable<AppSettings['cache']>
  readonly versionsUrl: string
  readonly operations: readonly Operation[]
  /** See `LoadSettings`. Default: 1. */
  readonly pace?: number
  /** Where the processes of the oracle find Redis. Without it there are none. */
  readonly oracle?: { readonly cacheUrl: string, readonly databaseUrl: string }
}

/** What was seen between `start` and `stop`. */
export interface Round extends LoadReport {
  readonly acks: Float64Array
  readonly responses: Float64Array
  readonly refused: number
  /** Of the oracle. */
  readonly faults: readonly string[]
}

export interface Fleet {
  /** Begins to ask. */
  start (): Promise<void>
  /** What clients have seen so far since the last time. */
  take (): Promise<LoadReport>
  /** Ends asking. */
  stop (): Promise<Round>
  /** What is left in the processes with a cache, while nobody asks. A process that has ended says so. */
  measure (): Promise<readonly Measured[]>
  close (): Promise<void>
}

const MEMORY = { maxBytes: 16 * 2 ** 20 }
/** So long copies in memory are used without a word from Redis: the default of the app, and what the oracle is given. */
export const MAX_BLIND_MS = 5000

/** Starts the processes: apps with Redis alone, with memory in front of it and without a cache, clients, and the oracle. */
export async function startFleet ({ cache, versionsUrl, operations, pace = 1, oracle }: FleetSettings): Promise<Fleet> {
  const [app, watching, asking] = await Promise.all((['app', 'oracle', 'load'] as const).map((name) => builtProgram(join(import.meta.dirname, `${name}-process.ts`)))) as [string, string, string]
  const children: Child[] = []
  function start (program: string, settings: unknown): Child {
    const child = new Child(program, settings)
    children.push(child)
    return child
  }
  const withMemory = operations.includes('feed')
  const apps: AppSettings[] = [{ cache, versionsUrl }, { cache, versionsUrl }, ...withMemory ? [1, 2].map(() => ({ cache: { ...cache, memory: MEMORY }, versionsUrl })) : []]
  const cached = apps.map((settings) => start(app, settings))
  const plain = start(app, { versionsUrl } satisfies AppSettings)
  const watchers = oracle === undefined ? [] : oracleSettings(oracle, pace).map((settings) => start(watching, settings))
  try {
    const ports = (await Promise.all([...cached, plain].map((child) => child.next<AppReport>()))).map((report) => report.type === 'ready' ? report.port : 0)
    for (const watcher of watchers) await watcher.next()
    const load = start(asking, { operations, pace, ports: { redis: ports.slice(0, 2), memory: ports.slice(2, -1), plain: ports.at(-1)! } } satisfies LoadSettings)
    await load.next()
    return {
      async start () {
        for (const watcher of watchers) watcher.send('start')
        await load.ask('start')
      },
      take: async () => await load.ask<LoadReport>('take'),
      async stop () {
        const [seen, ...rounds] = await Promise.all([load.ask<LoadReport>('stop'), ...watchers.map((watcher) => watcher.ask<RoundReport>('stop'))])
        const writers = rounds.filter((_, at) => at % 2 === 1)
        return {
          ...seen,
          acks: joined(writers.map(({ rows }) => rows)),
          responses: joined(rounds.filter((_, at) => at % 2 === 0).map(({ rows }) => rows)),
          refused: writers.reduce((sum, { refused }) => sum + refused, 0),
          faults: rounds.flatMap(({ fault }) => fault === undefined ? [] : [fault])
        }
      },
      measure: async () => await Promise.all(cached.map(async (child) => await child.ask<Measured>('measure').catch(ended))),
      async close () { await Promise.all(children.map((child) => child.end())) }
    }
  } catch (fault) {
    await Promise.all(children.map((child) => child.end()))
    throw fault
  }
}

function ended (fault: Error): Measured {
  return { handles: {}, heapBytes: 0, uncaught: [fault.message] }
}

/** A reader and a writer. */
function oracleSettings ({ cacheUrl, databaseUrl }: NonNullable<FleetSettings['oracle']>, pace: number): ProcessSettings[] {
  const common = { cacheUrl, databaseUrl, prefix: 'oracle', firstLoop: 0, allLoops: 2, invalidations: 0 }
  return [
    { ...common, role: 'reader', memory: { ...MEMORY, maxBlindMs: MAX_BLIND_MS }, loops: 4, restMs: 8 * pace },
    { ...common, role: 'writer', loops: 2, restMs: 10 * pace }
  ]
}

/** A process with a channel to this one. */
class Child {
  readonly #process: ChildProcess
  readonly #exit: Promise<never>
  readonly #ended: Promise<unknown>

  constructor (program: string, settings: unknown) {
    this.#process = spawnPlain(process.execPath, [program, JSON.stringify(settings)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced'
    })
    this.#ended = once(this.#process, 'exit')
    this.#exit = this.#ended.then((how) => { throw new Error(`${program} has ended: ${String(how)}`) })
    this.#exit.catch(() => {}) // those who wait hear of it
  }

  send (message: string): void {
    if (this.#process.connected) this.#process.send(message)
  }

  async next<T> (): Promise<T> {
    return await Promise.race([once(this.#process, 'message').then(([report]) => report as T), this.#exit])
  }

  async ask<T> (message: string): Promise<T> {
    const answer = this.next<T>()
    this.send(message)
    return await answer
  }

  async end (): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#ended
  }
}

function joined (parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
