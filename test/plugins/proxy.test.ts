import { once } from 'node:events'
import { createServer, request as open, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { gunzipSync, gzipSync } from 'node:zlib'
import httpProxy from '@fastify/http-proxy'
import replyFrom from '@fastify/reply-from'
import t, { test, type Test } from 'tap'
import { repeats, type Service } from '../plugin/serve.ts'
import { cached, repeatsBytes, serveIn, type Order } from './orders.ts'

interface Origin {
  port: number
  /** `GET /path` of each request that reached it. */
  asked: string[]
}

const TEXT = 'text of the origin. '.repeat(100)

const answers: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
  '/plain': (request, response) => { response.setHeader('etag', '"1"').end('plain') },
  '/query': (request, response) => { response.end(`you asked ${request.url}`) },
  '/no-store': (request, response) => { response.setHeader('cache-control', 'no-store').end('secret') },
  '/private': (request, response) => { response.setHeader('cache-control', 'max-age=60, private').end('secret') },
  '/cookie': (request, response) => { response.setHeader('set-cookie', ['sid=1', 'theme=dark']).end('cookie') },
  '/hops': (request, response) => {
    response.writeHead(200, { connection: 'close, x-hop', 'keep-alive': 'timeout=7', 'x-hop': 'one', 'proxy-authenticate': 'Basic', 'x-end': 'two' }).end('hops')
  },
  '/lengthless': (request, response) => {
    response.write(TEXT.slice(0, 100))
    response.end(TEXT.slice(100))
  },
  '/gzip': (request, response) => {
    response.setHeader('vary', 'Accept-Encoding')
    if (request.headers['accept-encoding']?.includes('gzip') === true) response.setHeader('content-encoding', 'gzip').end(gzipSync(TEXT))
    else response.end(TEXT)
  },
  '/broken': (request, response) => {
    response.writeHead(200, { 'content-length': '1000' })
    response.write('only this', () => { response.destroy() })
  },
  '/broken-chunks': (request, response) => {
    response.write('only this', () => { response.destroy() })
  },
  '/down': (request, response) => { request.socket.destroy() },
  '/teapot': (request, response) => { response.writeHead(418).end('teapot') },
  '/unavailable': (request, response) => { response.writeHead(500).end('oops') }
}

async function startOrigin (t: Test): Promise<Origin> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const path = request.url!.split('?', 1)[0]!
    asked.push(`${request.method} ${request.url}`)
    request.resume()
    response.setHeader('connection', 'close') // which @fastify/reply-from passes on
    const answer = answers[path]
    if (answer === undefined) response.writeHead(404).end()
    else answer(request, response)
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    asked.push(`UPGRADE ${request.url}`)
    // The hash of the key that `upgrade` sends (RFC 6455 section 1.3), and one message: `hello`.
    socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n')
    socket.on('error', () => {}).resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, asked }
}

const kinds = ['http-proxy', 'reply-from'] as const

/** An app that passes all requests on to an origin, and caches the answers. */
async function startProxy (t: Test, kind: typeof kinds[number], order: Order): Promise<Service & { origin: Origin }> {
  const origin = await startOrigin(t)
  const upstream = `http://127.0.0.1:${origin.port}`
  const options = { retryMethods: [], maxRetriesOn503: 0 }
  const service = await serveIn(t, order, {
    plugin: async (app) => {
      // Its routes are declared where it is registered: that is after the cache, in a plugin of its own.
      if (kind === 'reply-from') await app.register(replyFrom, { base: upstream, ...options })
    },
    routes: async (app) => {
      if (kind === 'http-proxy') await app.register(httpProxy, { upstream, ...cached(), ...options })
      else app.route({ method: ['GET', 'HEAD', 'POST', 'PUT'], url: '/*', ...cached(), handler: (request, reply) => reply.from(request.url) })
    }
  })
  return { ...service, origin }
}

function behindEach (title: string, check: (t: Test, proxy: Service & { origin: Origin }) => Promise<void>): void {
  for (const kind of kinds) {
    for (const order of kind === 'http-proxy' ? ['after'] as const : ['before', 'after'] as const) {
      test(`@fastify/${kind}: ${title} [registered ${order} the cache]`, async (t) => check(t, await startProxy(t, kind, order)))
    }
  }
}

t.setTimeout(20_000)

behindEach('what is stored is not asked for again, and a hit repeats it', async (t, proxy) => {
  for (const path of ['/plain', '/lengthless', '/query?a=1&b=%20']) {
    await repeatsBytes(t, proxy, path)
    t.strictSame(proxy.origin.asked.splice(0), [`GET ${path}`])
  }
  t.equal((await proxy.get('/query?a=2')).text, 'you asked /query?a=2')
})

