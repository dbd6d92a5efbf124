import type { RouteCacheOptions } from 'fastify-response-cache'
import { setTimeout } from 'node:timers/promises'
import { test } from 'tap'
import { openConnection } from '../plugin/connection.ts'
import { setUser } from '../safety/helpers.ts'
import { cached, inEveryStore, leave, open, said, scene, turns, twoProcesses, until, type Exchange } from './scene.ts'

/** So long that nobody who is not woken would be done in time. */
const PATIENT: RouteCacheOptions = { lock: { waitMs: 600_000, leaseMs: 60_000 } }

const texts = async (asked: ReadonlyArray<Promise<Exchange>>): Promise<string[]> => (await Promise.all(asked)).map(({ text }) => text)

inEveryStore('concurrent misses run the handler once, and all get what it made', async (t, cache) => {
  const site = await scene(t, PATIENT, { cache })
  const asked = site.many(30, '/')
  await site.arrived(30)
  ;(await site.origin.run(1)).answer('made once')
  const answers = await Promise.all(asked)
  t.strictSame(new Set(answers.map(({ status, text }) => `${status} ${text}`)), new Set(['200 made once']))
  const whys = answers.map((answer) => said(answer)).map(({ cache, why }) => `${cache}: ${why}`)
  t.strictSame(whys.sort(), [...Array.from({ length: 29 }, () => 'HIT: fwd=uri-miss; collapsed'), 'MISS: fwd=uri-miss; stored'])
  t.equal(site.origin.runs.length, 1)
  t.match(site.stats(), { misses: 1, hits: 29, collapsed: 29, fills: 1, bypasses: 0, refused: 0, refreshes: 0 })
  t.match(said(await site.ask('/')), { cache: 'HIT', why: 'hit; ttl=60' })
  t.match(site.stats(), { hits: 30, collapsed: 29 })
})

test('concurrent misses in two processes run the handler once, and those who wait are woken by it', async (t) => {
  const [one, other] = await twoProcesses(t, PATIENT)
  const first = one.many(20, '/')
  await one.arrived(20)
  const second = other.many(20, '/')
  await other.arrived(20)
  ;(await one.origin.run(1)).answer('made once')
  t.strictSame(new Set(await texts([...first, ...second])), new Set(['made once']))
  t.equal(one.origin.runs.length, 1)
  t.match(one.stats(), { misses: 1, hits: 19, collapsed: 19, fills: 1 })
  t.match(other.stats(), { misses: 0, hits: 20, fills: 0 })
})

test('what one process makes for a key is waited for in another one, whichever of them asked first', async (t) => {
  const [one, other] = await twoProcesses(t, (app, origin) => app.get('/:id', cached(PATIENT), origin.handler))
  for (let id = 1; id <= 6; id++) {
    const [leader, waiter] = id % 2 === 0 ? [one, other] : [other, one]
    const led = leader.ask(`/${id}`)
    const run = await one.origin.run(id)
    const waited = waiter.ask(`/${id}`)
    await waiter.arrived(id)
    run.answer(`made ${id}`)
    t.strictSame(await texts([led, waited]), [`made ${id}`, `made ${id}`])
    t.equal(one.origin.runs.length, id)
  }
})

