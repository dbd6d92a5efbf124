import t, { type Test } from 'tap'
import type { RouteCacheOptions } from '../../lib/index.ts'
import { useRedis, startRedisServer } from '../helpers/redis.ts'
import { HOST, openScene } from './scene.ts'

const headers = { host: HOST }

async function openShop (t: Test, cache: RouteCacheOptions = {}) {
  let now = 1_700_000_000_000
  const scene = await openScene(t, { clock: () => now, defaults: { ttl: '1h', jitter: 0 } }, (app, handler) => {
    app.get('/things/:id', { config: { cache: { tags: (request) => [`thing:${request.params.id}`], ...cache } } }, handler)
    app.get('/open/:id', { config: { cache: { hook: 'onRequest' } } }, handler)
    app.get('/cookie', { config: { cache: true } }, async (_request, reply) => { reply.header('set-cookie', 'a=b'); return 'x' })
    app.get('/language', { config: { cache: true } }, async (_request, reply) => { reply.header('vary', 'accept-language'); return 'x' })
  })
  const request = (url: string, more: Record<string, string> = {}) => scene.app.inject({ url, headers: { ...headers, ...more } })
  const explain = (url: string, more: Record<string, string> = {}) => scene.app.cache.explain({ url, headers: { ...headers, ...more } })
  return { ...scene, request, explain, pass: (seconds: number) => { now += seconds * 1000 } }
}

t.test('what is there is told with its age, its time to live and its tags, and is not counted as a hit', async (t) => {
  const { app, calls, explain, request, pass } = await openShop(t)
  t.match(await explain('/things/1'), { outcome: 'miss', reason: 'uri-miss', docs: 'docs/what-is-cached.md#uri-miss', isCached: true })
  await request('/things/1')
  pass(60)
  const told = await explain('/things/1')
  t.match(told, {
    outcome: 'hit',
    isCached: true,
    key: /^default:GET:\/things\/1:/,
    entry: { kind: 'response', state: 'fresh', status: 200, age: 60, freshFor: 3540, ttl: 3540, tags: ['thing:1'], isPerUser: false, bytes: 'made for /things/1'.length }
  })
  t.equal(told.reason, undefined)
  t.equal(told.entry!.key, told.key)
  t.match(told.entry!.labels, [{ kind: 'namespace', value: 'default' }])
  t.match(app.cache.stats(), { hits: 0, misses: 1, fills: 1 })
  t.strictSame(calls, ['GET /things/1'])
})

t.test('routes that answer in onRequest are explained too', async (t) => {
  const { calls, explain, request } = await openShop(t)
  t.match(await explain('/open/1'), { outcome: 'miss', route: 'GET /open/:id' })
  t.strictSame(calls, [])
  await request('/open/1')
  t.match(await explain('/open/1'), { outcome: 'hit' })
})

t.test('a stale response is told as such, and not refreshed', async (t) => {
  const { app, calls, explain, request, pass } = await openShop(t, { staleWhileRevalidate: '1h' })
  await request('/things/1')
  pass(3610)
  t.match(await explain('/things/1'), { outcome: 'stale', reason: 'stale-while-revalidate', docs: 'docs/what-is-cached.md#stale-while-revalidate', isCached: true, entry: { state: 'stale', freshFor: -10, ttl: 3590 } })
  t.match(app.cache.stats(), { refreshes: 0, stale: 0 })
  t.strictSame(calls.length, 1)
})

t.test('what is only there for when the handler fails is a miss', async (t) => {
  const { explain, request, pass } = await openShop(t, { staleIfError: '1h' })
  await request('/things/1')
  pass(3610)
  t.match(await explain('/things/1'), { outcome: 'miss', reason: 'stale', isCached: true, entry: { state: 'stale' } })
})

