import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import { describesBytes } from '../http/stored-fields.ts'
import type { RoutePolicy } from '../options/policy.ts'
import type { Hit, LookupResult, ResponseCache } from '../response-cache.ts'
import { isPromise } from '../store/store.ts'
import type { StoredResponse } from '../stored-entry.ts'
import type { Admitted, RouteAdmission } from './admission.ts'
import type { Announcer } from './announce.ts'
import { kExchange } from './exchange.ts'
import { hideUncovered } from './hide-uncovered.ts'
import type { ResponseRecorder } from './response-recorder.ts'
import type { RouteWarnings } from './warnings.ts'

export interface RouteParts {
  readonly policy: RoutePolicy
  readonly cache: ResponseCache
  readonly admission: RouteAdmission
  readonly recorder: ResponseRecorder
  readonly announcer: Announcer
  readonly enabled: boolean
  readonly warnings: RouteWarnings
}

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
    const { admission, cache, enabled } = this.#parts
    const admitted = enabled ? admission.admit(request) : { outcome: 'bypass' as const, reason: 'disabled' as const }
    if (admitted.outcome === 'bypass') {
      if ('fault' in admitted || admitted.reason === 'user-unknown') this.#warn(admitted)
      request[kExchange] = { outcome: 'bypass', reason: admitted.reason }
      this.#runHandler(request, done)
      return
    }
    const found = cache.lookUp(admitted.key, request.headers)
    if (!isPromise(found)) {
      this.#proceed(found, admitted, request, reply, done)
      return
    }
    // Never rejects; `done` receives what a hit cannot send.
    void found.then((result) => {
      try {
        if (!reply.sent) this.#proceed(result, admitted, request, reply, done)
      } catch (fault) {
        done(fault as Error)
      }
    })
  }

  /** Runs as the last `onSend`: also for hits, which must not be stored again. */
  readonly finish = (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: (error: null, payload?: unknown) => void): void => {
    const exchange = request[kExchange]
    const { announcer, recorder } = this.#parts
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
      case 'miss': {
        const { payload: passedOn, stored } = recorder.record(request, reply, payload)
        announcer.miss(reply, exchange, stored)
        done(null, passedOn)
        return
      }
      case 'hit':
        // Once: when sending fails, what an error handler sends next is its own.
        request[kExchange] = FAILED
        if (this.mayBeTransformed) done(null, asStored({ request, reply, payload, response: exchange.response }))
        else done(null, sentBody(exchange.response))
    }
  }

  #proceed (result: LookupResult, admitted: Admitted, request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
    if (result.outcome === 'hit') {
      request[kExchange] = result
      this.#send(reply, result, admitted)
      return
    }
    request[kExchange] = { outcome: 'miss', reason: result.reason, admitted, filled: this.#parts.cache.fillStamp, sentUrl: request.originalUrl, fieldsBefore: reply.getHeaders() }
    this.#runHandler(request, done)
  }

  #runHandler (request: FastifyRequest, done: HookHandlerDoneFunction): void {
    hideUncovered(request, this.#parts.policy)
    done()
  }

  #send (reply: FastifyReply, { response, at }: Hit, { key }: Admitted): void {
    const { announcer } = this.#parts
    // Setting a status is more than having it: an error handler's redirect would keep it.
    if (reply.statusCode !== response.status) reply.code(response.status)
    for (let i = 0; i < response.removed.length; i++) reply.removeHeader(response.removed[i]!)
    // By index, as every hit comes here: taking pairs apart costs more than setting the field.
    for (let i = 0; i < response.headers.length; i++) {
      const field = response.headers[i]!
      // Lines are copied: a hook may add one.
      reply.header(field[0], typeof field[1] === 'string' ? field[1] : [...field[1]])
    }
    announcer.hit(reply, { response, key, now: at })
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

/** Without a body and a content type, `undefined` keeps Fastify from adding one. */
function sentBody (response: StoredResponse): Buffer | undefined {
  return response.body.length === 0 ? undefined : response.body
}

function ownBytes (body: Buffer | undefined): Buffer | undefined {
  return body === undefined ? undefined : Buffer.from(body)
}

/**
 * What a hit sends after the other `onSend` hooks: the stored bytes with the fields that describe them, even where a hook
 * transformed them again, because they were stored after such hooks had run. Where a hook chose another status, such as 304,
 * its answer stands.
 */
function asStored ({ request, reply, payload, response }: { request: FastifyRequest, reply: FastifyReply, payload: unknown, response: StoredResponse }): unknown {
  if (reply.statusCode !== response.status) return undefined
  for (const name of Object.keys(reply.getHeaders())) {
    if (describesBytes(name)) reply.removeHeader(name)
  }
  for (const [name, value] of response.headers) {
    if (describesBytes(name)) reply.header(name, value)
  }
  if (request.method === 'HEAD' && payload === null) {
    reply.header('content-length', String(response.body.length))
    return undefined
  }
  (payload as { destroy?: () => void } | undefined)?.destroy?.()
  return sentBody(response) ?? null
}
