import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import Fastify, { type FastifyInstance } from 'fastify'
import responseCache from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { selfSigned } from '../plugin/self-signed.ts'
import { cached } from './orders.ts'

/*
 * One server for HTTP/1.1 and HTTP/2 over TLS. What each of them does alone is in test/plugin/servers.test.ts.
 */

interface Answer {
  status: unknown
  outcome: unknown
  text: string
  fields: NodeJS.Dict<unknown>
}

interface Clients {
  http1 (path: string, options?: https.RequestOptions): Promise<Answer>
  http2 (path: string, headers?: http2.OutgoingHttpHeaders): Promise<Answer>
}

async function start (t: Test, declare: (app: FastifyInstance) => void): Promise<Clients> {
  const certificate = selfSigned()
  const app = Fastify({ http2: true, https: { ...certificate, allowHTTP1: true } }) as unknown as FastifyInstance
  await app.register(responseCache, { defaults: { ttl: '1m' } })
  declare(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const trust = { ca: certificate.cert, servername: 'localhost', checkServerIdentity: () => undefined }
  const session = http2.connect(`https://127.0.0.1:${port}`, trust)
  t.teardown(async () => {
    session.destroy()
    await app.close()
  })
  return {
    async http1 (path, options) {
      const request = https.get({ port, host: '127.0.0.1', path, agent: false, ...trust, ...options })
      const [response] = await once(request, 'response') as [IncomingMessage]
      return { status: response.statusCode, outcome: response.headers['x-cache'], text: await text(response), fields: response.headers }
    },
    async http2 (path, headers) {
      const stream = session.request({ ':path': path, ...headers })
      const [[fields], body] = await Promise.all([once(stream, 'response') as Promise<[http2.IncomingHttpHeaders]>, text(stream)])
      return { status: fields[':status'], outcome: fields['x-cache'], text: body, fields }
    }
  }
}

test('a server for both HTTP/2 and HTTP/1.1 answers each from the cache', async (t) => {
  const clients = await start(t, (app) => {
    app.get('/', cached(), async (request, reply) => reply.header('x-own', 'yes').send(`over HTTP/${request.raw.httpVersionMajor}`))
  })
  for (const version of ['http1', 'http2'] as const) {
    t.match(await clients[version]('/'), { status: 200, outcome: 'MISS' }, version)
    const hit = await clients[version]('/')
    t.match(hit, { status: 200, outcome: 'HIT', text: version === 'http1' ? 'over HTTP/1' : 'over HTTP/2' }, version)
    t.equal(hit.fields['x-own'], 'yes')
    t.equal(hit.fields['content-length'], '11')
  }
})

test('fields of HTTP/1.1 connections do not get into responses over HTTP/2, also where they share one', async (t) => {
  const clients = await start(t, (app) => {
    app.get('/', cached(), async (request, reply) => {
      if (request.raw.httpVersionMajor === 1) reply.header('connection', 'keep-alive, x-hop').header('keep-alive', 'timeout=5').header('x-hop', '1').header('upgrade', 'h2c')
      return 'text'
    })
  })
  const host = 'a.example' // in place of :authority, which HTTP/1.1 does not have
  await clients.http1('/', { headers: { host } })
  for (let time = 0; time < 2; time++) {
    const { status, outcome, fields } = await clients.http2('/', { host })
    t.strictSame([status, outcome], [200, 'HIT'])
    for (const name of ['connection', 'keep-alive', 'x-hop', 'upgrade']) t.equal(fields[name], undefined, name)
  }
  const hit = await clients.http1('/', { headers: { host } })
  t.equal(hit.outcome, 'HIT')
  t.equal(hit.fields['x-hop'], undefined)
})

test('credentials bypass the cache over both', async (t) => {
  const clients = await start(t, (app) => { app.get('/', cached(), async () => 'text') })
  for (let time = 0; time < 2; time++) {
    t.equal((await clients.http1('/', { headers: { authorization: 'Bearer x' } })).outcome, 'BYPASS')
    t.equal((await clients.http2('/', { authorization: 'Bearer x' })).outcome, 'BYPASS')
    t.equal((await clients.http2('/', { cookie: ['sid=1', 'a=2'] })).outcome, 'BYPASS')
  }
})

test('a HEAD over each is answered from its GET', async (t) => {
  const clients = await start(t, (app) => { app.get('/', cached(), async () => 'text') })
  await clients.http1('/')
  await clients.http2('/')
  for (const answer of [await clients.http1('/', { method: 'HEAD' }), await clients.http2('/', { ':method': 'HEAD' })]) {
    t.match(answer, { status: 200, outcome: 'HIT', text: '' })
    t.equal(answer.fields['content-length'], '4')
  }
})
