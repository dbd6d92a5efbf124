import { once } from 'node:events'
import { connect, type ClientHttp2Session, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import Fastify, { type FastifyInstance } from 'fastify'
import responseCache from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { cached, unique } from './helpers.ts'

/*
 * The same promises over HTTP/2, where a body needs no length, and the host and the path are fields.
 */

interface Answer {
  outcome: unknown
  status: unknown
  body: string
}

type Ask = (headers: OutgoingHttpHeaders, body?: string) => Promise<Answer>

async function open (t: Test, declare: (app: FastifyInstance) => unknown): Promise<Ask> {
  const app = Fastify({ http2: true }) as unknown as FastifyInstance
  await app.register(responseCache)
  await declare(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const session: ClientHttp2Session = connect(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`)
  t.teardown(async () => {
    session.destroy()
    await app.close()
  })
  return async (headers, body) => {
    const stream = session.request({ ':authority': 'a.example', ':path': '/', ...headers }, { endStream: body === undefined })
    if (body !== undefined) stream.end(body)
    const [answer] = await once(stream, 'response') as [IncomingHttpHeaders]
    return { outcome: answer['x-cache'], status: answer[':status'], body: await text(stream) }
  }
}

test('over HTTP/2 hits are for the same host, and not for credentials (RFC 9111 section 3.5, Kettle 2018)', async (t) => {
  const ask = await open(t, (app) => app.get('/', cached(), unique()))
  const first = await ask({})
  t.strictSame(await ask({}), { outcome: 'HIT', status: 200, body: first.body })
  for (const headers of [{ authorization: 'a' }, { cookie: 'sid=1' }, { cookie: ['_ga=1', 'sid=1'] }, { 'x-api-key': 'a' }]) {
    t.equal((await ask(headers)).outcome, 'BYPASS', JSON.stringify(headers))
  }
  for (const headers of [{ ':authority': 'b.example' }, { 'x-forwarded-host': 'b.example' }]) {
    t.equal((await ask(headers)).outcome, 'MISS', JSON.stringify(headers))
  }
})

test('over HTTP/2 both names of the host select the response, as a handler can read both (Kettle 2018)', async (t) => {
  const ask = await open(t, (app) => app.get('/', cached(), async (request) => `${request.headers[':authority'] as string} ${request.host}`))
  await ask({ ':authority': 'evil.example', host: 'a.example' })
  t.notOk((await ask({ ':authority': 'a.example', host: 'a.example' })).body.includes('evil'))
  t.notOk((await ask({ ':authority': 'a.example' })).body.includes('evil'))
})

test('over HTTP/2 a GET with a body never fills the cache, though it says no length (PortSwigger, fat GET)', async (t) => {
  const ask = await open(t, (app) => app.get('/', cached(), async (request) => `you sent ${await text(request.raw)}`))
  const fat = await ask({}, 'evil')
  t.equal(fat.body, 'you sent evil')
  t.equal(fat.outcome, 'BYPASS')
  t.equal((await ask({})).body, 'you sent ')
})

test('over HTTP/2 a body that only the handler reads is never cached, though it says no length', async (t) => {
  const ask = await open(t, (app) => {
    app.addContentTypeParser('multipart/form-data', (request, payload, done) => { done(null) }) // as @fastify/multipart does
    app.post('/', cached({ varyByBody: true }), async (request) => `you sent ${await text(request.raw)}`)
  })
  for (const body of ['one', 'two']) {
    t.equal((await ask({ ':method': 'POST', 'content-type': 'multipart/form-data; boundary=x' }, body)).body, `you sent ${body}`)
  }
})

test('over HTTP/2 parameters that select nothing are hidden in the path field too (PortSwigger, unkeyed parameters)', async (t) => {
  const ask = await open(t, (app) => app.get('/', cached({ varyByQuery: ['q'] }), async (request) => JSON.stringify([request.url, request.query, request.headers])))
  const { body } = await ask({ ':path': '/?q=a&r=evil' })
  t.match(body, /"\/\?q=a"/)
  t.notOk(body.includes('evil'), body)
})
