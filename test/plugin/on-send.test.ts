import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createGzip, gunzipSync, gzipSync } from 'node:zlib'
import Fastify, { type onSendAsyncHookHandler, type onSendHookHandler } from 'fastify'
import responseCache from 'fastify-response-cache'
import { test } from 'tap'
import { neverStored, repeats, serve } from './serve.ts'
import { stores } from './stores.ts'

const config = { cache: true }

/** How a hook changes `{"a":1}`, and what has to come of it. */
const transformations: Record<string, { hook: onSendAsyncHookHandler, body: string }> = {
  'into another text': { hook: async (request, reply, payload) => `<${String(payload)}>`, body: '<{"a":1}>' },
  'into another text, later': {
    hook: async (request, reply, payload) => {
      await nextTurn()
      return `<${String(payload)}>`
    },
    body: '<{"a":1}>'
  },
  'into another text, with a callback': { hook: withCallback((payload) => `<${payload}>`), body: '<{"a":1}>' },
  'into bytes': { hook: async (request, reply, payload) => Buffer.from(String(payload)).reverse(), body: '}1:"a"{' },
  'into a stream': { hook: async (request, reply, payload) => Readable.from(['(', String(payload), ')']), body: '({"a":1})' },
  'into a web stream': { hook: async (request, reply, payload) => new Blob(['[', String(payload), ']']).stream(), body: '[{"a":1}]' },
  'into nothing': { hook: withCallback(() => null), body: '' },
  'into an empty text': { hook: withCallback(() => ''), body: '' },
  'into another text of the same length': { hook: async (request, reply, payload) => String(payload).toUpperCase(), body: '{"A":1}' }
}

function withCallback (transform: (payload: string) => string | null): onSendAsyncHookHandler {
  const hook: onSendHookHandler = (request, reply, payload, done) => { done(null, transform(String(payload))) }
  return hook as unknown as onSendAsyncHookHandler
}

for (const [place, optionsOf] of Object.entries(stores)) {
  test(`a hit from ${place} has the bytes of the miss where a hook turns payloads`, async (t) => {
    const cache = await optionsOf(t)
    for (const [title, { hook, body }] of Object.entries(transformations)) {
      await t.test(title, async (t) => {
        const service = await serve(t, (app) => {
          app.addHook('onSend', hook)
          app.get('/', { config }, async () => ({ a: 1 }))
        }, { cache: { ...cache, prefix: cache.prefix && `${cache.prefix}:${Object.keys(transformations).indexOf(title)}` } })
        const { hit } = await repeats(t, service, '/')
        t.equal(hit.body.compare(Buffer.from(body)), 0, hit.text)
        t.equal((await service.get('/')).body.compare(Buffer.from(body)), 0, 'the next hit')
      })
    }
  })
}

test('several hooks of app, plugin and route have their part once, whenever they were added', async (t) => {
  const around = (name: string): onSendAsyncHookHandler => async (request, reply, payload) => `${name}(${String(payload)})`
  const service = await serve(t, async (app) => {
    app.addHook('onSend', around('early'))
    await app.register(async (child) => {
      child.addHook('onSend', around('plugin'))
      child.get('/', { config, onSend: [around('route'), around('route2')] }, async () => 'x')
    })
    app.addHook('onSend', around('late'))
  })
  const { hit } = await repeats(t, service, '/')
  t.equal(hit.text, 'route2(route(late(plugin(early(x)))))')
})

test('a hit repeats the bytes of the miss where hooks of app and route make others every time', async (t) => {
  let runs = 0
  const number: onSendAsyncHookHandler = async (request, reply, payload) => `${String(payload)} ${++runs}`
  const service = await serve(t, (app) => {
    app.addHook('onSend', number)
    app.get('/', { config, onSend: number }, async () => 'x')
  })
  t.equal((await repeats(t, service, '/')).hit.text, 'x 1 2')
})

