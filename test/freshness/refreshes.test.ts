import type { FastifyRequest } from 'fastify'
import { test } from 'tap'
import { cached, counted, filled, inEveryStore, outlived, refreshFailed, said, scene, turns, twoProcesses, until, type Origin } from './scene.ts'
import { setUser } from '../safety/helpers.ts'
import { stores } from '../plugin/stores.ts'
import { useRedis } from '../helpers/redis.ts'

const MINUTE_MS = 60_000
const FAILED = 'a request that was repeated in the background brought nothing to store'
const SWR = { staleWhileRevalidate: '1h' } as const

const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

function tokenOf ({ headers }: FastifyRequest): string {
  return headers.authorization?.replace('Bearer ', '') ?? ''
}

for (const stage of ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const) {
  test(`a response for all is not made by a request that its guard in ${stage} refuses now`, async (t) => {
    const uses = new Map([['forever', Infinity], ['once', 1]])
    const site = await scene(t, (app, origin) => {
      app.addHook(stage, async (request: FastifyRequest) => {
        const left = uses.get(tokenOf(request)) ?? 0
        uses.set(tokenOf(request), left - 1)
        if (left < 1) throw Object.assign(new Error('revoked'), { statusCode: 401 })
      })
      app.get('/', cached({ ...SWR, shared: true, refreshThrottle: '10s' }), origin.handler)
    })
    site.origin.answers((run) => `made ${run}`)
    await site.ask('/', as('forever'))
    site.pass(MINUTE_MS + 1)
    t.match(said(await site.ask('/', as('once'))), { status: 200, text: 'made 1', cache: 'STALE' })
    await refreshFailed(1, site)
    t.strictSame([site.origin.runs.length, counted(site)], [1, { stale: 1, misses: 1, fills: 1, refreshes: 1, refreshErrors: 1 }])
    t.match(site.warnings, [{ message: FAILED, details: { cache: { route: 'GET /', outcome: 'refresh', status: 401 } } }])
    // What a guard has against one client is no reason for others to wait.
    t.match(said(await site.ask('/', as('forever'))), { text: 'made 1', cache: 'STALE' })
    await filled(2, site)
    t.match(said(await site.ask('/', as('forever'))), { text: 'made 2', cache: 'HIT' })
  })
}

test('the response of a user is made anew by that user only', async (t) => {
  const users = new Map([['a', 'ann'], ['b', 'bob'], ['moving', 'ann']])
  const site = await scene(t, (app, origin) => {
    app.addHook('onRequest', async (request) => { setUser(request, { sub: users.get(tokenOf(request)) }) })
    app.get('/', cached({ ...SWR, varyByUser: true, refreshThrottle: 0 }), origin.handler)
  })
  site.origin.answers((run, request) => `${users.get(tokenOf(request))} ${run}`)
  await site.ask('/', as('a'))
  await site.ask('/', as('b'))
  site.pass(MINUTE_MS + 1)
  t.match(said(await site.ask('/', as('a'))), { text: 'ann 1', cache: 'STALE' })
  await filled(3, site)
  t.match(said(await site.ask('/', as('a'))), { text: 'ann 3', cache: 'HIT' })
  t.match(said(await site.ask('/', as('b'))), { text: 'bob 2', cache: 'STALE' })
  await filled(4, site)
  t.match(said(await site.ask('/', as('b'))), { text: 'bob 4', cache: 'HIT' })
})

test('a refresh whose guard finds another user than the request had makes nothing for either', async (t) => {
  let asked = 0
  const site = await scene(t, (app, origin) => {
    app.addHook('onRequest', async (request) => { setUser(request, { sub: tokenOf(request) === 'moving' && ++asked > 1 ? 'bob' : 'ann' }) })
    app.get('/', cached({ ...SWR, varyByUser: true }), origin.handler)
  })
  site.origin.answers((run) => `for ann ${run}`)
  await site.ask('/', as('a'))
  site.pass(MINUTE_MS + 1)
  site.origin.answers((run) => `for bob ${run}`)
  t.match(said(await site.ask('/', as('moving'))), { text: 'for ann 1', cache: 'STALE' })
  await refreshFailed(1, site)
  t.match(said(await site.ask('/', as('a'))), { text: 'for ann 1', cache: 'STALE' })
})

