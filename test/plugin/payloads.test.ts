import { type FastifyReply } from 'fastify'
import { test } from 'tap'
import { repeats, serve } from './serve.ts'
import { stores } from './stores.ts'

const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte)

interface Payload {
  send: (reply: FastifyReply) => unknown
  /** What the client has to get, so that two equally wrong responses do not pass. */
  body: string | Buffer
  contentType?: string | undefined
  status?: number
}

const JSON_TYPE = 'application/json; charset=utf-8'
const TEXT_TYPE = 'text/plain; charset=utf-8'
const BYTES_TYPE = 'application/octet-stream'

const payloads: Record<string, Payload> = {
  'an object': { send: () => ({ a: 1, list: [null, 'ä€😀'] }), body: '{"a":1,"list":[null,"ä€😀"]}', contentType: JSON_TYPE },
  'an array': { send: () => [1, 'two'], body: '[1,"two"]', contentType: JSON_TYPE },
  'a number': { send: () => 0, body: '0', contentType: JSON_TYPE },
  false: { send: () => false, body: 'false', contentType: JSON_TYPE },
  null: { send: () => null, body: 'null', contentType: JSON_TYPE },
  'null that was sent': { send: (reply) => reply.send(null), body: 'null', contentType: JSON_TYPE },
  'nothing, with status 200': { send: (reply) => reply.send(), body: '', contentType: undefined },
  'nothing, with status 204': { send: (reply) => reply.code(204).send(), body: '', contentType: undefined, status: 204 },
  'an object with status 201': { send: (reply) => reply.code(201).send({ id: 7 }), body: '{"id":7}', contentType: JSON_TYPE, status: 201 },
  'a redirection': { send: (reply) => reply.redirect('/elsewhere?a=1', 301), body: '', contentType: undefined, status: 301 },
  'an object with status 404': { send: (reply) => reply.code(404).send({ error: 'none' }), body: '{"error":"none"}', contentType: JSON_TYPE, status: 404 },
  'a text': { send: () => 'naïve – 😀\r\n\0', body: 'naïve – 😀\r\n\0', contentType: TEXT_TYPE },
  'an empty text': { send: () => '', body: '', contentType: TEXT_TYPE },
  'a text with a type of its own': { send: (reply) => reply.type('text/html').send('<p>ä</p>'), body: '<p>ä</p>', contentType: 'text/html' },
  'a text that is JSON already': { send: (reply) => reply.type('application/json').send('{"b": 2 }'), body: '{"b": 2 }', contentType: JSON_TYPE },
  'an object of another JSON type': { send: (reply) => reply.type('application/hal+json').send({ c: 3 }), body: '{"c":3}', contentType: 'application/hal+json; charset=utf-8' },
  'a Buffer': { send: () => Buffer.from(everyByte), body: Buffer.from(everyByte), contentType: BYTES_TYPE },
  'a Buffer with a type of its own': { send: (reply) => reply.type('image/png').send(Buffer.from(everyByte)), body: Buffer.from(everyByte), contentType: 'image/png' },
  'text in another charset': { send: (reply) => reply.header('content-type', 'text/plain; charset=iso-8859-1').send(Buffer.from('ä', 'latin1')), body: Buffer.of(0xE4), contentType: 'text/plain; charset=iso-8859-1' },
  'an empty Buffer': { send: () => Buffer.alloc(0), body: '', contentType: BYTES_TYPE },
  'a Uint8Array': { send: () => everyByte, body: Buffer.from(everyByte), contentType: BYTES_TYPE },
  'a part of a Uint8Array': { send: () => everyByte.subarray(10, 20), body: Buffer.from(everyByte.subarray(10, 20)), contentType: BYTES_TYPE },
  'a Uint16Array': { send: () => Uint16Array.of(0x0102, 0xF0F1), body: Buffer.from(Uint16Array.of(0x0102, 0xF0F1).buffer), contentType: BYTES_TYPE },
  'a Float64Array': { send: () => Float64Array.of(Math.PI), body: Buffer.from(Float64Array.of(Math.PI).buffer), contentType: BYTES_TYPE },
  'a DataView of a part of a buffer': { send: () => new DataView(everyByte.buffer, 250, 3), body: Buffer.of(250, 251, 252), contentType: BYTES_TYPE },
  'a text that is longer than what sockets take at once': { send: () => 'ä'.repeat(400_000), body: 'ä'.repeat(400_000), contentType: TEXT_TYPE }
}

