import { pickCores } from '../cores.ts'
import type { RouteCacheOptions } from '../../lib/index.ts'
import type { Figure, Ground } from './figure.ts'
import { Client, Fleet } from './fleet.ts'
import { median } from './latencies.ts'
import type { Throughput } from './requests.ts'

export interface UncacheableSettings {
  readonly processes: number
  readonly connections: number
  readonly handlerMs: number
  /** Of one run; runs with and without alternate. */
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly pairs: number
  readonly cache: RouteCacheOptions
  /** Entries are kept in Redis; else in the processes. */
  readonly redis: boolean
}

export interface Measured extends Throughput {
  /** CPU time of the servers for a request. */
  readonly cpuMicros: number
}

export interface Pair {
  readonly cached: Measured
  readonly plain: Measured
}

const FLOOR = 0.95
/** The load of the figure "cold". With faster handlers the load takes all of the servers' core, so that each microsecond of theirs is seen. */
const PROMISED_MS = 200

/** A route whose answers are never storable, with `config.cache`, and in processes without the plugin. */
export async function uncacheablePairs (ground: Ground, settings: UncacheableSettings): Promise<Pair[]> {
  const { processes, handlerMs, cache, redis } = settings
  const cores = pickCores()
  const common = { library: ground.library, processes, handlerMs, core: cores?.server }
  const started: Array<{ stop: () => Promise<void> }> = []
  const keep = <T extends { stop: () => Promise<void> }>(one: T): T => {
    started.push(one)
    return one
  }
  try {
    const client = keep(await Client.start(cores?.load))
    const cached = keep(await Fleet.start({ ...common, cache, ...redis ? { redisUrl: ground.redisUrl } : {} }))
    const plain = keep(await Fleet.start(common))
    for (const fleet of [cached, plain]) await measure(fleet, client, { ...settings, seconds: settings.warmUpSeconds })
    const pairs: Pair[] = []
    for (let i = 0; i < settings.pairs; i++) {
      // Who comes first changes, so that what slows the machine down in between does not always meet the same side.
      const first = await measure(i % 2 === 0 ? cached : plain, client, settings)
      const second = await measure(i % 2 === 0 ? plain : cached, client, settings)
      pairs.push(i % 2 === 0 ? { cached: first, plain: second } : { cached: second, plain: first })
    }
    return pairs
  } finally {
    for (const one of started) await one.stop()
  }
}

async function measure (fleet: Fleet, client: Client, { connections, seconds }: UncacheableSettings): Promise<Measured> {
  const before = await fleet.cpuMicros()
  const throughput = await client.saturate({ ports: fleet.ports, path: '/uncacheable/1', connections, seconds })
  return { ...throughput, cpuMicros: (await fleet.cpuMicros() - before) / throughput.requests }
}

/** Requests per second with the cache as a share of those without, in the median of the pairs. */
export function ratioOf (pairs: readonly Pair[]): number {
  return median(pairs.map(({ cached, plain }) => perSecond(cached) / perSecond(plain)))
}

/** The same by the CPU time of the servers, which others on the machine disturb less. */
function cpuRatioOf (pairs: readonly Pair[]): number {
  return median(pairs.map(({ cached, plain }) => plain.cpuMicros / cached.cpuMicros))
}

function perSecond ({ requests, seconds }: Throughput): number {
  return requests / seconds
}

export async function uncacheableFigure (ground: Ground, { seconds = 2, rounds = 9 } = {}): Promise<Figure> {
  const cache = { ttl: '1h', lock: { waitMs: 10_000, leaseMs: 2000 } }
  const figure: Figure = {
    title: `uncacheable: 1000 connections to 4 processes for a route that always sets a cookie, ${rounds} pairs of runs of ${seconds} s`,
    headings: ['handler', 'store', 'with: requests/s', 'CPU µs', 'p50 ms', 'p99', 'longest', 'without: requests/s', 'CPU µs', 'p50 ms', 'p99', 'longest', 'ratio', 'floor', 'by CPU'],
    rows: [],
    notes: ['Medians of the runs, "longest" the longest wait of all. The servers share one core, the load and Redis use the other; CPU is that of the servers for a request, "by CPU" the ratio that follows from it.'],
    broken: []
  }
  for (const handlerMs of [PROMISED_MS, 20, 0]) {
    for (const redis of [false, true]) {
      const name = `${handlerMs === 0 ? 'next to no work' : `${handlerMs} ms`}, ${redis ? 'Redis' : 'memory'}`
      const floor = handlerMs === PROMISED_MS ? FLOOR : undefined
      const pairs = await uncacheablePairs(ground, { processes: 4, connections: 1000, handlerMs, seconds, warmUpSeconds: 3, pairs: rounds, cache, redis })
      const ratio = ratioOf(pairs)
      figure.rows.push([...name.split(', '), ...cells(pairs.map(({ cached }) => cached)), ...cells(pairs.map(({ plain }) => plain)), ratio.toFixed(3), String(floor ?? '-'), cpuRatioOf(pairs).toFixed(3)])
      const failures = pairs.reduce((sum, { cached, plain }) => sum + cached.failures + plain.failures, 0)
      if (failures > 0) figure.broken.push(`${name}: ${failures} answers were no success`)
      if (floor !== undefined && ratio < floor) figure.broken.push(`${name}: ${ratio.toFixed(3)} of the throughput without the plugin, less than ${floor}`)
    }
  }
  return figure
}

function cells (all: readonly Measured[]): string[] {
  const of = (value: (one: Measured) => number): string => median(all.map(value)).toFixed(1)
  return [
    median(all.map(perSecond)).toFixed(0), of(({ cpuMicros }) => cpuMicros), of(({ p50Ms }) => p50Ms), of(({ p99Ms }) => p99Ms),
    Math.max(...all.map(({ maxMs }) => maxMs)).toFixed(1)
  ]
}
