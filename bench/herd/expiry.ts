import type { RouteCacheOptions } from '../../lib/index.ts'
import type { Figure, Ground } from './figure.ts'
import { withFleet, type Fleet } from './fleet.ts'
import { DISTRIBUTION, distribution } from './latencies.ts'
import { latency, versionOf, type Answer } from './requests.ts'

export interface ExpirySettings {
  readonly processes: number
  readonly perSecond: number
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly handlerMs: number
  readonly cache: RouteCacheOptions
}

export interface Expiries {
  readonly answers: readonly Answer[]
  readonly errors: readonly Answer[]
  /** Runs of the handler after the key was filled. */
  readonly refreshes: number
  /** Runs that began while another one was under way. */
  readonly overlapping: number
  /** Versions that were served after their ttl. */
  readonly expired: number
  readonly stale: number
  /** Answers that had to wait for the handler, by what they say of themselves. */
  readonly waited: number
  /** How far the load was behind its schedule at most, in milliseconds. */
  readonly lateness: number
}

const PATH = '/thing/expiry'

/** One key whose ttl is over again and again, while requests for it come on schedule. */
export async function expiries (ground: Ground, settings: ExpirySettings): Promise<Expiries> {
  const { processes, handlerMs, cache } = settings
  return await withFleet({ ...ground, processes, handlerMs, cache }, async (fleet, client) => {
    const load = { ports: fleet.ports, perSecond: settings.perSecond }
    // The same on another key, until the code is compiled that serves it, refreshes included.
    await client.steady({ ...load, paths: ['/thing/warm-up'], seconds: settings.warmUpSeconds })
    await client.fill([{ port: fleet.ports[0]!, path: PATH }])
    const before = fleet.runsOf(PATH).length
    return summary(fleet, { before, handlerMs, answers: await client.steady({ ...load, paths: [PATH], seconds: settings.seconds }) })
  })
}

function summary (fleet: Fleet, { answers, before, handlerMs }: { answers: readonly Answer[], before: number, handlerMs: number }): Expiries {
  const good = answers.filter(({ status }) => status === 200)
  const stale = good.filter(({ xCache }) => xCache === 'STALE')
  const starts = fleet.runsOf(PATH).map(({ at }) => at).toSorted((a, b) => a - b)
  return {
    answers,
    errors: answers.filter(({ status }) => status !== 200),
    refreshes: starts.length - before,
    // A timer may fire a millisecond early by this clock.
    overlapping: starts.filter((at, i) => i > 0 && at - starts[i - 1]! < handlerMs - 2).length,
    expired: new Set(stale.map(versionOf)).size,
    stale: stale.length,
    waited: good.filter(({ xCache, cacheStatus }) => xCache === 'MISS' || /;\s*(collapsed|fwd=)/.test(cacheStatus)).length,
    lateness: Math.max(...answers.map(({ dueAt, sentAt }) => sentAt - dueAt))
  }
}

export async function expiryFigure (ground: Ground, { seconds = 30 } = {}): Promise<Figure> {
  const settings = { processes: 4, perSecond: 500, seconds, warmUpSeconds: 6, handlerMs: 200 }
  const slowMs = settings.handlerMs / 2
  const lock = { waitMs: 10_000, leaseMs: 2000 }
  const ttl = { ttl: '1s', jitter: 0 }
  const cases: Array<{ name: string, options: RouteCacheOptions, promised?: boolean, ahead?: boolean }> = [
    { name: 'no expiry: what the machine does', options: { ttl: '1h' } },
    { name: 'lock: false', options: { ...ttl, lock: false } },
    { name: 'lock', options: { ...ttl, lock } },
    { name: 'staleWhileRevalidate', options: { ...ttl, lock, staleWhileRevalidate: '10s' }, promised: true },
    { name: 'staleWhileRevalidate, refreshAhead', options: { ...ttl, lock, staleWhileRevalidate: '10s', refreshAhead: true }, promised: true, ahead: true }
  ]
  const figure: Figure = {
    title: `expiry: ${settings.perSecond} requests/s on schedule for one key with ttl 1 s, ${settings.processes} processes, handler ${settings.handlerMs} ms, ${seconds} s`,
    headings: ['case', 'answers', 'errors', ...DISTRIBUTION, `above ${slowMs} ms`, 'waited', 'STALE', 'expired', 'refreshes', 'overlapping', 'load late by'],
    rows: [],
    notes: [
      'Milliseconds from when a request was due. "waited": answers that had to wait for the handler. "expired": versions that were served after their ttl; "overlapping": runs of the handler that began while another one was under way. What is slow without any expiry is the machine, and is not held against the others.'
    ],
    broken: []
  }
  let machineSlow: number | undefined
  for (const { name, options, promised = false, ahead = false } of cases) {
    const seen = await expiries(ground, { ...settings, cache: options })
    const ms = seen.answers.map(latency)
    const slow = ms.filter((one) => one > slowMs).length
    figure.rows.push([
      name, String(ms.length), String(seen.errors.length), ...distribution(ms), String(slow), String(seen.waited),
      String(seen.stale), String(seen.expired), String(seen.refreshes), String(seen.overlapping), seen.lateness.toFixed(1)
    ])
    machineSlow ??= slow
    if (!promised) continue
    figure.broken.push(...brokenBy(seen, { slow: Math.max(0, slow - machineSlow), ahead }).map((text) => `${name}: ${text}`))
  }
  return figure
}

/** What is promised where stale answers are allowed. */
export function brokenBy (seen: Expiries, { slow, ahead }: { slow: number, ahead: boolean }): string[] {
  const { errors, waited, stale, overlapping, refreshes, expired } = seen
  return [
    ...errors.length > 0 ? [`${errors.length} errors, the first: ${JSON.stringify(errors[0])}`] : [],
    ...slow > 0 ? [`${slow} requests were slow`] : [],
    ...waited > 0 ? [`${waited} requests waited for the handler`] : [],
    ...overlapping > 0 ? [`${overlapping} refreshes began while another one was under way`] : [],
    ...refreshes < 1 ? ['nothing was refreshed'] : [],
    ...ahead && stale > 0 ? [`${stale} answers were stale`] : [],
    // The last one that expired may not be refreshed yet.
    ...!ahead && (refreshes > expired || refreshes < expired - 1) ? [`${refreshes} refreshes for ${expired} expiries`] : []
  ]
}
