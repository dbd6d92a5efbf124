import { PassThrough } from 'node:stream'
import { test } from 'tap'
import { cached, counted, filled, inEveryStore, outlived, said, scene, turns, twoProcesses, until, type Exchange } from './scene.ts'

const MINUTE_MS = 60_000
const TIMEOUT = 'RESPONSE_CACHE_ERR_HANDLER_TIMEOUT'

function isRefused (answer: Exchange): boolean {
  return answer.status === 503 && answer.field('retry-after') === '1' && answer.text.includes(TIMEOUT) &&
    answer.field('x-cache') === 'MISS' && said(answer).why === 'detail=hard-timeout'
}

inEveryStore('with something stale nobody waits longer than softTimeout, and what the handler makes then is stored', async (t, cache) => {
  const site = await scene(t, { staleIfError: '1h', softTimeout: '30ms' }, { cache })
  await outlived(site, MINUTE_MS + 3000)
  const startedAt = performance.now()
  const stale = await Promise.all(site.many(5, '/'))
  t.ok(performance.now() - startedAt < 5000, 'not for as long as waitMs')
  for (const answer of stale) t.strictSame(said(answer), { status: 200, text: 'made 1', cache: 'STALE', why: 'hit; ttl=-3; detail=soft-timeout' })
  const run = await site.origin.run(2)
  run.answer('made 2')
  await filled(2, site)
  t.match(said(await site.ask('/')), { text: 'made 2', cache: 'HIT', why: 'hit; ttl=60' })
  t.equal(site.origin.runs.length, 2)
  t.match(counted(site), { stale: 5, hits: 1, fills: 2 })
})

inEveryStore('a handler that is quick enough answers all who wait, however short something stale would let them wait', async (t, cache) => {
  const site = await scene(t, { staleIfError: '1h', softTimeout: '20s', hardTimeout: '30s' }, { cache })
  site.origin.answers((run) => `made ${run}`)
  t.match(said(await site.ask('/')), { text: 'made 1', cache: 'HIT', why: 'fwd=uri-miss; collapsed' })
  site.pass(MINUTE_MS + 3000)
  site.origin.answers(undefined)
  const asked = site.many(5, '/')
  const run = await site.origin.run(2)
  await turns(site.app)
  run.answer('made 2')
  for (const answer of await Promise.all(asked)) t.match(said(answer), { text: 'made 2', cache: 'HIT', why: /^(fwd=stale; collapsed|hit; ttl=60)$/ })
  t.equal(site.origin.runs.length, 2)
})

test('softTimeout lets nobody wait who may have the old response at once', async (t) => {
  const site = await scene(t, { staleWhileRevalidate: '1m', staleIfError: '1h', softTimeout: '20s' })
  await outlived(site, MINUTE_MS + 3000)
  t.match(said(await site.ask('/')), { text: 'made 1', why: 'hit; ttl=-3; detail=stale-while-revalidate' })
  await site.origin.run(2)
})

test('without anything stale softTimeout is none', async (t) => {
  const site = await scene(t, { staleIfError: '1h', softTimeout: '1ms' })
  const asked = site.ask('/')
  const run = await site.origin.run(1)
  const waiting = site.ask('/')
  await site.arrived(2)
  const startedAt = performance.now()
  await until(() => performance.now() - startedAt > 30, 'more than softTimeout')
  run.answer('made 1')
  t.match(said(await asked), { text: 'made 1', cache: 'MISS', why: 'fwd=uri-miss; stored' })
  t.match(said(await waiting), { text: 'made 1', cache: 'HIT', why: 'fwd=uri-miss; collapsed' })
})

inEveryStore('after hardTimeout there is a 503 that says when to come back, and the response is there later', async (t, cache) => {
  const site = await scene(t, { hardTimeout: '30ms' }, { cache })
  const startedAt = performance.now()
  const answers = await Promise.all(site.many(5, '/'))
  t.ok(performance.now() - startedAt >= 29)
  for (const answer of answers) t.ok(isRefused(answer), answer.text)
  const run = await site.origin.run(1)
  run.answer('made 1')
  await filled(1, site)
  t.match(said(await site.ask('/')), { status: 200, text: 'made 1', cache: 'HIT' })
  t.match(counted(site), { refused: 5, hits: 1, fills: 1 })
})

test('after hardTimeout something stale is sent in place of the 503', async (t) => {
  const site = await scene(t, { staleIfError: '1h', hardTimeout: '30ms' })
  await outlived(site, MINUTE_MS + 3000)
  t.strictSame(said(await site.ask('/')), { status: 200, text: 'made 1', cache: 'STALE', why: 'hit; ttl=-3; detail=hard-timeout' })
  ;(await site.origin.run(2)).answer('made 2')
  await filled(2, site)
  t.match(said(await site.ask('/')), { text: 'made 2', cache: 'HIT' })
})

test('processes that wait for the handler of another one wait no longer than hardTimeout', async (t) => {
  const [one, other] = await twoProcesses(t, { hardTimeout: '60ms' })
  const asked = [one.ask('/')]
  await one.origin.run(1)
  asked.push(other.ask('/'))
  for (const answer of await Promise.all(asked)) t.ok(isRefused(answer), answer.text)
  one.origin.runs[0]!.answer('made 1')
  await filled(1, one)
  for (const site of [one, other]) t.match(said(await site.ask('/')), { text: 'made 1', cache: 'HIT' })
  t.equal(one.origin.runs.length, 1)
})