behindEach('the origin says what must not be stored', async (t, proxy) => {
  for (const [path, detail] of [['/no-store', 'no-store'], ['/private', 'private'], ['/cookie', 'set-cookie'], ['/teapot', 'status']] as const) {
    for (let time = 0; time < 2; time++) {
      const response = await proxy.get(path)
      t.equal(response.field('cache-status'), `fastify-response-cache; fwd=uri-miss; detail=${detail}`)
      if (path === '/cookie') t.equal(response.lines.filter(([name]) => name === 'set-cookie').length, 2)
    }
    t.strictSame(proxy.origin.asked.splice(0), [`GET ${path}`, `GET ${path}`])
  }
})

behindEach('fields of one hop are not stored', async (t, proxy) => {
  await proxy.get('/hops')
  const hit = await proxy.get('/hops')
  t.equal(hit.field('x-cache'), 'HIT')
  t.equal(hit.field('x-end'), 'two')
  for (const name of ['x-hop', 'keep-alive', 'proxy-authenticate']) t.equal(hit.field(name), undefined, name)
})

behindEach('every client can read what it gets of an origin that compresses', async (t, proxy) => {
  for (const encoding of [undefined, 'gzip', undefined, 'gzip', 'br', 'gzip']) {
    const response = await proxy.get('/gzip', { headers: encoding === undefined ? {} : { 'accept-encoding': encoding } })
    t.equal(response.field('content-encoding'), encoding === 'gzip' ? 'gzip' : undefined)
    t.equal((encoding === 'gzip' ? gunzipSync(response.body).toString() : response.text) === TEXT, true)
  }
})

behindEach('an origin that breaks off, hangs up or fails fills nothing', async (t, proxy) => {
  for (const path of ['/broken', '/broken-chunks', '/down', '/unavailable']) {
    for (let time = 0; time < 2; time++) {
      const response = await proxy.get(path).catch(() => undefined)
      t.not(response?.field('x-cache'), 'HIT', path)
      t.notOk(response?.status === 200 && response.isComplete, path)
    }
    t.ok(proxy.origin.asked.splice(0).length >= 2, path)
  }
})

behindEach('requests with credentials reach the origin', async (t, proxy) => {
  await repeats(t, proxy, '/plain')
  for (const [name, value] of [['authorization', 'Bearer x'], ['cookie', 'sid=1']] as const) {
    t.equal((await proxy.get('/plain', { headers: { [name]: value } })).field('x-cache'), 'BYPASS')
  }
  t.strictSame(proxy.origin.asked, ['GET /plain', 'GET /plain', 'GET /plain'])
})

behindEach('a HEAD is answered from what is stored, and other methods are passed on', async (t, proxy) => {
  await repeats(t, proxy, '/plain')
  const head = await proxy.get('/plain', { method: 'HEAD' })
  t.strictSame([head.field('x-cache'), head.field('content-length'), head.text], ['HIT', '5', ''])
  const write = await proxy.get('/plain', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })
  t.equal(write.field('cache-status'), 'fastify-response-cache; fwd=method')
  t.strictSame(proxy.origin.asked, ['GET /plain', 'POST /plain'])
})

test('@fastify/http-proxy: registered before the cache, which does not see its routes, it answers with an error that says so', async (t) => {
  const origin = await startOrigin(t)
  const { get } = await serveIn(t, 'before', {
    plugin: (app) => app.register(httpProxy, { upstream: `http://127.0.0.1:${origin.port}`, ...cached() }),
    routes: () => {}
  })
  const response = await get('/plain')
  t.equal(response.status, 500)
  t.match(JSON.parse(response.text), { code: 'RESPONSE_CACHE_ERR_NOT_ATTACHED' })
  t.strictSame(origin.asked, [])
})

test('@fastify/http-proxy: WebSockets are passed on beside cached GETs', async (t) => {
  const origin = await startOrigin(t)
  const service = await serveIn(t, 'after', {
    plugin: () => {},
    routes: async (app) => { await app.register(httpProxy, { upstream: `http://127.0.0.1:${origin.port}`, websocket: true, ...cached() }) }
  })
  await repeats(t, service, '/plain')
  const request = open({
    port: service.port,
    host: '127.0.0.1',
    path: '/plain',
    headers: { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }
  })
  request.end()
  const [response, socket] = await once(request, 'upgrade') as [IncomingMessage, Duplex]
  t.equal(response.statusCode, 101)
  t.equal(response.headers['x-cache'], undefined)
  socket.destroy()
  t.equal((await service.get('/plain')).field('x-cache'), 'HIT')
  t.strictSame(origin.asked.filter((line) => line.startsWith('GET')), ['GET /plain'])
})
