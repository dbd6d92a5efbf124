// A cache in front of any HTTP server:  node --import=tsx examples/reverse-proxy.ts http://127.0.0.1:3001 --port 3000
// The header fields of its responses decide what is cached and for how long; nothing else has to be configured.
import { METHODS, STATUS_CODES, type IncomingHttpHeaders } from 'node:http'
import type { IncomingHttpHeaders as Http2Headers } from 'node:http2'
import { parseArgs } from 'node:util'
import replyFrom from '@fastify/reply-from'
import Fastify, { type FastifyInstance } from 'fastify'
import responseCache, { type ResponseCacheOptions } from 'fastify-response-cache'

export interface ReverseProxyOptions {
  /** Scheme, host and port of the server behind, such as `'http://127.0.0.1:3001'`. */
  origin: string
  /** Options of the cache, such as `{ redis: 'redis://127.0.0.1:6379' }`. */
  cache?: ResponseCacheOptions
  /** So many milliseconds the origin may take to begin its answer, and then between two parts of it. Default 30,000. */
  timeoutMs?: number
}

/** The app, which does not listen yet. */
export async function reverseProxy ({ origin, cache = {}, timeoutMs = 30_000 }: ReverseProxyOptions): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(responseCache, {
    ...cache,
    // Responses to requests with credentials are shared only where they say that they may be (RFC 9111 section 3.5).
    defaults: { ttl: 'http', shared: 'http', ...cache.defaults }
  })
  await app.register(replyFrom, {
    base: origin,
    undici: { headersTimeout: timeoutMs, bodyTimeout: timeoutMs },
    destroyAgent: true,
    disableRequestLogging: true
  })

  // Bodies pass through as they are, whatever they hold.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => { done(null, payload) })

  // CONNECT asks for a tunnel, which is something else.
  for (const method of METHODS) {
    if (method !== 'CONNECT' && !app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: true })
  }

  app.all('/*', { config: { cache: true } }, (request, reply) => reply.from(undefined, {
    // By default a GET that is answered 503 is sent ten times more. What the origin says is what the client gets.
    retryDelay: () => null,
    rewriteRequestHeaders: ({ body, ip, host, protocol }, headers) => ({
      ...withoutConnectionFields(headers),
      // A body that has no meaning, with GET, was not read (RFC 9110 section 9.3.1): none is announced either.
      ...body === undefined && { 'content-length': undefined },
      'x-forwarded-for': ip,
      'x-forwarded-host': host,
      'x-forwarded-proto': protocol
    }),
    rewriteHeaders: withoutConnectionFields,
    onResponse: (_request, reply, { statusCode, stream }) => {
      if (statusCode !== 304 && statusCode < 600) return reply.send(stream)
      // The Content-Length of a 304 is that of the 200 it stands for (RFC 9110 section 8.6), and as a body it seems to break off.
      stream.on('error', (error) => request.log.debug(error)).resume()
      if (statusCode === 304) reply.send()
    },
    onError: (reply, { error }) => {
      // Also for a status that is none, which comes with header fields; they are not those of this answer.
      for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name)
      request.log.warn(error)
      const statusCode = 'statusCode' in error && error.statusCode === 504 ? 504 : 502
      return reply.code(statusCode).send({ statusCode, error: STATUS_CODES[statusCode], message: 'The origin did not answer' })
    }
  }))
  return app
}

// Node has answered an Expect.
const CONNECTION_FIELDS = ['connection', 'expect', 'keep-alive', 'proxy-connection', 'te', 'transfer-encoding', 'upgrade']

/** Without what was said to this proxy alone (RFC 9110 section 7.6.1). */
function withoutConnectionFields (headers: IncomingHttpHeaders | Http2Headers): IncomingHttpHeaders | Http2Headers {
  const named = [headers.connection ?? []].flat().join().toLowerCase().split(',').map((name) => name.trim())
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !CONNECTION_FIELDS.includes(name) && !named.includes(name)))
}

if (process.argv[1] === import.meta.filename) {
  const { values: { port }, positionals: [origin] } = parseArgs({ options: { port: { type: 'string', default: '3000' } }, allowPositionals: true })
  if (origin === undefined || !/^https?:\/\//.test(origin)) throw new Error(`Expected the URL of the origin, such as http://127.0.0.1:3001, got ${origin}`)
  const app = await reverseProxy({ origin })
  console.log(`${await app.listen({ port: Number(port) })} in front of ${origin}`)
}