test('a field that a hook makes from the payload fits the bytes of the hit', async (t) => {
  const service = await serve(t, (app) => {
    app.addHook('onSend', async (request, reply, payload) => `<p>${String(payload)}</p>`)
    app.addHook('onSend', async (request, reply, payload) => {
      reply.header('etag', `"${sha256(payload as string)}"`).header('content-digest', `sha-256=:${sha256(payload as string)}:`)
      reply.header('content-type', `text/html; length=${String(payload).length}`)
    })
    app.get('/', { config }, async () => 'text')
  })
  const { hit } = await repeats(t, service, '/')
  t.equal(hit.field('etag'), `"${sha256(hit.body)}"`)
  t.equal(hit.field('content-digest'), `sha-256=:${sha256(hit.body)}:`)
})

function sha256 (data: string | Buffer): string {
  return createHash('sha256').update(data).digest('base64')
}

test('a field that a hook gives to every request is that of the present request', async (t) => {
  let requests = 0
  const service = await serve(t, (app) => {
    app.addHook('onSend', async (request, reply) => { reply.header('x-quota', ++requests).header('server-timing', `n;dur=${requests}`) })
    app.get('/', { config }, async () => 'x')
  })
  t.equal((await service.get('/')).field('server-timing'), 'n;dur=1')
  const hit = await service.get('/')
  t.equal(hit.field('x-cache'), 'HIT')
  t.equal(hit.field('server-timing'), 'n;dur=2')
  t.equal(hit.field('x-quota'), '2')
})

test('a hook that answers 304 to a hit is obeyed', async (t) => {
  const service = await serve(t, (app) => {
    app.addHook('onSend', async (request, reply, payload) => {
      reply.header('etag', '"1"')
      if (request.headers['if-none-match'] !== '"1"') return payload
      reply.code(304)
      return ''
    })
    app.get('/', { config }, async () => 'text')
  })
  await repeats(t, service, '/')
  const unchanged = await service.get('/', { headers: { 'if-none-match': '"1"' } })
  t.equal(unchanged.status, 304)
  t.equal(unchanged.body.length, 0)
  t.equal((await service.get('/')).text, 'text')
})

test('a 304 that a hook makes of a miss is not stored', async (t) => {
  const service = await serve(t, (app) => {
    app.addHook('onSend', async (request, reply, payload) => {
      if (request.headers['x-has'] === undefined) return payload
      reply.code(304)
      return ''
    })
    app.get('/', { config }, async () => 'text')
  })
  t.equal((await service.get('/', { headers: { 'x-has': '"1"' } })).status, 304)
  t.equal((await repeats(t, service, '/')).hit.text, 'text')
})

test('hooks that come before the cache answers do not see the conditions of a miss, so that all can be given what it made', async (t) => {
  const seen: unknown[] = []
  const service = await serve(t, (app) => {
    app.addHook('onSend', async (request, reply, payload) => {
      seen.push(request.headers['if-none-match'])
      if (request.headers['if-none-match'] !== undefined) reply.code(304)
      return payload
    })
    app.get('/', { config }, async (request, reply) => reply.header('etag', '"1"').send('text'))
  })
  const miss = await service.get('/', { headers: { 'if-none-match': '"1"' } })
  t.strictSame([miss.status, miss.text, miss.field('x-cache'), miss.field('etag')], [304, '', 'MISS', '"1"'])
  t.strictSame(seen, [undefined])
  const hit = await service.get('/')
  t.strictSame([hit.status, hit.text, hit.field('x-cache')], [200, 'text', 'HIT'])
})

/** What @fastify/compress does: encode what comes, unless it is encoded already. */
const compress: onSendAsyncHookHandler = async (request, reply, payload) => {
  reply.header('vary', 'accept-encoding')
  if (request.headers['accept-encoding'] !== 'gzip' || reply.getHeader('content-encoding') !== undefined || payload == null) return payload
  reply.header('content-encoding', 'gzip').removeHeader('content-length')
  return typeof payload === 'string' || Buffer.isBuffer(payload) ? Readable.from([payload]).pipe(createGzip()) : payload
}