inEveryStore('nobody is given what was made for another user, host, query, or value of a header field, cookie or body in the key', async (t, cache) => {
  const site = await scene(t, (app, origin) => {
    app.addHook('onRequest', async (request) => { setUser(request, request.headers['x-user']) })
    const options = { ...PATIENT, varyByUser: (request: { user?: unknown }) => request.user as string, varyByHeaders: ['x-place'], varyByCookies: ['theme'] }
    app.get('/', cached(options), origin.handler)
    app.post('/', cached({ ...options, varyByBody: true }), origin.handler)
  }, { cache })
  const asks: Array<Parameters<typeof site.ask>> = [
    ['/', { headers: { 'x-user': 'ann' } }],
    ['/', { headers: { 'x-user': 'bob' } }],
    ['/', {}],
    ['/?q=1', {}],
    ['/', { headers: { host: 'b.example' } }],
    ['/', { headers: { 'x-place': 'oslo' } }],
    ['/', { headers: { cookie: 'theme=dark' } }],
    ['/', { method: 'POST', body: '1', headers: { 'content-type': 'application/json' } }],
    ['/', { method: 'POST', body: '2', headers: { 'content-type': 'application/json' } }]
  ]
  const asked = [...asks, ...asks].map((ask) => site.ask(...ask))
  await site.arrived(2 * asks.length)
  await turns(site.app)
  t.equal(site.origin.runs.length, asks.length, 'nobody waits for what is not theirs')
  site.origin.runs.forEach((run, at) => { run.answer(`made ${at}`) })
  const got = await texts(asked)
  t.strictSame(got.slice(0, asks.length), got.slice(asks.length), 'those who ask for the same share')
  t.equal(new Set(got).size, asks.length)
  t.equal(site.origin.runs.length, asks.length)
})

inEveryStore('who waited for a response that turns out to vary shares only with those who sent the same', async (t, cache) => {
  const site = await scene(t, PATIENT, { cache })
  const inLanguage = (language: string): Promise<Exchange> => site.ask('/', { headers: { 'accept-language': language } })
  const languages = ['en', 'en', 'fr', 'de', 'fr', 'de', 'fr']
  const leader = inLanguage('en')
  await site.arrived(1)
  const asked = [leader, ...languages.slice(1).map((language) => inLanguage(language))]
  await site.arrived(languages.length)
  const answer = async (number: number): Promise<void> => {
    const { request, reply, ...run } = await site.origin.run(number)
    void reply.header('vary', 'accept-language')
    run.answer(`in ${String(request.headers['accept-language'])}`)
  }
  await answer(1)
  await site.origin.run(3) // both at once
  await answer(2)
  await answer(3)
  t.strictSame(await texts(asked), languages.map((language) => `in ${language}`))
  await turns(site.app)
  t.equal(site.origin.runs.length, 3)
})

inEveryStore('who waits is given no field that belongs to the exchange of the one that ran the handler', async (t, cache) => {
  const site = await scene(t, (app, origin) => {
    let left = 100
    app.addHook('onRequest', async (request, reply) => {
      reply.headers({ 'x-request-id': request.id, 'x-ratelimit-remaining': left--, 'x-mine': String(request.headers['x-name']) })
    })
    app.get('/', cached(PATIENT), origin.handler)
  }, { cache, fastify: { genReqId: (request) => `id-of-${String(request.headers['x-name'])}` } })
  const leader = site.ask('/', { headers: { 'x-name': 'leader' } })
  const { reply, answer } = await site.origin.run(1)
  const waiter = site.ask('/', { headers: { 'x-name': 'waiter' } })
  await site.arrived(2)
  reply.headers({
    'x-own': 'kept',
    traceparent: '00-leader-01',
    'server-timing': 'db;dur=53',
    'ratelimit-reset': '17',
    'x-handled-for': 'id-of-leader'
  })
  answer('made once')
  await leader
  const { field, text } = await waiter
  t.strictSame({
    text,
    own: field('x-own'),
    id: field('x-request-id'),
    left: field('x-ratelimit-remaining'),
    hook: field('x-mine'),
    leaders: ['traceparent', 'server-timing', 'ratelimit-reset', 'x-handled-for', 'set-cookie'].map((name) => field(name)).filter((value) => value !== undefined)
  }, { text: 'made once', own: 'kept', id: 'id-of-waiter', left: '99', hook: 'waiter', leaders: [] })
  t.equal(field('age'), '0')
})

