/*
 * How long may a response be served, when its content changes at times nobody announces?
 *
 * Every run of the handler is a check: the digest of the body says whether the content has changed since the check before.
 * From the checks around the latest changes follows the mean time between changes, and from that the longest ttl under
 * which outdated content is served for no more than the asked fraction of the time. docs/decisions/0011-adaptive-ttl.md
 * has the reasons and the measurements.
 */

/** What was seen of one response so far. It lies in the entry, so that the fleet shares it. Small: JSON of at most about 400 bytes. */
export interface AdaptiveState {
  /** Digest of the body at the latest check. */
  readonly digest: string
  /** When the handler of the latest check started, milliseconds since the epoch. */
  readonly at: number
  /** The ttl that was chosen then. */
  readonly ttlMs: number
  /** Time without a change up to the latest check, and how many checks it took. */
  readonly quietMs: number
  readonly quietChecks: number
  /** The changes that still count, oldest first. */
  readonly changes: readonly SeenChange[]
  /** What the ttl is divided by after changes, until checks without one have followed: 1, 2, 4 … */
  readonly caution: number
}

/** Time without a change before it, the interval between the two checks it happened in, and the number of checks. All numbers, to be short as JSON. */
export type SeenChange = readonly [quietMs: number, intervalMs: number, checks: number]

export interface AdaptiveOptions {
  readonly minMs: number
  readonly maxMs: number
  /** More than 0 and less than 1. */
  readonly maxStaleFraction: number
}

/** One run of the handler. */
export interface Check {
  /** The same for the same body; at most 64 characters. */
  readonly digest: string
  /** When the handler started, milliseconds since the epoch. */
  readonly at: number
  /** The ttl of a response whose history is not known, in milliseconds. */
  readonly firstMs: number
}

export interface Lifetime {
  /** In whole milliseconds, at least 1, from `minMs` to `maxMs`. */
  readonly ttlMs: number
  /** To be kept in the entry. */
  readonly state: AdaptiveState
  /** The reason in a few words, for statistics. */
  readonly why: string
}

/** More changes make the estimate of a steady rate better, and a rate that drifts is followed later. */
const MOST_CHANGES = 12
/** Fewer are too few to tell a user that `min` is too long. */
const ENOUGH_CHANGES = 3
const LONGEST_DIGEST = 64
const MOST_CAUTION = 64

/** A change that is counted although nobody has seen it: no change in n checks does not mean that there will be none. */
const UNSEEN_CHANGES = 1

/** The ttl for the content that was just made, and what to remember for the next time. `former` is what the entry before it had. */
export function nextLifetime (former: AdaptiveState | undefined, seen: Check, options: AdaptiveOptions): Lifetime {
  if (former === undefined) return firstLifetime(seen, options)
  const changed = seen.digest !== former.digest
  const history = changed ? afterChange(former, seen.at) : afterSame(former, seen.at)
  const meanMs = timeBetweenChanges(history)
  const allowedMs = meanMs * changesAllowed(options.maxStaleFraction)
  const stepMs = changed ? former.ttlMs / 2 : Math.max(1, former.ttlMs) * 2
  // The first ttl is the user's guess; only a change disproves it.
  const knownMs = history.changes.length === 0 ? Math.max(allowedMs, former.ttlMs) : allowedMs / history.caution
  const ttlMs = clamp(Math.min(knownMs, stepMs), options)
  return {
    ttlMs,
    state: { digest: seen.digest, at: seen.at, ttlMs, ...history },
    why: explain(history, meanMs, allowedMs, options)
  }
}

/** Whether a value that was read from a store is a state. */
export function isAdaptiveState (value: unknown): value is AdaptiveState {
  if (typeof value !== 'object' || value === null) return false
  const state = value as Record<keyof AdaptiveState, unknown>
  return typeof state.digest === 'string' && state.digest.length <= LONGEST_DIGEST &&
    [state.at, state.ttlMs, state.quietMs, state.quietChecks].every(isAmount) &&
    isAmount(state.caution) && state.caution >= 1 && state.caution <= MOST_CAUTION &&
    Array.isArray(state.changes) && state.changes.length <= MOST_CHANGES && state.changes.every(isSeenChange)
}

type History = Pick<AdaptiveState, 'quietMs' | 'quietChecks' | 'changes' | 'caution'>

function firstLifetime (seen: Check, options: AdaptiveOptions): Lifetime {
  const ttlMs = clamp(seen.firstMs, options)
  return {
    ttlMs,
    state: { digest: seen.digest, at: seen.at, ttlMs, quietMs: 0, quietChecks: 0, changes: [], caution: 1 },
    why: 'first check'
  }
}

function afterSame (former: AdaptiveState, at: number): History {
  return {
    quietMs: former.quietMs + unchangedFor(former, at),
    quietChecks: former.quietChecks + 1,
    changes: former.changes,
    caution: Math.max(1, former.caution / 2)
  }
}

