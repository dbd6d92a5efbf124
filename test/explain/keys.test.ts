import t from 'tap'
import { openScene, partOf } from './scene.ts'

const user = (request: { headers: Record<string, unknown> }): string | undefined => request.headers['x-user'] as string | undefined

t.test('two users differ in the user', async (t) => {
  const { app, calls } = await openScene(t, { user }, (app, handler) => { app.get('/me', { config: { cache: { varyByUser: true } } }, handler) })
  const told = await app.cache.explain({ url: '/me', headers: { 'x-user': 'ann' } }, { url: '/me', headers: { 'x-user': 'bob' } })
  t.strictSame(told.differences, [{ part: 'user', first: 'ann', second: 'bob' }])
  t.equal(partOf(told, 'user'), 'ann')
  const alone = await app.cache.explain({ url: '/me', headers: { 'x-user': 'ann' } }, '/me')
  t.strictSame(alone.differences, [{ part: 'user', first: 'ann', second: 'absent' }])
  t.strictSame(calls, [])
})

t.test('the number 7 and the text 7 are two users, and are shown as that', async (t) => {
  const { app } = await openScene(t, { user: (request) => request.headers['x-user'] === 'n' ? 7 : '7' }, (app, handler) => { app.get('/me', { config: { cache: { varyByUser: true } } }, handler) })
  const told = await app.cache.explain({ url: '/me', headers: { 'x-user': 'n' } }, '/me')
  t.strictSame(told.differences, [{ part: 'user', first: '7', second: '"7"' }])
})

t.test('the subject of a token is shown with who issued it', async (t) => {
  const { app } = await openScene(t, {}, (app, handler) => {
    app.decorateRequest('user', null)
    app.addHook('preHandler', async (request) => { Object.assign(request, { user: { sub: 'u:1', iss: 'https://issuer.example' } }) })
    app.get('/me', { config: { cache: { varyByUser: true } } }, handler)
  })
  t.equal(partOf(await app.cache.explain('/me'), 'user'), 'u:1 of https://issuer.example')
})

t.test('the order of a query makes no difference, its values do', async (t) => {
  const { app } = await openScene(t, {}, (app, handler) => { app.get('/things', { config: { cache: true } }, handler) })
  t.strictSame((await app.cache.explain('/things?a=1&b=2', '/things?b=2&a=1')).differences, [])
  t.strictSame((await app.cache.explain('/things?a=1&b=2&b=3', '/things?a=2&c=')).differences, [
    { part: 'query a', first: '1', second: '2' },
    { part: 'query b', first: '["2", "3"]', second: 'absent' },
    { part: 'query c', first: 'absent', second: '' }
  ])
})

t.test('what a list of parameters leaves out makes no difference', async (t) => {
  const { app } = await openScene(t, {}, (app, handler) => { app.get('/things', { config: { cache: { varyByQuery: ['page'] } } }, handler) })
  const told = await app.cache.explain('/things?page=2&utm=x', '/things?page=2')
  t.strictSame(told.differences, [])
  t.equal(partOf(told, 'query utm'), undefined)
  t.equal(partOf(told, 'query page'), '2')
})

t.test('header fields and cookies that the route names are parts of the key, secrets as digests', async (t) => {
  const { app } = await openScene(t, {}, (app, handler) => {
    app.get('/things', { config: { cache: { varyByHeaders: ['accept-language', 'x-api-key'], varyByCookies: ['theme'] } } }, handler)
  })
  const told = await app.cache.explain(
    { url: '/things', headers: { 'accept-language': 'de', 'x-api-key': 'top secret', cookie: 'theme=dark' } },
    { url: '/things', headers: { 'accept-language': 'fr', 'x-api-key': 'other secret', cookie: 'theme=light' } }
  )
  t.strictSame(told.differences!.map(({ part }) => part), ['header accept-language', 'header x-api-key', 'cookie theme'])
  t.strictSame(told.differences![0], { part: 'header accept-language', first: 'de', second: 'fr' })
  t.match(partOf(told, 'header x-api-key'), /^digest [\w-]{12}$/)
  t.match(partOf(told, 'cookie theme'), /^digest [\w-]{12}$/)
  t.notMatch(JSON.stringify(told), 'secret')
  t.notMatch(JSON.stringify(told), 'dark')
})

