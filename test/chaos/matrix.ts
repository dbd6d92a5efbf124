import { setTimeout as sleep } from 'node:timers/promises'
import type { CacheOptions } from '../../lib/index.ts'
import { startFaultyProxy } from '../helpers/faulty-proxy.ts'
import { startServer } from '../helpers/redis-server.ts'
import { judge, type Verdicts } from '../oracle/judge.ts'
import { now } from '../oracle/settings.ts'
import { cellOf, p99Within, type Cell, type Span } from './cells.ts'
import type { Fault, Network } from './faults.ts'
import { startFleet, type Fleet, type FleetSettings } from './fleet.ts'
import { OPERATIONS, type LoadReport, type Measured, type Operation } from './settings.ts'

export interface Times {
  readonly warmUpMs: number
  readonly beforeMs: number
  readonly faultMs: number
  readonly afterMs: number
  /** So much longer it is watched when it does not become normal. */
  readonly patienceMs: number
}

export const LONG: Times = { warmUpMs: 4000, beforeMs: 1000, faultMs: 4000, afterMs: 3500, patienceMs: 8000 }
export const SHORT: Times = { warmUpMs: 2000, beforeMs: 300, faultMs: 1500, afterMs: 2500, patienceMs: 6000 }

const BUSY_TIMEOUTS: CacheOptions['timeouts'] = { read: '500ms', write: '2s' }

/** All operations under one fault. */
export interface Row {
  readonly fault: Pick<Fault, 'name' | 'description'>
  readonly cells: readonly Cell[]
  readonly oracle: Verdicts
  readonly oracleFaults: readonly string[]
  readonly uncaught: readonly string[]
  /** p99 of requests without a cache before anything was broken: how busy the machine is with other things. */
  readonly idleP99: number
  /** Of all processes with a cache together. */
  readonly before: Left
  readonly after: Left
}

/** What is left while nobody asks. */
export interface Left {
  readonly heapBytes: number
  readonly handles: Readonly<Record<string, number>>
  /** To Redis. */
  readonly connections: number
}

export interface MatrixOptions {
  readonly faults: readonly Fault[]
  readonly operations?: readonly Operation[]
  readonly times: Times
  /** The machine does other things as well: a third of the load, and longer deadlines than those of the library. */
  readonly isBusy?: boolean
  readonly onRow?: (row: Row) => void
}

/** Every fault × every operation. The operations are under load at the same time, as in an app. */
export async function runMatrix ({ faults, operations = OPERATIONS, times, isBusy = false, onRow }: MatrixOptions): Promise<Row[]> {
  const [redis, versions] = await Promise.all([startServer({ args: ['--enable-debug-command', 'yes'] }), startServer({})])
  const proxy = await startFaultyProxy({ port: redis.port })
  const url = `redis://127.0.0.1:${proxy.port}`
  const settings: FleetSettings = {
    cache: { redis: url, prefix: 'chaos', ...isBusy ? { timeouts: BUSY_TIMEOUTS } : {} },
    versionsUrl: versions.url,
    operations,
    pace: isBusy ? 3 : 1,
    oracle: { cacheUrl: url, databaseUrl: versions.url }
  }
  try {
    return await runFaults({ faults, ground: { redis, proxy }, settings, times, ...onRow === undefined ? {} : { onRow } })
  } finally {
    await proxy.close()
    await Promise.all([redis.dispose(), versions.dispose()])
  }
}

export interface FaultsOptions<On extends Network> {
  readonly faults: ReadonlyArray<Fault<On>>
  readonly ground: On
  readonly settings: FleetSettings
  readonly times: Times
  readonly onRow?: (row: Row) => void
}

export async function runFaults<On extends Network> (options: FaultsOptions<On>): Promise<Row[]> {
  const { faults, settings, onRow = () => {} } = options
  let fleet: Fleet | undefined
  const rows: Row[] = []
  try {
    for (const fault of faults) {
      fleet ??= await warmFleet(settings, options.times)
      const row = await runFault({ fault, fleet }, options)
      rows.push(row)
      onRow(row)
      if (isNormal(row)) continue
      // What comes next is not to suffer from this one.
      await fleet.close()
      fleet = undefined
    }
    return rows
  } finally {
    await fleet?.close()
  }
}

async function warmFleet (settings: FleetSettings, { warmUpMs }: Times): Promise<Fleet> {
  const fleet = await startFleet(settings)
  await fleet.start()
  await sleep(warmUpMs)
  await fleet.stop()
  return fleet
}

async function runFault<On extends Network> (
  { fault, fleet }: { fault: Fault<On>, fleet: Fleet }, { ground, times, settings: { operations } }: FaultsOptions<On>
): Promise<Row> {
  const before = leftIn(await fleet.measure(), ground)
  await fleet.start()
  const startAt = now()
  await sleep(times.beforeMs)
  const beginAt = now()
  await fault.run(ground, times.faultMs)
  const span: Span = { beginAt, endAt: now() }
  const seen: LoadReport[] = []
  const all = (): LoadReport => ({ samples: seen.flatMap(({ samples }) => samples), touches: seen.flatMap(({ touches }) => touches) })
  const cells = (): Cell[] => operations.map((operation) => cellOf(operation, all(), span))
  await sleep(times.afterMs)
  seen.push(await fleet.take())
  for (let waitedMs = 0; waitedMs < times.patienceMs && cells().some(({ normalAfterMs }) => normalAfterMs === undefined); waitedMs += 1000) {
    await sleep(1000)
    seen.push(await fleet.take())
  }
  const { acks, responses, faults, ...rest } = await fleet.stop()
  seen.push(rest)
  const measured = await fleet.measure()
  return {
    fault: { name: fault.name, description: fault.description },
    cells: cells(),
    idleP99: p99Within({ beginAt: startAt, endAt: beginAt }, all().samples.filter((sample) => sample.of === 'plain')),
    oracle: judge(acks, responses),
    oracleFaults: faults,
    uncaught: measured.flatMap(({ uncaught }) => uncaught),
    before,
    after: leftIn(measured, ground)
  }
}

function leftIn (measured: readonly Measured[], { proxy }: Network): Left {
  const handles: Record<string, number> = {}
  for (const one of measured) for (const [type, count] of Object.entries(one.handles)) handles[type] = (handles[type] ?? 0) + count
  return { handles, heapBytes: measured.reduce((sum, { heapBytes }) => sum + heapBytes, 0), connections: proxy.connections }
}

function isNormal ({ cells, uncaught, oracleFaults }: Row): boolean {
  return uncaught.length === 0 && oracleFaults.length === 0 && cells.every(({ normalAfterMs }) => normalAfterMs !== undefined)
}
