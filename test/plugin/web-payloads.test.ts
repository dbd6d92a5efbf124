import { setImmediate as nextTurn } from 'node:timers/promises'
import { test } from 'tap'
import { type FastifyReply } from 'fastify'
import { openConnection } from './connection.ts'
import { neverStored, repeats, serve } from './serve.ts'
import { stores } from './stores.ts'

const config = { cache: { statusCodes: [200, 201, 204, 404] } }
const utf8 = new TextEncoder()

function webStream (...chunks: Array<string | Uint8Array>): ReadableStream {
  return new ReadableStream({
    start (controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    }
  })
}

interface Payload {
  send: (reply: FastifyReply) => unknown
  body: string | Buffer
  status?: number
  fields?: Record<string, string | undefined>
}

const payloads: Record<string, Payload> = {
  'a web stream of bytes': { send: () => webStream(utf8.encode('on the '), utf8.encode('web €')), body: 'on the web €' },
  'a web stream of text': { send: () => webStream('on the ', 'web €'), body: 'on the web €' },
  'a web stream of nothing': { send: () => webStream(), body: '' },
  'a web stream with a type of its own': { send: (reply) => reply.type('text/csv').send(webStream(utf8.encode('a,b'))), body: 'a,b', fields: { 'content-type': 'text/csv' } },
  'the stream of a Blob': { send: () => new Blob(['blo', Uint8Array.of(255)]).stream(), body: Buffer.concat([Buffer.from('blo'), Buffer.of(255)]) },
  'a Response with text': { send: () => new Response('text €'), body: 'text €', fields: { 'content-type': 'text/plain;charset=UTF-8' } },
  'a Response with JSON': { send: () => Response.json({ a: 1 }), body: '{"a":1}', fields: { 'content-type': 'application/json' } },
  'a Response with bytes': { send: () => new Response(Uint8Array.of(0, 255)), body: Buffer.of(0, 255), fields: { 'content-type': undefined } },
  'a Response with a stream': { send: () => new Response(webStream(utf8.encode('streamed'))), body: 'streamed' },
  'a Response with status and fields': {
    send: () => new Response('made', { status: 201, headers: { ETag: '"1"', Link: '</a>', 'X-Own': 'ä' } }),
    body: 'made',
    status: 201,
    fields: { etag: '"1"', link: '</a>', 'x-own': 'ä' }
  },
  'a Response that replaces what the reply said': {
    send: (reply) => reply.code(201).header('x-own', 'reply').type('text/html').send(new Response('no', { status: 404, headers: { 'x-own': 'response', 'content-type': 'text/plain' } })),
    body: 'no',
    status: 404,
    fields: { 'x-own': 'response', 'content-type': 'text/plain' }
  },
  'a Response without a body': { send: () => new Response(null, { headers: { 'x-own': '1' } }), body: '', fields: { 'x-own': '1', 'content-length': '0' } },
  'a Response with an empty body': { send: () => new Response(''), body: '' },
  'a Response with status 204': { send: () => new Response(null, { status: 204 }), body: '', status: 204, fields: { 'content-length': undefined } }
}

for (const [place, optionsOf] of Object.entries(stores)) {
  test(`a hit from ${place} repeats`, async (t) => {
    const entries = Object.entries(payloads)
    const service = await serve(t, (app) => {
      for (const [index, [, { send }]] of entries.entries()) app.get(`/${index}`, { config }, async (request, reply) => send(reply))
    }, { cache: await optionsOf(t) })
    for (const [index, [title, { body, status = 200, fields = {} }]] of entries.entries()) {
      await t.test(title, async (t) => {
        const { miss, hit } = await repeats(t, service, `/${index}`, { isStreamed: true })
        for (const response of [miss, hit]) {
          t.equal(response.status, status)
          t.equal(response.body.compare(Buffer.from(body)), 0, 'body')
          for (const [name, value] of Object.entries(fields)) t.equal(response.field(name), value, name)
        }
      })
    }
  })
}

test('a web stream of maxBytes is stored; a longer one is sent whole and not stored', async (t) => {
  const service = await serve(t, (app) => {
    const config = { cache: { maxBytes: 6 } }
    app.get('/6', { config }, async () => webStream('123', '456'))
    app.get('/7', { config }, async () => webStream('123', '4567'))
    app.get('/response', { config }, async () => new Response('1234567'))
  })
  await repeats(t, service, '/6')
  t.equal((await neverStored(t, service, '/7')).second.text, '1234567')
  t.equal((await neverStored(t, service, '/response')).second.text, '1234567')
})

