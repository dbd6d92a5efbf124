import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import type { Cache } from '../client/cache.ts'
import type { InvalidationTargets } from '../marks/targets.ts'
import type { CacheRequest } from '../options/cache-request.ts'
import type { Invalidates } from '../options/policy.ts'
import { kTargets } from './exchange.ts'

export interface WriteParts {
  readonly client: Cache
  readonly invalidates: Invalidates | undefined
  /** Whether responses to the same URL may be cached: then an answer to an unsafe method invalidates them. */
  readonly invalidatesUrl: () => boolean
}

/** The hook of a route that may write: what its answer invalidates is gone before the client has the answer. */
export class WriteHooks {
  readonly #parts: WriteParts

  constructor (parts: WriteParts) {
    this.#parts = parts
  }

  /** Runs as the last `onSend`. An invalidation that fails is logged, and the answer is sent. */
  readonly finish = (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: HookHandlerDoneFunction): void => {
    const { invalidates } = this.#parts
    const isUrlMeant = this.#parts.invalidatesUrl()
    // RFC 9111 section 4.4: a non-error response is one with a status code of 2xx or 3xx.
    if ((invalidates === undefined && !isUrlMeant && request[kTargets] === undefined) || reply.statusCode >= 400) return done()
    this.#invalidate(request, reply, isUrlMeant).then(() => done(), (fault: unknown) => {
      request.log.error({ err: fault }, 'what this request changed may still be served from the cache: it could not be invalidated')
      done()
    })
  }

  async #invalidate (request: FastifyRequest, reply: FastifyReply, isUrlMeant: boolean): Promise<void> {
    const { client, invalidates } = this.#parts
    const all = [...request[kTargets] ?? []]
    if (invalidates !== undefined) all.push(typeof invalidates === 'function' ? invalidates(request as unknown as CacheRequest, reply) : invalidates)
    if (isUrlMeant) all.push({ urls: changedUrls(request, reply) })
    await client.invalidate(merged(all))
  }
}

/** The URL of the request with any query, and those that the answer names, if they are of this host (RFC 9111 section 4.4). */
function changedUrls (request: FastifyRequest, reply: FastifyReply): string[] {
  const base = `http://${request.host || 'host.invalid'}`
  const named = [reply.getHeader('location'), reply.getHeader('content-location')].filter((url) => typeof url === 'string')
  return [request.originalUrl, ...named].flatMap((url) => {
    const parsed = URL.canParse(url, base) ? new URL(url, base) : undefined
    return parsed?.host === new URL(base).host ? [parsed.pathname] : []
  })
}

function merged (all: readonly InvalidationTargets[]): InvalidationTargets {
  const lists: Record<string, unknown[]> = {}
  for (const targets of all) {
    for (const [kind, list] of Object.entries(targets) as Array<[string, readonly unknown[] | undefined]>) (lists[kind] ??= []).push(...list ?? [])
  }
  return lists as InvalidationTargets
}