/** What a handler and its guards can read of a request. */
function seen (request: FastifyRequest): object {
  const { method, url, originalUrl, headers, query, params, body, ip, host, protocol, cookies } = request as FastifyRequest & { cookies?: unknown }
  const { connection, 'content-length': length, ...others } = headers
  return { method, url, originalUrl, headers: others, query, params, body: Buffer.isBuffer(body) ? body.toString('latin1') : body, ip, host, protocol, cookies, raw: request.raw.rawHeaders.length > 0 }
}

const posted = { method: 'POST', headers: { 'content-type': 'application/json', cookie: 'a=1; b=2', 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.7' } }
const repeated: Record<string, [path: string, options?: Parameters<Awaited<ReturnType<typeof scene>>['ask']>[1]]> = {
  'path parameters, a query as it was sent, and what a proxy says': ['/things/%C3%A4%20?b=2&a=%2f&a=1&&x', { headers: { ...posted.headers, host: 'shop.test:8080' } }],
  'an absolute URL': ['http://shop.test/things/1?a=1'],
  'a URL that the app rewrites': ['/old/old/1?a=1'],
  'a JSON body': ['/post', { ...posted, body: '{"b": [1, "ä", null], "a": {"c": true}}' }],
  'a text body': ['/post', { ...posted, headers: { 'content-type': 'text/plain' }, body: 'ä' }],
  bytes: ['/post', { ...posted, headers: { 'content-type': 'application/bytes' }, body: '\0\r\n' }]
}

for (const [title, [path, options]] of Object.entries(repeated)) {
  test(`a handler that is run for a refresh sees ${title} like before`, async (t) => {
    const site = await scene(t, (app, origin) => {
      app.addContentTypeParser('application/bytes', { parseAs: 'buffer' }, (_request, body, done) => { done(null, body) })
      app.addHook('preHandler', async (request) => { request.headers['x-by-hook'] = 'each time' })
      app.get('/old/:id', cached(SWR), origin.handler)
      app.get('/things/:id', cached({ ...SWR, shared: true }), origin.handler)
      app.post('/post', cached({ ...SWR, shared: true, varyByBody: true }), origin.handler)
    }, { fastify: { trustProxy: true, rewriteUrl: ({ url = '' }) => url.startsWith('/old/') ? url.replace('/old/', '/') : url } })
    site.origin.answers((run, request) => ({ run, seen: seen(request) }))
    const first = await site.ask(path, options)
    site.pass(MINUTE_MS + 1)
    t.equal((await site.ask(path, options)).field('x-cache'), 'STALE')
    await filled(2, site)
    const second = await site.ask(path, options)
    t.equal(second.field('x-cache'), 'HIT')
    const [before, after] = [first, second].map(({ text }) => JSON.parse(text) as { run: number, seen: object })
    t.strictSame([before!.run, after!.run], [1, 2])
    t.strictSame(after!.seen, before!.seen)
  })
}

test('no client can pass for a refresh: with all fields of one its request is like any other', async (t) => {
  const guarded: string[] = []
  const site = await scene(t, (app, origin) => {
    app.addHook('preHandler', async (request) => {
      guarded.push(tokenOf(request))
      if (tokenOf(request) !== 'good') throw Object.assign(new Error('no'), { statusCode: 401 })
    })
    app.get('/', cached({ ...SWR, shared: true }), origin.handler)
  })
  site.origin.answers((run) => `made ${run}`)
  await site.ask('/', as('good'))
  site.pass(MINUTE_MS + 1)
  await site.ask('/', as('good'))
  await filled(2, site)
  const { headers, url } = site.origin.runs[1]!.request
  const forged = { ...headers, 'x-cache': 'refresh', 'x-fastify-response-cache': 'purpose', 'fastify-response-cache.purpose': '{}', 'cache-control': 'no-cache', 'user-agent': 'lightMyRequest' } as unknown as Record<string, string>
  t.match(said(await site.ask(url, { headers: forged })), { status: 200, text: 'made 2', cache: 'HIT' })
  for (const path of [url, 'http://localhost/', 'http://localhost/?', '//localhost']) {
    const answer = await site.ask(path, { headers: { ...forged, authorization: 'Bearer bad' } })
    t.notMatch(said(answer), { text: /made/ }, path)
  }
  t.equal(site.origin.runs.length, 2)
  t.strictSame(guarded.slice(0, 4), ['good', 'good', 'good', 'good'], 'the refresh went past the guard')
})

inEveryStore('a refresh that fails changes nothing: the old response is sent, and the next try comes after refreshThrottle', async (t, cache) => {
  const failures: Array<(origin: Origin) => void> = [
    (origin) => { origin.answers(() => { throw new Error('down') }) },
    (origin) => { origin.answers((_run, _request, reply) => reply.code(503).send('down')) },
    (origin) => { origin.answers((_run, _request, reply) => reply.code(403).send('no')) },
    (origin) => { origin.answers((_run, _request, reply) => reply.header('set-cookie', 'a=1').send('for one')) }
  ]
  for (const [at, failWith] of failures.entries()) {
    const site = await scene(t, { ...SWR, refreshThrottle: '10m', statusCodes: [200, 503] }, { cache: { ...cache, prefix: `${cache.prefix ?? 'p'}-${at}` } })
    site.origin.answers((run) => `made ${run}`)
    await site.ask('/')
    site.pass(MINUTE_MS + 3000)
    failWith(site.origin)
    await site.ask('/')
    await refreshFailed(1, site)
    for (const answer of await Promise.all(site.many(5, '/'))) t.match(said(answer), { status: 200, text: 'made 1', cache: 'STALE', why: 'hit; ttl=-3; detail=stale-while-revalidate' })
    await turns(site.app)
    t.strictSame([site.origin.runs.length, counted(site)], [2, { stale: 6, misses: 1, fills: 1, refreshes: 1, refreshErrors: 1 }])
    t.match(site.warnings, [{ message: FAILED }])
    site.origin.answers((run) => `made ${run}`)
    site.pass(600_000 - 1)
    await site.ask('/')
    await turns(site.app)
    t.equal(site.origin.runs.length, 2)
    if (cache.redis !== undefined) continue // the time of Redis is not that of the test
    site.pass(1)
    await site.ask('/')
    await filled(2, site)
    t.match(said(await site.ask('/')), { text: 'made 3', cache: 'HIT' })
  }
})

test('after a failed refresh no process of the fleet tries before refreshThrottle is over', async (t) => {
  const [one, other] = await twoProcesses(t, { ...SWR, refreshThrottle: '10m' })
  one.origin.answers((run, _request, reply) => { reply.code(run === 1 ? 200 : 503); return `made ${run}` })
  await one.ask('/')
  one.pass(MINUTE_MS + 3000)
  await one.ask('/')
  await refreshFailed(1, one)
  for (const answer of await Promise.all(other.many(5, '/'))) t.match(said(answer), { status: 200, text: 'made 1', cache: 'STALE' })
  await turns(other.app)
  t.equal(one.origin.runs.length, 2)
  t.equal(other.stats().refreshes, 0)
})

inEveryStore('a refresh brings nothing back that was invalidated while it ran', async (t, cache) => {
  const site = await scene(t, { ...SWR, tags: ['a'] }, { cache })
  await outlived(site, MINUTE_MS + 1)
  await site.ask('/')
  const refresh = await site.origin.run(2)
  await site.app.cache.invalidateTags('a')
  refresh.answer('read before')
  await until(() => refresh.reply.raw.writableEnded, 'the end of the refresh')
  await turns(site.app)
  site.origin.answers((run) => `made ${run}`)
  t.match(said(await site.ask('/')), { text: 'made 3', cache: 'MISS' })
})

inEveryStore('what was invalidated softly while a refresh ran is not fresh by it: the next request starts another one', async (t, cache) => {
  const site = await scene(t, { ...SWR, tags: ['a'] }, { cache })
  await outlived(site, MINUTE_MS + 1)
  await site.ask('/')
  const refresh = await site.origin.run(2)
  await site.app.cache.invalidateTags('a', { soft: true })
  refresh.answer('read before')
  await until(() => refresh.reply.raw.writableEnded, 'the end of the refresh')
  await turns(site.app)
  site.origin.answers((run) => `made ${run}`)
  t.match(said(await site.ask('/')), { cache: 'STALE' })
  await filled(2, site)
  t.match(said(await site.ask('/')), { text: 'made 3', cache: 'HIT' })
})

for (const ending of ['hard', 'soft'] as const) {
  test(`a refresh that was overtaken, after a ${ending} invalidation, does not replace the newer response`, async (t) => {
    const redis = await useRedis(t)
    const cache = { redis: redis.url, prefix: redis.prefix, timeouts: { read: '10s', write: '10s' } } as const
    const [slow, quick] = await twoProcesses(t, { ...SWR, tags: ['a'], lock: { leaseMs: 60_000 } }, { cache })
    slow.origin.answers((run) => `made ${run}`)
    await slow.ask('/')
    slow.pass(MINUTE_MS + 1)
    slow.origin.answers(undefined)
    await slow.ask('/')
    const refresh = await slow.origin.run(2)
    // As if Redis had lost it.
    for (const key of await redis.client.keys(`${redis.prefix}:lease:*`)) await redis.client.del(key)
    await quick.app.cache.invalidateTags('a', { soft: ending === 'soft' })
    slow.origin.answers((run) => `newer ${run}`)
    await quick.ask('/')
    await filled(1, quick)
    refresh.answer('older')
    await until(() => refresh.reply.raw.writableEnded, 'the end of the refresh')
    await turns(slow.app)
    for (const site of [quick, slow]) t.match(said(await site.ask('/')), { text: 'newer 3', cache: 'HIT' })
  })
}

test('a refresh ends with its app, without an error and without a response: another process makes that at once', async (t) => {
  const [closing, other] = await twoProcesses(t, { ...SWR, refreshThrottle: '10m' })
  closing.origin.answers((run) => `made ${run}`)
  await closing.ask('/')
  closing.pass(MINUTE_MS + 1)
  closing.origin.answers(undefined)
  await closing.ask('/')
  const refresh = await closing.origin.run(2)
  await closing.app.close()
  refresh.answer('made by nobody')
  t.strictSame([closing.warnings, closing.stats().refreshErrors, closing.stats().fills], [[], 0, 1])
  closing.origin.answers((run) => `made ${run}`)
  t.match(said(await other.ask('/')), { text: 'made 1', cache: 'STALE' })
  await filled(2, closing, other)
  t.match(said(await other.ask('/')), { text: 'made 3', cache: 'HIT' })
})

test('an app whose refresh hangs for ever closes nevertheless', async (t) => {
  const site = await scene(t, SWR)
  await outlived(site, MINUTE_MS + 1)
  await site.ask('/')
  await site.origin.run(2)
  await site.app.close()
  t.equal(site.origin.runs.length, 2)
})

test('a clock that is set back does not make the rest after a failure longer', async (t) => {
  const site = await scene(t, { ...SWR, tags: ['a'], refreshThrottle: '10s' }, { cache: await stores.memory!(t) })
  site.origin.answers((run) => `made ${run}`)
  await site.ask('/')
  await site.app.cache.invalidateTags('a', { soft: true })
  site.origin.answers(() => { throw new Error('down') })
  await site.ask('/')
  await refreshFailed(1, site)
  site.origin.answers((run) => `made ${run}`)
  site.pass(-60 * MINUTE_MS)
  site.pass(10_000)
  t.match(said(await site.ask('/')), { text: 'made 1', cache: 'STALE' })
  await filled(2, site)
  t.match(said(await site.ask('/')), { text: 'made 3', cache: 'HIT' })
})
