import type { FastifyReply, FastifyRequest, RouteHandlerMethod, RouteOptions } from 'fastify'
import { HandlerTimeoutError } from '../errors.ts'
import { isPromise } from '../store/store.ts'
import { kExchange } from './exchange.ts'

/**
 * A handler whose answer counts only for as long as its request may wait. It is not stopped: what it says later is heard by nobody.
 * Where it repeats a request in the background, nobody waits for it itself.
 */
export function withHardTimeout ({ handler }: RouteOptions, { hardMs, route }: { hardMs: number, route: string }): RouteHandlerMethod {
  return function (request, reply) {
    const exchange = request[kExchange]
    if (exchange?.outcome !== 'miss' || exchange.run.isBehind) return handler.call(this, request, reply)
    const { send } = reply
    let giveUp = (fault: Error): void => { void send.call(reply, fault) } // of a handler that answers by `reply.send()`
    const timer = setTimeout(() => {
      if (isAnswering(request, reply)) return
      exchange.isTooLate = true
      reply.header('retry-after', '1')
      giveUp(new HandlerTimeoutError(route, hardMs))
    }, Math.max(0, exchange.askedAt + hardMs - performance.now()))
    // From then on it is answering, however long other hooks take to send that.
    const inTime = (): void => { clearTimeout(timer) }
    reply.raw.once('close', inTime)
    reply.send = function (payload) {
      inTime()
      return send.call(this, payload)
    }
    const answer: unknown = handler.call(this, request, reply)
    if (!isPromise(answer)) return answer
    return new Promise((resolve, reject) => {
      giveUp = reject
      answer.then((payload) => {
        inTime()
        resolve(payload)
      }, (fault: unknown) => {
        inTime()
        if (exchange.isTooLate === true) request.log.warn({ err: fault }, 'a handler failed after its hardTimeout')
        reject(fault)
      })
    })
  }
}

/** Its own answer is on its way. */
function isAnswering (request: FastifyRequest, reply: FastifyReply): boolean {
  const exchange = request[kExchange]
  return reply.sent || exchange?.outcome !== 'miss' || exchange.announced !== undefined
}
