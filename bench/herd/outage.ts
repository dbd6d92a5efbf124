import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../../test/herd/settings.ts'
import type { RouteCacheOptions } from '../../lib/index.ts'
import { Child } from './child.ts'
import type { Figure, Ground } from './figure.ts'
import { withFleet, type Client, type Fleet } from './fleet.ts'
import { DISTRIBUTION, distribution } from './latencies.ts'
import { latency, type Answer } from './requests.ts'

export interface OutageSettings {
  readonly processes: number
  readonly perSecond: number
  readonly keys: number
  /** How long the origin is up at first, down, and up again. */
  readonly phases: readonly [upSeconds: number, downSeconds: number, upAgainSeconds: number]
  readonly cache: RouteCacheOptions
}

export interface Outage {
  readonly answers: readonly Answer[]
  readonly errors: readonly Answer[]
  readonly stale: number
  /** When the origin went away and came back, by `now`. */
  readonly downAt: number
  readonly upAt: number
  /** When handlers began, by key. */
  readonly calls: ReadonlyMap<string, readonly number[]>
}

const CLOCKS = 0.99

/** The origin is killed and, later, started anew while requests come on schedule. */
export async function outage (ground: Ground, settings: OutageSettings): Promise<Outage> {
  const { processes, keys, cache } = settings
  const paths = Array.from({ length: keys }, (_, at) => `/origin/${at}`)
  return await withFleet({ ...ground, processes, handlerMs: 0, cache }, async (fleet, client) => await disturbed(fleet, client, { ...settings, paths }))
}

async function disturbed (fleet: Fleet, client: Client, { perSecond, phases, paths }: OutageSettings & { paths: readonly string[] }): Promise<Outage> {
  const [upSeconds, downSeconds, upAgainSeconds] = phases
  let origin = await startOrigin()
  try {
    fleet.tell({ type: 'origin', port: origin.port })
    await client.fill(paths.map((path, at) => ({ port: fleet.ports[at % fleet.ports.length]!, path })))
    const answering = client.steady({ ports: fleet.ports, paths, perSecond, seconds: upSeconds + downSeconds + upAgainSeconds })
    await sleep(upSeconds * 1000)
    await origin.child.kill()
    const downAt = now()
    await sleep(downSeconds * 1000)
    origin = await startOrigin()
    const upAt = now()
    fleet.tell({ type: 'origin', port: origin.port })
    const answers = await answering
    return {
      answers,
      errors: answers.filter(({ status }) => status !== 200),
      stale: answers.filter(({ xCache }) => xCache === 'STALE').length,
      downAt,
      upAt,
      calls: new Map(paths.map((path) => [path, fleet.runsOf(path).map(({ at }) => at).toSorted((a, b) => a - b)]))
    }
  } finally {
    await origin.child.kill()
  }
}

async function startOrigin (): Promise<{ child: Child, port: number }> {
  const child = await Child.start('../../test/herd/origin.ts')
  const { port } = await child.next<{ port: number }>()
  return { child, port }
}

/** The shortest times between two calls for one key, in milliseconds: where the first one failed, and of all. */
export function shortestPauses ({ calls, downAt, upAt }: Outage): { afterFailure: number, any: number } {
  const pauses = [...calls.values()].flatMap((times) => times.slice(1).map((at, i) => ({ failed: times[i]! > downAt && times[i]! < upAt, ms: at - times[i]! })))
  return { afterFailure: Math.min(...pauses.filter(({ failed }) => failed).map(({ ms }) => ms)), any: Math.min(...pauses.map(({ ms }) => ms)) }
}

/** Calls of the handler in each second, from the start of the load. */
export function callsPerSecond ({ calls, answers }: Outage): number[] {
  const beganAt = answers[0]!.dueAt
  const counts = Array.from({ length: Math.ceil((answers.at(-1)!.dueAt - beganAt) / 1000) }, () => 0)
  for (const at of [...calls.values()].flat()) {
    const second = Math.floor((at - beganAt) / 1000)
    if (counts[second] !== undefined) counts[second]++
  }
  return counts
}