test('where there is a hardTimeout, waitMs does not matter: all wait for one run, in whichever process', async (t) => {
  const [one, other] = await twoProcesses(t, { hardTimeout: '20s', lock: { waitMs: 20 } })
  const asked = [one.ask('/')]
  const run = await one.origin.run(1)
  const startedAt = performance.now()
  await until(() => performance.now() - startedAt > 25, 'more than waitMs')
  asked.push(one.ask('/'), other.ask('/'))
  await other.arrived(1)
  await until(() => performance.now() - startedAt > 100, 'more than waitMs')
  run.answer('made 1')
  for (const answer of await Promise.all(asked)) t.match(said(answer), { status: 200, text: 'made 1', cache: 'HIT' })
  t.equal(one.origin.runs.length, 1)
})

const form = { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'a=1' }

/** Requests whose handlers run for themselves: `first` is what the handler answers to a run before. */
const foreground: Record<string, { ask: Parameters<Awaited<ReturnType<typeof scene>>['ask']>[1], first?: 'for one' | 'fails' }> = {
  'after an answer that was for one client': { ask: {}, first: 'for one' },
  'after a run behind that has failed': { ask: {}, first: 'fails' },
  'of a HEAD request': { ask: { method: 'HEAD' } },
  'of a request that cannot be repeated': { ask: form }
}

for (const [title, { ask, first }] of Object.entries(foreground)) {
  test(`hardTimeout bounds a run ${title} as well, and what the handler says later harms nobody`, async (t) => {
    const site = await scene(t, (app, origin) => {
      app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, text, done) => { done(null, { text }) })
      app.get('/', cached({ hardTimeout: '50ms' }), origin.handler)
      app.post('/', cached({ hardTimeout: '50ms', varyByBody: true }), origin.handler)
    })
    const asked = site.ask('/', ask)
    if (first !== undefined) {
      const run = await site.origin.run(1)
      run.reply.header('set-cookie', 'a=1')
      if (first === 'fails') run.fail(new Error('down'))
      else run.answer('for one')
    }
    const answer = await asked
    t.strictSame([answer.status, answer.field('retry-after'), answer.field('x-cache'), said(answer).why], [503, '1', 'MISS', 'detail=hard-timeout'])
    if (ask?.method !== 'HEAD') t.match(answer.text, TIMEOUT)
    const runs = first === undefined ? 1 : 2
    t.equal(site.origin.runs.length, runs)
    site.origin.runs[runs - 1]!.answer('too late')
    await turns(site.app)
    site.origin.answers(() => 'in time')
    t.match(await site.ask('/', { ...ask, ...ask?.method === 'HEAD' ? { method: 'GET' } : {} }), { status: 200, text: 'in time' })
  })
}

test('a request that cannot be repeated gets something stale after hardTimeout, nothing of the late answer', async (t) => {
  const site = await scene(t, (app, origin) => {
    app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, text, done) => { done(null, { text }) })
    app.post('/', cached({ staleIfError: '1h', hardTimeout: '50ms', varyByBody: true }), origin.handler)
  })
  site.origin.answers((_run, _request, reply) => reply.header('x-made', '1').send('made 1'))
  await site.ask('/', form)
  site.pass(MINUTE_MS + 3000)
  site.origin.answers(undefined)
  const asked = site.ask('/', form)
  const run = await site.origin.run(2)
  run.reply.code(202).header('x-late', '1')
  const answer = await asked
  t.match(said(answer), { status: 200, text: 'made 1', cache: 'STALE', why: /detail=hard-timeout$/ })
  t.strictSame([answer.field('x-made'), answer.field('x-late'), answer.field('retry-after')], ['1', undefined, undefined])
})

test('hardTimeout ends with the header of an answer: a stream that is slow to end is sent whole', async (t) => {
  const stream = new PassThrough()
  const site = await scene(t, (app) => {
    app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, text, done) => { done(null, { text }) })
    app.post('/', cached({ hardTimeout: '40ms', varyByBody: true }), (_request, reply) => { void reply.send(stream) })
  })
  const startedAt = performance.now()
  stream.write('one ')
  const asked = site.ask('/', form)
  await until(() => performance.now() - startedAt > 150, 'more than hardTimeout')
  stream.end('two')
  t.match(said(await asked), { status: 200, text: 'one two', cache: 'MISS' })
})

inEveryStore('a handler that hangs for ever is in the way of no other key, and of its own for waitMs at most', async (t, cache) => {
  const site = await scene(t, { lock: { waitMs: 60 } }, { cache })
  const hanging = site.ask('/?a')
  hanging.catch(() => {}) // its connection ends with the app
  await site.origin.run(1)
  site.origin.answers((run) => `made ${run}`)
  t.match(said(await site.ask('/?b')), { text: 'made 2', cache: 'MISS', why: 'fwd=uri-miss; stored' })
  t.match(said(await site.ask('/?b')), { text: 'made 2', cache: 'HIT' })
  const others = await Promise.all(site.many(3, '/?a'))
  // The first of them runs the handler, and who has not waited that long gets what it made.
  for (const answer of others) t.match(said(answer), { status: 200, text: /^made [345]$/, why: /^fwd=uri-miss; (?:detail=lock-timeout|collapsed)$/ })
  t.ok(others.some((answer) => said(answer).why === 'fwd=uri-miss; detail=lock-timeout'))
})

test('a refresh that hangs for ever keeps nobody from the old response, nor after the window from the handler', async (t) => {
  const site = await scene(t, { staleWhileRevalidate: '1m', lock: { waitMs: 60 } })
  await outlived(site, MINUTE_MS + 3000)
  await site.ask('/')
  await site.origin.run(2)
  site.origin.answers((run) => `made ${run}`)
  for (const answer of await Promise.all(site.many(5, '/'))) t.match(said(answer), { text: 'made 1', cache: 'STALE' })
  site.pass(MINUTE_MS)
  t.match(said(await site.ask('/')), { status: 200, text: 'made 3', cache: 'MISS' })
})
