import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import { purposeOf, type Purpose } from './repeat.ts'

type Explaining = Extract<Purpose, { explain: unknown }>

/** Marks the config of a route that looks up. */
export const kLooksUp = Symbol('fastify-response-cache.looks-up')

/**
 * A hook of the whole app, whatever scope the plugin is in: a request that is explained goes no further than to a route that looks up. Fastify gives
 * it to scopes that are there already, and to what answers where there is no route.
 */
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
