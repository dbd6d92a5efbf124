import type { ResponseCacheOptions, RouteCacheOptions } from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { useRedis } from '../helpers/redis.ts'
import type { Exchange, RequestOptions } from './exchange.ts'
import { serve } from './serve.ts'
import { stores } from './stores.ts'

const now = Date.parse('2026-11-21T12:00:00.250Z')

const OBEYS = { obeyRequestDirectives: true }

/** The words of X-Cache and Cache-Status for the last of some requests to a route `/`. */
async function announced (t: Test, { cache = {}, plugin = {}, requests = [{}], headers = {}, body = 'x', sent = 200 }: {
  cache?: RouteCacheOptions
  plugin?: ResponseCacheOptions
  requests?: RequestOptions[]
  headers?: Record<string, string>
  body?: string
  /** The status. */
  sent?: number
}): Promise<Exchange> {
  const service = await serve(t, (app) => {
    app.route({ method: ['GET', 'PUT'], url: '/', config: { cache }, handler: async (request, reply) => reply.code(sent).headers(headers).send(body) })
  }, { cache: { clock: () => now, ...plugin } })
  let last: Exchange | undefined
  for (const request of requests) last = await service.get('/', request)
  return last!
}

const words: Record<string, Parameters<typeof announced>[1] & { xCache: string, status: string }> = {
  'stored after a miss': { xCache: 'MISS', status: 'fwd=uri-miss; stored' },
  'a hit': { requests: [{}, {}], xCache: 'HIT', status: 'hit; ttl=60' },
  'a miss by Vary': { headers: { vary: 'x-kind' }, requests: [{}, { headers: { 'x-kind': '1' } }], xCache: 'MISS', status: 'fwd=vary-miss; stored' },
  'a method that is never cached': { requests: [{ method: 'PUT' }], xCache: 'BYPASS', status: 'fwd=method' },
  credentials: { requests: [{ headers: { authorization: 'Bearer x' } }], xCache: 'BYPASS', status: 'fwd=bypass; detail=credentials' },
  'credentials without a user': { cache: { varyByUser: true }, requests: [{ headers: { authorization: 'Bearer x' } }], xCache: 'BYPASS', status: 'fwd=bypass; detail=user-unknown' },
  'a body of a GET': { requests: [{ headers: { 'content-type': 'text/plain' }, body: 'fat' }], xCache: 'BYPASS', status: 'fwd=bypass; detail=request-body' },
  'an upgrade': { requests: [{ headers: { connection: 'close, upgrade', upgrade: 'h2c' } }], xCache: 'BYPASS', status: 'fwd=bypass; detail=upgrade' },
  'a skipped request': { cache: { skip: () => true }, xCache: 'BYPASS', status: 'fwd=bypass; detail=skip' },
  'an option function that fails': { cache: { key: () => '' }, xCache: 'BYPASS', status: 'fwd=bypass; detail=function-error' },
  'a cache that is off': { plugin: { enabled: false }, requests: [{}, {}], xCache: 'BYPASS', status: 'fwd=bypass; detail=disabled' },
  'a status that is not stored': { cache: { statusCodes: [404] }, xCache: 'MISS', status: 'fwd=uri-miss; detail=status' },
  'a response with a cookie': { headers: { 'set-cookie': 'a=1' }, xCache: 'MISS', status: 'fwd=uri-miss; detail=set-cookie' },
  'a response with no-store': { headers: { 'cache-control': 'no-store' }, xCache: 'MISS', status: 'fwd=uri-miss; detail=no-store' },
  'a private response': { headers: { 'cache-control': 'private' }, xCache: 'MISS', status: 'fwd=uri-miss; detail=private' },
  'a response with no-cache': { headers: { 'cache-control': 'no-cache' }, xCache: 'MISS', status: 'fwd=uri-miss; detail=no-cache' },
  'a malformed Cache-Control': { headers: { 'cache-control': 'max-age="' }, xCache: 'MISS', status: 'fwd=uri-miss; detail=malformed-cache-control' },
  'a response that varies by everything': { headers: { vary: '*' }, xCache: 'MISS', status: 'fwd=uri-miss; detail=vary' },
  'a part of a response': { sent: 206, requests: [{ headers: { range: 'bytes=0-0' } }], headers: { 'content-range': 'bytes 0-0/1' }, xCache: 'MISS', status: 'fwd=uri-miss; detail=status' },
  'a Content-Range without a part': { headers: { 'content-range': 'bytes 0-0/1' }, xCache: 'MISS', status: 'fwd=uri-miss; stored' },
  'a response with a nonce': { headers: { 'content-security-policy': "script-src 'nonce-x'" }, xCache: 'MISS', status: 'fwd=uri-miss; detail=nonce' },
  'a ttl of 0': { cache: { ttl: 0 }, xCache: 'MISS', status: 'fwd=uri-miss; detail=ttl' },
  'a body that is too large': { cache: { maxBytes: 1 }, body: 'xx', xCache: 'MISS', status: 'fwd=uri-miss; detail=too-large' },
  'a storeIf that says no': { cache: { storeIf: () => false }, xCache: 'MISS', status: 'fwd=uri-miss; detail=store-if' },
  'a request that wants a fresh response and is obeyed': { cache: OBEYS, requests: [{}, { headers: { 'cache-control': 'no-cache' } }], xCache: 'MISS', status: 'fwd=request; stored' },
  'a request that takes what is stored and is obeyed': { cache: OBEYS, requests: [{}, { headers: { 'cache-control': 'only-if-cached' } }], xCache: 'HIT', status: 'hit; ttl=60' },
  'a request with no-store that is obeyed': { cache: OBEYS, requests: [{}, { headers: { 'cache-control': 'no-store' } }], xCache: 'BYPASS', status: 'fwd=bypass; detail=no-store' },
  'a request for what is stored, where nothing is': { cache: OBEYS, requests: [{ headers: { 'cache-control': 'only-if-cached' } }], sent: 504, xCache: 'MISS', status: 'detail=only-if-cached' },
  'what a request asks of a cache that does not obey': { requests: [{}, { headers: { 'cache-control': 'no-store, no-cache, max-age=0, only-if-cached', pragma: 'no-cache' } }], xCache: 'HIT', status: 'hit; ttl=60' },
  'a store that fails': { plugin: { store: failingStore() }, xCache: 'MISS', status: 'fwd=miss; detail=store-error' }
}

