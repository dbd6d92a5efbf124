import createError from '@fastify/error'

/*
 * Every error a user can cause. The code is stable and documented in docs/errors.md; the text says
 * what was expected, what came, where, and what to do. A retired code is never used again.
 */

/** An option name this version does not know. */
export const UnknownOptionError = createError(
  'RESPONSE_CACHE_ERR_OPTION_UNKNOWN', 'Unknown option "%s" in %s. %s', 500, TypeError)

/** An option whose value is not what it takes. */
export const InvalidOptionError = createError(
  'RESPONSE_CACHE_ERR_OPTION_INVALID', 'Invalid option "%s" in %s: %s.', 500, TypeError)

/** Two options that exclude each other, or one that needs another. */
export const OptionConflictError = createError(
  'RESPONSE_CACHE_ERR_OPTION_CONFLICT', 'Conflicting options in %s: %s', 500, TypeError)

/** Nothing says how long a response or a value may be kept. */
export const MissingTtlError = createError(
  'RESPONSE_CACHE_ERR_TTL_MISSING',
  'No ttl for %s: expected one from its own options, from its namespace "%s" (plugin option "namespaces") ' +
  'or from "defaults", for example ttl: \'5m\'.', 500, TypeError)

/** A route that cannot be cached by its method. */
export const MethodError = createError(
  'RESPONSE_CACHE_ERR_METHOD', 'Cannot cache %s: expected a GET or HEAD route, or a POST or QUERY route with ' +
  '"varyByBody: true" or an own "key". Add one of them, or remove config.cache.', 500, TypeError)

/** A hit in `onRequest` would be served before guards of the route had run. */
export const UnguardedError = createError(
  'RESPONSE_CACHE_ERR_UNGUARDED', 'Refused to serve hits of %s in onRequest: it would skip %s. Use hook: \'preHandler\' ' +
  '(the default), or say unguarded: true if none of them protects the response.', 500)

/** A route asks for the cache and has none of its hooks. */
export const NotAttachedError = createError(
  'RESPONSE_CACHE_ERR_NOT_ATTACHED', '%s has config.cache but was declared before fastify-response-cache was loaded, or an onRoute hook has added ' +
  'config.cache after the plugin saw the route, so it is not cached. Write "await app.register(responseCache)" before declaring routes, and behind such hooks.', 500)

/** `fastify.cache` exists already. */
export const AlreadyRegisteredError = createError(
  'RESPONSE_CACHE_ERR_ALREADY_REGISTERED', 'fastify.cache exists already: fastify-response-cache was registered twice in one ' +
  'context, or another plugin (such as @fastify/caching) uses the name. Register it once, or in sibling contexts.', 500)

/** A key of the client that cannot be used. */
export const InvalidKeyError = createError(
  'RESPONSE_CACHE_ERR_KEY_INVALID', 'Invalid key: expected a string of 1 to %s characters without line breaks, got %s.', 500, TypeError)

/** Something to invalidate that names nothing. */
export const InvalidTargetError = createError(
  'RESPONSE_CACHE_ERR_TARGET_INVALID', 'Invalid "%s" in %s: %s.', 500, TypeError)

/** A value that cannot be stored and given back. */
export const InvalidValueError = createError(
  'RESPONSE_CACHE_ERR_VALUE_INVALID', 'Cannot store the value of "%s": %s', 500, TypeError)

/** The store did not confirm an operation whose outcome the caller has to know. */
export const StoreUnavailableError = createError(
  'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE', 'The store did not confirm %s: %s', 503)

/** The store has not confirmed an invalidation in time. It is not lost. */
export const InvalidationPendingError = createError(
  'RESPONSE_CACHE_ERR_INVALIDATION_PENDING', 'The store has not confirmed the invalidation yet: %s. It is kept and sent again until it is ' +
  'confirmed; until then this process serves nothing of it as fresh, other processes may. Calling again is not needed.', 503)

/** A store of the user's lacks a method that is optional. */
export const StoreUnsupportedError = createError(
  'RESPONSE_CACHE_ERR_STORE_UNSUPPORTED', 'The store cannot do this: expected it to have the optional method %s(), see docs/custom-store.md.', 500)

/** The handler of a route took longer than the route allows, and there was nothing stale to serve. */
export const HandlerTimeoutError = createError(
  'RESPONSE_CACHE_ERR_HANDLER_TIMEOUT', 'The handler of %s takes longer than its hardTimeout of %s ms. It goes on; ask again later.', 503)

/** As many handlers of a route run as it allows, and there was nothing stale to serve. */
export const OverloadedError = createError(
  'RESPONSE_CACHE_ERR_OVERLOADED', 'The handler of %s runs as often as its maxConcurrentFills of %s allows. Ask again.', 503)

/** The request wanted a stored response or none (RFC 9111 section 5.2.1.7), and there is none that it takes. */
export const OnlyIfCachedError = createError(
  'RESPONSE_CACHE_ERR_ONLY_IF_CACHED', 'There is no stored response of %s for a request with Cache-Control: only-if-cached.', 504)

/** Nobody can tell what would become of a request. */
export const NotExplainedError = createError(
  'RESPONSE_CACHE_ERR_NOT_EXPLAINED', 'Cannot explain what the cache does with a request: %s.', 500)

/** The cache was used after `close()`. */
export const ClosedError = createError(
  'RESPONSE_CACHE_ERR_CLOSED', 'The cache is closed.', 500)

/** An environment variable with a value that it cannot have. */
export const InvalidEnvironmentError = createError(
  'RESPONSE_CACHE_ERR_ENV_INVALID', 'Invalid environment variable %s: %s.', 500, TypeError)

/** The admin routes would be open to everybody. */
export const AdminUnguardedError = createError(
  'RESPONSE_CACHE_ERR_ADMIN_UNGUARDED', 'Refused to register fastify-response-cache/admin without a guard: expected a hook that refuses who may ' +
  'not see the cache, "onRequest" or "preHandler". Or say public: true where nobody else reaches the app.', 500)

/** A page of another site sent the request. */
export const CrossSiteError = createError(
  'RESPONSE_CACHE_ERR_CROSS_SITE', 'Refused a request that a page of another site sent: expected one from %s.', 403)

/** A request to the admin routes that is not what they take. */
export const AdminRequestError = createError(
  'RESPONSE_CACHE_ERR_ADMIN_REQUEST', 'Invalid %s: %s.', 400, TypeError)

/** There is no such entry. */
export const NoEntryError = createError(
  'RESPONSE_CACHE_ERR_NO_ENTRY', 'There is no entry under the key "%s": it was never stored, or it is gone by now.', 404)

/** The part of an error text that says what should have come and what came. */
export function expectedGot (expected: string, value: unknown): string {
  return `expected ${expected}, got ${describe(value)}`
}

/** One that was put in the wrong place still holds a password. */
const URL_WITH_CREDENTIALS = /:\/\/[^/]*@/

/** How a value is named in an error text: its content when short, else its type. */
export function describe (value: unknown): string {
  if (typeof value === 'string' && URL_WITH_CREDENTIALS.test(value)) return 'a URL with credentials (string)'
  if (typeof value === 'string') return value.length > 60 ? `a string of ${value.length} characters` : `"${value}" (string)`
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (typeof value === 'object') return `an object of type ${value.constructor?.name ?? 'null prototype'}`
  return `${String(value)} (${typeof value})`
}
