import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { purposeOf, type Purpose } from './repeat.ts'

type Explaining = Extract<Purpose, { explain: unknown }>

/** Marks the config of a route that looks up. */
export const kLooksUp = Symbol('fastify-response-cache.looks-up')

/** A hook of the whole app: a request that is explained goes no further than to a route that looks up. */
export function stopExplained (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
  const purpose = purposeOf(request)
  if (purpose === undefined || !('explain' in purpose) || kLooksUp in request.routeOptions.config) return done()
  tellWithoutCache(purpose, request)
  endExplained(reply)
}

/** Answers past the hooks of the app, which may change what it stores when they see an answer. */
export function endExplained (reply: FastifyReply): void {
  if (reply.sent) return
  reply.hijack()
  reply.raw.statusCode = 204
  reply.raw.end()
}

function tellWithoutCache ({ explain }: Explaining, request: FastifyRequest): void {
  const { method, url } = request.routeOptions
  explain(request.is404 ? { outcome: 'no-route' } : { outcome: 'not-cached', route: `${[method].flat().join(',')} ${url}` })
}

/** What Fastify tells before it calls a handler. */
const HANDLER_START = 'tracing:fastify.request.handler:start'

/**
 * Runs `send` with a net below it: routes of scopes that the hook above does not reach, because they are older than the plugin or beside it,
 * do not run their handlers for this request either.
 */
export async function withoutHandlers<T> (purpose: Explaining, send: () => Promise<T>): Promise<T> {
  const stop = (message: unknown): void => {
    const { request, reply } = message as { request: FastifyRequest, reply: FastifyReply }
    if (purposeOf(request) !== purpose) return
    replaceHandler(request, () => {
      tellWithoutCache(purpose, request)
      endExplained(reply)
    })
  }
  subscribe(HANDLER_START, stop)
  try {
    return await send()
  } finally {
    unsubscribe(HANDLER_START, stop)
  }
}

/** Of this request alone. What Fastify calls is in the context of its route, which it does not export; a test tells when it has it no more. */
function replaceHandler (request: FastifyRequest, handler: () => void): void {
  const symbol = Object.getOwnPropertySymbols(request).find(({ description }) => description === 'fastify.context')
  const context: unknown = symbol === undefined ? undefined : (request as unknown as Record<symbol, unknown>)[symbol]
  if (symbol === undefined || typeof context !== 'object') return
  Object.assign(request, { [symbol]: Object.create(context, { handler: { value: handler } }) as unknown })
}
