import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import sensible from '@fastify/sensible'
import Fastify, { type FastifyInstance } from 'fastify'
import responseCache from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { MADE_ETAG } from './exchange.ts'
import { selfSigned, type SelfSigned } from './self-signed.ts'
import { createApp, repeats, serve } from './serve.ts'
import { stores } from './stores.ts'

/** Declares the routes on any kind of server and starts it. */
async function start (t: Test, app: FastifyInstance, cache: object = {}): Promise<number> {
  t.teardown(() => app.close())
  await app.register(responseCache, { defaults: { ttl: '1m' }, ...cache })
  app.get('/json', { config: { cache: true } }, async (request, reply) => reply.header('etag', '"1"').send({ a: 'ä' }))
  app.get('/stream', { config: { cache: true } }, async () => new Blob(['some', 'thing']).stream())
  app.get('/large', { config: { cache: true } }, async () => Buffer.alloc(300_000, 'x'))
  app.get('/nothing', { config: { cache: { statusCodes: [204] } } }, (request, reply) => { reply.code(204).send() })
  await app.listen({ port: 0, host: '127.0.0.1' })
  await app.cache.connect()
  return (app.server.address() as AddressInfo).port
}

interface Answer {
  status: number
  fields: Record<string, unknown>
  body: Buffer
}

async function overHttp2 (session: http2.ClientHttp2Session, path: string, headers: Record<string, string> = {}): Promise<Answer> {
  const stream = session.request({ ':path': path, ...headers })
  const [[answered], body] = await Promise.all([once(stream, 'response') as Promise<[http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader]>, buffer(stream)])
  const { ':status': status = 0, ...fields } = answered
  return { status, fields, body }
}

async function overHttps (port: number, path: string, { cert, key }: Partial<SelfSigned> = {}): Promise<Answer> {
  const request = https.get({ port, host: '127.0.0.1', path, rejectUnauthorized: false, agent: false, cert, key })
  const [response] = await once(request, 'response') as [IncomingMessage]
  return { status: response.statusCode!, fields: response.headers, body: await buffer(response) }
}

/** What a hit repeats. Of what was streamed only the hit has an ETag, unless the handler set one. */
function repeatable ({ status, fields: { etag, ...fields }, body }: Answer, hasLateTag: boolean): object {
  const { date, age, 'x-cache': xCache, 'cache-status': cacheStatus, connection, 'content-length': length, 'transfer-encoding': framing, ...rest } = fields
  return { status, fields: hasLateTag ? rest : { ...rest, etag }, body: body.toString('base64') }
}

async function repeatsAll (t: Test, request: (path: string) => Promise<Answer>): Promise<void> {
  for (const path of ['/json', '/stream', '/large', '/nothing']) {
    const miss = await request(path)
    const hit = await request(path)
    t.equal(miss.fields['x-cache'], 'MISS', path)
    t.equal(hit.fields['x-cache'], 'HIT', path)
    const hasLateTag = path === '/stream'
    t.strictSame(repeatable(hit, hasLateTag), repeatable(miss, hasLateTag), path)
    if (hasLateTag) t.strictSame([miss.fields.etag, MADE_ETAG.test(String(hit.fields.etag))], [undefined, true])
  }
}

for (const [place, optionsOf] of Object.entries(stores)) {
  test(`over HTTP/2 a hit from ${place} repeats the response`, async (t) => {
    const port = await start(t, Fastify({ http2: true }) as unknown as FastifyInstance, await optionsOf(t))
    const session = http2.connect(`http://127.0.0.1:${port}`)
    t.teardown(() => new Promise<void>((resolve) => { session.close(resolve) }))
    await repeatsAll(t, async (path) => await overHttp2(session, path))
    const bypass = await overHttp2(session, '/json', { authorization: 'Bearer x' })
    t.equal(bypass.fields['cache-status'], 'fastify-response-cache; fwd=bypass; detail=credentials')
    const other = await overHttp2(session, '/json', { ':authority': 'other.example' })
    t.equal(other.fields['x-cache'], 'MISS', 'another authority')
  })
}

test('over HTTPS a hit repeats the response', async (t) => {
  const port = await start(t, Fastify({ https: selfSigned() }) as unknown as FastifyInstance)
  await repeatsAll(t, async (path) => await overHttps(port, path))
})

test('over HTTPS a verified client certificate is a credential', async (t) => {
  const client = selfSigned('client')
  const https = { ...selfSigned(), ca: client.cert, requestCert: true, rejectUnauthorized: false }
  const port = await start(t, Fastify({ https }) as unknown as FastifyInstance)
  for (let time = 0; time < 2; time++) {
    const known = await overHttps(port, '/json', client)
    t.equal(known.fields['cache-status'], 'fastify-response-cache; fwd=bypass; detail=credentials')
  }
  await repeatsAll(t, async (path) => await overHttps(port, path))
})

test('inject gets the same responses as a client', async (t) => {
  const app = await createApp(t, (app) => {
    app.get('/', { config: { cache: true } }, async (request, reply) => reply.header('etag', '"1"').send({ a: 1 }))
    app.get('/stream', { config: { cache: true } }, async () => new Blob(['some', 'thing']).stream())
  })
  for (const path of ['/', '/stream']) {
    const miss = await app.inject(path)
    const hit = await app.inject(path)
    t.equal(miss.headers['x-cache'], 'MISS')
    t.equal(hit.headers['x-cache'], 'HIT')
    if (path === '/stream') t.match(hit.headers.etag, MADE_ETAG)
    else t.equal(hit.headers.etag, miss.headers.etag)
    t.strictSame(hit.rawPayload, miss.rawPayload)
  }
  const head = await app.inject({ url: '/', method: 'HEAD' })
  t.equal(head.headers['content-length'], '7')
})

test('@fastify/sensible and the cache work in one app, in either order', async (t) => {
  for (const order of ['before', 'after']) {
    const app = Fastify()
    if (order === 'before') await app.register(sensible)
    const service = await serve(t, async (scope) => {
      if (order === 'after') await scope.register(sensible)
      scope.get('/found', { config: { cache: true } }, async () => 'x')
      scope.get('/missing', { config: { cache: true } }, async (request, reply) => reply.notFound('no such thing'))
      scope.get('/thrown', { config: { cache: true } }, async () => { throw scope.httpErrors.imateapot() })
      scope.get('/prevented', { config: { cache: true } }, async (request, reply) => {
        reply.preventCache()
        return 'x'
      })
      scope.get('/varied', { config: { cache: true } }, async (request, reply) => {
        reply.vary('accept-language')
        reply.cacheControl('public')
        return 'x'
      })
    }, { app })
    await repeats(t, service, '/found')
    await repeats(t, service, '/varied')
    for (const [path, detail] of [['/missing', 'status'], ['/thrown', 'status'], ['/prevented', 'no-store']] as const) {
      t.equal((await service.get(path)).field('cache-status'), `fastify-response-cache; fwd=uri-miss; detail=${detail}`)
    }
    t.equal((await service.get('/varied', { headers: { 'accept-language': 'de' } })).field('x-cache'), 'MISS')
  }
})
