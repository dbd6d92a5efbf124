import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import type { StaleReason } from '../http/cache-status.ts'
import type { Run } from '../fills/run.ts'
import { isDueAhead } from '../http/freshness.ts'
import type { RoutePolicy } from '../options/policy.ts'
import type { LookupResult, ResponseCache, Stale } from '../response-cache.ts'
import { isPromise } from '../store/store.ts'
import type { RouteAdmission } from './admission.ts'
import type { Announcer } from './announce.ts'
import { forAnew, type Background } from './background.ts'
import type { Collapsing, Decision } from './collapsing.ts'
import type { Sharing } from './sharing.ts'
import { kExchange, type ExchangeState } from './exchange.ts'
import { hideUncovered } from './hide-uncovered.ts'
import { bodyDigest, purposeOf, type Purpose } from './repeat.ts'
import { asStored, bodyInstead, ownBytes, sentBody, setStoredFields, setStoredFieldsInstead } from './stored-reply.ts'
import type { ResponseRecorder } from './response-recorder.ts'
import { drain } from './stream-capture.ts'
import { asking, endWithAnswer, type Turn } from './turn.ts'
import type { RouteWarnings } from './warnings.ts'

export interface RouteParts {
  readonly policy: RoutePolicy
  readonly cache: ResponseCache
  readonly admission: RouteAdmission
  readonly collapsing: Collapsing
  readonly background: Background
  readonly recorder: ResponseRecorder
  readonly announcer: Announcer
  readonly enabled: boolean
  readonly warnings: RouteWarnings
  readonly shared: Sharing
}

type Exchanged = Extract<ExchangeState, { outcome: 'miss' }>
type Served = Extract<ExchangeState, { outcome: 'hit' | 'stale' }>

const FAILED = { outcome: 'failed' } as const

/**
 * The hooks of one cached route: the look-up before the handler and the last word on what is sent. They take callbacks
 * instead of returning promises, so that a hit from memory is sent without a tick.
 */
export class RouteHooks {
  readonly #parts: RouteParts
  /** Whether other `onSend` hooks may change what a hit sends; known when all hooks are. */
  mayBeTransformed = true

  constructor (parts: RouteParts) {
    this.#parts = parts
  }

