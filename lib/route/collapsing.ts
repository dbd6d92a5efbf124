import { digest } from '../cache-key.ts'
import { LONGEST_TIMER_MS } from '../deadline.ts'
import { HandlerTimeoutError, OverloadedError } from '../errors.ts'
import type { Fill, FillResult } from '../fills/fills.ts'
import { Run, type RunParts } from '../fills/run.ts'
import type { RequestHeaders } from '../http/vary.ts'
import type { MissReason, RefusalReason, StaleReason } from '../http/cache-status.ts'
import type { Lease, LeaseAnswer } from '../leases.ts'
import type { RoutePolicy } from '../options/policy.ts'
import type { Hit, LookupResult, Miss, ResponseCache, Stale } from '../response-cache.ts'
import type { StoredResponse } from '../stored-entry.ts'
import type { Admitted } from './admission.ts'
import { groupOf, reasonOf, responseOf } from './groups.ts'
import type { Sharing } from './sharing.ts'

/** A request that found nothing fresh. */
export interface Asking {
  readonly admitted: Admitted
  readonly headers: RequestHeaders
  /** By `performance.now()`; 0 where nobody asks. */
  readonly askedAt: number
  /** HEAD answers are never stored. */
  readonly isHead: boolean
  readonly isGone: () => boolean
}

/** What such a request is to do. */
export type Decision =
  | { readonly do: 'serve', readonly hit: Hit, readonly collapsed: MissReason | undefined }
  | { readonly do: 'serve-stale', readonly stale: Stale, readonly why: StaleReason }
  | { readonly do: 'run', readonly run: Run, readonly result: Stale | Miss }
  | { readonly do: 'refuse', readonly reason: RefusalReason, readonly error: Error }

/** Starts a run in the background which leads the fill; false where the request cannot be repeated. */
export type StartBehind = (fill: Fill) => boolean

interface Waiting extends Asking {
  readonly result: Stale | Miss
  readonly group: string
  readonly beganAt: number
  readonly startBehind: StartBehind
}

/** So many run in the background of a process at once: clients wait for none of them, so that nothing else keeps one from starting many. */
const MOST_BEHIND = 100

interface Leading {
  readonly isBehind: boolean
  /** How often the response of another process was not there. */
  readonly again?: number
}

/** A store that always says so is not believed for ever. */
const MOST_AGAIN = 20

/** A run behind gives up later than those who wait for it: else they would try themselves, with no time left. */
const BEHIND_MS = 1000

/** Of handlers that hang. */
const LONGEST_RUN_MS = 30_000

/**
 * Who runs the handler of one route and who waits for that, for requests that found nothing fresh. A group is a key together with the
 * values of the header fields that are known to select a response of it: one response is for all of a group.
 */
export class Collapsing {
  readonly #policy: RoutePolicy
  readonly #cache: ResponseCache
  readonly #shared: Sharing
  #running = 0

  constructor ({ policy, cache, shared }: { policy: RoutePolicy, cache: ResponseCache, shared: Sharing }) {
    this.#policy = policy
    this.#cache = cache
    this.#shared = shared
  }

  /** Whether the answers are known to be for single clients. */
  isForOne ({ key }: Admitted, headers: RequestHeaders): boolean {
    return this.#shared.uncacheable.mayRun(key, headers)
  }

  /** A run that nobody waits for: they could not be given its answer. */
  runForOne (result: Stale | Miss, asking: Asking): Decision {
    return this.#start(asking, result, { isForOne: true })
  }

  /** A run that nobody waits for, and whose response is stored if it can be. */
  runAlone (result: Stale | Miss, asking: Asking): Decision {
    return this.#start(asking, result)
  }

  async decide (result: Stale | Miss, asking: Asking, startBehind: StartBehind): Promise<Decision> {
    return await this.#decide({ ...asking, result, startBehind, group: groupOf(result), beganAt: performance.now() })
  }

  /** What a stale response is served for at once, without asking anybody. Not to a request that has to make the new one itself. */
  serveStale (result: Stale, asking: Asking, startBehind: StartBehind): Decision | undefined {
    const group = groupOf(result)
    if (result.use === 'while-revalidate') {
      if (!this.refresh(result, asking, startBehind)) return undefined
      return { do: 'serve-stale', stale: result, why: 'stale-while-revalidate' }
    }
    return this.#shared.rests.leftMs(group) > 0 ? { do: 'serve-stale', stale: result, why: 'stale-if-error' } : undefined
  }

