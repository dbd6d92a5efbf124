import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import type { Cache } from '../client/cache.ts'
import { labelsOf, mergeTargets } from '../marks/targets.ts'
import { asCacheRequest } from '../options/cache-request.ts'
import type { Invalidates } from '../options/policy.ts'
import { pathOf } from './admission.ts'
import { kAnswered, kTargets } from './exchange.ts'
import { isExplained } from './repeat.ts'
import { mayShareUrl } from './url-patterns.ts'

export interface WriteParts {
  readonly client: Cache
  readonly invalidates: Invalidates | undefined
  /** The pattern of the route, if its answers invalidate the responses to their URL. */
  readonly unsafeUrl: string | undefined
  /** The patterns of cached routes; more may come until the app is ready. */
  readonly cachedUrls: ReadonlySet<string>
}

/** RFC 9110 section 9.2.1; QUERY is safe as well. */
export const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY'])

/** The hook of a route that may write: what its answer invalidates is gone before the client has the answer. */
export class WriteHooks {
  readonly #parts: WriteParts

  constructor (parts: WriteParts) {
    this.#parts = parts
  }

  /**
   * Runs as the last `onSend`. An invalidation that fails is logged, and the answer is sent. Only those who wait give a promise back;
   * with it, Fastify hears of an answer that cannot be sent.
   */
  readonly finish = (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: HookHandlerDoneFunction): void | Promise<void> => {
    const { invalidates } = this.#parts
    const isUnsafe = this.#parts.unsafeUrl !== undefined && this.#parts.cachedUrls.size > 0
    if (isExplained(request)) return done() // a guard has answered: nothing was written
    // RFC 9111 section 4.4: a non-error response is one with a status code of 2xx or 3xx.
    if ((invalidates === undefined && !isUnsafe && request[kTargets] === undefined) || reply.statusCode >= 400) return done()
    request[kAnswered] = true
    return this.#invalidate(request, reply).catch((fault: unknown) => {
      // It is kept and sent again, and the store's guard has said so, once.
      if ((fault as { code?: unknown }).code === 'RESPONSE_CACHE_ERR_INVALIDATION_PENDING') return request.log.info({ err: fault }, 'what this request changed is not confirmed to be invalidated yet: other processes may still serve it from the cache')
      request.log.error({ err: fault }, 'what this request changed may still be served from the cache: it could not be invalidated')
    })
  }

  /**
   * Runs as the last `preHandler`. Fastify goes on behind an async guard that has answered without giving its reply back, as long as the answer
   * waits: but for this, the handler would run for whom a guard has sent away.
   */
  readonly stop = (request: FastifyRequest, _reply: FastifyReply, done: HookHandlerDoneFunction): void => {
    if (request[kAnswered] !== true) done()
  }

  async #invalidate (request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { client, invalidates } = this.#parts
    const all = [...request[kTargets] ?? []]
    if (typeof invalidates === 'object') all.push(invalidates)
    if (typeof invalidates === 'function') {
      const targets = await invalidates(asCacheRequest(request), reply)
      labelsOf(targets, 'what "invalidates" returned')
      all.push(targets)
    }
    all.push({ urls: this.#changedUrls(request, reply) })
    const targets = mergeTargets(all)
    if (labelsOf(targets).length > 0) await client.invalidate(targets)
  }

  /** The URL of the request and those that its answer names, where a cached route may answer them (RFC 9111 section 4.4). */
  #changedUrls (request: FastifyRequest, reply: FastifyReply): string[] {
    const { cachedUrls, unsafeUrl } = this.#parts
    if (unsafeUrl === undefined || SAFE_METHODS.has(request.method)) return []
    const mayBeCached = (url: string): boolean => [...cachedUrls].some((pattern) => mayShareUrl(pattern, url))
    // Paths: what changes the response to one query changes the others as well.
    return [...mayBeCached(unsafeUrl) ? [request.originalUrl, request.raw.url ?? ''].map(pathOf) : [], ...namedPaths(request, reply).filter(mayBeCached)]
  }
}

/** Location and Content-Location, if they are of this host. */
function namedPaths (request: FastifyRequest, reply: FastifyReply): string[] {
  const base = `http://${request.host || 'host.invalid'}${request.originalUrl}`
  if (!URL.canParse(base)) return []
  return [reply.getHeader('location'), reply.getHeader('content-location')].flatMap((named) => {
    if (typeof named !== 'string' || !URL.canParse(named, base)) return []
    const { host, pathname } = new URL(named, base)
    return host === new URL(base).host ? [pathname] : []
  })
}