  /** Runs as the last hook before the handler, or as the last `onRequest`. */
  readonly lookUp = (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void => {
    const { admission, cache, collapsing, enabled, policy, shared } = this.#parts
    const admitted = enabled ? admission.admit(request) : { outcome: 'bypass' as const, reason: 'disabled' as const }
    if (admitted.outcome === 'bypass') {
      if ('fault' in admitted || admitted.reason === 'user-unknown') this.#warn(admitted)
      request[kExchange] = { outcome: 'bypass', reason: admitted.reason }
      shared.counters.bypasses++
      this.#runHandler(request, done)
      return
    }
    const turn: Turn = { request, reply, admitted, askedAt: policy.hardMs === undefined ? 0 : performance.now(), done }
    const purpose = purposeOf(request)
    if (purpose !== undefined) {
      this.#repeat(purpose, turn)
      return
    }
    const isForOne = collapsing.isForOne(admitted, request.headers)
    if (isForOne && policy.stale.ifErrorMs === undefined) {
      this.#follow(collapsing.runForOne({ outcome: 'miss', key: admitted.key, reason: 'uri-miss' }, asking(turn)), turn)
      return
    }
    const found = cache.lookUp(admitted.key, request.headers)
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
  readonly finish = (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: (error: null, payload?: unknown) => void): void => {
    const exchange = request[kExchange]
    const { announcer } = this.#parts
    switch (exchange?.outcome) {
      case undefined: // A guard answered before the look-up.
        done(null)
        return
      case 'failed':
        announcer.failed(reply)
        done(null)
        return
      case 'bypass':
        announcer.bypass(reply, exchange)
        done(null)
        return
      case 'refused':
        announcer.refused(reply, exchange)
        done(null)
        return
      case 'miss':
        done(null, this.#finishMiss(request, reply, { exchange, payload }))
        return
      case 'stale':
      case 'hit':
        // Once: when sending fails, what an error handler sends next is its own.
        request[kExchange] = FAILED
        if (this.mayBeTransformed) done(null, asStored({ request, reply, payload, response: exchange.response }))
        else done(null, sentBody(exchange.response))
    }
  }

  /** `isForOne`: what is stale is there only for when the handler fails. */
  #proceed (result: LookupResult, turn: Turn, { isForOne }: { isForOne: boolean }): void {
    if (turn.reply.sent) return // by something else, meanwhile
    const { background, collapsing, policy, shared } = this.#parts
    if (result.outcome === 'hit') {
      shared.counters.hits++
      shared.hot?.note({ request: turn.request, admitted: turn.admitted, policy, response: result.response })
      if (policy.refreshAhead && isDueAhead(result.response, result.at)) collapsing.refresh(result, asking(turn), background.behind(turn, result))
      this.#send(turn, result)
      return
    }
    const ask = asking(turn)
    if (isForOne) {
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
    const { request, reply, admitted, done } = turn
    const { cache, shared: { counters } } = this.#parts
    if (reply.sent) {
      if (decision.do === 'run') decision.run.settle({ how: 'failed' })
      return
    }
    switch (decision.do) {
      case 'serve':
        counters.hits++
        if (decision.collapsed !== undefined) counters.collapsed++
        this.#send(turn, decision.collapsed === undefined ? decision.hit : { ...decision.hit, collapsed: decision.collapsed })
        return
      case 'serve-stale':
        if (cache.isDead(decision.stale.response, decision.stale.key)) return this.#proceed({ outcome: 'miss', key: decision.stale.key, reason: 'uri-miss', former: decision.stale.response }, turn, { isForOne: false })
        counters.stale++
        this.#send(turn, { ...decision.stale, why: decision.why })
        return
      case 'refuse':
        counters.refused++
        request[kExchange] = { outcome: 'refused', reason: decision.reason }
        reply.header('retry-after', '1')
        done(decision.error)
        return
      case 'run': {
        const { run, result } = decision
        counters.misses++
        const stale = result.outcome === 'stale' ? result : undefined
        request[kExchange] = {
          outcome: 'miss',
          reason: result.outcome === 'stale' ? 'stale' : result.reason,
          admitted,
          key: result.key,
          run,
          askedAt: turn.askedAt,
          stale,
          former: result.outcome === 'stale' ? result.response : result.former,
          filled: this.#parts.cache.fillStamp,
          sentUrl: request.originalUrl,
          fieldsBefore: reply.getHeaders()
        }
        if (run.isWatched) endWithAnswer(run, reply, () => { this.#parts.recorder.hijacked(request, reply) })
        this.#runHandler(request, done)
      }
    }
  }

  /** A request of the cache itself, which has come past the guards. */
  #repeat (purpose: Purpose, turn: Turn): void {
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

  #finishMiss (request: FastifyRequest, reply: FastifyReply, { exchange, payload }: { exchange: Exchanged, payload: unknown }): unknown {
    const { announcer, recorder, shared } = this.#parts
    const { run } = exchange
    const stale = this.#usable(exchange)
    if (exchange.isTooLate === true) return this.#finishLate(request, reply, { exchange, stale, payload })
    if (stale !== undefined && reply.statusCode >= 500 && !run.isBehind) {
      run.settle({ how: 'failed' })
      shared.counters.stale++
      request[kExchange] = FAILED
      return this.#insteadOfError(reply, { exchange, stale, payload }, { why: 'stale-if-error', forwarded: reply.statusCode })
    }
    const { payload: passedOn, stored } = recorder.record(request, reply, payload)
    announcer.miss(reply, exchange, stored)
    if (!run.isBehind) return passedOn
    drain(passedOn, run.ended.then(({ how }) => how === 'stored'))
    return ''
  }

  /** The handler took too long: `payload` is what an error handler made of that. */
  #finishLate (request: FastifyRequest, reply: FastifyReply, { exchange, stale, payload }: { exchange: Exchanged, stale: Stale | undefined, payload: unknown }): unknown {
    const { announcer, shared: { counters } } = this.#parts
    exchange.run.settle({ how: 'failed' })
    if (stale !== undefined) {
      counters.stale++
      request[kExchange] = FAILED
      return this.#insteadOfError(reply, { exchange, stale, payload }, { why: 'hard-timeout' })
    }
    counters.refused++
    request[kExchange] = { outcome: 'refused', reason: 'hard-timeout' }
    announcer.refused(reply, request[kExchange])
    return payload
  }

  /** What was stale when the request came, unless it was invalidated since. */
  #usable ({ stale }: Exchanged): Stale | undefined {
    return stale === undefined || this.#parts.cache.isDead(stale.response, stale.key) ? undefined : stale
  }

  /** RFC 5861 section 4: what the handler said is not sent. */
  #insteadOfError (reply: FastifyReply, { exchange, stale, payload }: { exchange: Exchanged, stale: Stale, payload: unknown }, said: { why: StaleReason, forwarded?: number }): unknown {
    const { response, at } = stale
    setStoredFieldsInstead(reply, response, exchange.fieldsBefore)
    this.#parts.announcer.stale(reply, said, { response, key: stale.key, now: at })
    return bodyInstead(reply, payload, response)
  }

  #later ({ done }: Turn, run: () => void): void {
    try {
      run()
    } catch (fault) {
      done(fault as Error)
    }
  }

  #runHandler (request: FastifyRequest, done: HookHandlerDoneFunction): void {
    hideUncovered(request, this.#parts.policy)
    done()
  }

  #send ({ request, reply }: Turn, found: Served): void {
    const { announcer } = this.#parts
    const { key, response, at } = found
    request[kExchange] = found
    setStoredFields(reply, response)
    if (found.outcome === 'stale') announcer.stale(reply, found, { response, key, now: at })
    else if (found.collapsed !== undefined) announcer.collapsed(reply, found.collapsed, { response, key, now: at })
    else announcer.hit(reply, { response, key, now: at })
    // A hook may write into the bytes it is given; where there is no other hook, `finish` adds them.
    void reply.send(this.mayBeTransformed ? ownBytes(sentBody(response)) : undefined)
  }

  #warn ({ reason, fault }: { reason: string, fault?: unknown }): void {
    const text = reason === 'user-unknown'
      ? 'requests with credentials bypass the cache because varyByUser found no user; set the plugin option "user" or varyByUser to a function'
      : 'requests bypass the cache because an option function or the key failed'
    this.#parts.warnings.once({ outcome: 'bypass', reason, fault }, text)
  }
}
