import { nextLifetime, type AdaptiveOptions, type AdaptiveState, type Lifetime } from '../../lib/adaptive-ttl.ts'
import { generator } from '../marks/seeded.ts'

export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

/** When the content changes, in milliseconds from the start. */
export interface Trace {
  readonly lengthMs: number
  readonly changes: readonly number[]
}

export interface Outcome {
  /** Runs of the handler. */
  readonly calls: number
  /** Requests answered with outdated content, of all requests. */
  readonly stale: number
}

/** How requests come: at random (Poisson), or one exactly every so often. */
export interface Requests {
  readonly everyMs: number
  readonly regular?: boolean
}

/** The ttl of the content made at `at`; `version` counts its changes. */
export type Policy = (version: number, at: number) => number

/**
 * The expired content is made anew by the next request; making it takes no time. Of the requests, only those that make content
 * are drawn: how many there are on average in a time is known without drawing them.
 */
export function simulate (trace: Trace, requests: Requests, policy: Policy): Outcome {
  const random = generator(7)
  const { everyMs, regular = false } = requests
  let calls = 0
  let staleMs = 0
  let servedMs = 0
  let version = 0
  for (let at = 0; at < trace.lengthMs;) {
    while (trace.changes[version]! <= at) version++
    const ttlMs = policy(version, at)
    calls++
    const end = Math.min(at + ttlMs, trace.lengthMs)
    servedMs += end - at
    staleMs += Math.max(0, end - (trace.changes[version] ?? end))
    at = regular ? (Math.floor((at + ttlMs) / everyMs) + 1) * everyMs : at + ttlMs - Math.log(1 - random()) * everyMs
  }
  return { calls, stale: staleMs / (servedMs + calls * everyMs) }
}

export function adaptive (options: AdaptiveOptions, firstMs: number, watch?: (at: number, chosen: Lifetime) => void): Policy {
  let state: AdaptiveState | undefined
  return (version, at) => {
    const chosen = nextLifetime(state, { digest: String(version), at: Math.round(at), firstMs }, options)
    state = chosen.state
    watch?.(at, chosen)
    return chosen.ttlMs
  }
}

/** The longest ttl from `minMs` to `maxMs` for which `stale` gives no more than the asked fraction; `minMs` if there is none. */
export function longestFixed ({ minMs, maxMs, maxStaleFraction }: AdaptiveOptions, stale: (ttlMs: number) => number): number {
  if (stale(maxMs) <= maxStaleFraction) return maxMs
  let low = minMs
  let high = maxMs
  while (high / low > 1.01) {
    const middle = Math.sqrt(low * high)
    if (stale(middle) <= maxStaleFraction) low = middle
    else high = middle
  }
  return low
}

/** Changes at random, as many at each time as `perMs` says, never more than `most`. */
export function randomChanges (lengthMs: number, most: number, perMs: (at: number) => number, seed: number): Trace {
  const random = generator(seed)
  const changes: number[] = []
  for (let at = 0; ;) {
    at -= Math.log(1 - random()) / most
    if (at >= lengthMs) return { lengthMs, changes }
    if (random() * most < perMs(at)) changes.push(at)
  }
}

export function steady (meanMs: number, lengthMs: number, seed: number): Trace {
  return randomChanges(lengthMs, 1 / meanMs, () => 1 / meanMs, seed)
}

/** Quiet, then `count` changes within `burstMs`, again and again. */
export function bursts (shape: { quietMs: number, burstMs: number, count: number, times: number }, seed: number): Trace {
  const random = generator(seed)
  const cycleMs = shape.quietMs + shape.burstMs
  const changes = Array.from({ length: shape.times * shape.count }, (_, i) =>
    Math.floor(i / shape.count) * cycleMs + shape.quietMs + random() * shape.burstMs)
  return { lengthMs: shape.times * cycleMs, changes: changes.sort((a, b) => a - b) }
}

export function periodic (everyMs: number, lengthMs: number): Trace {
  return { lengthMs, changes: Array.from({ length: Math.floor(lengthMs / everyMs) }, (_, i) => (i + 1) * everyMs) }
}

/** Slow for six hours, quick for one: mean times between changes. */
export const STEPS = { cycleMs: 7 * HOUR, slowForMs: 6 * HOUR, slowMs: HOUR, quickMs: 10 * SECOND }

export function steps (times: number, seed: number): Trace {
  return randomChanges(times * STEPS.cycleMs, 1 / STEPS.quickMs, (at) => 1 / meanAt(at), seed)
}

export function meanAt (at: number): number {
  return at % STEPS.cycleMs < STEPS.slowForMs ? STEPS.slowMs : STEPS.quickMs
}

/** One change in 3 minutes at noon, one in 5 hours at midnight. */
export function dayAndNight (days: number, seed: number): Trace {
  const most = 1 / (3 * MINUTE)
  return randomChanges(days * DAY, most, (at) => most * 10 ** -(1 + Math.cos(at / DAY * 2 * Math.PI)), seed)
}
