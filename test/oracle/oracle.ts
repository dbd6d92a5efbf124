import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { builtProgram } from '../helpers/built-program.ts'
import { spawnPlain } from '../helpers/plain-process.ts'
import type { RedisServer } from '../helpers/redis-process.ts'
import { startServer } from '../helpers/redis-server.ts'
import { disturb, type Disturbance } from './disturbance.ts'
import { judge, type Verdicts } from './judge.ts'
import type { Command, ProcessSettings, Report } from './settings.ts'
import { RESPONSES, VALUES } from './things.ts'

export interface Scenario {
  readonly name: string
  readonly memory?: { readonly maxBytes: number, readonly maxBlindMs: number }
  readonly disturbances?: readonly Disturbance[]
}

export interface Outcome extends Verdicts {
  readonly scenario: Scenario
  readonly seconds: number
  /** Invalidations that were not acknowledged. */
  readonly refused: number
  /** How often something was restarted or cut. */
  readonly disturbances: number
}

const MB = 2 ** 20
const WRITERS = 2
const WRITER_LOOPS = 4

/** Two that ask for everything, and two that ask for a response, a value and a produced value each. */
const READERS: ReadonlyArray<Pick<ProcessSettings, 'things' | 'loops' | 'restMs'>> = [
  { loops: 12, restMs: 1 },
  { loops: 12, restMs: 1 },
  { things: [1, RESPONSES + 1, RESPONSES + VALUES + 1], loops: 1, restMs: 2 },
  { things: [2, RESPONSES + 2, RESPONSES + VALUES + 2], loops: 1, restMs: 2 }
]

const memory = { maxBytes: 16 * MB, maxBlindMs: 2000 }

export const SCENARIOS: readonly Scenario[] = [
  { name: 'Redis' },
  { name: 'Redis, restarted empty', disturbances: ['restart'] },
  { name: 'memory', memory },
  { name: 'memory, connections of the feed killed', memory, disturbances: ['kill'] },
  { name: 'memory, Redis restarted empty', memory, disturbances: ['restart'] },
  { name: 'memory, the feed is silent', memory: { ...memory, maxBlindMs: 500 }, disturbances: ['mute'] },
  { name: 'memory, maxBlindMs: 0', memory: { ...memory, maxBlindMs: 0 } }
]

/** The same in short. */
export const SHORT_SCENARIOS: readonly Scenario[] = [
  { name: 'Redis, restarted empty', disturbances: ['restart'] },
  { name: 'memory, Redis restarted empty, connections of the feed killed', memory, disturbances: ['kill', 'kill', 'restart'] },
  { name: 'memory, the feed is silent', memory: { ...memory, maxBlindMs: 500 }, disturbances: ['mute'] }
]

/** Runs one scenario in processes of its own, against a Redis of its own. */
export async function runScenario (scenario: Scenario, invalidations: number): Promise<Outcome> {
  const servers = await Promise.all([startServer({}), startServer({})])
  const children: ChildProcess[] = []
  try {
    const program = await builtProgram(join(import.meta.dirname, 'process.ts'))
    const start = (settings: ProcessSettings): Started => startProcess(program, settings, children)
    return await observe({ scenario, invalidations, cache: servers[0], database: servers[1], start })
  } finally {
    for (const child of children) child.kill('SIGKILL')
    for (const server of servers) await server.dispose()
  }
}

async function observe (
  { scenario, invalidations, cache, database, start }: { scenario: Scenario, invalidations: number, cache: RedisServer, database: RedisServer, start: (settings: ProcessSettings) => Started }
): Promise<Outcome> {
  const disturbing = await disturb(cache, scenario.disturbances ?? [])
  const common = { databaseUrl: database.url, prefix: 'oracle', ...(scenario.memory === undefined ? {} : { memory: scenario.memory }), allLoops: WRITERS * WRITER_LOOPS }
  const readers = READERS.map((reader) => start({ ...common, ...reader, role: 'reader', cacheUrl: cache.url, firstLoop: 0, invalidations: 0 }))
  const writers = Array.from({ length: WRITERS }, (_, at) => start({
    ...common, role: 'writer', cacheUrl: disturbing.writerUrl, loops: WRITER_LOOPS, restMs: 4, firstLoop: at * WRITER_LOOPS, invalidations: Math.ceil(invalidations / WRITERS)
  }))
  for (const { next } of [...readers, ...writers]) await next() // ready
  const beganAt = performance.now()
  for (const { send } of [...readers, ...writers]) send({ type: 'go' })
  const stopDisturbing = disturbing.begin()
  const written = await Promise.all(writers.map(({ next }) => next()))
  const seconds = (performance.now() - beganAt) / 1000
  const times = await stopDisturbing()
  for (const { send } of readers) send({ type: 'stop' })
  const read = await Promise.all(readers.map(({ next }) => next()))
  const acks = written.flatMap((report) => report.type === 'acks' ? [report] : [])
  const verdicts = judge(joined(acks.map((report) => report.acks)), joined(read.flatMap((report) => report.type === 'responses' ? [report.responses] : [])))
  return { ...verdicts, scenario, seconds, disturbances: times, refused: acks.reduce((sum, { refused }) => sum + refused, 0) }
}

interface Started {
  send (command: Command): void
  /** What the process says next. */
  next (): Promise<Report>
}

function startProcess (program: string, settings: ProcessSettings, children: ChildProcess[]): Started {
  const child = spawnPlain(process.execPath, [program, JSON.stringify(settings)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced'
  })
  children.push(child)
  const ended = once(child, 'exit').then(([code, signal]) => { throw new Error(`a ${settings.role} has ended early: ${String(code ?? signal)}`) })
  ended.catch(() => {}) // those who wait hear of it
  return {
    send: (command) => { child.send(command) },
    next: async () => await Promise.race([once(child, 'message').then(([report]) => report as Report), ended])
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
