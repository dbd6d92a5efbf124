import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyInstance, FastifyReply, RouteOptions } from 'fastify'

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
  return trailersOf(reply) !== null
}

/** Takes away the trailers that a handler has set. */
export function removeTrailers (reply: FastifyReply): void {
  for (const name of Object.keys(trailersOf(reply) ?? {})) reply.removeTrailer(name)
}

function trailersOf (reply: FastifyReply): object | null {
  const trailers = internal(reply, 'fastify.reply.trailers')
  return typeof trailers === 'object' ? trailers : null
}

/** The whole app. What a scope has as `ready` is that of avvio, which ends the process when it is called after the start. */
export function rootOf (app: FastifyInstance): FastifyInstance {
  const parent = Object.getPrototypeOf(app) as FastifyInstance | null
  return parent === null || !('ready' in parent) ? app : rootOf(parent)
}

/** Those of these hooks that an instance has of its own or from its parents, or `undefined` when they cannot be known. */
export function hooksOf (instance: FastifyInstance, names: readonly string[]): string[] | undefined {
  const hooks = internal(instance, 'fastify.hooks') as Record<string, unknown> | undefined
  if (hooks === undefined) return undefined
  return names.filter((name) => Array.isArray(hooks[name]) && hooks[name].length > 0)
}

/**
 * Whether Fastify has added this HEAD route to a GET route: then it takes the body away in a hook of this name. Unknown counts as no. Its handler
 * does not tell: plugins such as @fastify/websocket put one of their own around it, for each route another.
 */
export function isHeadOfGet (route: RouteOptions): boolean {
  return [route.onSend ?? []].flat().some((hook) => hook.name === 'headRouteOnSendHandler')
}

/** The same of a reply, found once. */
export class ReplyInternals {
  #headers: symbol | undefined
  #trailers: symbol | undefined

  /** The header fields as they are to be sent, to write them without Fastify; `undefined` when they cannot be known, or are not all. */
  headersOf (reply: FastifyReply): OutgoingHttpHeaders | undefined {
    this.#headers ??= symbolOf(reply, 'fastify.reply.headers')
    this.#trailers ??= symbolOf(reply, 'fastify.reply.trailers')
    if (this.#headers === undefined || this.#trailers === undefined) return undefined
    const own = reply as unknown as Record<symbol, unknown>
    return own[this.#trailers] === null ? own[this.#headers] as OutgoingHttpHeaders : undefined
  }
}

function symbolOf (owner: object, description: string): symbol | undefined {
  return Object.getOwnPropertySymbols(owner).find((symbol) => symbol.description === description)
}
