import { once } from 'node:events'
import { PassThrough, Readable, Stream } from 'node:stream'
import type { FastifyBaseLogger } from 'fastify'
import { test, type Test } from 'tap'
import { openConnection, openPaused, settled } from './connection.ts'
import { repeats, serve } from './serve.ts'

const config = { cache: true }
const MB = 1024 * 1024
const CHUNK = Buffer.alloc(64 * 1024, 'x')

/** A stream from before Node had readable ones: it emits what it likes and has no buffer. */
class LegacyStream extends Stream {
  readable = true
  destroyed = false
  paused = false

  pause (): void {
    this.paused = true
  }

  resume (): void {
    this.paused = false
    this.emit('resumed')
  }

  destroy (): void {
    this.destroyed = true
    this.emit('close')
  }
}

function legacyOf (...chunks: string[]): LegacyStream {
  const stream = new LegacyStream()
  setImmediate(() => {
    for (const chunk of chunks) stream.emit('data', Buffer.from(chunk))
    stream.emit('end')
  })
  return stream
}

test('a hit repeats the bytes of a legacy stream', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', { config }, (request, reply) => { reply.send(legacyOf('old ', 'style')) })
  })
  const { hit } = await repeats(t, service, '/')
  t.equal(hit.text, 'old style')
})

test('a legacy stream that breaks before its first byte is an error response, announced once and not stored', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', { config }, (request, reply) => {
      const stream = new LegacyStream()
      setImmediate(() => stream.emit('error', new Error('the old source broke')))
      reply.send(stream)
    })
  })
  for (let time = 0; time < 2; time++) {
    const response = await service.get('/')
    t.equal(response.status, 500)
    t.match(response.text, 'the old source broke')
    t.equal(response.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=status')
  }
})

/** Opens, waits for the first bytes, goes away, and waits until the source was told. */
async function leaveEarly (t: Test, port: number, source: () => NodeJS.EventEmitter): Promise<void> {
  const connection = await openConnection(t, port, '/')
  await connection.until('first part')
  const stream = source()
  // Not `once()`: it would reject with the reason for which the stream was destroyed.
  const closed = new Promise((resolve) => { stream.once('close', resolve) })
  connection.socket.destroy()
  await closed
}

test('the source of a stream is destroyed when its client goes away, and nothing is stored', { timeout: 5_000 }, async (t) => {
  const sources: PassThrough[] = []
  const service = await serve(t, (app) => {
    app.get('/', { config }, async () => {
      const stream = new PassThrough()
      stream.write('first part')
      sources.push(stream)
      return sources.length === 1 ? stream : stream.end(', second part')
    })
  })
  await leaveEarly(t, service.port, () => sources[0]!)
  t.ok(sources[0]!.destroyed)
  const response = await service.get('/')
  t.equal(response.field('x-cache'), 'MISS')
  t.equal(response.text, 'first part, second part')
})

test('a legacy stream is destroyed when its client goes away, as Fastify does without the cache', { timeout: 5_000 }, async (t) => {
  let source: LegacyStream | undefined
  const service = await serve(t, (app) => {
    app.get('/', { config }, (request, reply) => {
      source = new LegacyStream()
      setImmediate(() => source?.emit('data', Buffer.from('first part')))
      reply.send(source)
    })
  })
  await leaveEarly(t, service.port, () => source!)
  t.ok(source?.destroyed)
})

/** Streams of `total` bytes that are made when they are asked for. */
const sources: Record<string, (total: number, onProduced: (bytes: number) => void) => unknown> = {
  'a Node stream' (total, onProduced) {
    let left = total
    return new Readable({
      read () {
        left -= CHUNK.length
        if (left < 0) return this.push(null)
        onProduced(CHUNK.length)
        this.push(CHUNK)
      }
    })
  },
  'a web stream' (total, onProduced) {
    let left = total
    return new ReadableStream({
      pull (controller) {
        left -= CHUNK.length
        if (left < 0) return controller.close()
        onProduced(CHUNK.length)
        controller.enqueue(CHUNK)
      }
    })
  }
}

for (const [title, open] of Object.entries(sources)) {
  test(`a client that reads slowly slows ${title} down instead of filling the memory`, { timeout: 60_000 }, async (t) => {
    const total = 128 * MB
    let produced = 0
    const service = await serve(t, (app) => {
      app.get('/', { config }, async () => open(total, (bytes) => { produced += bytes }))
    })
    const socket = await openPaused(t, service.port, '/')
    const stalledAt = await settled(() => produced)
    t.ok(stalledAt < 32 * MB, `${stalledAt} bytes were made for a client that reads nothing`)
    let received = 0
    socket.on('data', (data: Buffer) => { received += data.length })
    socket.resume()
    await once(socket, 'close')
    t.ok(received > total, 'and then gets all of it')
  })
}

test('a source that fails after its client has gone does not end the process', { timeout: 5_000 }, async (t) => {
  const source = new PassThrough()
  const logged: unknown[] = []
  const service = await serve(t, (app) => {
    app.get('/', { config }, async () => {
      source.write('first part')
      return source
    })
  }, { fastify: { loggerInstance: quietLogger(logged) } })
  await leaveEarly(t, service.port, () => source)
  source.emit('error', new Error('too late to matter'))
  t.equal((await service.get('/other')).status, 404)
})

function quietLogger (lines: unknown[]): FastifyBaseLogger {
  const write = (line: unknown): void => { lines.push(line) }
  const logger = { level: 'info', fatal: write, error: write, warn: write, info: write, debug: write, trace: write, silent: write, child: () => logger }
  return logger as unknown as FastifyBaseLogger
}