t.test('fields that steer are parts of the key, and so are protocol and host', async (t) => {
  const { app } = await openScene(t, {}, (app, handler) => { app.get('/things', { config: { cache: true } }, handler) })
  const told = await app.cache.explain('https://shop.example/things', { url: 'http://www.example/things', headers: { 'x-forwarded-host': 'evil.example' } })
  t.strictSame(told.differences, [
    { part: 'protocol and host', first: 'https://shop.example', second: 'http://www.example' },
    { part: 'header x-forwarded-host', first: 'absent', second: 'evil.example' }
  ])
})

t.test('bodies of a POST that is cached by its body differ', async (t) => {
  const { app, calls } = await openScene(t, {}, (app, handler) => { app.post('/search', { config: { cache: { varyByBody: true } } }, handler) })
  const search = (body: unknown) => ({ method: 'POST', url: '/search', body })
  const told = await app.cache.explain(search({ q: 'a', n: 1 }), search({ q: 'b', n: 1 }))
  t.strictSame(told.differences!.map(({ part }) => part), ['body'])
  t.strictSame((await app.cache.explain(search({ q: 'a', n: 1 }), search('{"n":1,"q":"a"}'))).differences!.length, 1, 'a text without a content type is no JSON')
  t.strictSame((await app.cache.explain(search({ q: 'a', n: 1 }), { ...search('{"n":1,"q":"a"}'), headers: { 'content-type': 'application/json' } })).differences, [])
  await app.inject({ method: 'POST', url: '/search', payload: { q: 'a', n: 1 }, headers: { host: 'shop.example' } })
  t.match(await app.cache.explain({ ...search({ n: 1, q: 'a' }), headers: { host: 'shop.example' } }), { outcome: 'hit', route: 'POST /search' })
  t.strictSame(calls, ['POST /search'])
})

t.test('parameters of the path are shown as the router found them, an own key in place of the path', async (t) => {
  const { app } = await openScene(t, {}, (app, handler) => {
    app.get('/things/:id', { config: { cache: { namespace: 'thing' } } }, handler)
    app.get('/own/:id', { config: { cache: { key: (request) => `thing ${request.params.id}` } } }, handler)
  })
  const told = await app.cache.explain('/things/a%20b', '/things/c')
  t.equal(partOf(told, 'parameter id'), 'a b')
  t.strictSame(told.differences, [{ part: 'path', first: '/things/a%20b', second: '/things/c' }])
  t.match(told.key, /^thing:GET:\/things\/a%20b:/)
  t.equal(partOf(await app.cache.explain('/own/7?a=1'), 'own key'), 'thing 7')
})

t.test('two routes with one own key are told apart, also by the slash at the end', async (t) => {
  const { app } = await openScene(t, {}, (app, handler) => {
    for (const url of ['/own', '/own/', '/other']) app.get(url, { config: { cache: { key: () => 'one' } } }, handler)
  })
  t.strictSame((await app.cache.explain('/own', '/own/')).differences, [{ part: 'route', first: '/own', second: '/own/' }])
  const told = await app.cache.explain('/own', '/other')
  t.strictSame(told.differences, [{ part: 'route', first: '/own', second: '/other' }])
  t.strictSame(told.keyParts!.map(({ part }) => part), ['namespace', 'method', 'own key', 'route', 'protocol and host'])
})

