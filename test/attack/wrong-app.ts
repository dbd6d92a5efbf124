import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import responseCache, { type ResponseCacheOptions, type RouteCacheOptions } from 'fastify-response-cache'

/*
 * Routes whose options or handlers promise what is not so. The cache believes them; an audit has to find every one of them, and
 * nothing on the routes beside them that do the same the right way.
 */

export interface WrongRoute {
  readonly options: RouteCacheOptions
  readonly handler: (request: FastifyRequest, reply: FastifyReply) => unknown
  /** A part of the name of the probe that has to find it. */
  readonly found: string
  /** The same with this in place of the options, or with a handler that does it right, is safe. */
  readonly right: { readonly options?: RouteCacheOptions, readonly handler?: WrongRoute['handler'] }
}

const sent = (name: string) => (request: FastifyRequest) => ({ [name]: request.headers[name] ?? null })

const varies = (name: string) => (request: FastifyRequest, reply: FastifyReply) => reply.header('vary', name).send({ [name]: request.headers[name] ?? null })

const account = (request: FastifyRequest): object => ({ balance: request.headers.authorization === 'Bearer ada' ? 'twelve' : 'nothing' })

const raw = (request: FastifyRequest): object => ({ url: request.raw.url })

export const wrong: Readonly<Record<string, WrongRoute>> = {
  'shared-account': { options: { shared: true }, handler: account, found: 'one user gets the response of another', right: { options: { shared: false } } },
  'shared-token': { options: { shared: true }, handler: sent('authorization'), found: 'Authorization is shared', right: { options: { varyByHeaders: ['authorization'] } } },
  'shared-cookie': { options: { shared: true }, handler: sent('cookie'), found: 'a session cookie is shared', right: { options: { varyByHeaders: ['cookie'] } } },
  'shared-key': { options: { shared: true }, handler: sent('x-api-key'), found: 'an API key is shared', right: { options: { varyByHeaders: ['x-api-key'] } } },
  'same-user': { options: { varyByUser: () => 'everyone' }, handler: account, found: 'one user gets the response of another', right: { options: { varyByUser: (request) => request.headers.authorization } } },
  'own-key': { options: { key: () => 'k' }, handler: (request) => request.query, found: 'a parameter of the query is not in the key', right: { options: { key: (request) => request.raw.url ?? '/' } } },
  'own-key-joined': { options: { key: (request) => Object.entries(request.query).map((pair) => pair.join('=')).join('&') || '-' }, handler: (request) => request.query, found: 'delimiters in values make two queries one', right: { options: { key: (request) => request.raw.url ?? '/' } } },
  'own-key-advertisers': { options: { key: (request) => String(request.raw.url).replace(/[?&](?:utm_\w+|fbclid|gclid|_)=[^&]*/g, '') }, handler: raw, found: 'a parameter of advertisers is not in the key', right: { options: { varyByQuery: ['q'] } } },
  agent: { options: {}, handler: sent('user-agent'), found: 'User-Agent is not in the key', right: { options: { varyByHeaders: ['user-agent'] } } },
  language: { options: {}, handler: sent('accept-language'), found: 'Accept-Language is not in the key', right: { handler: varies('accept-language') } },
  accept: { options: {}, handler: (request, reply) => request.headers.accept === 'application/xml' ? reply.type('application/xml').send('<a/>') : reply.send({ a: 1 }), found: 'Accept is not in the key', right: { options: { varyByHeaders: ['accept'] } } },
  tenant: { options: {}, handler: sent('x-tenant-id'), found: 'the tenant of a request is not in the key', right: { options: { varyByHeaders: ['x-tenant-id'] } } },
  address: { options: {}, handler: (request) => ({ ip: request.headers['x-forwarded-for'] ?? null }), found: 'the address of the client is shared', right: { options: { varyByHeaders: ['x-forwarded-for'] } } },
  experiment: { options: {}, handler: (request) => ({ variant: request.headers['x-variant'] === undefined ? 'usual' : 'new' }), found: 'experiments and debug switches are not in the key', right: { options: { varyByHeaders: ['x-variant'] } } },
  place: { options: {}, handler: (request) => ({ currency: request.headers['cf-ipcountry'] === 'CN' ? 'CNY' : 'USD' }), found: 'the place of the client is shared', right: { options: { varyByHeaders: ['cf-ipcountry'] } } },
  analytics: { options: {}, handler: sent('cookie'), found: 'a cookie of an analytics service is not in the key', right: { options: { varyByCookies: ['_ga', '_fbp'] } } },
  errors: { options: { statusCodes: [200, 400] }, handler: (request, reply) => JSON.stringify(request.headers).length > 2000 ? reply.code(400).send({ error: 'too large' }) : { fine: true }, found: 'an oversize header field breaks the page for others', right: { options: { statusCodes: [200] } } },
  guard: { options: { shared: true, statusCodes: [200] }, handler: (request, reply) => request.headers.authorization?.startsWith('Bearer ') === true ? { secret: 'plans' } : reply.code(401).send({ error: 'Who are you?' }), found: 'a hit skips the guard', right: { options: { shared: false } } },
  refused: { options: { shared: true, statusCodes: [200, 401] }, handler: (request, reply) => request.headers.authorization === 'Bearer wrong' ? reply.code(401).send({}) : { fine: true }, found: 'wrong credentials lock others out', right: { options: { shared: false } } },
  named: { options: {}, handler: sent('x-of-the-app'), found: 'x-of-the-app is not in the key', right: { options: { varyByHeaders: ['x-of-the-app'] } } }
}

/** What an audit of these routes needs to know. */
export const wrongAudit = { users: [{ authorization: 'Bearer ada' }, { authorization: 'Bearer grace' }], names: { headers: ['x-of-the-app'] } }

/** Each route under `/wrong/<name>`, and done right under `/right/<name>`. */
export async function wrongApp (cache: ResponseCacheOptions = {}): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(responseCache, { logger: { info () {}, warn () {} }, ...cache })
  for (const [name, { options, handler, right }] of Object.entries(wrong)) {
    app.get(`/wrong/${name}`, { config: { cache: { ttl: '1m', ...options } } }, async (request, reply) => await handler(request, reply))
    const config = { cache: { ttl: '1m', ...right.options ?? options } }
    app.get(`/right/${name}`, { config }, async (request, reply) => await (right.handler ?? handler)(request, reply))
  }
  return app
}
