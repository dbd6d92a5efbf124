/** Compiled by `npm run typecheck`, never run. */
import Fastify, { type FastifyRequest } from 'fastify'
import responseCache, { createCache, type CacheRequest, type RouteCacheOptions } from 'fastify-response-cache'

const app = Fastify()
const handler = async () => ({ hello: 'world' })

// What config.cache may be.
app.get('/', { config: { cache: true } }, handler)
app.get('/', { config: { cache: false } }, handler)
app.get('/', { config: { cache: 300 } }, handler)
app.get('/', { config: { cache: '5m' } }, handler)
app.get('/', { config: { cache: 'long' } }, handler)
app.get('/', { config: { cache: { ttl: 'long' } } }, handler)
app.route({ method: ['GET', 'POST'], url: '/', config: { cache: { ttl: 60, varyByBody: true } }, handler })
app.get('/', {
  config: {
    cache: {
      namespace: 'user',
      ttl: (request, reply) => reply.statusCode === 200 && request.params.id !== undefined ? '1h' : 0,
      varyByUser: true,
      varyByQuery: ['page'],
      varyByHeaders: ['accept-language'],
      varyByCookies: ['theme'],
      varyByBody: false,
      shared: false,
      storeIf: (request, reply, payload) => payload !== null && payload.length > 0 && !reply.hasHeader('x-draft') && request.method === 'GET',
      hook: 'preHandler',
      unguarded: false,
      statusCodes: [200, 404],
      maxBytes: 1024
    }
  }
}, handler)

// Functions read the request without casts.
app.get('/users/:id', {
  config: {
    cache: {
      ttl: '1h',
      key: (request) => `${request.params.id?.toUpperCase()}`,
      skip: (request) => request.query.fresh === 'true' || request.body.draft === true || request.user?.role === 'admin',
      varyByUser: (request) => request.user?.id ?? request.user?.sub
    }
  }
}, handler)

// The plain FastifyRequest stays readable: headers, url, ip, log.
const skip: RouteCacheOptions['skip'] = (request) => request.headers['x-preview'] === '1' || request.url === '/' || request.ip === ''
app.get('/', { config: { cache: { ttl: '1h', skip } } }, handler)

// A function may say what it knows about its route.
app.get('/search', {
  config: {
    cache: {
      ttl: '5m',
      skip: (request: FastifyRequest<{ Querystring: { fresh?: boolean } }>) => request.query.fresh === true,
      key: (request: FastifyRequest<{ Params: { id: string } }>) => request.params.id,
      storeIf: (request: FastifyRequest<{ Body: { tags: string[] } }>) => request.body.tags.length > 0,
      varyByUser: (request: FastifyRequest<{ Params: { id: string } }> & { tenant: { name: string } }) => request.tenant.name
    }
  }
}, handler)
app.get<{ Querystring: { fresh?: boolean } }>('/search', {
  config: { cache: { ttl: '5m', skip: (request: FastifyRequest<{ Querystring: { fresh?: boolean } }>) => request.query.fresh === true } }
}, async (request) => ({ fresh: request.query.fresh }))

// Wrong values are errors, in every place that takes route options.
// @ts-expect-error true is no lifetime
app.get('/', { config: { cache: { ttl: true } } }, handler)
// @ts-expect-error a list is expected
app.get('/', { config: { cache: { ttl: '5m', varyByHeaders: 'accept' } } }, handler)
// @ts-expect-error skip answers with a boolean
app.get('/', { config: { cache: { ttl: '5m', skip: (request) => request.url } } }, handler)
// @ts-expect-error key answers with a string
app.get('/', { config: { cache: { ttl: '5m', key: (request: CacheRequest) => request.params } } }, handler)
// @ts-expect-error there is no such hook to serve hits in
app.get('/', { config: { cache: { ttl: '5m', hook: 'onSend' } } }, handler)
// @ts-expect-error params are strings
app.get('/', { config: { cache: { ttl: '5m', key: (request) => request.params.id.toFixed() } } }, handler)
// @ts-expect-error status codes are numbers
createCache({ defaults: { statusCodes: ['200'] } })

// Wrong names are errors wherever TypeScript does not infer the type of `config` from what is written. In a plain
// `app.get('/', { config: … })` it does, and the name is refused at registration.
// @ts-expect-error
app.get<{ Params: { id: string } }>('/', { config: { cache: { ttl: '5m', varyByQueries: ['a'] } } }, handler)
// @ts-expect-error
createCache({ defaults: { varyByQueries: ['a'] } })
// @ts-expect-error
createCache({ namespaces: { user: { tll: '5m' } } })
// @ts-expect-error a namespace cannot name another one
createCache({ namespaces: { user: { namespace: 'other' } } })
// @ts-expect-error
await app.register(responseCache, { prefx: 'shop' })
// @ts-expect-error
const options = { ttl: '5m', varyByQueries: ['a'] } satisfies RouteCacheOptions
app.get('/', { config: { cache: options } }, handler)
