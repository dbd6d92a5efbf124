import { test } from 'tap'
import { cached, counted, filled, outlived, refreshFailed, said, scene, turns, twoProcesses, until } from './scene.ts'

const MINUTE_MS = 60_000

test('one process of the fleet makes a new response shortly before the end, and nobody gets a stale one', async (t) => {
  const [one, other] = await twoProcesses(t, { refreshAhead: true })
  one.origin.answers((run) => `made ${run}`)
  await one.ask('/')
  one.pass(MINUTE_MS / 2)
  for (const site of [one, other]) t.match(said(await site.ask('/')), { text: 'made 1', cache: 'HIT' })
  for (const site of [one, other]) await turns(site.app)
  t.equal(one.origin.runs.length, 1, 'half of the lifetime is not shortly before the end')
  one.origin.answers(undefined)
  one.pass(MINUTE_MS / 2 - 1)
  const asked = [...one.many(10, '/'), ...other.many(10, '/')]
  for (const answer of await Promise.all(asked)) t.strictSame(said(answer), { status: 200, text: 'made 1', cache: 'HIT', why: 'hit; ttl=1' })
  const refresh = await one.origin.run(2)
  for (const site of [one, other]) await turns(site.app)
  refresh.answer('made 2')
  await filled(2, one, other)
  one.pass(1)
  for (const site of [one, other]) t.strictSame(said(await site.ask('/')), { status: 200, text: 'made 2', cache: 'HIT', why: 'hit; ttl=60' })
  t.equal(one.origin.runs.length, 2)
  t.equal(one.stats().refreshes + other.stats().refreshes, 1)
  t.equal(one.stats().stale + other.stats().stale, 0)
})

test('a refresh ahead that fails takes nothing away: the response is fresh to its end, and the handler is left alone', async (t) => {
  const site = await scene(t, { refreshAhead: true, refreshThrottle: '1m', staleIfError: '1h' })
  site.origin.answers((run, _request, reply) => { reply.code(run === 2 ? 503 : 200); return `made ${run}` })
  await site.ask('/')
  site.pass(MINUTE_MS - 2)
  await site.ask('/')
  await refreshFailed(1, site)
  site.pass(1)
  for (const answer of await Promise.all(site.many(5, '/'))) t.match(said(answer), { text: 'made 1', cache: 'HIT' })
  await turns(site.app)
  t.strictSame(counted(site), { hits: 6, misses: 1, fills: 1, refreshes: 1, refreshErrors: 1 })
  site.pass(1)
  t.match(said(await site.ask('/')), { text: 'made 1', cache: 'STALE', why: 'hit; ttl=-1; detail=stale-if-error' })
  site.pass(MINUTE_MS)
  t.match(said(await site.ask('/')), { text: 'made 3', cache: 'MISS' })
})

test('a response that comes too late for the end is stored all the same, and who asks then waits for it', async (t) => {
  const site = await scene(t, { refreshAhead: true })
  await outlived(site, MINUTE_MS - 1)
  t.match(said(await site.ask('/')), { text: 'made 1', cache: 'HIT' })
  const refresh = await site.origin.run(2)
  site.pass(1)
  const waiting = site.many(3, '/')
  await site.arrived(6) // with that of the refresh
  refresh.answer('made 2')
  for (const answer of await Promise.all(waiting)) t.match(said(answer), { text: 'made 2', cache: 'HIT', why: /; collapsed$/ })
  t.equal(site.origin.runs.length, 2)
})

test('a refresh ahead brings nothing back that was invalidated while it ran', async (t) => {
  const site = await scene(t, { refreshAhead: true, tags: ['a'] })
  await outlived(site, MINUTE_MS - 1)
  await site.ask('/')
  const refresh = await site.origin.run(2)
  await site.app.cache.invalidateTags('a')
  refresh.answer('read before')
  await until(() => refresh.reply.raw.writableEnded, 'the end of the refresh')
  await turns(site.app)
  site.origin.answers((run) => `made ${run}`)
  t.match(said(await site.ask('/')), { text: 'made 3', cache: 'MISS' })
})

test('jitter makes lifetimes shorter, by its part at most, and never longer', async (t) => {
  const site = await scene(t, (app, origin) => {
    for (const [path, jitter] of Object.entries({ half: 0.5, none: 0 })) app.get(`/${path}/:id`, cached({ ttl: '1000s', jitter }), origin.handler)
    app.get('/until/:id', cached({ ttl: { until: new Date(Date.UTC(2030, 0, 1, 0, 16, 40)) }, jitter: 0.5 }), origin.handler)
  })
  site.origin.answers(() => 'made')
  const lifetimes = async (path: string): Promise<number[]> => {
    const seconds: number[] = []
    for (let id = 0; id < 60; id++) {
      await site.ask(`/${path}/${id}`)
      seconds.push(Number(/ttl=(\d+)/.exec((await site.ask(`/${path}/${id}`)).field('cache-status')!)![1]))
    }
    return seconds
  }
  const half = await lifetimes('half')
  t.ok(Math.min(...half) >= 500 && Math.min(...half) < 650 && Math.max(...half) <= 1000 && Math.max(...half) > 850, `${Math.min(...half)} to ${Math.max(...half)}`)
  t.strictSame(new Set(await lifetimes('none')), new Set([1000]))
  t.strictSame(new Set(await lifetimes('until')), new Set([1000]), 'a time on the clock is meant')
})
