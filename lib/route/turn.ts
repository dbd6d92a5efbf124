import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import type { Run } from '../fills/run.ts'
import type { Admitted } from './admission.ts'
import type { Asking } from './collapsing.ts'

/** A request on its way through the hooks. */
export interface Turn {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly admitted: Admitted
  /** By `performance.now()`. */
  readonly askedAt: number
  /** The cache itself has sent it. */
  readonly isOwn: boolean
  readonly done: HookHandlerDoneFunction
}

/** The request as those see it who decide what it is to do. */
export function asking ({ request, reply, admitted, askedAt }: Turn): Asking {
  return {
    admitted,
    askedAt,
    headers: request.headers,
    isHead: request.method === 'HEAD',
    isGone: () => reply.raw.destroyed || request.raw.socket?.destroyed === true
  }
}

/** However the answer ends, those who wait for the run hear of it. */
export function endWithAnswer (run: Run, reply: FastifyReply, onHijack: () => void): void {
  // What is written past Fastify is not seen here. A client that has gone does not end the handler.
  reply.raw.once('close', () => { if (reply.sent && !run.goesOn) run.settle({ how: 'failed' }) })
  const { hijack } = reply
  reply.hijack = function () {
    onHijack()
    return hijack.call(this)
  }
}
