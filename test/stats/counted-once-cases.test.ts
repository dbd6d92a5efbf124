import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { test } from 'tap'
import { createApp, serve } from '../plugin/serve.ts'

const credentials = { authorization: 'Bearer abc' }

function countsOf (app: FastifyInstance): number[] {
  const { hits, stale, misses, bypasses, refused } = app.cache.stats()
  return [hits, stale, misses, bypasses, refused]
}

test('an answer that fails while it is sent, and becomes an error, is one request', async (t) => {
  const { app, get } = await serve(t, (app) => {
    app.get('/stream', { config: { cache: 60 } }, async (_request, reply) => reply.type('text/plain').send(new Readable({ read () { this.destroy(new Error('broken')) } })))
    app.get('/number', { config: { cache: 60 } }, async (_request, reply) => reply.type('text/plain').send(5))
  })
  for (const path of ['/stream', '/number']) {
    t.equal((await get(path, { headers: credentials })).field('x-cache'), 'BYPASS')
    t.equal((await get(path)).field('x-cache'), 'MISS')
  }
  t.strictSame(countsOf(app), [0, 0, 2, 2, 0])
})

test('what a handler answers past Fastify is counted, each time, and with credentials', async (t) => {
  const { app, get } = await serve(t, (app) => {
    app.get('/', { config: { cache: 60 } }, (_request, reply) => {
      reply.hijack()
      reply.raw.end('raw')
    })
  })
  for (let time = 0; time < 3; time++) {
    t.match((await get('/')).text, 'raw')
    t.match((await get('/', { headers: credentials })).text, 'raw')
  }
  t.strictSame(countsOf(app), [0, 0, 3, 3, 0])
  t.strictSame(app.cache.stats().bypassReasons, { credentials: 3 })
})

test('a payload that cannot be sent, and is not because of a condition of the client, is one miss', async (t) => {
  const app = await createApp(t, (app) => {
    app.get('/', { config: { cache: 60 } }, async (_request, reply) => reply.header('etag', '"1"').type('text/plain').send(5))
  })
  t.equal((await app.inject({ url: '/', headers: { 'if-none-match': '"1"' } })).headers['x-cache'], 'MISS')
  t.strictSame(countsOf(app), [0, 0, 1, 0, 0])
})

test('what the cache asks for itself, and is refused, is no request of a client', async (t) => {
  const app = await createApp(t, (app) => {
    app.get('/:id', { config: { cache: { ttl: 60, maxConcurrentFills: 1 } } }, async () => {
      await new Promise((resolve) => { setTimeout(resolve, 20) })
      return 'x'
    })
  })
  const { failed } = await app.cache.warm(['/1', '/2', '/3', '/4'], { concurrency: 4 })
  t.ok(failed > 0, 'some were refused')
  t.strictSame(countsOf(app), [0, 0, 0, 0, 0])
  t.strictSame(app.cache.stats().refusalReasons, {})
})

test('two caches in one process count apart, and what is explained or has no cache is not counted', async (t) => {
  const [one, two] = await Promise.all([1, 2].map(() => createApp(t, (app) => {
    app.get('/', { config: { cache: 60 } }, async () => 'x')
    app.get('/plain', async () => 'x')
  }))) as [FastifyInstance, FastifyInstance]
  for (const url of ['/', '/', '/plain', '/nowhere']) await one.inject(url)
  await one.cache.explain('/')
  t.strictSame([countsOf(one), countsOf(two)], [[1, 0, 1, 0, 0], [0, 0, 0, 0, 0]])
})

test('a cache that is switched off counts each request as a bypass', async (t) => {
  const app = await createApp(t, (app) => { app.get('/', { config: { cache: 60 } }, async () => 'x') }, { cache: { enabled: false } })
  for (let time = 0; time < 3; time++) await app.inject('/')
  t.strictSame([countsOf(app), app.cache.stats().bypassReasons], [[0, 0, 0, 3, 0], { disabled: 3 }])
})
