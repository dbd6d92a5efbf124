import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import { fills, lookups } from '../channels.ts'
import { OnlyIfCachedError } from '../errors.ts'
import { isDueAhead, isNeverFresh } from '../http/freshness.ts'
import type { RoutePolicy } from '../options/policy.ts'
import type { ResponseKey } from '../cache-key.ts'
import type { Run } from '../fills/run.ts'
import type { LookupResult, ResponseCache } from '../response-cache.ts'
import type { StoredResponse } from '../stored-entry.ts'
import { isPromise } from '../store/store.ts'
import type { RouteAdmission } from './admission.ts'
import type { Announcer } from './announce.ts'
import { forAnew, type Background } from './background.ts'
import type { Collapsing, Decision } from './collapsing.ts'
import { mayTakeConditions, replaceConditions, validatorsOf } from './conditions.ts'
import type { Validators } from '../http/preconditions.ts'
import type { Sharing } from './sharing.ts'
import { kAnswered, kExchange, type ExchangeState } from './exchange.ts'
import { explainRequest } from './explain-request.ts'
import type { MissFinisher } from './finish-miss.ts'
import type { RouteObserver } from './observer.ts'
import { hideUncovered } from './hide-uncovered.ts'
import { asAsked } from './obey.ts'
import { bodyDigest, purposeOf, type Purpose } from './repeat.ts'
import type { HitSender } from './send-hit.ts'
import { asking, endWithAnswer, type Turn } from './turn.ts'
import type { RouteWarnings } from './warnings.ts'
import type { WriteHooks } from './write-hooks.ts'

export interface RouteParts {
  readonly policy: RoutePolicy
  readonly cache: ResponseCache
  readonly admission: RouteAdmission
  readonly collapsing: Collapsing
  readonly background: Background
  readonly announcer: Announcer
  readonly sender: HitSender
  readonly finisher: MissFinisher
  /** Where the route has unsafe methods as well. */
  readonly writes: WriteHooks | undefined
  readonly enabled: boolean
  readonly targetedFields: readonly string[]
  readonly warnings: RouteWarnings
  readonly observer: RouteObserver
  readonly shared: Sharing
}

const FAILED = { outcome: 'failed' } as const

/**
 * The hooks of one cached route: the look-up before the handler and the last word on what is sent. They take callbacks
 * instead of returning promises, so that a hit from memory is sent without a tick.
 */
export class RouteHooks {
  readonly #parts: RouteParts

  constructor (parts: RouteParts) {
    this.#parts = parts
  }

  /** Says whether other `onSend` hooks may change what a hit sends. */
  settle (mayBeTransformed: boolean): void {
    this.#parts.sender.mayBeTransformed = mayBeTransformed
  }