test('a hook that compresses does so once: hits send its bytes to clients that take them, and plain ones to others', async (t) => {
  const service = await serve(t, (app) => {
    app.addHook('onSend', compress)
    app.get('/', { config }, async () => 'long text '.repeat(100))
  })
  const gzip = { headers: { 'accept-encoding': 'gzip' } }
  const { hit } = await repeats(t, service, '/', gzip)
  t.equal(gunzipSync(hit.body).toString(), 'long text '.repeat(100))
  const plain = await service.get('/')
  t.equal(plain.text, 'long text '.repeat(100))
  t.equal(plain.field('content-encoding'), undefined)
  t.equal((await service.get('/', gzip)).field('content-encoding'), 'gzip')
})

test('a hook that encodes a stored plain response for one client does not change it for others', async (t) => {
  const service = await serve(t, (app) => {
    app.addHook('onSend', async (request, reply, payload) => {
      if (request.headers['x-now'] !== 'gzip') return payload
      reply.header('content-encoding', 'gzip').header('content-length', 5)
      return gzipSync(payload as string | Buffer)
    })
    app.get('/', { config }, async () => 'plain')
  })
  await repeats(t, service, '/')
  const hit = await service.get('/', { headers: { 'x-now': 'gzip' } })
  t.equal(hit.text, 'plain', 'the stored bytes are sent')
  t.equal(hit.field('content-encoding'), undefined, 'and called what they are')
  t.equal(hit.field('content-length'), '5')
})

test('a hook that fails on a miss is an error that is not stored; one that fails on a hit does not harm the next hit', async (t) => {
  let failing = true
  const service = await serve(t, (app) => {
    app.addHook('onSend', async (request, reply, payload) => {
      if (failing && reply.statusCode === 200) throw new Error('the hook failed')
      return payload
    })
    app.get('/', { config }, async () => 'fine')
  })
  const { second } = await neverStored(t, service, '/')
  t.equal(second.status, 500)
  failing = false
  await repeats(t, service, '/')
  failing = true
  const failed = await service.get('/')
  t.equal(failed.status, 500)
  t.match(failed.text, 'the hook failed')
  failing = false
  const hit = await service.get('/')
  t.equal(hit.field('x-cache'), 'HIT')
  t.equal(hit.text, 'fine')
})

test('a stream that a hook made of a hit is destroyed, because the stored bytes are sent', async (t) => {
  const streams: Readable[] = []
  const service = await serve(t, (app) => {
    app.addHook('onSend', async () => {
      const stream = Readable.from(['streamed'])
      streams.push(stream)
      return stream
    })
    app.get('/', { config }, async () => 'x')
  })
  const { hit } = await repeats(t, service, '/')
  t.equal(hit.text, 'streamed')
  t.ok(streams[1]?.destroyed)
})

test('where no other hook can change it, a hit sends the stored bytes themselves and not a copy', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache)
  const sent: unknown[] = []
  app.addHook('onRequest', async (request, reply) => {
    const end = reply.raw.end.bind(reply.raw) as (...args: unknown[]) => typeof reply.raw
    reply.raw.end = ((...args: unknown[]) => {
      sent.push(args[0])
      return end(...args)
    }) as typeof reply.raw.end
  })
  app.get('/', { config: { cache: '5m' } }, async () => ({ a: 1 }))
  app.post('/', { config: { cache: { ttl: '5m', varyByBody: true } } }, async () => ({ a: 1 }))
  for (const method of ['GET', 'POST'] as const) {
    sent.length = 0
    for (let i = 0; i < 3; i++) await app.inject({ method, url: '/', ...method === 'POST' ? { payload: { b: 1 } } : {} })
    t.ok(Buffer.isBuffer(sent[1]), method)
    t.equal(sent[1], sent[2])
  }
})
