import type { FastifyReply, FastifyRequest } from 'fastify'

/**
 * The request that functions in `config.cache` receive. `FastifyContextConfig` is not generic, so it cannot know the
 * route's own types: here params are strings, and query, body and user can be read without casts. A function may
 * annotate a narrower request instead: `skip: (request: FastifyRequest<{ Querystring: { fresh?: boolean } }>) => …`.
 */
export interface CacheRequest extends Omit<FastifyRequest, 'params' | 'query' | 'body' | 'user'> {
  readonly params: Record<string, string>
  readonly query: Record<string, unknown>
  readonly body: Record<string, unknown>
  readonly user?: RequestUser
}

/** The type an app gave `request.user` (for example through @fastify/jwt), else the claims that are usual. */
export type RequestUser = FastifyRequest extends { user: infer User } ? User : CacheUser

/** The usual shape of `request.user`. */
export interface CacheUser {
  readonly id?: string
  readonly sub?: string
  readonly role?: string
  readonly [claim: string]: unknown
}

/** The reply that functions in `config.cache` receive. */
export type CacheReply = FastifyReply