  /** Makes a new response in the background, unless somebody does already, or it has failed a moment ago. False: this request cannot be repeated. */
  refresh (result: Stale | Hit, asking: Asking, startBehind: StartBehind): boolean {
    const { behind, fills, rests, closed } = this.#shared
    const group = groupOf(result)
    if (closed.aborted || behind.size >= MOST_BEHIND || rests.leftMs(group) > 0 || this.#fillToJoin(group) !== undefined) return true
    const fill = fills.begin(group, performance.now())
    if (startBehind(fill)) return true
    fill.settle({ how: 'failed' })
    return false
  }

  /**
   * Takes the lease for a run in the background that leads `fill`; none is needed when there is another response than the one that was found. Never
   * rejects.
   */
  async leadBehind (fill: Fill, asking: Asking, result: Stale | Miss): Promise<Run | undefined> {
    const waiting: Waiting = { ...asking, result, group: fill.group, beganAt: performance.now(), startBehind: () => false }
    const decision = await this.#lead(fill, waiting, { isBehind: true })
    return decision?.do === 'run' ? decision.run : undefined
  }

  /** Somebody has to make the response: this request, or one that it waits for. Never rejects. */
  async #decide (waiting: Waiting): Promise<Decision> {
    const { isHead, result, group } = waiting
    const { lock, softMs, hardMs } = this.#policy
    if (lock === false || this.#shared.closed.aborted) return this.runAlone(result, waiting)
    const running = this.#fillToJoin(group)
    if (running !== undefined) return await this.#wait(running, waiting)
    if (isHead) return this.runAlone(result, waiting)
    const fill = this.#shared.fills.begin(group, performance.now())
    const mustAnswerInTime = hardMs !== undefined || (softMs !== undefined && result.outcome === 'stale')
    if (mustAnswerInTime && waiting.startBehind(fill)) return await this.#wait(fill, waiting)
    return await this.#lead(fill, waiting, { isBehind: false }) ?? this.runAlone(result, waiting)
  }

  #fillToJoin (group: string): Fill | undefined {
    return this.#shared.fills.running(group, { now: performance.now(), maxAgeMs: this.#waitMs })
  }

  async #wait (fill: Fill, waiting: Waiting): Promise<Decision> {
    const { result, isGone, isHead } = waiting
    const stale = result.outcome === 'stale' ? result : undefined
    const woken = await fill.join({ hasStale: stale !== undefined, mayLead: !isHead, isGone }, this.#patienceMs(waiting))
    switch (woken.wake) {
      case 'shared': return await this.#share(woken.response, waiting)
      case 'regroup': return await this.#regroup(waiting)
      case 'run': return this.runAlone(result, waiting)
      case 'lead': return this.#start(waiting, result, { fill })
      case 'failed': return { do: 'serve-stale', stale: stale!, why: 'stale-if-error' }
      case 'late': return this.#late(waiting, {})
      case 'crowded': return stale === undefined ? this.#start(waiting, result, { isLate: true }) : { do: 'serve-stale', stale, why: 'overloaded' }
    }
  }