  /** Runs as the last hook before the handler, or as the last `onRequest`. */
  readonly lookUp = (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void => {
    const { admission, cache, collapsing, enabled, policy, writes } = this.#parts
    if (writes !== undefined && request[kAnswered] === true) return // as in `WriteHooks.stop`
    const admitted = enabled ? admission.admit(request) : { outcome: 'bypass' as const, reason: 'disabled' as const }
    const purpose = purposeOf(request)
    if (purpose !== undefined && 'explain' in purpose) return explainRequest(purpose, { request, reply, admitted }, this.#parts)
    if (admitted.outcome === 'bypass') {
      if ('fault' in admitted || admitted.reason === 'user-unknown') this.#warn(admitted)
      request[kExchange] = { outcome: 'bypass', reason: admitted.reason }
      this.#runHandler(request, reply, done)
      return
    }
    const turn: Turn = { request, reply, admitted, askedAt: performance.now(), isOwn: purpose !== undefined, done }
    if (purpose !== undefined) {
      this.#repeat(purpose, turn)
      return
    }
    const isForOne = collapsing.isForOne(admitted, request.headers)
    if (isForOne && policy.stale.ifErrorMs === undefined && admitted.wanted?.onlyIfCached !== true) {
      this.#follow(collapsing.runForOne({ outcome: 'miss', key: admitted.key, reason: 'uri-miss' }, asking(turn)), turn)
      return
    }
    const found = lookups.hasSubscribers ? this.#traced(turn) : cache.lookUp(admitted.key, request.headers)
    if (!isPromise(found)) {
      this.#proceed(found, turn, { isForOne })
      return
    }
    // Known from now on, also when the client goes away meanwhile: what is repeated in the background comes from there.
    void request.raw.socket.remoteAddress
    // Never rejects; `done` receives what a hit cannot send.
    void found.then((result) => { this.#later(turn, () => { this.#proceed(result, turn, { isForOne }) }) })
  }

  /** Runs as the last `onSend`: also for hits, which must not be stored again. */
  readonly finish = (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: (error?: Error | null, payload?: unknown) => void): void | Promise<void> => {
    const exchange = request[kExchange]
    const { announcer, finisher, observer, policy, sender, writes } = this.#parts
    switch (exchange?.outcome) {
      case undefined: // A guard answered before the look-up.
        if (writes !== undefined && !policy.methods.has(request.method)) return writes.finish(request, reply, payload, done)
        done(null)
        return
      case 'failed':
        announcer.failed(reply)
        done(null)
        return
      case 'sent':
        request[kExchange] = FAILED
        // The HEAD route that Fastify adds says 0, which would be the length of the GET (RFC 9110 section 8.6).
        if (request.method === 'HEAD') reply.removeHeader('content-length')
        done(null)
        return
      case 'bypass':
        announcer.bypass(reply, exchange)
        if (purposeOf(request) === undefined) observer.bypassed(request, reply, exchange.reason)
        if (exchange.reason === 'method' && writes !== undefined) return writes.finish(request, reply, payload, done)
        done(null)
        return
      case 'refused':
        announcer.refused(reply, exchange)
        observer.refused(request, exchange.reason, exchange.askedAt)
        done(null)
        return
      case 'miss':
        done(null, finisher.finish(request, reply, { exchange, payload }))
        return
      case 'stale':
      case 'hit':
        done(null, sender.finish(request, reply, { found: exchange, payload }))
    }
  }

  /** `isForOne`: what is stale is there only for when the handler fails. */
  #proceed (found: LookupResult, turn: Turn, { isForOne }: { isForOne: boolean }): void {
    if (turn.reply.sent) return // by something else, meanwhile
    const { background, cache, collapsing, policy, shared, targetedFields } = this.#parts
    const { wanted, hasCredentials } = turn.admitted
    const result = wanted === undefined ? found : asAsked(found, wanted, { cache, targetedFields })
    if (result.outcome === 'hit') {
      shared.hot?.note({ request: turn.request, admitted: turn.admitted, policy, response: result.response })
      if (policy.refreshAhead && !hasCredentials && isDueAhead(result.response, result.at)) collapsing.refresh(result, asking(turn), background.behind(turn, result))
      this.#send(turn, result)
      return
    }
    if (result.outcome === 'asked-stale') {
      this.#follow({ do: 'serve-stale', stale: result.stale, why: 'max-stale' }, turn)
      return
    }
    if (wanted?.onlyIfCached === true) {
      this.#follow({ do: 'refuse', reason: 'only-if-cached', error: new OnlyIfCachedError(policy.route) }, turn)
      return
    }
    const ask = asking(turn)
    // What is made for credentials, or has to be asked about each time, is for nobody who could wait for it.
    if (isForOne || hasCredentials || isNeverFresh(result.outcome === 'stale' ? result.response : result.former)) {
      this.#follow(collapsing.runForOne(result, ask), turn)
      return
    }
    const startBehind = background.behind(turn, result)
    const atOnce = result.outcome === 'stale' ? collapsing.serveStale(result, ask, startBehind) : undefined
    if (atOnce !== undefined) {
      this.#follow(atOnce, turn)
      return
    }
    collapsing.decide(result, ask, startBehind).then((decision) => { this.#later(turn, () => { this.#follow(decision, turn) }) }, turn.done)
  }

  #follow (decision: Decision, turn: Turn): void {
    const { request, reply, done } = turn
    const { cache } = this.#parts
    if (reply.sent) {
      if (decision.do === 'run') decision.run.settle({ how: 'failed' })
      return
    }
    switch (decision.do) {
      case 'serve':
        this.#send(turn, decision.collapsed === undefined ? decision.hit : { ...decision.hit, collapsed: decision.collapsed })
        return
      case 'serve-stale':
        if (cache.isDead(decision.stale.response, decision.stale.key)) return this.#proceed({ outcome: 'miss', key: decision.stale.key, reason: 'uri-miss', former: decision.stale.response }, turn, { isForOne: false })
        this.#send(turn, { ...decision.stale, why: decision.why })
        return
      case 'refuse':
        request[kExchange] = { outcome: 'refused', reason: decision.reason, askedAt: turn.askedAt }
        if (decision.reason !== 'only-if-cached') reply.header('retry-after', '1')
        done(decision.error)
        return
      case 'run':
        this.#run(decision, turn)
    }
  }

  #send (turn: Turn, found: Extract<ExchangeState, { outcome: 'hit' | 'stale' }>): void {
    const { observer, sender } = this.#parts
    observer.served(turn, found, sender.send(turn, found))
  }

  #traced ({ admitted, request }: Turn): Promise<LookupResult> {
    const { cache, policy } = this.#parts
    return lookups.tracePromise(async () => cache.lookUp(admitted.key, request.headers), { route: policy.route, key: admitted.key.id })
  }

  #run ({ run, result }: Extract<Decision, { do: 'run' }>, { request, reply, admitted, askedAt, isOwn, done }: Turn): void {
    const stale = result.outcome === 'stale' ? result : undefined
    const former = result.outcome === 'stale' ? result.response : result.former
    const takesConditions = mayTakeConditions(request, run, former)
    const questioned = takesConditions ? this.#questioned(former, result.key) : undefined
    request[kExchange] = {
      outcome: 'miss',
      reason: result.outcome === 'stale' ? 'stale' : result.reason,
      admitted,
      key: result.key,
      run,
      askedAt,
      isOwn,
      stale,
      former,
      conditions: takesConditions ? replaceConditions(request, questioned) : undefined,
      questioned: questioned === undefined ? undefined : former,
      filled: this.#parts.cache.fillStamp,
      sentUrl: request.originalUrl,
      fieldsBefore: reply.getHeaders()
    }
    if (fills.hasSubscribers) void fills.tracePromise(() => run.ended, { route: this.#parts.policy.route, key: result.key.id })
    if (run.isWatched) endWithAnswer(run, reply, () => { this.#parts.finisher.hijacked(request, reply) })
    this.#runHandler(request, reply, done)
  }

  /** What the handler is asked about a response that was stored. Not about one that is invalidated: nothing may bring that back. */
  #questioned (former: StoredResponse | undefined, key: ResponseKey): Validators | undefined {
    const { cache } = this.#parts
    if (former?.isValidatable !== true || cache.isDead(former, key)) return undefined
    const { etag, lastModified } = validatorsOf(former)
    // Alone, so that a 304 is about it, also of a handler that compares dates only.
    if (etag !== undefined) return { etag, lastModified: undefined }
    // A second may be too coarse for what was invalidated softly.
    return cache.isInvalidated(former, key) ? undefined : { etag, lastModified }
  }

  /** A request of the cache itself, which has come past the guards. */
  #repeat (purpose: Exclude<Purpose, { explain: unknown }>, turn: Turn): void {
    const { admitted } = turn
    if ('run' in purpose) {
      const isSame = purpose.key === admitted.key.text && purpose.digest === bodyDigest(turn.request) && purpose.run.take()
      if (isSame) this.#follow({ do: 'run', run: purpose.run, result: purpose.result }, turn)
      else this.#endRepeat(turn, purpose.run)
      return
    }
    purpose.reached()
    this.#warm(purpose, turn).then((decision) => { this.#later(turn, () => { this.#follow(decision, turn) }) }, turn.done)
  }

  /** Its guards found another user, or hooks have changed its body once more: nobody has asked for that. */
  #endRepeat ({ request, reply }: Turn, run: Run): void {
    run.settle({ how: 'failed' })
    request[kExchange] = FAILED
    void reply.code(409).send()
  }

  async #warm ({ freshForMs, report }: Extract<Purpose, { freshForMs: number }>, turn: Turn): Promise<Decision> {
    const { cache, collapsing } = this.#parts
    const { admitted, request } = turn
    const found = await cache.lookUpLatest(admitted.key, request.headers)
    const isFresh = found.outcome === 'hit' && found.response.staleAt - found.at > freshForMs
    const decision: Decision = isFresh ? { do: 'serve', hit: found, collapsed: undefined } : await collapsing.decide(forAnew(found), asking(turn), () => false)
    if (decision.do === 'run') void decision.run.ended.then(({ how }) => { report(how === 'stored' ? { outcome: 'filled' } : { outcome: 'failed', reason: how }) })
    else if (decision.do === 'serve') report({ outcome: decision.collapsed !== undefined ? 'filled' : 'fresh' })
    else report({ outcome: 'failed', reason: decision.do === 'refuse' ? decision.reason : decision.why })
    return decision
  }

  #later ({ done }: Turn, run: () => void): void {
    try {
      run()
    } catch (fault) {
      done(fault as Error)
    }
  }

  #runHandler (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
    this.#parts.observer.heedHijack(request, reply)
    hideUncovered(request, this.#parts.policy)
    done()
  }

  #warn ({ reason, fault }: { reason: string, fault?: unknown }): void {
    const text = reason === 'user-unknown'
      ? 'requests with credentials bypass the cache because varyByUser found no user; set the plugin option "user" or varyByUser to a function'
      : 'requests bypass the cache because an option function or the key failed'
    this.#parts.warnings.once({ outcome: 'bypass', reason, fault }, text)
  }
}
