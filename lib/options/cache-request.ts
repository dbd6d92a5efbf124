import type { FastifyReply, FastifyRequest } from 'fastify'

/**
 * The request that functions in `config.cache` receive. `FastifyContextConfig` is not generic, so it cannot know the
 * route's own types: here params are strings, and query, body and user can be read without casts. A function may
 * annotate a narrower request instead: `skip: (request: FastifyRequest<{ Querystring: { fresh?: boolean } }>) => …`.
 */
export type CacheRequest = WithoutRouteTypes & (FastifyRequest extends { user?: unknown } ? unknown : { readonly user?: Untyped })

/** An app may have typed `request.user`, for example through @fastify/jwt; then that type stays. */
interface WithoutRouteTypes extends Omit<FastifyRequest, 'params' | 'query' | 'body'> {
  readonly params: Record<string, string>
  readonly query: Untyped
  readonly body: Untyped
}

/*
 * The one `any` of the public types. A request with types of its own has `unknown` where it names none, and only `any` both
 * takes `unknown` and can be read.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- see above
type Untyped = any

/** The request as option functions see it: the same object, typed for routes whose own types are not known here. */
export function asCacheRequest (request: FastifyRequest): CacheRequest {
  return request as unknown as CacheRequest
}

/** The reply that functions in `config.cache` receive. */
export type CacheReply = FastifyReply