/** After a change the next one may be near (a burst), which is cheap to find out: one or two checks earlier than the estimate says. */
function afterChange (former: AdaptiveState, at: number): History {
  // A clock that went back says nothing about the interval; the ttl is the shortest it can have been.
  const intervalMs = Math.max(1, Math.round(at > former.at ? at - former.at : former.ttlMs))
  const change: SeenChange = [former.quietMs, intervalMs, former.quietChecks + 1]
  return {
    quietMs: 0,
    quietChecks: 0,
    changes: [...former.changes, change].slice(-MOST_CHANGES),
    caution: Math.min(MOST_CAUTION, former.caution * 2)
  }
}

/**
 * The time that counts as unchanged. One check at most doubles what is known: a clock that jumps forward looks like a long
 * pause, and content may have changed and changed back in it.
 */
function unchangedFor (former: AdaptiveState, at: number): number {
  const known = former.changes.reduce((sum, change) => sum + lengthOf(change), former.quietMs)
  return Math.round(Math.min(Math.max(0, at - former.at), Math.max(known, 2 * former.ttlMs)))
}

function timeBetweenChanges ({ changes, quietMs }: History): number {
  // Two thirds, so that the lifetimes it takes to notice the first storm of changes stay within twice the asked fraction.
  if (changes.length === 0) return quietMs / 1.5
  // After a quiet time that is long for this rate, the rate has probably fallen: then the quiet time alone counts.
  return Math.max(1 / changeRate(changes, quietMs), quietMs / 2)
}

/**
 * Changes per millisecond: the maximum of the likelihood of what was seen at irregular times, under a steady rate. That is
 * e^(-rate·t) for a time t without a change, and 1 - e^(-rate·t) for an interval with one change or more in it.
 */
function changeRate (changes: readonly SeenChange[], quietMs: number): number {
  let unchanged = quietMs + 1
  let half = 0
  for (const [quiet, interval] of changes) {
    unchanged += quiet
    half += interval / 2
  }
  // The derivative of the likelihood falls with the rate, and 1/r - t/2 <= t/(e^(rt) - 1) <= 1/r gives the bounds.
  const count = changes.length + UNSEEN_CHANGES
  let low = count / (unchanged + half)
  let high = count / unchanged
  // The bounds are near each other unless most checks found a change.
  while (high / low > 1.001) {
    const middle = Math.sqrt(low * high)
    const changed = changes.reduce((sum, [, interval]) => sum + interval / Math.expm1(middle * interval), 0)
    if (changed + UNSEEN_CHANGES / middle > unchanged) low = middle
    else high = middle
  }
  return high
}

/**
 * How many changes a lifetime may have on average. With x of them, content is outdated for 1 - (1 - e^-x)/x of the lifetime,
 * about x/2: a change comes in the middle on average. It never costs more than the whole lifetime, which is twice that.
 */
function changesAllowed (staleFraction: number): number {
  let low = 0
  let high = 2 / (1 - staleFraction)
  for (let i = 0; i < 24; i++) {
    const middle = (low + high) / 2
    if (1 + Math.expm1(-middle) / middle < staleFraction) low = middle
    else high = middle
  }
  return low
}

function lengthOf ([quietMs, intervalMs]: SeenChange): number {
  return quietMs + intervalMs
}

function clamp (ttlMs: number, { minMs, maxMs }: AdaptiveOptions): number {
  return Math.max(1, Math.round(Math.max(minMs, Math.min(maxMs, ttlMs))))
}

function explain ({ changes, quietChecks }: History, meanMs: number, allowedMs: number, { minMs }: AdaptiveOptions): string {
  const checks = changes.reduce((sum, [, , count]) => sum + count, quietChecks)
  if (changes.length === 0) return `no change in ${counted(checks, 'check')}`
  const seen = `${counted(changes.length, 'change')} in ${counted(checks, 'check')}`
  // Where each check found a change, nothing says how many there were in between.
  const often = checks === changes.length
  const text = often ? seen : `${seen}, ${duration(meanMs)} apart`
  if (allowedMs >= minMs || changes.length < ENOUGH_CHANGES) return text
  return `${text}: min is longer than ${often ? '' : `the ${duration(allowedMs)} that `}maxStaleFraction allows`
}

function counted (count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function duration (ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  const [size, unit] = ([[86_400_000, 'd'], [3_600_000, 'h'], [60_000, 'min']] as const).find(([least]) => ms >= least) ?? [1000, 's']
  const amount = ms / size
  return `${amount < 10 ? Math.round(amount * 10) / 10 : Math.round(amount)} ${unit}`
}

function isAmount (value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER
}

function isSeenChange (value: unknown): value is SeenChange {
  return Array.isArray(value) && value.length === 3 && value.every(isAmount) && value.indexOf(0, 1) === -1
}
