/** A route with `config.cache`, as far as an audit has to know it. */
export interface CachedRoute {
  /** Its pattern, such as `/users/:id`. */
  readonly url: string
  readonly methods: readonly string[]
}

/** Under this name an app tells its cached routes. Not for users: `auditCache()` reads it, which may be another copy of the module. */
export const kCachedRoutes = Symbol.for('fastify-response-cache.cached-routes')

declare module 'fastify' {
  interface FastifyInstance {
    [kCachedRoutes]?: readonly CachedRoute[]
  }
}
