import cors from '@fastify/cors'
import Fastify from 'fastify'
import responseCache, { createCache } from 'fastify-response-cache'
import { test } from 'tap'
import cacheAdmin, { type AdminOptions } from '../../lib/admin/index.ts'
import { ask, createScene, guard, outcomeOf, SIGNED_IN } from './scene.ts'

test('without a guard nothing is registered', async (t) => {
  for (const options of [{}, { onRequest: [] }, { onRequest: [], preHandler: [] }, { public: false }]) {
    const app = Fastify()
    await app.register(responseCache, { defaults: { ttl: '1m' } })
    await t.rejects(async () => { await app.register(cacheAdmin, options) }, { code: 'RESPONSE_CACHE_ERR_ADMIN_UNGUARDED' }, JSON.stringify(options))
    await app.close()
  }
})

test('options that it does not know, or that are wrong, are refused', async (t) => {
  const wrong: unknown[] = [{ guard }, { onRequest: 'yes' }, { onRequest: [guard, undefined] }, { public: 'yes' }, { public: true, cache: {} }]
  for (const options of wrong) {
    const app = Fastify()
    await app.register(responseCache, { defaults: { ttl: '1m' } })
    await t.rejects(async () => { await app.register(cacheAdmin, options as AdminOptions) }, { code: /^RESPONSE_CACHE_ERR_OPTION_/ }, JSON.stringify(options))
    await app.close()
  }
  const bare = Fastify()
  await t.rejects(async () => { await bare.register(cacheAdmin, { public: true }) }, { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID', message: /"cache".*to be registered before/ })
  await bare.close()
})

for (const [name, admin] of [['onRequest', { onRequest: guard }], ['preHandler', { preHandler: guard }], ['a list of hooks', { onRequest: [async () => {}, guard] }]] as const) {
  test(`who is not signed in gets 401 from every route and learns nothing: ${name}`, async (t) => {
    const routes: Array<{ method: string, url: string }> = []
    const app = await createScene(t, {
      admin,
      plugins: (app) => app.addHook('onRoute', ({ method, url }) => { for (const one of [method].flat()) if (url.startsWith('/admin/')) routes.push({ method: one, url }) })
    })
    await outcomeOf(app, '/users/1')
    t.ok(routes.length > 30, `${routes.length} routes`)
    for (const { method, url } of routes) {
      const payload = url.endsWith('/invalidate') ? { all: true } : url.endsWith('/explain') ? { first: { url: '/users/1' } } : { urls: ['/users/1'] }
      const query = url.endsWith('/entry') ? '?key=a' : ''
      const { statusCode, body, headers } = await app.inject({ method: method as 'GET', url: url + query, ...method === 'POST' ? { payload } : {} })
      t.equal(statusCode, 401, `${method} ${url}`)
      if (method !== 'HEAD') t.strictSame(JSON.parse(body), { statusCode: 401, code: 'SIGNED_OUT', error: 'Unauthorized', message: 'Who are you?' }, url)
      t.equal(headers['cache-control'], 'no-store')
    }
    t.equal(await outcomeOf(app, '/users/1'), 'HIT', 'nothing was invalidated')
  })
}

test('public: true needs no guard', async (t) => {
  const app = await createScene(t, { admin: { public: true } })
  t.equal((await app.inject('/admin/cache/stats')).statusCode, 200)
})

test('the guard of the admin routes guards nothing else', async (t) => {
  const app = await createScene(t)
  t.equal((await app.inject('/users/1')).statusCode, 200)
})

test('what changes something takes JSON only, and nothing from pages of other sites', async (t) => {
  const app = await createScene(t)
  await outcomeOf(app, '/users/1')
  const tried: Array<[status: number, headers: Record<string, string>]> = [
    [403, { 'content-type': 'application/json', 'sec-fetch-site': 'cross-site' }],
    [403, { 'content-type': 'application/json', 'sec-fetch-site': 'same-site' }],
    [403, { 'content-type': 'application/json', origin: 'http://evil.example' }],
    [403, { 'content-type': 'application/json', origin: 'null' }],
    [403, { 'content-type': 'application/json', origin: 'http://localhost:81' }],
    // A page of another site may not say that it is a link that was followed.
    [403, { 'content-type': 'application/json', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }],
    [415, { 'content-type': 'text/plain' }],
    [415, { 'content-type': 'application/x-www-form-urlencoded' }],
    [415, { 'content-type': 'text/plain; application/json' }]
  ]
  for (const [status, headers] of tried) {
    const { statusCode } = await app.inject({ method: 'POST', url: '/admin/cache/invalidate', headers: { ...SIGNED_IN, ...headers }, payload: JSON.stringify({ all: true }) })
    t.equal(statusCode, status, JSON.stringify(headers))
    t.equal(await outcomeOf(app, '/users/1'), 'HIT', 'it is still there')
  }
  const own: Array<Record<string, string>> = [{ 'sec-fetch-site': 'same-origin' }, { origin: 'http://localhost:80' }, { origin: 'http://LOCALHOST' }, {}]
  for (const headers of own) {
    await outcomeOf(app, '/users/1')
    t.equal((await ask(app, 'invalidate', { body: { all: true }, headers })).status, 200, JSON.stringify(headers))
    t.equal(await outcomeOf(app, '/users/1'), 'MISS', 'it was invalidated')
  }
})

test('pages of other sites read nothing, also where the app allows them to with CORS; a link may be followed', async (t) => {
  const app = await createScene(t, { plugins: (app) => app.register(cors, { origin: true, credentials: true }) })
  const crossed = await ask(app, 'stats', { headers: { origin: 'http://evil.example', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' } })
  t.equal(crossed.status, 403)
  t.equal(crossed.headers['access-control-allow-origin'], undefined)
  t.equal((await ask(app, '', { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' } })).status, 200)
  const framed = await ask(app, '', { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' } })
  t.equal(framed.status, 403)
})

test('every answer says what a browser may do with it', async (t) => {
  const app = await createScene(t)
  for (const path of ['', 'stats', 'assets/main.js', 'entry?key=none']) {
    t.match((await ask(app, path)).headers, {
      'content-security-policy': /^default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-cache': undefined
    }, path)
  }
})

test('it shows a cache that is not fastify.cache', async (t) => {
  const cache = createCache()
  t.teardown(() => cache.close())
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(cacheAdmin, { public: true, cache })
  await cache.set('color:sky', 'blue', { ttl: '1m' })
  const { entries } = (await app.inject('/entries')).json<{ entries: Array<{ key: string }> }>()
  t.strictSame(entries.map(({ key }) => key), ['color:sky'])
})