  /** How long anybody waits for a run. */
  get #waitMs (): number {
    const { lock, hardMs } = this.#policy
    return hardMs ?? (lock === false ? 0 : lock.waitMs)
  }

  /** How much longer this request waits. */
  #patienceMs ({ result, beganAt }: Waiting): number {
    const { softMs } = this.#policy
    const most = Math.min(this.#waitMs, result.outcome === 'stale' ? softMs ?? Infinity : Infinity)
    return Math.max(0, beganAt + most - performance.now())
  }

  /** `fill`: what this request would have led. */
  #late (waiting: Waiting, { fill }: { fill?: Fill }): Decision {
    const { result, beganAt } = waiting
    const { softMs, hardMs, route } = this.#policy
    const waitedMs = Math.ceil(performance.now() - beganAt) + 1 // timers may be early by a millisecond
    const isHard = hardMs !== undefined && waitedMs >= hardMs
    const isSoft = result.outcome === 'stale' && softMs !== undefined && waitedMs >= softMs
    if (isHard || isSoft) fill?.settle({ how: 'failed' })
    if (isSoft) return { do: 'serve-stale', stale: result, why: 'soft-timeout' }
    if (isHard) {
      return result.outcome === 'stale'
        ? { do: 'serve-stale', stale: result, why: 'hard-timeout' }
        : { do: 'refuse', reason: 'hard-timeout', error: new HandlerTimeoutError(route, hardMs) }
    }
    return this.#start(waiting, result, { isLate: true, ...fill === undefined ? {} : { fill } })
  }

  /** What another request's response is for this one; what is not for it is asked for anew. */
  async #share (response: StoredResponse, waiting: Waiting): Promise<Decision> {
    const found = this.#cache.judgeShared(response, { key: waiting.admitted.key, headers: waiting.headers })
    if (found.outcome === 'hit') return { do: 'serve', hit: found, collapsed: reasonOf(waiting.result) }
    // Softly invalidated while it was made: it is stale for those who ask now. That of another variant is nothing to go by.
    const stale: Miss = found.outcome === 'stale' ? { outcome: 'miss', key: found.key, reason: 'stale', former: response } : found
    const result = found.outcome === 'stale' && waiting.result.outcome === 'stale' ? waiting.result : stale
    return await this.#decide({ ...waiting, result, group: groupOf(result) })
  }

  /** Takes the lease that lets one process of all run the handler, and looks again: somebody may have been faster. In the background there may be nothing to do. */
  async #lead (fill: Fill, waiting: Waiting, how: Leading): Promise<Decision | undefined> {
    const answer = await this.#lease(fill, waiting, how)
    const { result } = waiting
    const lead = (more: { lease?: Lease } = {}): Decision => this.#start(waiting, result, { fill, isBehind: how.isBehind, ...more })
    switch (answer.outcome) {
      case 'unavailable': return lead()
      case 'resting': return this.#rest(answer.forMs, { fill, waiting }) ?? lead()
      case 'held':
        if (!how.isBehind) return this.#late(waiting, { fill })
        fill.settle({ how: 'failed' })
        return undefined
      case 'granted':
      case 'ended': {
        const lease = answer.outcome === 'granted' ? answer.lease : undefined
        if (answer.outcome === 'ended' && answer.how === 'failed') return this.#rest(0, { fill, waiting }) ?? lead()
        if (answer.outcome === 'ended' && answer.how === 'uncacheable') {
          fill.settle({ how: 'uncacheable' })
          if (how.isBehind) return undefined
          return this.runAlone(result, waiting)
        }
        const found = await this.#cache.lookUpLatest(waiting.admitted.key, waiting.headers)
        if (found.outcome === 'hit' && found.response.storedAt !== responseOf(result)?.storedAt) {
          fill.settle({ how: 'stored', response: found.response })
          void lease?.release('stored')
          return { do: 'serve', hit: found, collapsed: answer.outcome === 'ended' ? reasonOf(result) : undefined }
        }
        if (lease !== undefined) return lead({ lease })
        return await this.#again(found, fill, { waiting, how })
      }
    }
  }

  /** Another process has stored something which is not for this request, or is gone already. */
  async #again (found: LookupResult, fill: Fill, { waiting, how }: { waiting: Waiting, how: Leading }): Promise<Decision | undefined> {
    const { isBehind, again = 0 } = how
    if (isBehind || found.outcome !== 'miss' || groupOf(found) === fill.group) {
      return again < MOST_AGAIN ? await this.#lead(fill, waiting, { isBehind, again: again + 1 }) : this.#start(waiting, waiting.result, { fill, isBehind })
    }
    fill.regroup()
    return await this.#regroup(waiting)
  }

  async #regroup (waiting: Waiting): Promise<Decision> {
    const { admitted, headers, result } = waiting
    const key = this.#cache.keyFor({ key: admitted.key, headers })
    const known: Stale | Miss = result.outcome === 'stale' ? result : { ...result, key, reason: 'vary-miss' }
    return await this.#decide({ ...waiting, result: known, group: groupOf(known) })
  }

  /** The origin fails: who has something stale serves that. */
  #rest (forMs: number, { fill, waiting: { result, group } }: { fill: Fill, waiting: Waiting }): Decision | undefined {
    if (forMs > 0) this.#shared.rests.begin(group, forMs)
    if (result.outcome !== 'stale') return undefined
    fill.settle({ how: 'failed' })
    return { do: 'serve-stale', stale: result, why: 'stale-if-error' }
  }

  async #lease ({ group }: Fill, waiting: Waiting, { isBehind }: { isBehind: boolean }): Promise<LeaseAnswer | { readonly outcome: 'unavailable' }> {
    const { leases, closed } = this.#shared
    const { lock } = this.#policy
    if (lock === false) return { outcome: 'unavailable' }
    const { text, id } = waiting.admitted.key
    const name = group === text ? id : `${id}:${digest(group).slice(0, 22)}`
    try {
      return await leases.acquire(name, { leaseMs: lock.leaseMs, waitMs: isBehind ? Math.min(this.#waitMs + BEHIND_MS, LONGEST_TIMER_MS) : this.#patienceMs(waiting), signal: closed })
    } catch {
      return { outcome: 'unavailable' } // said by the store's guard: the route goes on without
    }
  }

  /** A run of the handler, if there are not too many of them. */
  #start (asking: Asking, found: Stale | Miss, parts: RunParts = {}): Decision {
    if (this.#running >= this.#policy.maxFills) {
      parts.fill?.settle({ how: 'failed' })
      void parts.lease?.release('failed')
      return this.#shed(found)
    }
    const { closed, rests } = this.#shared
    const restMs = found.outcome === 'stale' || parts.isBehind === true ? this.#policy.throttleMs : undefined
    // By now: handlers may change header fields.
    const group = restMs === undefined && rests.isEmpty ? '' : groupOf(found)
    const onEnd = (result: FillResult): void => {
      this.#running--
      if (result.how === 'stored') rests.end(group)
      else if (restMs !== undefined && run.isFailure(result)) rests.begin(group, restMs)
    }
    this.#running++
    const run: Run = new Run(parts, { restMs, isCounted: this.#policy.maxFills < Infinity, closed, onEnd })
    if (run.isWatched) run.limit(LONGEST_RUN_MS)
    return { do: 'run', result: found, run }
  }

  #shed (result: Stale | Miss): Decision {
    return result.outcome === 'stale'
      ? { do: 'serve-stale', stale: result, why: 'overloaded' }
      : { do: 'refuse', reason: 'overloaded', error: new OverloadedError(this.#policy.route, this.#policy.maxFills) }
  }
}
