import { once } from 'node:events'
import { createServer, get, type IncomingMessage } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { Duplex, PassThrough, Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { test, type Test } from 'tap'
import { cached, inEveryStore, open, together, type Site } from './helpers.ts'

/*
 * A body that did not arrive whole is nobody's response, and one that is too large is not kept (ASP.NET FinalizeCacheBody).
 */

function deferred (): { promise: Promise<void>, resolve: () => void } {
  let resolve = (): void => {}
  const promise = new Promise<void>((_resolve) => { resolve = _resolve })
  return { promise, resolve }
}

type Body = (reply: FastifyReply) => unknown

function webStream (chunks: AsyncIterable<unknown> | Iterable<unknown>): ReadableStream {
  return Readable.toWeb(Readable.from(chunks)) as ReadableStream
}

/** Each route breaks its first answer and gives a whole one afterwards, which must be the second client's. */
async function brokenOnce (t: Test, cache: object, shapes: Record<string, Body>): Promise<void> {
  let made = 0
  const site = await open(t, (app) => app.get('/:title', cached(), (request, reply) => {
    const { title } = request.params as { title: string }
    void reply.send(made++ === 0 ? shapes[title]!(reply) : 'whole')
  }), { cache })
  for (const title of Object.keys(shapes)) {
    const path = `/${encodeURIComponent(title)}`
    made = 0
    await site.ask(path).catch(() => 'cut off before a response')
    const second = await site.ask(path)
    t.equal(made, 2, `${title}: the handler ran again`)
    t.strictSame([second.text, second.field('x-cache')], ['whole', 'MISS'], title)
    await together(t, site, [[path], [path]], title)
  }
}

async function * failing (error: Error): AsyncGenerator<string> {
  yield 'one'
  yield 'two'
  throw error
}

inEveryStore('a stream that breaks is not stored (ASP.NET FinalizeCacheBody)', async (t, cache) => {
  const shapes: Record<string, Body> = {
    'by an error': () => Readable.from(failing(new Error('disk'))),
    'by an error after all of its bytes': (reply) => { reply.header('content-length', '6'); return Readable.from(failing(new Error('disk'))) },
    'by an error before the first byte': () => new Readable({ read () { this.destroy(new Error('disk')) } }),
    'by its end without an end': () => new Readable({ read () { this.push('one'); setImmediate(() => this.destroy()) } }),
    'in a pipe': () => {
      const out = new PassThrough()
      Readable.from(failing(new Error('disk'))).on('error', (error) => out.destroy(error)).pipe(out)
      return out
    },
    'on the web': () => webStream(failing(new Error('disk'))),
    'in a Response': () => new Response(webStream(failing(new Error('disk')))),
    'in a Duplex': () => Duplex.from(failing(new Error('disk')))
  }
  await brokenOnce(t, cache, shapes)
})

inEveryStore('a stream that is shorter or longer than it says is not stored (ASP.NET FinalizeCacheBody)', async (t, cache) => {
  const ofLength = (length: string): Body => (reply) => {
    reply.header('content-length', length)
    return Readable.from(['one', 'two'])
  }
  await brokenOnce(t, cache, Object.fromEntries(['7', '5', '1000', '0'].map((length) => [length, ofLength(length)])))
})

inEveryStore('a stream whose upstream hangs up is not stored (ASP.NET FinalizeCacheBody)', async (t, cache) => {
  const upstream = createServer((request, response) => {
    response.writeHead(200, request.url === '/length' ? { 'content-length': '100' } : {})
    response.write('part')
    setImmediate(() => response.destroy())
  })
  await once(upstream.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => upstream.close())
  const { port } = upstream.address() as AddressInfo
  const shapes: Record<string, Body> = {}
  for (const path of ['length', 'chunked']) {
    const [answer] = await once(get({ port, path: `/${path}`, host: '127.0.0.1' }), 'response') as [IncomingMessage]
    shapes[path] = () => answer
  }
  await brokenOnce(t, cache, shapes)
})

/** Sends a request and hangs up at the first byte of the body. */
async function hangUp (site: Site, path: string): Promise<void> {
  const socket = connect(site.port, '127.0.0.1')
  socket.write(`GET ${path} HTTP/1.1\r\nhost: a.example\r\n\r\n`)
  for await (const chunk of socket) if (String(chunk).includes('first')) break // which destroys the socket
}

inEveryStore('a stream whose client goes away is not stored (ASP.NET FinalizeCacheBody)', async (t, cache) => {
  const streams = {
    node: (chunks: AsyncGenerator<string>): unknown => Readable.from(chunks),
    web: webStream
  }
  for (const [title, stream] of Object.entries(streams)) {
    await t.test(title, async (t) => {
      const gone = deferred()
      let made = 0
      const site = await open(t, (app) => {
        app.addHook('onRequestAbort', (request, done) => { gone.resolve(); done() })
        app.get(`/${title}`, cached(), (request, reply) => {
          const waits = made++ === 0
          void reply.send(stream((async function * () {
            yield `first ${made} `
            if (waits) await deferred().promise // for ever
            yield 'last'
          })()))
        })
      }, { cache })
      await hangUp(site, `/${title}`)
      await gone.promise
      const second = await site.ask(`/${title}`)
      t.strictSame([second.field('x-cache'), second.text], ['MISS', 'first 2 last'])
      await together(t, site, [[`/${title}`], [`/${title}`]])
    })
  }
})

inEveryStore('a body that is larger than the route allows is passed on and not stored (ASP.NET, Souin)', async (t, cache) => {
  const large = 'x'.repeat(1001)
  const shapes: Record<string, () => unknown> = {
    text: () => large,
    'text of two bytes a letter': () => 'ä'.repeat(501),
    bytes: () => Buffer.from(large),
    stream: () => Readable.from([large.slice(0, 500), large.slice(500)]),
    'web stream': () => webStream([Buffer.from(large)]),
    response: () => new Response(large)
  }
  const site = await open(t, (app) => {
    app.get('/:title', cached({ maxBytes: 1000 }), (request, reply) => { void reply.send(shapes[(request.params as { title: string }).title]!()) })
    app.get('/fits', cached({ maxBytes: 1000 }), () => Readable.from(['x'.repeat(1000)]))
  }, { cache })
  for (const title of Object.keys(shapes)) {
    const path = `/${encodeURIComponent(title)}`
    for (let n = 0; n < 2; n++) {
      const response = await site.ask(path)
      t.equal(response.field('x-cache'), 'MISS', title)
      t.ok(response.isComplete && response.body.length >= 1001, `${title}: all of it`)
    }
  }
  await together(t, site, [['/fits'], ['/fits']], 'the limit itself')
})

test('a cache full of large responses gives way to others, byte for byte (ASP.NET, Souin)', async (t) => {
  const site = await open(t, (app) => app.get('/:n', cached(), async (request) => `${(request.params as { n: string }).n} `.repeat(10_000)), {
    cache: { memory: { maxBytes: 100_000 } }
  })
  for (let n = 0; n < 20; n++) await site.ask(`/${n}`)
  t.equal((await site.ask('/19')).field('x-cache'), 'HIT')
  t.equal((await site.ask('/0')).field('x-cache'), 'MISS')
})

inEveryStore('events, hijacked replies and trailers are left as they are, and not stored (RFC 9111 section 3.1)', async (t, cache) => {
  let made = 0
  const site = await open(t, (app) => {
    app.get('/events', cached(), (request, reply) => {
      void reply.header('content-type', 'text/event-stream; charset=utf-8').send(Readable.from([`data: ${++made}\n\n`]))
    })
    app.get('/EVENTS', cached(), (request, reply) => {
      void reply.header('content-type', 'Text/Event-Stream').send(`data: ${++made}\n\n`)
    })
    app.get('/hijacked', cached(), (request, reply) => {
      reply.hijack()
      reply.raw.end(String(++made))
    })
    app.get('/trailers', cached(), (request, reply) => {
      reply.trailer('x-sum', async () => 'secret')
      void reply.send(String(++made))
    })
    app.get('/trailer', cached(), (request, reply) => {
      void reply.header('trailer', 'x-sum').send(Readable.from([String(++made)]))
    })
  }, { cache })
  for (const path of ['/events', '/EVENTS', '/hijacked', '/trailers', '/trailer']) {
    const [first, second] = [await site.ask(path), await site.ask(path)]
    t.not(second.text, first.text, path)
    t.not(second.field('x-cache'), 'HIT', path)
  }
})

test('events reach the client one by one, while the stream is open', async (t) => {
  const seen = deferred()
  const site = await open(t, (app) => app.get('/', cached(), (request, reply) => {
    void reply.header('content-type', 'text/event-stream').send(Readable.from((async function * () {
      yield 'first'
      await seen.promise
      yield 'last'
    })()))
  }))
  await hangUp(site, '/')
  seen.resolve()
  t.pass('the first came before the last was made')
})
