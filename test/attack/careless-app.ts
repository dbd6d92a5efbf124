import { Readable } from 'node:stream'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type FastifyServerOptions } from 'fastify'
import responseCache, { type ResponseCacheOptions, type RouteCacheOptions } from 'fastify-response-cache'

/*
 * An app whose authors thought of nothing. Its routes are cached with the defaults: whatever these handlers do, nobody may get
 * what was not meant for them.
 */

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown

/** Fields that frameworks, proxies and clouds use to steer an app or to say who asks: those a cache has to know by itself. */
const KNOWN = /^(?:host|upgrade|authorization|proxy-authorization|x-forwarded-(?!for)|x-original-|x-rewrite-|x-host|x-scheme|x-url-scheme|front-end-https|x-http-method|x-method-override|x-nextjs-data|x-now-route-matches|x-middleware-prefetch|x-invoke-(?:path|status)|x-http-host-override|x-real-host|disguised-host|x-envoy-original-|x-ms-original-|x-waws-|cloudfront-forwarded-|x-arr-ssl|cf-visitor|.*(?:api-?key|token|user|identity|assertion|session|cert|oidc|email|principal|-dn)(?:$|-(?!agent)))/

/** The user behind a field of the app's own, found out by the handler, where no guard could. */
function lateUser (request: FastifyRequest): string | undefined {
  const sent = request.headers['x-magic']
  if (sent === undefined) return undefined
  Object.assign(request, { user: { id: String(sent) } })
  return String(sent)
}

const page = (title: string, content: unknown): string => `<!doctype html><title>${title}</title><pre>${JSON.stringify(content)}</pre>`

const soon = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

const failsOn = (isTooMuch: boolean, reply: FastifyReply): unknown => isTooMuch ? reply.code(400).send({ error: 'too much' }) : { fine: true }

