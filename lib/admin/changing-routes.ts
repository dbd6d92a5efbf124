import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AdminRequestError, expectedGot } from '../errors.ts'
import type { InvalidationTargets } from '../marks/targets.ts'
import type { ExplainedRequest } from '../client/explanation.ts'
import type { Cache } from '../client/cache.ts'
import type { WarmReport } from '../warming/warming.ts'
import { previewInvalidation } from './invalidation-preview.ts'
import { explainAnswer, invalidateAnswer, warmAnswer } from './schemas.ts'
import { TARGETS } from './targets-schema.ts'
import type { Schema } from './validation.ts'

type InvalidateBody = InvalidationTargets & { all?: boolean, soft?: boolean, preview?: boolean }

const INVALIDATE_BODY: Schema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    ...TARGETS,
    soft: { type: 'boolean', description: 'Stale in place of gone.' },
    preview: { type: 'boolean', description: 'Only say what it would hit.' }
  }
}

const REQUEST: Schema = {
  type: 'object',
  additionalProperties: false,
  required: ['url'],
  properties: {
    method: { type: 'string', minLength: 1, maxLength: 20, description: 'Default GET.' },
    url: { type: 'string', minLength: 1, maxLength: 8192, description: 'A path, with or without a query.' },
    headers: { type: 'object', description: 'Header fields.', maxProperties: 100, additionalProperties: { type: 'string', maxLength: 8192 } },
    body: { description: 'Of a route with varyByBody.' }
  }
}

const EXPLAIN_BODY: Schema = { type: 'object', additionalProperties: false, required: ['first'], properties: { first: REQUEST, second: REQUEST } }

const WARM_BODY: Schema = {
  type: 'object',
  additionalProperties: false,
  required: ['urls'],
  properties: {
    urls: { type: 'array', maxItems: 100, items: { type: 'string', minLength: 1, maxLength: 8192 }, description: 'Paths of the app.' },
    headers: { type: 'object', description: 'Header fields of each request, such as host.', maxProperties: 100, additionalProperties: { type: 'string', maxLength: 8192 } }
  }
}

/** So long a call waits for handlers. */
const WARM_MS = 30_000

const config = { cache: false } as const

const schema = (summary: string, body: Schema, answer: Schema) => ({ schema: { tags: ['cache'], summary, body, response: { 200: answer } } })

/** The routes that do something, or take more than fits into a URL. */
export function addChangingRoutes (app: FastifyInstance, { cache }: { cache: Cache }): void {
  app.post<{ Body: InvalidateBody }>('/invalidate', { config, ...schema('Invalidate, or say what it would hit', INVALIDATE_BODY, invalidateAnswer) }, async ({ body }) => {
    const { preview = false, soft = false, all = false, ...targets } = body
    if (!all && Object.values(targets).every((names) => names === undefined || names.length === 0)) {
      throw new AdminRequestError('body', `expected something to invalidate: one of ${Object.keys(TARGETS).join(', ')}`)
    }
    if (preview) return { preview: await previewInvalidation(cache, { ...targets, all }) }
    return { invalidated: all ? { all, ...await cache.invalidateAll({ soft }) } : await cache.invalidate(targets, { soft }) }
  })

  app.post<{ Body: { first: ExplainedRequest, second?: ExplainedRequest } }>('/explain', { config, ...schema('What happens to a request, and why', EXPLAIN_BODY, explainAnswer) }, async (request) => {
    const { body } = request
    const [first, second] = [body.first, body.second].map((asked) => asked === undefined ? undefined : { ...asked, url: wholeUrl(asked, request) })
    return await cache.explain(first!, second)
  })

  app.post<{ Body: { urls: readonly string[], headers?: Record<string, string> } }>('/warm', { config, ...schema('Fill the cache', WARM_BODY, warmAnswer) }, async ({ body: { urls, headers = {} }, host }) =>
    await warmed(cache, urls, withHost(headers, host)))
}

/** As for what is explained: keys cover the host. */
function withHost (headers: Record<string, string>, host: string): Record<string, string> {
  return host === '' || Object.keys(headers).some((name) => name.toLowerCase() === 'host') ? headers : { host, ...headers }
}

async function warmed (cache: Cache, urls: readonly string[], headers: Record<string, string>): Promise<WarmReport> {
  const late = AbortSignal.timeout(WARM_MS)
  let finished = 0
  try {
    return await cache.warm(urls, { headers, onProgress: ({ done }) => { finished = done }, signal: late })
  } catch (fault) {
    if (fault !== late.reason) throw fault
    throw Object.assign(new AdminRequestError('urls', `expected handlers that answer within ${WARM_MS / 1000} seconds together, ${finished} of ${urls.length} have; warm fewer at once`), { statusCode: 504 })
  }
}

/** Keys cover the host: without a word on it, it is that by which the admin routes are reached. */
function wholeUrl ({ url, headers = {} }: ExplainedRequest, { host, protocol }: Pick<FastifyRequest, 'host' | 'protocol'>): string {
  if (!/^(?:\/|https?:\/\/)/i.test(url)) throw new AdminRequestError('url', expectedGot('a path such as /users/1, or a whole http URL', url))
  return host !== '' && url.startsWith('/') && !Object.keys(headers).some((name) => name.toLowerCase() === 'host') ? `${protocol}://${host}${url}` : url
}
