import { once } from 'node:events'
import { connect, type IncomingHttpHeaders } from 'node:http2'
import { get } from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import Fastify, { type FastifyInstance } from 'fastify'
import responseCache from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { cert, key } from './certificate.ts'
import { cached, unique } from './helpers.ts'

/** An app over TLS that asks clients for a certificate; `ca`: those it trusts. */
async function askCertificate (t: Test, ca: string | undefined): Promise<(as: object) => Promise<{ outcome: unknown, body: string }>> {
  const app = Fastify({ forceCloseConnections: true, https: { key, cert, requestCert: true, rejectUnauthorized: false, ...(ca === undefined ? {} : { ca }) } })
  t.teardown(() => app.close())
  await app.register(responseCache)
  app.get('/', cached(), unique())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return async (as) => {
    const [response] = await once(get({ port, host: '127.0.0.1', ca: cert, agent: false, ...as }), 'response') as [IncomingMessage]
    return { outcome: response.headers['x-cache'], body: await text(response) }
  }
}

test('a client certificate is a credential, whether the server trusts it or the app pins it (RFC 9111 section 3.5)', async (t) => {
  for (const [title, ca] of Object.entries({ trusted: cert, 'not trusted by a root': undefined })) {
    const ask = await askCertificate(t, ca)
    const first = await ask({})
    t.strictSame(await ask({}), { outcome: 'HIT', body: first.body }, 'without a certificate')
    const known = await ask({ cert, key })
    t.equal(known.outcome, 'BYPASS', title)
    t.not(known.body, first.body, title)
  }
})

test('a client certificate is a credential over HTTP/2 as well (RFC 9111 section 3.5)', async (t) => {
  const app = Fastify({ http2: true, https: { key, cert, requestCert: true, rejectUnauthorized: false } }) as unknown as FastifyInstance
  await app.register(responseCache)
  app.get('/', cached(), unique())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const outcomes: unknown[] = []
  for (const as of [{}, {}, { cert, key }]) {
    const session = connect(`https://127.0.0.1:${port}`, { ca: cert, ...as })
    const stream = session.request({ ':path': '/' })
    const [answer] = await once(stream, 'response') as [IncomingHttpHeaders]
    outcomes.push(answer['x-cache'])
    session.destroy()
  }
  await app.close()
  t.strictSame(outcomes, ['MISS', 'HIT', 'BYPASS'])
})
