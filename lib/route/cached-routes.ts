import type { RoutePolicy } from '../options/policy.ts'

/** A route with `config.cache`, as far as an audit and the admin routes have to know it. */
export interface CachedRoute {
  /** Its pattern, such as `/users/:id`. */
  readonly url: string
  readonly methods: readonly string[]
  readonly policy: RoutePolicy
  /** What named lifetimes mean, in milliseconds. */
  readonly ttls: ReadonlyMap<string, number>
}

/** Under this name an app and its cache tell the cached routes. Not for users: `auditCache()` and the admin routes read it, which may be another copy of the module. */
export const kCachedRoutes = Symbol.for('fastify-response-cache.cached-routes')

declare module 'fastify' {
  interface FastifyInstance {
    [kCachedRoutes]?: readonly CachedRoute[]
  }
}