inEveryStore('a guard that would refuse a request does so, whatever the request might have waited for', async (t, cache) => {
  const site = await scene(t, (app, origin) => {
    const guard = (name: string) => async (request: { headers: Record<string, unknown> }): Promise<void> => {
      if (request.headers['x-barred'] === name) throw Object.assign(new Error('barred'), { statusCode: 403 })
    }
    app.get('/', { onRequest: guard('onRequest'), preHandler: guard('preHandler'), ...cached(PATIENT) }, origin.handler)
  }, { cache })
  const leader = site.ask('/')
  const run = await site.origin.run(1)
  // Answered while the handler still runs.
  for (const name of ['onRequest', 'preHandler']) t.match(said(await site.ask('/', { headers: { 'x-barred': name } })), { status: 403, cache: undefined })
  run.answer('made once')
  await leader
  for (const name of ['onRequest', 'preHandler']) t.equal((await site.ask('/', { headers: { 'x-barred': name } })).status, 403)
})

inEveryStore('a client that hangs up does not take the response away from those who wait, nor from the store', async (t, cache) => {
  const site = await scene(t, PATIENT, { cache })
  const { socket } = await openConnection(t, site.port, '/')
  const run = await site.origin.run(1)
  const asked = site.many(3, '/')
  await site.arrived(4)
  await leave({ socket }, run)
  run.answer('made once')
  t.strictSame(await texts(asked), ['made once', 'made once', 'made once'])
  t.match(said(await site.ask('/')), { text: 'made once', cache: 'HIT', why: 'hit; ttl=60' })
  t.equal(site.origin.runs.length, 1)
})

test('the response to a client that hung up is stored although nobody waits', async (t) => {
  const site = await scene(t, {})
  const { socket } = await openConnection(t, site.port, '/')
  const run = await site.origin.run(1)
  await leave({ socket }, run)
  run.answer('made once')
  await until(() => site.stats().fills === 1, 'the response')
  t.match(said(await site.ask('/')), { text: 'made once', cache: 'HIT' })
})

inEveryStore('after waitMs a request runs the handler itself, and does not store what that makes', async (t, cache) => {
  const site = await scene(t, { lock: { waitMs: 50 } }, { cache })
  const leader = site.ask('/')
  const first = await site.origin.run(1)
  const waiter = site.ask('/')
  ;(await site.origin.run(2)).answer('late')
  t.match(said(await waiter), { text: 'late', cache: 'MISS', why: 'fwd=uri-miss; detail=lock-timeout' })
  first.answer('first')
  t.match(said(await leader), { text: 'first', cache: 'MISS', why: 'fwd=uri-miss; stored' })
  t.match(said(await site.ask('/')), { text: 'first', cache: 'HIT' })
  t.match(site.stats(), { misses: 2, hits: 1, collapsed: 0, fills: 1 }, 'what was not stored is not counted as stored')
})

test('after waitMs a request in another process runs the handler itself, and nothing of it is stored', async (t) => {
  const [one, other] = await twoProcesses(t, { lock: { waitMs: 100, leaseMs: 60_000 } })
  const leader = one.ask('/')
  const first = await one.origin.run(1)
  const waiter = other.ask('/')
  ;(await one.origin.run(2)).answer('late')
  t.match(said(await waiter), { text: 'late', cache: 'MISS', why: 'fwd=uri-miss; detail=lock-timeout' })
  first.answer('first')
  await leader
  t.match(said(await other.ask('/')), { text: 'first', cache: 'HIT' })
  t.equal(other.stats().fills, 0)
})

inEveryStore('with lock: false nobody waits, and each response is stored', async (t, cache) => {
  const site = await scene(t, { lock: false }, { cache })
  const asked = site.many(5, '/')
  await site.origin.run(5) // none of them has been answered
  site.origin.runs.forEach((run, at) => { run.answer(`made ${at}`) })
  const answers = await Promise.all(asked)
  t.equal(new Set(answers.map(({ text }) => text)).size, 5)
  t.strictSame(new Set(answers.map((answer) => said(answer).why)), new Set(['fwd=uri-miss; stored']))
  t.match(site.stats(), { misses: 5, collapsed: 0, fills: 5 })
  t.equal((await site.ask('/')).field('x-cache'), 'HIT')
})

