import { test } from 'tap'
import { FlatValue } from '../../lib/route/flat-value.ts'
import { apart, cached, inEveryStore, open, sendRaw, together, unique, type Ask } from './helpers.ts'

/*
 * Whatever of a request the handler can read, and that is not kept from it, selects the response.
 */

inEveryStore('each host has its own responses, so that none can be poisoned through Host (Kettle 2018)', async (t, cache) => {
  const site = await open(t, (app) => app.get('/*', cached(), unique()), { cache })
  const hosts = ['a.example', 'b.example', 'a.example:8080', 'a.example.', 'evil"><script>', '', '[::1]', 'a.example, b.example', 'http://a.example']
  for (const [index, host] of hosts.entries()) {
    const next = hosts[(index + 1) % hosts.length]!
    await apart(t, site, [[`/${index}`, { headers: { host } }], [`/${index}`, { headers: { host: next } }]])
    await together(t, site, [[`/${index}/same`, { headers: { host } }], [`/${index}/same`, { headers: { host } }]])
  }
  await apart(t, site, [['/case', { headers: { host: 'a.example' } }], ['/case', { headers: { host: 'A.Example' } }]], 'a handler may write the name as it was sent')
})

test('the host and scheme that a trusted proxy forwards have their own responses (Kettle 2018)', async (t) => {
  const site = await open(t, (app) => app.get('/*', cached(), async (request) => `${request.protocol}://${request.host} ${process.hrtime.bigint()}`), {
    fastify: { trustProxy: true }
  })
  const forms: Array<Record<string, string>> = [
    {}, { 'x-forwarded-host': 'b.example' }, { 'x-forwarded-proto': 'https' }, { 'x-forwarded-host': 'b.example', 'x-forwarded-proto': 'https' },
    { 'x-forwarded-host': 'c.example, b.example' }, { 'x-forwarded-proto': 'http://a.example' }, { 'x-forwarded-host': 'a.example', host: 'b.example' }
  ]
  for (const [one, headers] of forms.entries()) {
    for (let other = 0; other < one; other++) {
      await apart(t, site, [[`/${one}/${other}`, { headers }], [`/${one}/${other}`, { headers: forms[other]! }]])
    }
  }
})

const STEERING = [
  'X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Forwarded-Scheme', 'X-Forwarded-Port', 'X-Forwarded-Prefix', 'X-Forwarded-Server', 'X-Original-URL',
  'X-Rewrite-URL', 'X-Original-Host', 'X-Host', 'X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', 'X-Now-Route-Matches', 'X-Nextjs-Data'
]

inEveryStore('a routing field that nobody asked for cannot poison a response (Symfony CVE-2021-41267, Next.js CVE-2024-46982)', async (t, cache) => {
  const site = await open(t, (app) => app.get('/*', cached(), unique()), { cache })
  for (const name of STEERING) {
    const evil = { headers: { [name]: 'evil.example' } }
    await apart(t, site, [[`/${name}`, evil], [`/${name}`]])
    await apart(t, site, [[`/${name}/empty`, { headers: { [name]: '' } }], [`/${name}/empty`]])
    await apart(t, site, [[`/${name}/other`, evil], [`/${name}/other`, { headers: { [name]: 'good.example' } }]])
    await together(t, site, [[`/${name}/same`, evil], [`/${name}/same`, evil]])
  }
  await apart(t, site, [['/swap', { headers: { 'x-host': 'a' } }], ['/swap', { headers: { 'x-original-host': 'a' } }]], 'the same value in another field')
})

inEveryStore('paths that are written differently are different (Cloudflare docs PR 5767, web cache deception 2017)', async (t, cache) => {
  const site = await open(t, (app) => app.get('/*', cached(), unique()), {
    cache, fastify: { routerOptions: { caseSensitive: false, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true } }
  })
  const paths = [
    '/a', '/A', '/a/', '//a', '/a//', '/%61', '/a%2F', '/a%2f', '/a;x=1', '/a;', '/a.css', '/a%00', '/./a', '/b/../a', '/a%23b', '/a#b', '/a#c',
    '/a%3Fx=1', '/a?x=1', '/a#?x=1', 'http://a.example/a', 'http://b.example/a', '/a:1', '/%E4', '/%C3%A4', '/a%0d%0a'
  ]
  const bodies = new Map<string, string>()
  for (const path of paths) {
    const { status, text } = await site.ask(path)
    if (status !== 200) continue
    t.notOk([...bodies.values()].includes(text), path)
    bodies.set(path, text)
  }
  t.ok(bodies.size > 20, `${bodies.size} paths were answered`)
  for (const [path, text] of bodies) t.equal((await site.ask(path)).text, text, `${path} has its own response`)
})