test('a web stream is not held back: each chunk arrives before the next is made', { timeout: 10_000 }, async (t) => {
  const controllers: ReadableStreamDefaultController[] = []
  const service = await serve(t, (app) => {
    const slow = (): ReadableStream => new ReadableStream({ start (controller) { controllers.push(controller) } })
    app.get('/stream', { config }, async () => slow())
    app.get('/response', { config }, async () => new Response(slow()))
  })
  for (const path of ['/stream', '/response']) {
    const connection = await openConnection(t, service.port, path)
    while (controllers.length === 0) await nextTurn()
    const controller = controllers.pop()!
    for (const part of ['first', 'second']) {
      controller.enqueue(utf8.encode(part))
      await connection.until(part)
    }
    controller.close()
    t.match(await connection.end(), /second\r\n0\r\n\r\n$/)
  }
})

test('a web stream that fails in the middle is cut off for its client and not stored', async (t) => {
  let requests = 0
  const service = await serve(t, (app) => {
    app.get('/', { config }, async () => {
      requests++
      return new ReadableStream({
        async pull (controller) {
          controller.enqueue(utf8.encode('part'))
          if (requests > 1) return controller.close()
          await nextTurn()
          controller.error(new Error('the source broke'))
        }
      }, { highWaterMark: 0 })
    })
  })
  t.equal((await service.get('/')).isComplete, false)
  const whole = await service.get('/')
  t.equal(whole.field('x-cache'), 'MISS')
  t.equal(whole.text, 'part')
  t.ok(whole.isComplete)
})

test('a web stream that fails before its first byte is an error response, announced once and not stored', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', { config }, async () => new ReadableStream({ start (controller) { controller.error(new Error('nothing there')) } }))
  })
  const { second } = await neverStored(t, service, '/')
  t.equal(second.status, 500)
  t.match(second.text, 'nothing there')
  t.equal(second.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=status')
})

test('a web stream is cancelled when its client goes away, and nothing is stored', { timeout: 10_000 }, async (t) => {
  let cancelled: () => void
  const cancellation = new Promise<void>((resolve) => { cancelled = resolve })
  let requests = 0
  const service = await serve(t, (app) => {
    app.get('/', { config }, async () => ++requests > 1
      ? 'whole'
      : new ReadableStream({
        start (controller) { controller.enqueue(utf8.encode('first part')) },
        cancel () { cancelled() }
      }))
  })
  const connection = await openConnection(t, service.port, '/')
  await connection.until('first part')
  connection.socket.destroy()
  await cancellation
  const response = await service.get('/')
  t.equal(response.field('x-cache'), 'MISS')
  t.equal(response.text, 'whole')
})

test('a Response whose body was read already is refused by Fastify as without the cache', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/used', { config }, async () => {
      const response = new Response('read', { status: 201 })
      await response.text()
      return response
    })
    app.get('/locked', { config }, async () => {
      const response = new Response('locked')
      response.body?.getReader()
      return response
    })
  })
  for (const [path, code] of [['/used', 'FST_ERR_REP_RESPONSE_BODY_CONSUMED'], ['/locked', 'FST_ERR_REP_READABLE_STREAM_LOCKED']] as const) {
    const { second } = await neverStored(t, service, path)
    t.equal(second.status, 500)
    t.match(second.text, code)
    t.equal(second.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=status')
  }
})

test('a Response with fields that forbid storing is not stored', async (t) => {
  const service = await serve(t, (app) => {
    for (const [name, value] of [['set-cookie', 'sid=1'], ['cache-control', 'private'], ['vary', '*']] as const) {
      app.get(`/${name}`, { config }, async () => new Response('x', { headers: { [name]: value } }))
    }
  })
  for (const [name, detail] of [['set-cookie', 'set-cookie'], ['cache-control', 'private'], ['vary', 'vary']] as const) {
    const { second } = await neverStored(t, service, `/${name}`)
    t.equal(second.field('cache-status'), `fastify-response-cache; fwd=uri-miss; detail=${detail}`)
  }
})

test('a Response of another implementation is sent as Fastify does without the cache', async (t) => {
  const send = (): object => ({
    status: 201, headers: new Headers({ 'x-own': '1', 'set-cookie': 'a=1' }), body: webStream('foreign'), bodyUsed: false, [Symbol.toStringTag]: 'Response'
  })
  const service = await serve(t, (app) => {
    app.get('/', { config }, async () => send())
  })
  const { second } = await neverStored(t, service, '/')
  t.equal(second.status, 201)
  t.equal(second.field('x-own'), '1')
  t.equal(second.field('set-cookie'), 'a=1')
  t.equal(second.text, 'foreign')
})
