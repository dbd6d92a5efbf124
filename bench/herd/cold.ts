import type { RouteCacheOptions } from '../../lib/index.ts'
import type { Figure, Ground } from './figure.ts'
import { withFleet, type Client, type Fleet } from './fleet.ts'
import { DISTRIBUTION, distribution, median } from './latencies.ts'
import { latency, type Answer, type Planned } from './requests.ts'

export interface ColdSettings {
  readonly requests: number
  readonly rounds: number
  readonly warmUpSeconds: number
  readonly variant: Variant
}

export interface FleetOfCold {
  readonly processes: number
  readonly handlerMs: number
  readonly cache: RouteCacheOptions
  readonly memory?: boolean
}

/** One key for all; a key for each of two users; two representations that `Vary` tells apart. */
export type Variant = 'one key' | 'two users' | 'two languages'

export interface Round {
  readonly runs: number
  readonly ms: readonly number[]
  /** Answers that were no success, or not meant for who asked. */
  readonly wrong: readonly Answer[]
}

/** How much longer than the handler the slowest may take. */
export const COLD_MARGIN_MS = 50
const WARM_UPS = 2
/** How many answers there are to give, and how many handlers that have to run one after another: who differs by `Vary` is known after the first. */
const SHAPES = { 'one key': { answers: 1, inARow: 1 }, 'two users': { answers: 2, inARow: 1 }, 'two languages': { answers: 2, inARow: 2 } } as const
const BOTH = ['first', 'second']

/** Bursts on keys that nobody has asked for before, and as many on keys that everybody has. */
export interface Rounds {
  readonly cold: readonly Round[]
  readonly hits: readonly Round[]
}

export async function coldRounds (ground: Ground, settings: ColdSettings & FleetOfCold): Promise<Rounds> {
  const { processes, handlerMs, cache, memory } = settings
  return await withFleet({ ...ground, processes, handlerMs, cache, ...memory === undefined ? {} : { memory } }, async (fleet, client) => await roundsOf(fleet, client, settings))
}

/** Several variants may follow each other in one fleet. */
export async function roundsOf (fleet: Fleet, client: Client, settings: ColdSettings): Promise<Rounds> {
  const { rounds, variant, warmUpSeconds } = settings
  // What is measured is a service that runs, not one whose code is being compiled.
  const { path, fields } = plan(fleet.ports, { variant, id: 'warm-up', at: 0 })
  if (warmUpSeconds > 0) await client.saturate({ ports: fleet.ports, path, ...fields === undefined ? {} : { fields }, connections: 100, seconds: warmUpSeconds })
  for (let i = 0; i < (warmUpSeconds > 0 ? WARM_UPS : 0); i++) await round(fleet, client, { ...settings, id: `warm-up-${i}` })
  const cold: Round[] = []
  const hits: Round[] = []
  for (let i = 0; i < rounds; i++) {
    cold.push(await round(fleet, client, { ...settings, id: `cold-${i}` }))
    hits.push(await round(fleet, client, { ...settings, id: `cold-${i}` }))
  }
  return { cold, hits }
}

async function round (fleet: Fleet, client: Client, { requests, variant, id }: ColdSettings & { id: string }): Promise<Round> {
  const before = fleet.runs.length
  const planned = Array.from({ length: requests }, (_, at) => plan(fleet.ports, { variant, id, at }))
  const answers = await client.burst({ requests: planned })
  return { runs: fleet.runs.length - before, ms: answers.map(latency), wrong: answers.filter((answer, at) => !isFor(planned[at]!, answer)) }
}

function plan (ports: readonly number[], { variant, id, at }: { variant: Variant, id: string, at: number }): Planned {
  const port = ports[at % ports.length]!
  const one = BOTH[Math.floor(at / ports.length) % 2]!
  if (variant === 'two users') return { port, path: `/user/${id}`, fields: { 'x-user': one } }
  if (variant === 'two languages') return { port, path: `/language/${id}`, fields: { 'accept-language': one } }
  return { port, path: `/thing/${id}` }
}

function isFor ({ fields }: Planned, { status, body }: Answer): boolean {
  if (status !== 200) return false
  return fields === undefined || Object.values(fields).includes((JSON.parse(body) as { for: string }).for)
}

export async function coldFigure (ground: Ground, { requests = 1000, rounds = 5 } = {}): Promise<Figure> {
  const common = { processes: 4, requests, handlerMs: 200, rounds, warmUpSeconds: 5 }
  const protectedBy = { ttl: '1h', lock: { waitMs: 10_000, leaseMs: 2000 } }
  const without = { ttl: '1h', lock: false } as const
  const cases: Array<ColdSettings & FleetOfCold & { name: string, promised: boolean }> = [
    { ...common, name: 'one key', variant: 'one key', cache: protectedBy, promised: true },
    { ...common, name: 'one key, memory before Redis', variant: 'one key', cache: protectedBy, memory: true, promised: true },
    { ...common, name: 'two users', variant: 'two users', cache: protectedBy, promised: true },
    { ...common, name: 'two values of a Vary field', variant: 'two languages', cache: protectedBy, promised: true },
    { ...common, name: 'one key, lock: false', variant: 'one key', cache: without, promised: false }
  ]
  const figure: Figure = {
    title: `cold: ${requests} requests at one moment for a key that nobody has asked for, ${common.processes} processes, handler ${common.handlerMs} ms, ${rounds} times`,
    headings: ['case', 'handler runs', 'should', ...DISTRIBUTION, 'slowest, median', 'limit', 'hits: p50', 'p90', 'p99', 'max', 'slowest, median'],
    rows: [],
    notes: ['Milliseconds from the moment of the release to the last byte. "hits" are the same requests once more, all of them hits: what this machine needs for them anyway.'],
    broken: []
  }
  for (const { name, promised, ...settings } of cases) {
    const { cold, hits } = await coldRounds(ground, settings)
    const { answers, inARow } = SHAPES[settings.variant]
    const limit = inARow * settings.handlerMs + COLD_MARGIN_MS
    const slowest = median(cold.map(slowestOf))
    figure.rows.push([
      name, cold.map(({ runs }) => runs).join(' '), String(answers), ...distribution(cold.flatMap(({ ms }) => ms)), slowest.toFixed(1), String(limit),
      ...distribution(hits.flatMap(({ ms }) => ms)), median(hits.map(slowestOf)).toFixed(1)
    ])
    const wrong = [...cold, ...hits].flatMap((round) => round.wrong)
    if (wrong.length > 0) figure.broken.push(`${name}: ${wrong.length} answers were wrong, the first: ${JSON.stringify(wrong[0])}`)
    if (promised && cold.some(({ runs }) => runs !== answers)) figure.broken.push(`${name}: the handler should have run ${answers} times`)
    if (promised && slowest > limit) figure.broken.push(`${name}: the slowest request took ${slowest.toFixed(1)} ms in the median, more than ${limit} ms`)
  }
  return figure
}

function slowestOf ({ ms }: Round): number {
  return Math.max(...ms)
}