test('parameters of the path that hold delimiters do not run into each other (Litestar CVE-2026-25480, Mercure GHSA-hwr4-mq23-wcv5)', async (t) => {
  const site = await open(t, (app) => {
    const made = unique()
    app.get('/:one/:two', cached(), async (request) => ({ ...await made(), ...request.params as object }))
  })
  const pairs = [['a', 'b:c'], ['a:b', 'c'], ['a;b', 'c'], ['a', 'b;c'], ['a|b', 'c'], ['a%2Fb', 'c'], ['a', 'b%2Fc'], ['a%3Ab', 'c'], ['a,b', 'c'], ['{a}', 'c']]
  for (const [one, two] of pairs) {
    const { text } = await site.ask(`/${one}/${two}`)
    t.match(JSON.parse(text), { one: decodeURIComponent(one!), two: decodeURIComponent(two!) })
  }
})

inEveryStore('routes that only a constraint tells apart have their own responses', async (t, cache) => {
  const tenant = {
    name: 'tenant',
    storage () {
      const handlers = new Map<string, unknown>()
      return {
        get: (name: string) => handlers.get(name) ?? null,
        set: ({ name }: { name: string }, handler: unknown) => { handlers.set(name, handler) }
      }
    },
    deriveConstraint: (request: { headers: Record<string, string> }) => request.headers['x-tenant'],
    validate () {},
    mustMatchWhenDerived: true
  }
  const site = await open(t, (app) => {
    for (const version of ['1.0.0', '2.0.0']) app.get('/version', { ...cached(), constraints: { version } }, unique())
    for (const host of ['a.example', /^b/]) app.get('/host', { ...cached({ key: () => 'same' }), constraints: { host } }, unique())
    for (const name of ['ann', 'bob']) app.get('/tenant', { ...cached(), constraints: { tenant: { name } } }, unique())
  }, { cache, fastify: { constraints: { tenant } } as never })
  const distinct = async (asks: [Ask, Ask]): Promise<void> => {
    const [one, other] = [await site.ask(...asks[0]), await site.ask(...asks[1])]
    t.strictSame([one.status, other.status], [200, 200])
    t.strictSame([one.field('x-cache'), other.field('x-cache')], ['MISS', 'MISS'], JSON.stringify(asks))
  }
  await distinct([['/version', { headers: { 'accept-version': '1.x' } }], ['/version', { headers: { 'accept-version': '2.x' } }]])
  await distinct([['/host'], ['/host', { headers: { host: 'b.example' } }]])
  await distinct([['/tenant', { headers: { 'x-tenant': 'ann' } }], ['/tenant', { headers: { 'x-tenant': 'bob' } }]])
})

test('an own key does not reach beyond its route, host, method, user and namespace (Litestar CVE-2026-25480)', async (t) => {
  const key = (): string => '/same'
  const site = await open(t, (app) => {
    app.get('/same', cached(), unique())
    app.get('/one', cached({ key }), unique())
    app.get('/two', cached({ key }), unique())
    app.get('/three', cached({ key, namespace: 'other' }), unique())
    app.post('/one', cached({ key }), unique())
    app.get('/mine', cached({ key, varyByUser: (request) => request.headers['x-seat'] as string }), unique())
  })
  const asks: Ask[] = [
    ['/same'], ['/one'], ['/two'], ['/three'], ['/one', { method: 'POST' }], ['/mine'], ['/one', { headers: { host: 'b.example' } }],
    ['/mine', { headers: { 'x-seat': 'ann' } }], ['/mine', { headers: { 'x-seat': 'bob' } }], ['/one', { headers: { 'x-forwarded-host': 'evil' } }]
  ]
  for (const ask of asks) t.equal((await site.ask(...ask)).field('x-cache'), 'MISS', JSON.stringify(ask))
  for (const ask of asks) t.equal((await site.ask(...ask)).field('x-cache'), 'HIT', JSON.stringify(ask))
})

