import type { FastifyInstance, FastifyReply } from 'fastify'

/*
 * What we read of Fastify that it does not export, each with what is assumed when a later version has it no more. A test
 * tells when that happens.
 */

function internal (owner: object, description: string): unknown {
  for (let object: object | null = owner; object !== null; object = Object.getPrototypeOf(object)) {
    const symbol = Object.getOwnPropertySymbols(object).find((candidate) => candidate.description === description)
    if (symbol !== undefined) return (owner as Record<symbol, unknown>)[symbol]
  }
  return undefined
}

/** Whether the reply has trailers; `reply.hasTrailer()` asks for one by name only. Unknown counts as none. */
export function hasTrailers (reply: FastifyReply): boolean {
  const trailers = internal(reply, 'fastify.reply.trailers')
  return typeof trailers === 'object' && trailers !== null
}

/** The names of an instance's own hooks that run between `onRequest` and the handler, or `undefined` when they are unknown. */
export function guardHooksOf (instance: FastifyInstance): string[] | undefined {
  const hooks = internal(instance, 'fastify.hooks') as Record<string, unknown> | undefined
  if (hooks === undefined) return undefined
  return GUARD_HOOKS.filter((name) => Array.isArray(hooks[name]) && hooks[name].length > 0)
}

/** Hooks that a hit in `onRequest` skips. */
export const GUARD_HOOKS = ['preParsing', 'preValidation', 'preHandler'] as const
