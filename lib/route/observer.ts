import type { FastifyReply, FastifyRequest } from 'fastify'
import { responses, type ResponseMessage } from '../channels.ts'
import type { Logger } from '../logger.ts'
import type { BypassReason, NotStoredReason, RefusalReason } from '../http/cache-status.ts'
import type { RouteCounters } from '../stats/route-counters.ts'
import { kExchange, type ExchangeState } from './exchange.ts'
import { purposeOf } from './repeat.ts'
import type { Turn } from './turn.ts'

type Miss = Extract<ExchangeState, { outcome: 'miss' }>
type Served = Extract<ExchangeState, { outcome: 'hit' | 'stale' }>

/** What a request came to, but for what is the same for all of its route. */
type Said = Omit<ResponseMessage, 'route' | 'namespace' | 'key'> & { readonly key?: { readonly id: string } }

/** Counts what the requests of clients came to, and tells those who want to know. Requests of the cache itself are nobody's. */
export class RouteObserver {
  readonly counters: RouteCounters
  readonly #logger: Logger | undefined

  /** `logger`: in place of that of each request. */
  constructor (counters: RouteCounters, logger?: Logger) {
    this.counters = counters
    this.#logger = logger
  }

  served ({ request, askedAt, isOwn }: Pick<Turn, 'request' | 'askedAt' | 'isOwn'>, found: Served, bytes: number): void {
    if (isOwn) return
    const ms = performance.now() - askedAt
    const { costMs } = found.response
    if (found.outcome === 'stale') {
      this.counters.stale(found.why, { ms, costMs, bytes })
    } else {
      this.counters.hit({ ms, costMs, bytes })
      if (found.collapsed !== undefined) this.counters.collapsed++
    }
    if (this.#isWatched(request)) this.#tell(request, { outcome: found.outcome, ...reasonOf(found), key: found.key, ms, bytes })
  }

  /** In place of what the handler answered, or did not in time. */
  servedInstead (request: FastifyRequest, exchange: Miss, found: Extract<Served, { outcome: 'stale' }>): void {
    const { askedAt, isOwn } = exchange
    if (exchange.isCounted === true) return
    exchange.isCounted = true
    this.served({ request, askedAt, isOwn }, found, found.response.body.length)
  }

  missed (request: FastifyRequest, exchange: Miss, { stored, isRenewed = false }: { stored: true | NotStoredReason | undefined, isRenewed?: boolean }): void {
    const { askedAt, isOwn, key, reason } = exchange
    if (isOwn || exchange.isCounted === true) return
    exchange.isCounted = true
    const ms = performance.now() - askedAt
    this.counters.miss(reason, ms)
    if (this.#isWatched(request)) this.#tell(request, { outcome: isRenewed ? 'revalidated' : 'miss', reason, ...stored === undefined ? {} : { stored }, key, ms })
  }

  bypassed (request: FastifyRequest, reply: FastifyReply, reason: BypassReason): void {
    if (!takeForCounting(request)) return
    this.counters.bypass(reason)
    if (this.#isWatched(request)) this.#tell(request, { outcome: 'bypass', reason, ms: reply.elapsedTime })
  }

  refused (request: FastifyRequest, reason: RefusalReason, askedAt: number): void {
    if (!takeForCounting(request)) return
    this.counters.refuse(reason)
    if (this.#isWatched(request)) this.#tell(request, { outcome: 'refused', reason, ms: performance.now() - askedAt })
  }

  /** A handler that answers past Fastify has answered as well. */
  heedHijack (request: FastifyRequest, reply: FastifyReply): void {
    const { hijack } = reply
    reply.hijack = () => {
      const exchange = request[kExchange]
      if (exchange?.outcome === 'bypass') this.bypassed(request, reply, exchange.reason)
      else if (exchange?.outcome === 'miss') this.missed(request, exchange, { stored: undefined })
      return hijack.call(reply)
    }
  }

  /** Most hits are nobody's news. */
  #isWatched (request: FastifyRequest): boolean {
    return responses.hasSubscribers || this.#logOf(request).isLevelEnabled?.('debug') === true
  }

  #logOf ({ log }: FastifyRequest): Logger {
    return this.#logger ?? log
  }

  #tell (request: FastifyRequest, { key, ...said }: Said): void {
    const { route, namespace } = this.counters
    const message: ResponseMessage = { ...said, route, namespace, ...key === undefined ? {} : { key: key.id } }
    if (responses.hasSubscribers) responses.publish(message)
    this.#logOf(request).debug?.({ cache: message }, `cache ${said.outcome}`)
  }
}

/** Whether it is to be counted: once, though an answer that cannot be sent comes by again as an error, and if a client has sent it. */
function takeForCounting (request: FastifyRequest): boolean {
  const exchange = request[kExchange]
  const mayCount = (exchange?.outcome === 'bypass' || exchange?.outcome === 'refused') && exchange.isCounted !== true && purposeOf(request) === undefined
  if (mayCount) exchange.isCounted = true
  return mayCount
}

function reasonOf (found: Served): Pick<ResponseMessage, 'reason'> {
  const reason = found.outcome === 'stale' ? found.why : found.collapsed
  return reason === undefined ? {} : { reason }
}
