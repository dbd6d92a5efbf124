import { brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { Readable } from 'node:stream'
import compress, { type FastifyCompressOptions } from '@fastify/compress'
import etag from '@fastify/etag'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { Exchange } from '../plugin/exchange.ts'
import { repeats, type Service } from '../plugin/serve.ts'
import { cached, inBothOrders, repeatsBytes, type Setting } from './orders.ts'

const TEXT = 'text that is worth compressing. '.repeat(200)

function routes (app: FastifyInstance): void {
  app.get('/text', cached(), async () => TEXT)
  app.get('/json', cached(), async () => ({ text: TEXT }))
  app.get('/stream', cached(), (request, reply) => reply.type('text/plain').send(Readable.from([TEXT.slice(0, 100), TEXT.slice(100)])))
  app.get('/small', cached(), async () => 'small')
  app.get('/image', cached(), (request, reply) => reply.type('image/png').send(Buffer.alloc(5000, 1)))
  app.get('/packed', cached(), (request, reply) => reply.type('text/plain').header('content-encoding', 'gzip').header('vary', 'accept-encoding').send(gzipSync(TEXT)))
}

function setting (options: FastifyCompressOptions = {}): () => Setting {
  return () => ({ plugin: (app) => app.register(compress, options), routes })
}

async function ask ({ get }: Service, path: string, encoding?: string): Promise<Exchange> {
  return await get(path, { headers: encoding === undefined ? {} : { 'accept-encoding': encoding } })
}

/** The text that a client reads who decodes once, as the field says. */
function decoded (response: Exchange): string {
  switch (response.field('content-encoding')) {
    case undefined: case 'identity': return response.text
    case 'br': return brotliDecompressSync(response.body).toString()
    case 'gzip': return gunzipSync(response.body).toString()
    default: throw new Error(`nobody asked for ${response.field('content-encoding')}`)
  }
}

/** Asks as clients that accept different encodings, over and over: each can read what it gets. */
async function readableForAll (t: Test, service: Service, { path, text, encodings = [undefined, 'br', 'gzip', 'identity', 'gzip;q=0, br', 'br;q=0, gzip'] }: {
  path: string
  text: string
  encodings?: Array<string | undefined>
}): Promise<void> {
  const tagged = new Map<string, string>()
  for (const accepted of [...encodings, ...encodings.toReversed(), ...encodings.flatMap((encoding) => [encoding, encoding])]) {
    const response = await ask(service, path, accepted)
    const used = response.field('content-encoding')
    const accepts = accepted?.split(', ').filter((part) => !part.includes('q=0')) ?? []
    t.ok(used === undefined || accepts.includes(used), `${path}: ${used} for ${accepted}`)
    t.equal(decoded(response) === text, true, `${path} is readable for ${accepted}`)
    if (used !== undefined) t.match(response.field('vary')?.toLowerCase(), /accept-encoding/)
    if (response.field('x-cache') === 'HIT') t.equal(response.field('content-length'), String(response.body.length))
    const etag = response.field('etag')
    if (etag?.startsWith('"') !== true) continue
    const body = response.body.toString('base64')
    t.equal(tagged.get(etag) ?? body, body, 'a strong ETag is of the same bytes each time (RFC 9110 section 8.8.3.3)')
    tagged.set(etag, body)
  }
}

for (const [title, options] of [['in memory', {}], ['as a stream', { syncThreshold: 0 }]] as const) {
  inBothOrders(`@fastify/compress (${title}): every client can read what it gets, from misses and hits`, setting(options), async (t, service) => {
    for (const [path, text] of [['/text', TEXT], ['/json', JSON.stringify({ text: TEXT })], ['/stream', TEXT], ['/small', 'small']] as const) {
      await readableForAll(t, service, { path, text })
    }
  })

  inBothOrders(`@fastify/compress (${title}): a hit has the very bytes, which were compressed once`, setting(options), async (t, service) => {
    for (const path of ['/text', '/json', '/stream']) {
      for (const encoding of ['br', 'gzip']) {
        const { hit } = await repeatsBytes(t, service, path, { headers: { 'accept-encoding': encoding } })
        t.equal(hit.field('content-encoding'), encoding)
        t.ok(hit.body.length < TEXT.length / 10)
      }
    }
  })
}

inBothOrders('@fastify/compress: what it leaves alone is stored as it is, for all', setting(), async (t, service) => {
  for (const path of ['/image', '/small']) {
    const { hit } = await repeats(t, service, path, { headers: { 'accept-encoding': 'br' } })
    t.equal(hit.field('content-encoding'), undefined)
    t.equal((await ask(service, path, 'gzip')).field('x-cache'), 'HIT')
    t.equal((await ask(service, path)).field('x-cache'), 'HIT')
  }
})

inBothOrders('@fastify/compress: what a handler has compressed itself is compressed by nobody else', setting(), async (t, service) => {
  const { hit } = await repeats(t, service, '/packed', { headers: { 'accept-encoding': 'gzip, br' } })
  t.equal(hit.field('content-encoding'), 'gzip')
  t.equal(decoded(hit), TEXT)
})

inBothOrders('@fastify/compress: a client that refuses identity gets what it accepts', setting(), async (t, service) => {
  await ask(service, '/text', 'br')
  for (let time = 0; time < 2; time++) {
    const response = await ask(service, '/text', 'gzip, identity;q=0')
    t.strictSame([response.field('content-encoding'), decoded(response) === TEXT], ['gzip', true])
  }
})

inBothOrders('@fastify/compress: options of one route, and routes that it leaves out', () => ({
  plugin: (app) => app.register(compress, { global: false }),
  routes: (app) => {
    app.get('/route', { ...cached(), compress: { threshold: 0 } }, async () => TEXT)
    app.get('/without', cached(), async () => TEXT)
    app.get('/false', { ...cached(), compress: false }, async () => TEXT)
  }
}), async (t, service) => {
  await readableForAll(t, service, { path: '/route', text: TEXT })
  for (const path of ['/without', '/false']) {
    const { hit } = await repeats(t, service, path, { headers: { 'accept-encoding': 'br' } })
    t.strictSame([hit.field('content-encoding'), hit.text], [undefined, TEXT])
  }
})

for (const global of [true, false]) {
  inBothOrders(`@fastify/compress: handlers that call reply.compress themselves, ${global ? 'besides' : 'without'} the global hook`, () => ({
    plugin: (app) => app.register(compress, { global }),
    routes: (app) => {
      app.get('/text', cached(), (request, reply) => { reply.type('text/plain').compress(TEXT) })
      app.get('/stream', cached(), (request, reply) => { reply.type('text/plain').compress(Readable.from([TEXT])) })
      app.get('/json', cached(), (request, reply) => { reply.type('application/json').compress(JSON.stringify({ text: TEXT })) })
    }
  }), async (t, service) => {
    for (const [path, text] of [['/text', TEXT], ['/stream', TEXT], ['/json', JSON.stringify({ text: TEXT })]] as const) {
      await readableForAll(t, service, { path, text })
    }
  })
}

inBothOrders('@fastify/compress with @fastify/etag: hits have the ETag of the miss, and who has it is told so', () => ({
  plugin: async (app) => {
    await app.register(compress)
    await app.register(etag, { weak: true })
  },
  routes
}), async (t, service) => {
  await readableForAll(t, service, { path: '/text', text: TEXT })
  const { hit } = await repeats(t, service, '/json', { headers: { 'accept-encoding': 'br' } })
  t.match(hit.field('etag'), /^W\/"/)
  const known = await service.get('/json', { headers: { 'accept-encoding': 'br', 'if-none-match': hit.field('etag')! } })
  t.strictSame([known.status, known.text], [304, ''])
})

inBothOrders('@fastify/compress: HEAD is answered from the entry of the GET with the same encoding', setting(), async (t, service) => {
  const { hit } = await repeats(t, service, '/text', { headers: { 'accept-encoding': 'br' } })
  const head = await service.get('/text', { method: 'HEAD', headers: { 'accept-encoding': 'br' } })
  t.strictSame([head.field('x-cache'), head.field('content-encoding'), head.field('content-length'), head.text], ['HIT', 'br', String(hit.body.length), ''])
})

inBothOrders('@fastify/compress: a client that accepts no encoding does not take it from the others, with Accept-Encoding in varyByHeaders', () => ({
  plugin: (app) => app.register(compress),
  routes: (app) => { app.get('/', cached({ varyByHeaders: ['accept-encoding'] }), async () => TEXT) }
}), async (t, service) => {
  for (let time = 0; time < 2; time++) {
    t.equal((await ask(service, '/')).field('content-encoding'), undefined)
    t.equal((await ask(service, '/', 'br')).field('content-encoding'), 'br')
    t.equal((await ask(service, '/', 'gzip')).field('content-encoding'), 'gzip')
  }
})

inBothOrders('@fastify/compress on a route with compress: true: every client can read what it gets, and nothing is encoded twice', () => ({
  plugin: (app) => app.register(compress),
  cache: { defaults: { ttl: '1m', compress: true } },
  routes
}), async (t, service) => {
  for (const [path, text] of [['/text', TEXT], ['/json', JSON.stringify({ text: TEXT })], ['/stream', TEXT], ['/small', 'small']] as const) {
    await readableForAll(t, service, { path, text })
  }
  t.equal(decoded(await ask(service, '/packed', 'gzip')), TEXT)
  t.equal(decoded(await ask(service, '/packed', 'gzip')), TEXT)
})

inBothOrders('compress: true without the hook of @fastify/compress: a client that accepts no encoding does not take it from the others', () => ({
  plugin: (app) => app.register(compress, { global: false }),
  cache: { defaults: { ttl: '1m', compress: true } },
  routes
}), async (t, service) => {
  await readableForAll(t, service, { path: '/text', text: TEXT })
  t.equal((await ask(service, '/json')).field('content-encoding'), undefined)
  for (let time = 0; time < 2; time++) {
    const response = await ask(service, '/json', 'br')
    t.strictSame([response.field('x-cache'), response.field('content-encoding')], ['HIT', 'br'])
  }
})
