import auth from '@fastify/auth'
import cors from '@fastify/cors'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
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

// It works where nothing is awaited behind it. Redirects are what write hooks of the cache itself wait for.
const FORGETFUL: Record<string, (reply: FastifyReply) => unknown> = {
  'an answer': (reply) => reply.code(401).send({ who: 'are you' }),
  'a text': (reply) => reply.code(200).send('Sign in first.'),
  'a redirect': (reply) => reply.redirect('/sign-in'),
  'an error': (reply) => reply.send(new Error('Who are you?'))
}
for (const hook of ['onRequest', 'preHandler'] as const) {
  for (const [what, answer] of Object.entries(FORGETFUL)) {
    test(`who is answered by a guard that does not give its reply back comes no further: ${what}, ${hook}`, async (t) => {
      const forgetful = async ({ headers }: FastifyRequest, reply: FastifyReply): Promise<void> => {
        if (headers.cookie !== SIGNED_IN.cookie) answer(reply)
      }
      const app = await createScene(t, {
        admin: { [hook]: forgetful },
        // As sessions are saved.
        plugins: (app) => app.addHook('onSend', async () => { for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate) })
      })
      app.get('/*', { config: { cache: true } }, async () => 'x')
      await outcomeOf(app, '/users/1')
      const answers = await Promise.all(['stats', 'entries', '', 'assets/main.js'].map((path) => app.inject(`/admin/cache/${path}`)))
      answers.push(await app.inject({ method: 'POST', url: '/admin/cache/invalidate', payload: { all: true } }))
      for (const { body } of answers) t.notMatch(body, /hits|users|<html|import|invalidated/)
      t.equal(await outcomeOf(app, '/users/1'), 'HIT', 'nothing was invalidated')
      t.equal((await ask(app, 'stats')).status, 200, 'who is signed in is let in')
    })
  }
}

test('a guard with a callback is a guard, and may answer itself', async (t) => {
  for (const isThrown of [true, false]) {
    const app = await createScene(t, {
      admin: {
        onRequest: ({ headers }, reply, done) => {
          if (headers.cookie === SIGNED_IN.cookie) return done()
          if (isThrown) return done(new Error('Who are you?'))
          reply.code(401).send()
        }
      }
    })
    t.equal((await app.inject('/admin/cache/stats')).statusCode, isThrown ? 500 : 401)
    t.equal((await ask(app, 'stats')).status, 200)
  }
})

test('what @fastify/auth makes of several guards is a guard', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(auth)
  await app.register(responseCache, { defaults: { ttl: '1m' } })
  await app.register(cacheAdmin, { prefix: '/admin/cache', onRequest: app.auth([guard, async () => { throw new Error('nobody') }]) })
  t.equal((await app.inject('/admin/cache/stats')).statusCode, 401)
  t.equal((await ask(app, 'stats')).status, 200)
})

test('no way of writing a path, and no method, leads past the guard', async (t) => {
  const app = Fastify({ routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, caseSensitive: false } })
  t.teardown(() => app.close())
  await app.register(responseCache, { defaults: { ttl: '1m' } })
  await app.register(async (scope) => { await scope.register(cacheAdmin, { prefix: '/cache/', onRequest: guard }) }, { prefix: '/ops' })
  const ways = ['/ops/cache', '/ops/cache/', '//ops//cache/stats', '/ops/cache/stats/', '/OPS/Cache/STATS', '/ops/cache/st%61ts', '/ops/%63ache/stats', '/ops/cache/stats?x', '/ops/cache/assets/main.js', '/ops/cache/assets/views/entry.js/']
  for (const url of ways) for (const method of ['GET', 'HEAD'] as const) t.equal((await app.inject({ method, url })).statusCode, 401, `${method} ${url}`)
  for (const [url, status] of [['/ops/cache', 302], ['/ops/cache/', 200], ['/ops/cache/stats', 200]] as const) t.equal((await app.inject({ url, headers: SIGNED_IN })).statusCode, status, url)
  // These are nobody's.
  for (const url of ['/ops/cache/assets/', '/ops/cache/assets/%2e%2e/admin.ts', '/ops/cache/none']) t.equal((await app.inject(url)).statusCode, 404, url)
  for (const method of ['OPTIONS', 'PUT', 'DELETE', 'PATCH'] as const) t.equal((await app.inject({ method, url: '/ops/cache/invalidate' })).statusCode, 404, method)
})

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
    [403, { 'content-type': 'application/json', origin: 'http://localhost.evil.example' }],
    [403, { 'content-type': 'application/json', origin: 'http://evil.example', 'x-forwarded-host': 'evil.example' }],
    [403, { 'content-type': 'application/json', 'sec-fetch-site': 'cross-site', origin: 'http://localhost' }],
    [400, { 'content-type': 'application/json', 'content-length': '0' }],
    // A page of another site may not say that it is a link that was followed.
    [403, { 'content-type': 'application/json', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }],
    [415, { 'content-type': 'text/plain' }],
    [415, { 'content-type': 'application/x-www-form-urlencoded' }],
    [415, { 'content-type': 'text/plain; application/json' }]
  ]
  for (const [status, headers] of tried) {
    const { statusCode } = await app.inject({ method: 'POST', url: '/admin/cache/invalidate', headers: { ...SIGNED_IN, ...headers }, ...headers['content-length'] === '0' ? {} : { payload: JSON.stringify({ all: true }) } })
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

for (const hook of ['onRequest', 'preHandler'] as const) {
  test(`no answer has a word of CORS, wherever the app says it: ${hook}`, async (t) => {
    const app = await createScene(t, { plugins: (app) => app.register(cors, { origin: true, credentials: true, exposedHeaders: ['x-cache'], hook }) })
    for (const [path, status] of [['stats', 200], ['entry?key=none', 404], ['', 200]] as const) {
      const { headers, status: given } = await ask(app, path, { headers: { origin: 'http://localhost' } })
      t.strictSame([given, Object.keys(headers).filter((name) => name.startsWith('access-control-'))], [status, []], path)
    }
  })
}

test('every answer says what a browser may do with it', async (t) => {
  const app = await createScene(t)
  for (const path of ['', 'stats', 'assets/main.js', 'entry?key=none']) {
    t.match((await ask(app, path)).headers, {
      'content-security-policy': /^default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'$/,
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

test('routes and invalidations of an app are shown on the port of another one', async (t) => {
  const app = await createScene(t)
  await outcomeOf(app, '/places')
  const ops = Fastify()
  t.teardown(() => ops.close())
  await ops.register(responseCache, { defaults: { ttl: '1m' } })
  await ops.register(cacheAdmin, { public: true, cache: app.cache })
  ops.get('/own', { config: { cache: true } }, async () => 'x')
  await ops.cache.invalidateTags('other')
  await app.cache.invalidateTags('own')
  const { routes } = (await ops.inject('/routes')).json<{ routes: Array<{ route: string, misses: number, policy: unknown[] }> }>()
  t.strictSame(routes.map(({ route }) => route).sort(), ['GET /me', 'GET /places', 'GET /session', 'GET /users/:id'])
  t.match(routes.find(({ route }) => route === 'GET /places'), { misses: 1, policy: [{ about: 'ttl' }] })
  const { events } = (await ops.inject('/events')).json<{ events: Array<{ kinds: unknown }> }>()
  t.strictSame(events.map(({ kinds }) => kinds), [{ tags: ['own'] }], 'and not those of another cache in the process')
})