for (const [place, optionsOf] of Object.entries(stores)) {
  test(`a hit from ${place} repeats the bytes, type and status of`, async (t) => {
    const entries = Object.entries(payloads)
    const service = await serve(t, (app) => {
      for (const [index, [, { send, status = 200 }]] of entries.entries()) {
        app.get(`/${index}`, { config: { cache: { statusCodes: [status] } } }, async (request, reply) => send(reply))
      }
    }, { cache: await optionsOf(t) })

    for (const [index, [title, { body, contentType, status = 200 }]] of entries.entries()) {
      await t.test(title, async (t) => {
        const { miss, hit } = await repeats(t, service, `/${index}`)
        for (const response of [miss, hit]) {
          t.equal(response.status, status)
          t.equal(response.body.compare(Buffer.from(body)), 0, 'body')
          t.equal(response.field('content-type'), contentType)
          t.ok(response.isComplete)
        }
      })
    }
  })
}

test('a hit that moves somewhere else says where', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', { config: { cache: { statusCodes: [302] } } }, (request, reply) => { reply.redirect('/new') })
  })
  const { hit } = await repeats(t, service, '/')
  t.equal(hit.field('location'), '/new')
})

test('a handler that goes on writing into the Buffer it sent does not change the stored response', async (t) => {
  const page = Buffer.from('first page')
  const service = await serve(t, (app) => {
    app.get('/', { config: { cache: true } }, async () => page)
  })
  t.equal((await service.get('/')).text, 'first page')
  page.fill('x')
  const hit = await service.get('/')
  t.equal(hit.field('x-cache'), 'HIT')
  t.equal(hit.text, 'first page')
})

test('a hook that writes into the payload of a hit does not change the next hit', async (t) => {
  const service = await serve(t, (app) => {
    app.addHook('onSend', async (request, reply, payload) => {
      if (request.query !== null && Buffer.isBuffer(payload) && reply.getHeader('x-cache') === 'HIT') payload.fill('x')
    })
    app.get('/', { config: { cache: true } }, async () => Buffer.from('first page'))
  })
  for (const xCache of ['MISS', 'HIT', 'HIT']) {
    const response = await service.get('/')
    t.equal(response.field('x-cache'), xCache)
    t.equal(response.text, 'first page')
  }
})

test('a body of maxBytes is stored, one byte more is sent and not stored', async (t) => {
  const service = await serve(t, (app) => {
    const config = { cache: { maxBytes: 10 } }
    app.get('/text', { config }, async () => 'ä'.repeat(5))
    app.get('/more-text', { config }, async () => 'ä'.repeat(5) + '.')
    app.get('/bytes', { config }, async () => Buffer.alloc(10, 1))
    app.get('/more-bytes', { config }, async () => Buffer.alloc(11, 1))
  })
  await repeats(t, service, '/text')
  await repeats(t, service, '/bytes')
  for (const path of ['/more-text', '/more-bytes']) {
    for (const response of [await service.get(path), await service.get(path)]) {
      t.equal(response.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=too-large')
      t.equal(response.body.length, 11)
    }
  }
})

test('without maxBytes a body of 1 MB is stored and a larger one is not', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/:bytes', { config: { cache: true } }, async (request) => Buffer.alloc(Number((request.params as { bytes: string }).bytes), 1))
  })
  await repeats(t, service, '/1048576')
  for (let time = 0; time < 2; time++) {
    const { body, field } = await service.get('/1048577')
    t.equal(body.length, 1_048_577)
    t.equal(field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=too-large')
  }
})