inEveryStore('a request that came after an invalidation is not given what was begun before it, nor is anybody later', async (t, cache) => {
  const site = await scene(t, { ...PATIENT, tags: ['a'] }, { cache })
  const before = site.ask('/')
  const old = await site.origin.run(1)
  await site.app.cache.invalidateTags('a')
  const after = site.many(3, '/')
  await site.arrived(4)
  t.equal(site.origin.runs.length, 1, 'it may hope for the response')
  old.answer('old')
  await site.origin.run(4) // not one after another
  site.origin.runs.slice(1).forEach((run) => { run.answer('new') })
  t.equal((await before).text, 'old')
  t.strictSame(await texts(after), ['new', 'new', 'new'])
  t.match(said(await site.ask('/')), { text: 'new', cache: 'HIT' })
  t.equal(site.origin.runs.length, 4)
  t.match(site.stats(), { misses: 4, collapsed: 0, fills: 3 }, 'what was outdated when it was done was not stored')
})

test('what one process begins before an invalidation by another is served to no request of either that came after it', async (t) => {
  const [one, other] = await twoProcesses(t, { ...PATIENT, tags: ['a'] })
  const before = one.ask('/')
  const old = await one.origin.run(1)
  await other.app.cache.invalidateTags('a')
  const after = [...one.many(20, '/'), ...other.many(20, '/')]
  await one.arrived(21)
  await other.arrived(20)
  one.origin.answers(() => 'new')
  old.answer('old')
  t.equal((await before).text, 'old')
  t.strictSame(new Set(await texts(after)), new Set(['new']))
  t.equal((await one.ask('/')).text, 'new')
  t.equal((await other.ask('/')).text, 'new')
  t.ok(one.origin.runs.length <= 7, `three at once in each process at most, not ${one.origin.runs.length - 1}`)
})

inEveryStore('HEAD requests wait for a response and are given its fields, but nobody waits for them', async (t, cache) => {
  const site = await scene(t, PATIENT, { cache })
  const heads = site.many(2, '/', { method: 'HEAD' })
  await site.origin.run(2)
  const get = site.ask('/')
  const run = await site.origin.run(3)
  const waiting = site.ask('/', { method: 'HEAD' })
  await site.arrived(4)
  run.answer('body')
  t.match(said(await get), { text: 'body', cache: 'MISS' })
  const head = await waiting
  t.match(said(head), { status: 200, text: '', cache: 'HIT', why: 'fwd=uri-miss; collapsed' })
  t.equal(head.field('content-length'), '4')
  for (const { answer } of site.origin.runs.slice(0, 2)) answer('body')
  t.strictSame((await Promise.all(heads)).map((answer) => said(answer).why), ['fwd=uri-miss; detail=head', 'fwd=uri-miss; detail=head'])
  t.equal(site.origin.runs.length, 3)
})

inEveryStore('a handler that keeps its process from anything else for longer than its lease is cached', async (t, cache) => {
  const block = (): void => { for (const endsAt = performance.now() + 250; performance.now() < endsAt;); }
  const site = await open(t, (app) => {
    const config = cached({ lock: { waitMs: 60, leaseMs: 100 } })
    app.get('/at-once', config, async () => { block(); return 'made' })
    app.get('/in-parts', config, async () => {
      block()
      await setTimeout(100) // now it hears of its lease
      block()
      return 'made'
    })
  }, { cache })
  for (const path of ['/at-once', '/in-parts']) {
    t.match(said(await site.ask(path)), { cache: 'MISS', why: 'fwd=uri-miss; stored' }, path)
    await site.app.cache.ping() // comes back after what was written before it
    t.match(said(await site.ask(path)), { cache: 'HIT' }, path)
  }
})