t.test('no name that a client gives a parameter hides a difference', async (t) => {
  const { app } = await openScene(t, {}, (app, handler) => { app.get('/things', { config: { cache: true } }, handler) })
  const differences = async (one: string, other: string) => (await app.cache.explain(`/things?${one}`, `/things?${other}`)).differences
  t.strictSame(await differences('as%20sent=1&a=<', 'as%20sent=1&a=%3C'), [{ part: 'query as sent', first: 'a=<&as%20sent=1', second: 'absent' }])
  t.strictSame(await differences('%22b%5Cn%22=1', 'b%0A=1'), [{ part: 'query "\\"b\\\\n\\""', first: '1', second: 'absent' }, { part: 'query "b\\n"', first: 'absent', second: '1' }])
})

t.test('a secret that responses vary by is told as a digest', async (t) => {
  const { app } = await openScene(t, {}, (app) => {
    app.get('/things', { config: { cache: { shared: true } } }, async (_request, reply) => await reply.header('vary', 'authorization, x-api-key').send('for all who send none'))
  })
  const ask = (headers: Record<string, string>) => ({ url: '/things', headers: { host: 'shop.example', ...headers } })
  await app.inject(ask({}))
  const told = await app.cache.explain(ask({ authorization: 'hunter2-of-ann' }), ask({ authorization: 'hunter2-of-ann-and-bob', 'x-api-key': 'hunter2' }))
  t.match(told.differences, [{ part: 'header authorization (Vary)', first: /^digest [\w-]{12}$/, second: /^digest [\w-]{12}$/ }, { part: 'header x-api-key (Vary)', first: 'absent', second: /^digest / }])
  t.notMatch(JSON.stringify(told), /hunt/)
})

t.test('a user and the subject of a token who are called the same are told apart', async (t) => {
  const { app } = await openScene(t, {}, (app, handler) => {
    app.decorateRequest('user', null)
    app.addHook('onRequest', async (request) => { Object.assign(request, { user: request.headers['x-name'] === undefined ? { id: '7' } : { sub: '7' } }) })
    app.get('/me', { config: { cache: { varyByUser: true } } }, handler)
  })
  t.strictSame((await app.cache.explain('/me', { url: '/me', headers: { 'x-name': 'token' } })).differences, [{ part: 'user', first: '"7"', second: 'the subject "7" of a token' }])
})

t.test('text that has no shape of its own is written out', async (t) => {
  const { app } = await openScene(t, {}, (app, handler) => { app.get('/things', { config: { cache: true } }, handler) })
  const told = await app.cache.explain('/things?a=%1b%5B31m&b%0A=%E2%80%AE')
  t.equal(partOf(told, 'query a'), '"\\u001b[31m"')
  t.equal(partOf(told, 'query "b\\n"'), '"\\u202e"')
})

t.test('the key that is told is the one that the entry has', async (t) => {
  const { app } = await openScene(t, { debugHeaders: true, user, prefix: 'p' }, (app, handler) => {
    app.post('/search/:id', { schema: { querystring: { type: 'object', properties: { n: { type: 'number' }, on: { type: 'boolean' } } } }, config: { cache: { varyByBody: true, varyByUser: true, varyByHeaders: ['accept'] } } }, handler)
  })
  const request = { method: 'POST' as const, url: '/search/1?n=2&on=true&list=1&list=2', headers: { host: 'shop.example', accept: 'text/html', 'x-user': 'ann', 'x-forwarded-proto': 'https' } }
  const made = await app.inject({ ...request, payload: { q: 'a' } })
  const told = await app.cache.explain({ ...request, body: { q: 'a' } })
  t.equal(`p:${told.key}`, made.headers['x-cache-key'])
  t.strictSame(told.keyParts!.map(({ part, value }) => part === 'body' ? part : `${part}: ${value}`), [
    'namespace: default', 'method: POST', 'path: /search/1', 'route: /search/:id', 'protocol and host: http://shop.example', 'header x-forwarded-proto: https',
    'user: ann', 'header accept: text/html', 'body', 'parameter id: 1', 'query list: ["1", "2"]', 'query n: 2', 'query on: true'
  ])
})
