import type { FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import { fieldText, type ResponseHeaders } from '../http/response-fields.ts'
import { parseVary } from '../http/vary.ts'
import type { Logger } from '../logger.ts'
import { asCacheRequest } from '../options/cache-request.ts'
import type { RoutePolicy } from '../options/policy.ts'
import { kExchange } from '../route/exchange.ts'
import { isPromise } from '../store/store.ts'
import { advice, inWords } from './advice.ts'
import { ALL, inputName, isCovered, type Input, type Reads } from './inputs.ts'
import { RecordedRequest } from './recorded-request.ts'

/** What is done about an input that the key does not cover: it is told, or its response is not stored either. */
export type AuditMode = 'warn' | 'refuse'

/** One run of a handler. */
interface Recording {
  readonly request: RecordedRequest
  readonly keyed: Reads
  readonly skipped: Reads
}

const kRecording = Symbol('fastify-response-cache.recording')

declare module 'fastify' {
  interface FastifyRequest {
    [kRecording]?: Recording
  }
}

/** A handler may read by names that the client chose. */
const MOST_REPORTS = 100

/** Finds out which inputs the handler of one route reads that do not select its stored responses. */
export class RouteAudit {
  readonly #mode: AuditMode
  readonly #policy: RoutePolicy
  readonly #originDecides: boolean
  readonly #logger: Logger
  readonly #reported = new Set<string>()

  constructor ({ mode, policy, originDecides, logger }: {
    mode: AuditMode
    policy: RoutePolicy
    /** With `ttl: 'http'`: the `Vary` of an origin is the contract about all fields that were passed on to it. */
    originDecides: boolean
    logger: Logger
  }) {
    this.#mode = mode
    this.#policy = policy
    this.#originDecides = originDecides
    this.#logger = logger
  }

  /** The handler with a request that records, on a miss. It records until there is an answer: what hooks read is not the handler's. */
  recorded (handler: RouteHandlerMethod): RouteHandlerMethod {
    const begin = (request: FastifyRequest): RecordedRequest | undefined => this.#begin(request)
    return function (request, reply) {
      const recorded = begin(request)
      if (recorded === undefined) return handler.call(this, request, reply)
      const stop = (): void => { recorded.stop() }
      const { send } = reply
      reply.send = function (payload) {
        stop()
        return send.call(this, payload)
      }
      recorded.start()
      let answer: unknown
      try {
        answer = handler.call(this, request, reply)
      } catch (fault) {
        stop()
        throw fault
      }
      if (isPromise(answer)) return untilSettled(answer, stop)
      if (answer !== undefined) stop()
      return answer
    }
  }

  /** A stream is on its way, made by the handler as it is read. */
  goOn (request: FastifyRequest): void {
    request[kRecording]?.request.start()
  }

  /** Why the response must not be stored, if so. Reports what the handler read up to now. */
  refusal (request: FastifyRequest, reply: FastifyReply): 'unkeyed-input' | undefined {
    const recording = request[kRecording]
    if (recording === undefined) return undefined
    recording.request.stop()
    const uncovered = this.#uncovered(recording, request, reply)
    for (const input of uncovered) this.#report(input)
    return uncovered.length > 0 && this.#mode === 'refuse' ? 'unkeyed-input' : undefined
  }

  /** Undefined where nothing is to be recorded: what is not a miss is not stored. */
  #begin (request: FastifyRequest): RecordedRequest | undefined {
    if (request[kExchange]?.outcome !== 'miss' || request[kRecording] !== undefined) return undefined
    const { key, skip, userOf } = this.#policy
    const recorded = new RecordedRequest(request, { recordsUrl: key !== undefined })
    const cacheRequest = asCacheRequest(request)
    const keyed = recorded.readsOf(() => {
      if (userOf !== false) userOf(cacheRequest)
      key?.(cacheRequest)
    })
    request[kRecording] = { request: recorded, keyed, skipped: recorded.readsOf(() => skip?.(cacheRequest)) }
    return recorded
  }

  #uncovered ({ request: { reads }, keyed, skipped }: Recording, request: FastifyRequest, reply: FastifyReply): Input[] {
    const { headers, host } = request
    const coverage = {
      policy: this.#policy,
      keyed,
      skipped,
      vary: selectingNames(reply.getHeaders() as ResponseHeaders, headers.origin),
      headers,
      host,
      originDecides: this.#originDecides
    }
    const uncovered = [...reads.values()].filter((input) => !isCovered(input, coverage))
    // Who goes through all of them reads each.
    return uncovered.filter((input) => !('name' in input) || input.name === ALL || input.kind === 'copy' || !reads.has(inputName({ kind: input.kind, name: ALL })))
  }

  #report (input: Input): void {
    const field = inputName(input)
    if (this.#reported.has(field) || this.#reported.size >= MOST_REPORTS) return
    this.#reported.add(field)
    const { route } = this.#policy
    const outcome = this.#mode === 'refuse' ? 'its responses are not stored' : 'others are given what was made for one of its values'
    this.#logger.warn({ cache: { route, outcome: 'miss', reason: 'unkeyed-input', field } },
      `the handler of ${route} reads ${inWords(input)}, which the key does not cover: ${outcome}; ${advice(input, this.#policy)}`)
  }
}

/** Nothing runs between the end of the handler and `stop`: what Fastify does with its answer comes after it. */
async function untilSettled (answer: Promise<unknown>, stop: () => void): Promise<unknown> {
  try {
    return await answer
  } finally {
    stop()
  }
}

/** The fields in Vary, and those that select a response which gives them away: an encoded body, an echoed Origin. */
function selectingNames (response: ResponseHeaders, origin: string | undefined): string[] {
  const vary = parseVary(response.vary === undefined ? undefined : fieldText(response.vary))
  const allowed = response['access-control-allow-origin']
  return [
    ...vary === '*' ? [] : vary,
    ...response['content-encoding'] === undefined ? [] : ['accept-encoding'],
    ...allowed === undefined || allowed === '*' || allowed !== origin ? [] : ['origin']
  ]
}
