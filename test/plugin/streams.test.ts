import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { PassThrough, Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createGzip, gunzipSync } from 'node:zlib'
import { type FastifyReply } from 'fastify'
import { test } from 'tap'
import { openConnection } from './connection.ts'
import { repeats, serve } from './serve.ts'
import { stores } from './stores.ts'

const config = { cache: true }
const file = import.meta.filename

const streams: Record<string, (reply: FastifyReply) => unknown> = {
  'chunks of text': () => Readable.from(['one ', 'twö ', '€']),
  'chunks of bytes': () => Readable.from([Buffer.of(0, 255), Uint8Array.of(128, 7)]),
  'chunks that cut characters in pieces': () => Readable.from([Buffer.of(0xE2, 0x82), Buffer.of(0xAC)]),
  'no chunk at all': () => Readable.from([]),
  'a type of its own': (reply) => reply.type('text/csv').send(Readable.from(['a,b\n'])),
  'its length announced': (reply) => reply.header('content-length', 4).send(Readable.from(['ab', 'cd'])),
  'what another stream is piped into': () => Readable.from(['through']).pipe(new PassThrough()),
  'an async generator': () => Readable.from((async function * () { yield 'a'; yield 'b' })())
}

for (const [place, optionsOf] of Object.entries(stores)) {
  test(`a hit from ${place} repeats the bytes of a stream with`, async (t) => {
    const service = await serve(t, (app) => {
      for (const [title, send] of Object.entries(streams)) {
        app.get(`/${title.replaceAll(' ', '-')}`, { config }, async (request, reply) => send(reply))
      }
    }, { cache: await optionsOf(t) })
    for (const title of Object.keys(streams)) {
      await t.test(title, async (t) => {
        const { hit } = await repeats(t, service, `/${title.replaceAll(' ', '-')}`, { isStreamed: true })
        t.notOk(hit.isChunked)
      })
    }
  })
}

test('a hit repeats a file byte for byte', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/callback', { config }, (request, reply) => { reply.type('text/x-typescript').send(createReadStream(file)) })
    app.get('/async', { config }, async () => createReadStream(file))
    app.get('/announced', { config }, async (request, reply) => {
      reply.header('content-length', (await stat(file)).size)
      return createReadStream(file, { highWaterMark: 100 })
    })
  })
  for (const path of ['/callback', '/async', '/announced']) {
    const { miss } = await repeats(t, service, path, { isStreamed: true })
    t.equal(miss.body.length, (await stat(file)).size)
  }
})

test('a hit repeats a compressed stream, and only for clients that sent the same Accept-Encoding', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', { config }, async (request, reply) => {
      if (request.headers['accept-encoding'] !== 'gzip') return 'plain text'
      reply.header('content-encoding', 'gzip').type('text/plain')
      return Readable.from(['compressed text']).pipe(createGzip())
    })
  })
  const { hit } = await repeats(t, service, '/', { headers: { 'accept-encoding': 'gzip' } })
  t.equal(gunzipSync(hit.body).toString(), 'compressed text')
  t.equal((await service.get('/')).text, 'plain text')
})

test('the missing file behind a stream is a 404 of the error handler, announced once and not stored', async (t) => {
  let requests = 0
  const service = await serve(t, (app) => {
    app.setErrorHandler((error: NodeJS.ErrnoException, request, reply) => reply.code(error.code === 'ENOENT' ? 404 : 500).send({ requests }))
    app.get('/', { config }, async () => {
      requests++
      return createReadStream(`${file}.missing`)
    })
  })
  for (const body of ['{"requests":1}', '{"requests":2}']) {
    const response = await service.get('/')
    t.equal(response.status, 404)
    t.equal(response.text, body)
    t.equal(response.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=status')
  }
})

test('a stream that breaks in the middle is cut off for its client and not stored', async (t) => {
  let requests = 0
  const service = await serve(t, (app) => {
    app.get('/', { config }, async () => {
      requests++
      const stream = new PassThrough()
      stream.write('the first part')
      if (requests > 1) return stream.end(' and the rest')
      setImmediate(() => stream.destroy(new Error('the source broke')))
      return stream
    })
  })
  const broken = await service.get('/')
  t.equal(broken.isComplete, false)
  const whole = await service.get('/')
  t.equal(whole.field('x-cache'), 'MISS')
  t.equal(whole.text, 'the first part and the rest')
  t.ok(whole.isComplete)
})

test('a stream that ends before its announced length is not stored', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', { config }, async (request, reply) => {
      reply.header('content-length', 10)
      return Readable.from(['12345'])
    })
  })
  for (let time = 0; time < 2; time++) {
    const connection = await openConnection(t, service.port, '/')
    const head = await connection.until('12345')
    t.match(head, /x-cache: MISS/i)
    connection.socket.destroy()
  }
})

test('a stream of maxBytes is stored; a longer one is sent whole and not stored', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/:chunks', { config: { cache: { maxBytes: 40 } } }, async (request) => {
      return Readable.from(Array.from({ length: Number((request.params as { chunks: string }).chunks) }, () => '0123456789'))
    })
  })
  await repeats(t, service, '/4')
  for (let time = 0; time < 2; time++) {
    const response = await service.get('/5')
    t.equal(response.field('x-cache'), 'MISS')
    t.equal(response.text, '0123456789'.repeat(5))
    t.ok(response.isComplete)
  }
})

test('a stream that announces more than maxBytes is passed on untouched', async (t) => {
  let sent: Readable | undefined
  const service = await serve(t, (app) => {
    app.get('/', { config: { cache: { maxBytes: 4 } } }, async (request, reply) => {
      reply.header('content-length', 5)
      sent = Readable.from(['12345'])
      return sent
    })
  })
  for (let time = 0; time < 2; time++) {
    const response = await service.get('/')
    t.equal(response.text, '12345')
    t.equal(response.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=too-large')
  }
  t.ok(sent?.readableEnded)
})

test('storing does not hold a stream back: what is written arrives before the stream ends', async (t) => {
  const streams: PassThrough[] = []
  const service = await serve(t, (app) => {
    app.get('/small', { config }, async () => streams[streams.push(new PassThrough()) - 1])
    app.get('/too-large', { config: { cache: { maxBytes: 3 } } }, async () => streams[streams.push(new PassThrough()) - 1])
  })
  for (const path of ['/small', '/too-large']) {
    const connection = await openConnection(t, service.port, path)
    while (streams.length === 0) await nextTurn()
    const stream = streams.pop()!
    for (const part of ['first', 'second', 'third']) {
      stream.write(part)
      await connection.until(part)
    }
    stream.end('last')
    t.match(await connection.end(), /last\r\n0\r\n\r\n$/)
  }
})

test('what a stream sent is let go of when it turns out to be longer than maxBytes', { timeout: 10_000 }, async (t) => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const stream = new PassThrough()
  const { port } = await serve(t, (app) => {
    app.get('/', { config: { cache: { maxBytes: 12 } } }, async () => stream)
  })
  const connection = await openConnection(t, port, '/')
  const first = send('first part')
  await connection.until('first part')
  send('second part')
  await connection.until('second part')
  send('third part')
  await connection.until('third part')
  await nextTurn()
  collectGarbage()
  t.equal(first.deref(), undefined)
  stream.end()
  await connection.end()

  function send (text: string): WeakRef<Buffer> {
    const chunk = Buffer.from(text)
    stream.write(chunk)
    return new WeakRef(chunk)
  }
})