t.test('what was invalidated is told with the mark that did it', async (t) => {
  const { app, explain, request } = await openShop(t)
  const ways: ReadonlyArray<readonly [() => Promise<unknown>, string | RegExp]> = [
    [() => app.cache.invalidateTags(['thing:1']), 'tag "thing:1"'],
    [() => app.cache.invalidateNamespace('default'), 'namespace "default"'],
    [() => app.cache.invalidateUrl('/things/1'), 'url "/things/1"'],
    [() => app.cache.invalidatePattern('default:GET:/things/*'), 'pattern "default:GET:/things/*"'],
    [async () => await app.cache.invalidateKey((await explain('/things/1')).key!), /^key "default:GET:\/things\/1:/],
    [() => app.cache.invalidateAll(), 'everything']
  ]
  for (const [invalidate, by] of ways) {
    await request('/things/1')
    t.match(await explain('/things/1'), { outcome: 'hit' })
    await invalidate()
    t.match(await explain('/things/1'), { outcome: 'miss', reason: 'uri-miss', entry: { state: 'invalidated', invalidatedBy: by } })
  }
  await request('/things/1')
  await app.cache.invalidateTags(['thing:1'], { soft: true })
  t.match(await explain('/things/1'), { outcome: 'miss', reason: 'stale', entry: { state: 'stale', invalidatedBy: 'tag "thing:1"' } })
})

t.test('why the last response was not stored is told as long as it is remembered', async (t) => {
  const { explain, request } = await openShop(t)
  t.match(await explain('/cookie'), { outcome: 'miss', isCached: true, notStored: undefined })
  await request('/cookie')
  t.match(await explain('/cookie'), { outcome: 'miss', isCached: false, notStored: 'set-cookie', docs: 'docs/what-is-cached.md#set-cookie' })
  t.match(await explain('/cookie'), { notStored: 'set-cookie' }, 'asking changes nothing')
})

t.test('a HEAD is explained by the entry of the GET, and is never stored', async (t) => {
  const { app, request } = await openShop(t)
  t.match(await app.cache.explain({ method: 'HEAD', url: '/things/1', headers }), { outcome: 'miss', isCached: false, notStored: 'head' })
  await request('/things/1')
  t.match(await app.cache.explain({ method: 'HEAD', url: '/things/1', headers }), { outcome: 'hit', isCached: true })
})

t.test('fields that responses vary by are parts of the key once they are known', async (t) => {
  const { app, explain, request } = await openShop(t)
  await request('/language', { 'accept-language': 'de' })
  t.match(await explain('/language', { 'accept-language': 'de' }), { outcome: 'hit', entry: { vary: [['accept-language', 'de']] } })
  t.match(await explain('/language', { 'accept-language': 'fr' }), { outcome: 'miss', reason: 'vary-miss' })
  const ask = (language: string) => ({ url: '/language', headers: { ...headers, 'accept-language': language } })
  t.strictSame((await app.cache.explain(ask('de'), ask('fr'))).differences, [{ part: 'header accept-language (Vary)', first: 'de', second: 'fr' }])
})

t.test('what the request asks of caches counts where the route obeys it', async (t) => {
  const { explain, request, pass } = await openShop(t, { obeyRequestDirectives: true })
  t.match(await explain('/things/1', { 'cache-control': 'only-if-cached' }), { outcome: 'miss', reason: 'only-if-cached', isCached: false, docs: 'docs/what-is-cached.md#only-if-cached' })
  await request('/things/1')
  pass(30)
  t.match(await explain('/things/1', { 'cache-control': 'max-age=10' }), { outcome: 'miss', reason: 'request' })
  t.match(await explain('/things/1', { 'cache-control': 'max-age=60' }), { outcome: 'hit' })
})

t.test('with Redis, another process explains what the first has stored, and which mark invalidated it', async (t) => {
  const { url, prefix } = await useRedis(t)
  const open = async () => await openScene(t, { redis: url, prefix, timeouts: { read: '5s', write: '5s' } }, (app, handler) => {
    app.get('/things/:id', { config: { cache: { tags: ['things'] } } }, handler)
  })
  const [one, other] = [await open(), await open()]
  await Promise.all([one.app.cache.connect(), other.app.cache.connect()])
  const asked = { url: '/things/1', headers }
  await one.app.inject(asked)
  while (one.app.cache.stats().fills === 0) await new Promise((resolve) => { setImmediate(resolve) })
  const told = await other.app.cache.explain(asked)
  t.match(told, { outcome: 'hit', entry: { tags: ['things'], state: 'fresh' } })
  t.ok(told.entry!.ttl! > 3000 && told.entry!.ttl! <= 3600, `${told.entry!.ttl} seconds`)
  await one.app.cache.invalidateTags(['things'])
  t.match(await other.app.cache.explain(asked), { outcome: 'miss', entry: { invalidatedBy: 'tag "things"' } })
  t.strictSame(other.calls, [])
})

t.test('with Redis away it is told that the store does not answer', async (t) => {
  const server = await startRedisServer(t, {})
  const { app, calls } = await openScene(t, { redis: server.url, memory: false, timeouts: { read: '5s', write: '5s' } }, (app, handler) => {
    app.get('/things/:id', { config: { cache: true } }, handler)
  })
  await app.cache.connect()
  t.match(await app.cache.explain('/things/1'), { outcome: 'miss', reason: 'uri-miss', isCached: true })
  await server.stop()
  t.match(await app.cache.explain('/things/1'), { outcome: 'miss', reason: 'store-error', docs: 'docs/what-is-cached.md#store-error', isCached: false })
  t.strictSame(calls, [])
})