function failingStore (): NonNullable<ResponseCacheOptions['store']> {
  const fail = (): never => { throw new Error('the store is broken') }
  return { get: fail, set: fail, delete: fail, expire: fail, ttlMs: fail, ping: fail, connect () {}, close () {} }
}

for (const [title, { xCache, status, ...situation }] of Object.entries(words)) {
  test(`X-Cache and Cache-Status have the documented words for ${title}`, async (t) => {
    const response = await announced(t, situation)
    t.equal(response.status, situation.sent ?? 200)
    t.equal(response.field('x-cache'), xCache)
    t.equal(response.field('cache-status'), `fastify-response-cache; ${status}`)
    t.equal(response.field('age'), xCache === 'HIT' ? '0' : undefined)
  })
}

test('X-Cache and Cache-Status have the documented words for an expired response: asked for, and found unchanged by its handler', async (t) => {
  let present = now
  const service = await serve(t, (app) => {
    app.get('/taken', { config: { cache: { ttl: 60, staleIfError: '10m', obeyRequestDirectives: true } } }, async () => 'x')
    app.get('/asked', { config: { cache: { ttl: 60, revalidate: '10m' } } }, async (request, reply) => {
      reply.header('etag', '"1"')
      return request.headers['if-none-match'] === '"1"' ? await reply.code(304).send() : 'x'
    })
  }, { cache: { clock: () => present } })
  for (const path of ['/taken', '/asked']) await service.get(path)
  present += 63_000
  const taken = await service.get('/taken', { headers: { 'cache-control': 'max-stale=5' } })
  t.strictSame([taken.status, taken.text, taken.field('x-cache'), taken.field('cache-status'), taken.field('age')], [200, 'x', 'STALE', 'fastify-response-cache; hit; ttl=-3; detail=max-stale', '63'])
  const asked = await service.get('/asked')
  t.strictSame([asked.status, asked.text, asked.field('x-cache'), asked.field('cache-status')], [200, 'x', 'REVALIDATED', 'fastify-response-cache; fwd=stale; fwd-status=304; stored'])
  t.equal((await service.get('/asked')).field('cache-status'), 'fastify-response-cache; hit; ttl=60')
})

test('Cache-Status carries the name the plugin was given', async (t) => {
  const response = await announced(t, { plugin: { name: 'places-api' } })
  t.equal(response.field('cache-status'), 'places-api; fwd=uri-miss; stored')
})

test('without debugHeaders nothing tells what keys are made of', async (t) => {
  const { lines } = await announced(t, { requests: [{}, {}] })
  t.strictSame(lines.map(([name]) => name).filter((name) => name.startsWith('x-cache')), ['x-cache'])
})

for (const [place, optionsOf] of Object.entries(stores)) {
  test(`with debugHeaders, ${place} tells key, remaining seconds and date`, async (t) => {
    let present = now
    const store = await optionsOf(t)
    const service = await serve(t, (app) => {
      app.get('/:id', { config: { cache: { namespace: 'places', ttl: '5m' } } }, async () => 'x')
    }, { cache: { ...store, debugHeaders: true, clock: () => present } })
    const miss = await service.get('/7?a=1')
    t.match(miss.field('x-cache-key'), new RegExp(`^${store.prefix ?? 'cache'}:places:GET:/7:[\\w-]{22}$`))
    t.equal(miss.field('x-cache-ttl-remaining'), undefined)
    present += 100_500
    const hit = await service.get('/7?a=1')
    t.equal(hit.field('x-cache'), 'HIT')
    t.equal(hit.field('x-cache-key'), miss.field('x-cache-key'))
    t.equal(hit.field('x-cache-ttl-remaining'), '200')
    t.equal(hit.field('x-cache-date'), 'Sat, 21 Nov 2026 12:00:00 GMT')
    t.not((await service.get('/7?a=2')).field('x-cache-key'), miss.field('x-cache-key'))
  })
}

test('X-Cache-Key is the name of the key in Redis', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const service = await serve(t, (app) => {
    app.get('/', { config: { cache: true } }, async () => 'x')
  }, { cache: { redis: url, prefix, timeouts: { read: '10s', write: '10s' }, debugHeaders: true } })
  const key = (await service.get('/')).field('x-cache-key')
  t.equal((await service.get('/')).field('x-cache'), 'HIT')
  t.equal(await client.exists(key!), 1)
})

test('enabled: false leaves the routes as they are, with every request run by its handler', async (t) => {
  let runs = 0
  const service = await serve(t, (app) => {
    app.get('/', { config: { cache: { ttl: 60, varyByQuery: ['page'] } } }, async (request) => ({ run: ++runs, query: request.query }))
  }, { cache: { enabled: false } })
  for (const run of [1, 2]) {
    const response = await service.get('/?page=1&utm=2')
    t.strictSame(JSON.parse(response.text), { run, query: { page: '1' } }, 'and the handler reads the same query as with the cache')
    t.equal(response.field('x-cache'), 'BYPASS')
  }
  t.equal(await service.app.cache.set('key', 1, { ttl: 60 }), false)
})