test('what a rewritten URL was before selects the response or is hidden from the handler (Symfony CVE-2021-41267)', async (t) => {
  for (const isRead of [false, true]) {
    const site = await open(t, (app) => {
      app.addHook('onRequest', async (request) => { if (isRead) t.ok(request.originalUrl) }) // Fastify keeps what it answers here
      app.get('/page', cached(), async (request) => `page of ${request.originalUrl} ${request.raw.url}`)
    }, { fastify: { rewriteUrl: () => '/page' } })
    await site.ask('/ann/page')
    t.notOk((await site.ask('/bob/page')).text.includes('ann'), isRead ? 'a hook has read it' : 'nothing has read it')
  }
})

test('a request without Host is answered, and shares nothing with those that have one (Kettle 2018)', async (t) => {
  const site = await open(t, (app) => app.get('/', cached(), unique()))
  const { text } = await site.ask('/')
  const response = await sendRaw(site.port, 'GET / HTTP/1.0\r\n\r\n')
  t.match(response, /^HTTP\/1.1 200 /)
  t.notOk(response.includes(text))
})

test('the matched route and its parameters select the response, whatever a hook has made of the URL (Hono GHSA-crvj-82cr-hjcx)', async (t) => {
  const site = await open(t, (app) => {
    app.addHook('onRequest', async (request) => { request.raw.url = request.raw.url!.replace(/^\/[^/]+/, '') }) // strips a prefix, as proxies do
    const made = unique()
    for (const route of ['/:tenant/items', '/admin/:page', '/dora/list', '/emil/list']) {
      app.get(route, cached(), async (request) => ({ ...await made(), ...request.params as object }))
    }
  })
  await apart(t, site, [['/ann/items'], ['/bob/items']], 'another parameter')
  await apart(t, site, [['/carl/items'], ['/admin/items']], 'another route')
  await apart(t, site, [['/dora/list'], ['/emil/list']], 'another route without parameters')
})

test('what a hook puts into the query or the parameters selects the response, though the URL is one that was asked for before', async (t) => {
  const filter = { tenant: '' }
  const site = await open(t, (app) => {
    app.addHook('onRequest', async (request) => {
      const tenant = String(request.headers['x-plan'])
      filter.tenant = tenant
      if (request.url.startsWith('/query')) (request.query as Record<string, unknown>).tenant = tenant
      if (request.url.startsWith('/object')) (request.query as Record<string, unknown>).filter = filter
      if (request.url.startsWith('/params')) (request.params as Record<string, unknown>).tenant = tenant
      if (request.url.startsWith('/other')) request.params = { tenant }
      if (request.url.startsWith('/none')) request.params = { tenant }
      if (request.url.startsWith('/date')) request.query = new Date(tenant.length)
    })
    for (const route of ['/query', '/object', '/params/:id', '/other/:id', '/none', '/date']) app.get(route, cached(), unique())
  })
  for (const path of ['/query', '/object', '/params/1', '/other/1', '/none', '/date']) {
    const as = (plan: string): Ask => [path, { headers: { 'x-plan': plan } }]
    const ann = await site.ask(...as('ann'))
    for (const plan of ['robert', 'carl', 'robert']) t.not((await site.ask(...as(plan))).text, ann.text, `${path} ${plan}`)
    t.equal((await site.ask(...as('ann'))).text, ann.text, path)
  }
})

test('values that are compared without encoding them are equal only if their encodings are', (t) => {
  class Parsed { a = '1' }
  const bare = Object.assign(Object.create(null) as object, { a: '1' })
  const list = ['1']
  const values: unknown[] = [
    {}, { a: '1' }, { a: 1 }, { a: '' }, { a: undefined }, { a: null }, { a: 0 }, { a: -0 }, { a: NaN }, { a: true }, { b: '1' }, { a: '1', b: '2' }, { b: '2', a: '1' },
    bare, new Parsed(), { a: list }, { a: { b: '1' } }, { a: () => '1' }, undefined, null, 'a', 1, ['1'], [], new Array(2), new Date(1), new Date(2), Buffer.from('a'), Buffer.from('b')
  ]
  for (const [one, value] of values.entries()) {
    const flat = new FlatValue(value)
    if (one <= 13) t.ok(flat.equals(Object.assign(Object.create(Object.getPrototypeOf(value) as object) as object, value)), `${one} is equal to its copy`)
    for (const [other, its] of values.entries()) {
      if (one !== other) t.notOk(flat.equals(its), `${one} and ${other}`)
    }
  }
  for (const changed of [{ a: list }, { a: { b: list } }]) {
    const flat = new FlatValue(changed)
    t.notOk(flat.equals(changed), 'what may have been changed in place equals nothing, not even itself')
  }
  t.end()
})
