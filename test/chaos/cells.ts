import { judge, type Verdicts } from '../oracle/judge.ts'
import { ACK, RESPONSE, SOURCE } from '../oracle/settings.ts'
import { operationOf, type LoadReport, type Operation, type PlainKind, type Sample, type Touch } from './settings.ts'

/** Nanoseconds between which something was broken. */
export interface Span {
  readonly beginAt: number
  readonly endAt: number
}

/** One fault and one operation. */
export interface Cell {
  readonly operation: Operation
  readonly requests: number
  readonly errors: readonly string[]
  /** Of the requests while it lasted, in milliseconds. */
  readonly p99: number
  /** The same requests without a cache at the same time. */
  readonly plainP99: number
  /** Answers older than an acknowledged invalidation. */
  readonly stale: number
  readonly examples: readonly string[]
  /** Answers from memory before it had heard of the invalidation, and how late the latest was. */
  readonly oldCopies: number
  readonly latestMs: number
  /** Answers of a process that were older than what it had been asked to invalidate and could not confirm. */
  readonly stalePending: number
  readonly normalAfterMs: number | undefined
}

const NANOSECONDS = 1e6

/** How many answers have to be as they should before things are called normal, and how many of them at least. */
const STEADY: Readonly<Record<Operation, number>> = { 'look-up': 20, store: 5, invalidate: 5, feed: 20, lease: 3, warm: 2 }
const STEADY_SHARE = 0.8

/** What counts for the latency: what clients wait for, and not how long warming takes or the slowest of a herd. */
const MEASURED: Readonly<Record<Operation, { readonly method: Sample['method'], readonly plain: PlainKind }>> = {
  'look-up': { method: 'GET', plain: 'plain' },
  store: { method: 'GET', plain: 'plain' },
  invalidate: { method: 'PUT', plain: 'plain write' },
  feed: { method: 'GET', plain: 'plain' },
  lease: { method: 'GET', plain: 'plain slow' },
  warm: { method: 'GET', plain: 'plain' }
}

export function cellOf (operation: Operation, { samples, touches }: LoadReport, span: Span): Cell {
  const own = samples.filter((sample) => sample.of === operation)
  const { method, plain } = MEASURED[operation]
  const verdicts = judged(operation, own, touches.filter(({ isAcknowledged }) => isAcknowledged))
  return {
    operation,
    requests: own.length,
    errors: own.flatMap(({ error }) => error === undefined ? [] : [error]),
    p99: p99Within(span, own.filter((sample) => sample.method === method)),
    plainP99: p99Within(span, samples.filter((sample) => sample.of === plain)),
    stale: verdicts.violations,
    examples: verdicts.examples,
    oldCopies: verdicts.oldCopies,
    latestMs: verdicts.delays.at(-1) ?? 0,
    stalePending: stalePending(operation, own, touches) - verdicts.violations,
    normalAfterMs: normalAfterMs(operation, own, span)
  }
}

export function p99Within ({ beginAt, endAt }: Span, samples: readonly Sample[]): number {
  const sorted = samples.filter(({ at }) => at >= beginAt && at < endAt).map(({ ms }) => ms).sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? NaN
}

/** The judge of the oracle. A hit of a process with memory may be a copy in it: that one is judged by how late it is. */
function judged (operation: Operation, samples: readonly Sample[], touches: readonly Touch[]): Verdicts {
  const acks = new Float64Array(touches.length * ACK.columns)
  for (const [row, { thing, version, at }] of touches.entries()) acks.set([thing, version, at, 0], row * ACK.columns)
  const answers = samples.filter(({ version }) => version !== undefined)
  const responses = new Float64Array(answers.length * RESPONSE.columns)
  for (const [row, { thing, version, at, isHit }] of answers.entries()) {
    const hit = operation === 'feed' ? SOURCE.memory : SOURCE.redis
    responses.set([thing!, version!, at, isHit === true ? at : 0, isHit === true ? hit : SOURCE.handler], row * RESPONSE.columns)
  }
  return judge(acks, responses)
}

/** Until an invalidation is confirmed, the process that was asked for it does not serve what it means either. */
function stalePending (operation: Operation, samples: readonly Sample[], touches: readonly Touch[]): number {
  if (operation === 'feed') return 0 // it is asked to invalidate nothing
  const own = touches.filter(({ thing }) => operationOf(thing) === operation)
  const ports = new Set(samples.map(({ port }) => port))
  const acknowledged = own.filter(({ isAcknowledged }) => isAcknowledged)
  return [...ports].reduce((sum, port) => {
    const pending = own.filter((touch) => !touch.isAcknowledged && touch.port === port)
    return sum + judged(operation, samples.filter((sample) => sample.port === port), [...acknowledged, ...pending]).violations
  }, 0)
}

/** From the first answer on that is as it should be and is followed by others that are. */
function normalAfterMs (operation: Operation, samples: readonly Sample[], { endAt }: Span): number | undefined {
  const after = samples.filter(({ at, isNormal }) => at >= endAt && isNormal !== undefined).sort((a, b) => a.at - b.at)
  const steady = STEADY[operation]
  for (let from = 0; from + steady <= after.length; from++) {
    const next = after.slice(from, from + steady)
    if (next[0]!.isNormal === true && next.filter(({ isNormal }) => isNormal).length >= STEADY_SHARE * steady) {
      return (next[0]!.at - endAt) / NANOSECONDS + next[0]!.ms
    }
  }
  return undefined
}
