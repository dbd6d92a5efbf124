import { PassThrough } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyReply } from 'fastify'
import { test, type Test } from 'tap'
import { openConnection } from './connection.ts'
import { neverStored, serve } from './serve.ts'

const config = { cache: true }

/** Where a running response takes its events from. */
interface EventSource {
  emit (text: string): void
  end (): void
}

const eventStreams: Record<string, (reply: FastifyReply) => EventSource> = {
  'a Node stream' (reply) {
    const stream = new PassThrough()
    void reply.header('content-type', 'text/event-stream').send(stream)
    return { emit: (text) => { stream.write(text) }, end: () => { stream.end() } }
  },
  'a web stream' (reply) {
    const { controller, stream } = controlledStream()
    void reply.header('content-type', 'text/event-stream; charset=utf-8').send(stream)
    return { emit: (text) => controller.enqueue(Buffer.from(text)), end: () => controller.close() }
  },
  'a Response' (reply) {
    const { controller, stream } = controlledStream()
    void reply.send(new Response(stream, { headers: { 'Content-Type': 'Text/Event-Stream' } }))
    return { emit: (text) => controller.enqueue(Buffer.from(text)), end: () => controller.close() }
  },
  'a hijacked reply' (reply) {
    reply.hijack()
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream' })
    return { emit: (text) => { reply.raw.write(text) }, end: () => { reply.raw.end() } }
  }
}

function controlledStream (): { controller: ReadableStreamDefaultController, stream: ReadableStream } {
  let controller: ReadableStreamDefaultController | undefined
  const stream = new ReadableStream({ start (given) { controller = given } })
  return { controller: controller!, stream }
}

async function readEvents (t: Test, port: number, sources: EventSource[]): Promise<string> {
  const connection = await openConnection(t, port, '/')
  while (sources.length === 0) await nextTurn()
  const source = sources.pop()!
  for (const event of ['data: one\n\n', 'data: two\n\n']) {
    source.emit(event)
    await connection.until(event)
  }
  source.end()
  return await connection.end()
}

for (const [title, open] of Object.entries(eventStreams)) {
  test(`server-sent events of ${title} arrive as they are sent and are never stored`, { timeout: 10_000 }, async (t) => {
    const sources: EventSource[] = []
    const { port } = await serve(t, (app) => {
      app.get('/', { config }, (request, reply) => { sources.push(open(reply)) })
    })
    for (let time = 0; time < 2; time++) {
      const received = await readEvents(t, port, sources)
      t.notMatch(received, /x-cache: HIT/i)
      t.notMatch(received, /fwd=uri-miss; stored/)
      t.match(received, /data: two\n\n\r\n0\r\n\r\n$/)
    }
  })
}

test('an event stream says why it was not stored', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', { config }, (request, reply) => { reply.type('text/event-stream').send('data: all at once\n\n') })
  })
  const { second } = await neverStored(t, service, '/')
  t.equal(second.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=event-stream')
})

test('a hijacked reply sends the bytes of its owner, nothing else, and is not stored', async (t) => {
  let requests = 0
  const service = await serve(t, (app) => {
    app.get('/', { config }, async (request, reply) => {
      reply.hijack()
      reply.raw.writeHead(202, { 'x-own': String(++requests), connection: 'close' })
      reply.raw.end('by hand')
    })
  })
  for (const number of ['1', '2']) {
    const response = await service.get('/')
    t.equal(response.status, 202)
    t.equal(response.text, 'by hand')
    t.equal(response.field('x-own'), number)
    t.strictSame(response.lines.map(([name]) => name).sort(), ['connection', 'date', 'transfer-encoding', 'x-own'])
  }
})

test('a reply that a guard hijacked is not touched either', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', {
      config,
      preHandler: async (request, reply) => {
        reply.hijack()
        reply.raw.end('from the guard')
      }
    }, async () => 'never')
  })
  const { second } = await neverStored(t, service, '/')
  t.equal(second.text, 'from the guard')
  t.equal(second.field('x-cache'), undefined)
})

test('a response with trailers is sent with them, every time, and not stored', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/callback', { config }, (request, reply) => {
      reply.trailer('x-count', (_reply, payload, done) => done(null, String(payload).length.toString()))
      reply.send('12345')
    })
    app.get('/async', { config }, async (request, reply) => {
      reply.trailer('x-sum', async () => 'abc')
      return { a: 1 }
    })
    app.get('/stream', { config }, async (request, reply) => {
      reply.trailer('x-end', async () => 'yes')
      const stream = new PassThrough()
      stream.end('streamed')
      return stream
    })
  })
  for (const [path, body, trailer] of [['/callback', '12345', 'x-count: 5'], ['/async', '{"a":1}', 'x-sum: abc'], ['/stream', 'streamed', 'x-end: yes']] as const) {
    const { first, second } = await neverStored(t, service, path)
    for (const response of [first, second]) {
      t.equal(response.text, body)
      t.strictSame(response.trailers, [trailer])
      t.equal(response.field('trailer'), trailer.split(':', 1)[0])
      t.equal(response.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=trailers')
    }
  }
})

test('trailers that an onSend hook adds to a hit are sent with it', async (t) => {
  const service = await serve(t, (app) => {
    app.addHook('onSend', async (request, reply) => {
      if (request.headers['x-want'] === 'trailers') reply.trailer('x-late', async () => 'here')
    })
    app.get('/', { config }, async () => 'stored')
  })
  await service.get('/')
  const hit = await service.get('/', { headers: { 'x-want': 'trailers' } })
  t.equal(hit.field('x-cache'), 'HIT')
  t.equal(hit.text, 'stored')
  t.strictSame(hit.trailers, ['x-late: here'])
})
