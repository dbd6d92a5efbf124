import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import { AdminRequestError, AdminUnguardedError, expectedGot, InvalidOptionError } from '../errors.ts'
import { boolean, checkOptions, type Rule } from '../options/check.ts'
import type { Cache } from '../client/cache.ts'
import { kCachedRoutes } from '../route/cached-routes.ts'
import { addDashboard } from './dashboard-files.ts'
import { addChangingRoutes } from './changing-routes.ts'
import { protect, refuseCrossSite, stopWhenAnswered, withoutCors } from './protection.ts'
import { addReadingRoutes } from './reading-routes.ts'
import { RecentInvalidations } from './recent-invalidations.ts'
import { validate, type Schema } from './validation.ts'

/** A hook of the app that answers, or throws, for who may not see the cache: with a callback, or async. One type, so that what is written in place is typed. */
export type AdminHook = (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => unknown

/** Options of `app.register(cacheAdmin, …)`. One of `onRequest`, `preHandler` and `public: true` is needed. */
export interface AdminOptions {
  /** Where the routes are: `/admin/cache`. Default: at the root of the scope. */
  prefix?: string
  /** The guard: one hook or several. It runs for every route of the plugin, before anything else is read. */
  onRequest?: AdminHook | readonly AdminHook[]
  /** The same, once the body has been read. */
  preHandler?: AdminHook | readonly AdminHook[]
  /** Nobody is asked who they are. For a port that only operators reach, and for development. Default `false`. */
  public?: boolean
  /** The cache to show. Default `fastify.cache`. */
  cache?: Cache
}

/** What Fastify itself reads of the options of `register`. */
type RegisterOptions = AdminOptions & { logLevel?: string, logSerializers?: object }

/** Bodies name targets, not data. Bytes. */
const BODY_LIMIT = 65_536

const hooks: Rule = {
  expected: 'a hook, or a list of hooks',
  accepts: (value) => [value].flat().every((hook) => typeof hook === 'function')
}
const any = (expected: string): Rule => ({ expected, accepts: () => true })

/**
 * A Fastify plugin with JSON routes and a page that show what the cache does, explain it and invalidate. Register it behind the cache:
 *
 *     await app.register(cacheAdmin, { prefix: '/admin/cache', onRequest: app.basicAuth })
 *
 * Errors: `RESPONSE_CACHE_ERR_ADMIN_UNGUARDED` without a guard, `RESPONSE_CACHE_ERR_OPTION_*`.
 */
export async function cacheAdmin (app: FastifyInstance, options: AdminOptions): Promise<void> {
  const { cache, onRequest, preHandler } = checkedOptions(app, options)
  const recent = new RecentInvalidations(cache)
  app.addHook('onClose', async () => { recent.close() })

  // They hold for everything that is declared in this scope.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string', bodyLimit: BODY_LIMIT }, app.getDefaultJsonParser('error', 'error'))
  app.setValidatorCompiler<Schema>(({ schema, httpPart = 'request' }) => (value: unknown) => {
    return validate(schema, value, httpPart === 'body' ? { where: 'body', isText: false } : { where: 'query', isText: true })
  })
  app.setSerializerCompiler(() => (value) => JSON.stringify(value))
  app.setErrorHandler((error, _request, reply) => {
    // What a request named is no fault of the server. All else is for the error handler of the app.
    if (!isFaultOfRequest(error)) throw error
    void reply.code(400).send(new AdminRequestError('request', error.message))
  })

  app.addHook('onRequest', protect)
  for (const hook of onRequest) app.addHook('onRequest', hook)
  app.addHook('onRequest', stopWhenAnswered)
  app.addHook('onRequest', refuseCrossSite)
  for (const hook of preHandler) app.addHook('preHandler', hook)
  app.addHook('preHandler', stopWhenAnswered)
  app.addHook('onSend', withoutCors)

  addReadingRoutes(app, { cache, recent })
  addChangingRoutes(app, { cache })
  await addDashboard(app)
}

const FAULTS_OF_REQUESTS = new Set(['TARGET_INVALID', 'KEY_INVALID', 'OPTION_INVALID', 'OPTION_UNKNOWN'].map((name) => `RESPONSE_CACHE_ERR_${name}`))

function isFaultOfRequest (error: unknown): error is Error {
  return error instanceof Error && 'code' in error && FAULTS_OF_REQUESTS.has(String(error.code))
}

function checkedOptions (app: FastifyInstance, options: AdminOptions) {
  checkOptions<RegisterOptions>(options, {
    prefix: any('a path'), logLevel: any('a level'), logSerializers: any('serializers'), onRequest: hooks, preHandler: hooks, public: boolean, cache: any('a cache')
  }, 'the options of fastify-response-cache/admin')
  const [onRequest, preHandler] = [[options.onRequest ?? []].flat(), [options.preHandler ?? []].flat()]
  if (onRequest.length + preHandler.length === 0 && options.public !== true) throw new AdminUnguardedError()
  const cache = options.cache ?? (app.hasDecorator('cache') ? app.cache : undefined)
  if (!isCache(cache)) throw new InvalidOptionError('cache', 'the options of fastify-response-cache/admin', expectedGot('fastify-response-cache to be registered before, or a cache of createCache()', cache))
  return { cache, onRequest, preHandler }
}

function isCache (value: unknown): value is Cache {
  return typeof value === 'object' && value !== null && 'stats' in value && 'inspect' in value && kCachedRoutes in value
}