export async function outageFigure (ground: Ground, { seconds = 60 } = {}): Promise<Figure> {
  const settings = { processes: 4, perSecond: 200, keys: 4, phases: [5, seconds, 15] as const }
  const common = { ttl: '1s', jitter: 0, staleIfError: '1h', refreshThrottle: '5s', lock: { waitMs: 10_000, leaseMs: 2000 } }
  const cases: Array<{ name: string, options: RouteCacheOptions, promised?: boolean }> = [
    { name: 'lock: false', options: { ttl: '1s', jitter: 0, lock: false } },
    { name: 'staleIfError', options: common, promised: true },
    { name: 'staleIfError, staleWhileRevalidate', options: { ...common, staleWhileRevalidate: '1h' }, promised: true }
  ]
  const figure: Figure = {
    title: `outage: the origin is away for ${seconds} s, ${settings.perSecond} requests/s for ${settings.keys} keys with ttl 1 s, ${settings.processes} processes, refreshThrottle 5 s`,
    headings: ['case', 'answers', 'errors', 'STALE', ...DISTRIBUTION, 'calls: before', 'during', 'most in 1 s', 'pause ms', 'after', 'most in 1 s', 'shortest pause ms'],
    rows: [],
    notes: ['"calls" are runs of the handler. "pause" is the shortest time from a call that failed to the next one for the same key, "shortest pause" that between any two.'],
    broken: []
  }
  for (const { name, options, promised = false } of cases) {
    const seen = await outage(ground, { ...settings, cache: options })
    const perSecond = callsPerSecond(seen)
    const [before, during, after] = phasesOf(seen, perSecond)
    const pauses = shortestPauses(seen)
    figure.rows.push([
      name, String(seen.answers.length), String(seen.errors.length), String(seen.stale), ...distribution(seen.answers.map(latency)),
      sum(before), sum(during), String(Math.max(...during)), pauses.afterFailure.toFixed(0), sum(after), String(Math.max(...after)), pauses.any.toFixed(0)
    ])
    figure.notes.push(`Calls of the handler per second, ${name}: ${before.join(' ')} | down: ${during.join(' ')} | up: ${after.join(' ')}`)
    if (promised) figure.broken.push(...brokenBy(seen, { throttleMs: 5000, ttlMs: 1000 }).map((text) => `${name}: ${text}`))
  }
  return figure
}

/** What is promised: no errors, a pause after each failed call, and at no time more than one call in a ttl. */
export function brokenBy (seen: Outage, { throttleMs, ttlMs }: { throttleMs: number, ttlMs: number }): string[] {
  const { afterFailure, any } = shortestPauses(seen)
  return [
    ...seen.errors.length > 0 ? [`${seen.errors.length} errors, the first: ${JSON.stringify(seen.errors[0])}`] : [],
    ...seen.stale === 0 ? ['no answer was stale'] : [],
    // Redis and the processes have clocks of their own, in whole milliseconds.
    ...afterFailure < throttleMs * CLOCKS ? [`the handler was left alone for ${afterFailure.toFixed(0)} ms only after a failure, not for ${throttleMs} ms`] : [],
    ...any < ttlMs * CLOCKS ? [`two calls for a key were ${any.toFixed(0)} ms apart, with a ttl of ${ttlMs} ms`] : []
  ]
}

/** Seconds before, during and after the outage; the ones in which it begins and ends belong to it. */
export function phasesOf ({ answers, downAt, upAt }: Outage, perSecond: readonly number[]): [number[], number[], number[]] {
  const beganAt = answers[0]!.dueAt
  const down = Math.floor((downAt - beganAt) / 1000)
  const up = Math.ceil((upAt - beganAt) / 1000)
  return [perSecond.slice(0, down), perSecond.slice(down, up), perSecond.slice(up)]
}

function sum (counts: readonly number[]): string {
  return String(counts.reduce((total, count) => total + count, 0))
}