/** What each route does wrong. */
export const careless: Readonly<Record<string, Handler>> = {
  '/fields': (request) => Object.entries(request.headers).filter(([name]) => KNOWN.test(name)),
  '/page': (request, reply) => reply.type('text/html').send(page(`${request.protocol}://${request.host}`, [request.hostname, request.headers['x-forwarded-host'], request.headers['x-original-url']])),
  '/link': (request, reply) => reply.header('link', `<${String(request.headers['x-forwarded-proto'] ?? 'http')}://${String(request.headers['x-forwarded-host'] ?? request.host)}/x.js>; rel=preload`).send('linked'),
  '/redirect': (request, reply) => reply.redirect(`//${request.host}${request.url}`),
  '/raw-url': (request) => ({ url: request.raw.url, original: request.originalUrl, url2: request.url }),
  '/own-query': (request) => Object.fromEntries((request.raw.url ?? '').split(/[?&;]/).slice(1).map((pair) => pair.split('='))),
  '/query': (request) => request.query,
  '/mutated': (request) => {
    const query = request.query as Record<string, unknown>
    query.seen = Object.keys(query).length
    delete query.q
    return { ...query, from: request.url }
  },
  '/cookies': (request) => ({ cookies: String(request.headers.cookie ?? '').split(';').map((pair) => pair.trim()).filter((pair) => pair !== '' && !/^(?:_ga|_fbp)=/.test(pair)) }),
  '/sets-cookie': (request, reply) => reply.header('set-cookie', `sid=${String(request.id)}; Path=/`).send({ welcome: request.headers.cookie ?? 'stranger' }),
  '/public-private': (request, reply) => reply.header('cache-control', 'public, max-age=600').send({ account: request.headers.authorization ?? 'nobody', cookie: request.headers['x-user-id'] }),
  '/private': (request, reply) => reply.header('cache-control', 'private, max-age=600').send({ at: request.id }),
  '/no-store': (request, reply) => reply.header('cache-control', 'no-store').send({ at: request.id }),
  '/malformed': (request, reply) => reply.header('cache-control', 'max-age=600, private="x').send({ at: request.id }),
  '/star': (request, reply) => reply.header('vary', 'accept, *').send({ at: request.headers['user-agent'] }),
  '/varies': (request, reply) => reply.header('vary', 'Accept-Language, X-Theme').send({ lang: request.headers['accept-language'] ?? null, theme: request.headers['x-theme'] ?? null }),
  '/late': async (request) => {
    await soon()
    return { hello: lateUser(request) ?? 'stranger' }
  },
  '/late-stream': (request, reply) => reply.type('text/plain').send(Readable.from((async function * () {
    yield 'hello '
    await soon()
    yield lateUser(request) ?? 'stranger'
  })())),
  '/account/*': (request) => ({ account: request.headers.authorization ?? 'nobody', path: (request.params as Record<string, string>)['*'] }),
  '/account': (request) => ({ account: request.headers.authorization ?? 'nobody' }),
  '/files/:name': (request) => request.params,
  '/big-headers': (request, reply) => failsOn(JSON.stringify(request.headers).length > 2000, reply),
  '/strict-accept': (request, reply) => /json|\*|^$/.test(request.headers.accept ?? '') ? reply.send({ fine: true }) : reply.code(406).send({ error: request.headers.accept }),
  '/conditional': (request, reply) => {
    reply.header('etag', '"1"').header('last-modified', 'Thu, 01 Jan 2026 00:00:00 GMT')
    if (request.headers['if-none-match'] !== undefined || request.headers['if-modified-since'] !== undefined) return reply.code(304).send()
    if (request.headers['if-match'] !== undefined || request.headers['if-unmodified-since'] !== undefined) return reply.code(412).send({ error: 'precondition' })
    return { whole: 'page' }
  },
  '/ranges': (request, reply) => {
    const range = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '')
    if (range === null) return reply.type('text/plain').send('0123456789')
    if (Number(range[1]) > 9) return reply.code(416).header('content-range', 'bytes */10').send('too far')
    return reply.code(206).type('text/plain').header('content-range', 'bytes 0-0/10').send('0')
  },
  '/cors': (request, reply) => reply.header('access-control-allow-origin', request.headers.origin ?? 'null').send({ open: true }),
  '/fat': async (request) => {
    let body = ''
    for await (const chunk of request.raw) body += String(chunk)
    return { body }
  },
  '/override': (request, reply) => {
    const method = request.headers['x-http-method-override'] ?? request.headers['x-http-method'] ?? request.headers['x-method-override'] ?? request.method
    return method === 'GET' || method === 'HEAD' ? reply.send({ method }) : reply.code(200).send({ refused: method })
  },
  '/splits': (request, reply) => reply.header('x-echo', String((request.query as Record<string, unknown>).q ?? '')).send('split'),
  '/token': (request, reply) => reply.header('x-csrf-token', `of-${request.id}`).send({ form: true }),
  '/nonce': (request, reply) => reply.header('content-security-policy', `script-src 'nonce-${request.id}'`).send('<script></script>'),
  '/id': (request, reply) => reply.header('x-request-id', request.id).send({ form: true }),
  '/events': (request, reply) => reply.type('text/event-stream').send(`data: ${String(request.id)}\n\n`),
  '/broken-stream': (request, reply) => reply.type('text/plain').send(Readable.from((async function * () {
    yield 'half'
    await soon()
    throw new Error('broken')
  })())),
  '/throws': (request) => { throw new Error(`no ${String(request.headers['x-forwarded-host'] ?? 'host')}`) },
  '/tenant': (request, reply) => reply.send({ tenant: request.host.split('.')[0], shout: request.host === request.host.toLowerCase() ? 'known' : 'unknown host' }),
  '/ttl': (request) => ({ url: request.url, user: request.headers['x-user-id'] ?? null })
}

/** The routes that a probe can cache, and what each URL needs to be more than an error. */
export const carelessUrls: readonly string[] = Object.keys(careless).map((url) => url.replace(':name', 'a.txt').replace('*', 'profile'))

/** The app above with the cache as it comes. */
export async function carelessApp ({ cache = {}, route = {}, fastify = {} }: { cache?: ResponseCacheOptions, route?: RouteCacheOptions, fastify?: FastifyServerOptions } = {}): Promise<FastifyInstance> {
  const app = Fastify({ forceCloseConnections: true, routerOptions: { ignoreDuplicateSlashes: true, ignoreTrailingSlash: true, caseSensitive: false }, ...fastify })
  app.addContentTypeParser('*', { parseAs: 'string' }, (request, body, done) => { done(null, body) })
  await app.register(responseCache, { logger: { info () {}, warn () {} }, ...cache })
  for (const [url, handler] of Object.entries(careless)) {
    app.get(url, { config: { cache: { ttl: '1m', ...route } } }, async (request, reply) => await handler(request, reply))
    app.post(url, async (request) => ({ posted: request.body }))
  }
  return app
}
