import { test } from 'tap'
import { cached, counted, filled, inEveryStore, outlived, said, scene, turns, twoProcesses } from './scene.ts'

const MINUTE_MS = 60_000
const STALE = 'hit; ttl=-3; detail=stale-while-revalidate'

inEveryStore('within the window the old response is sent at once, while the handler runs once behind it', async (t, cache) => {
  const site = await scene(t, { staleWhileRevalidate: '1m' }, { cache })
  await outlived(site, MINUTE_MS + 3000)
  const stale = await Promise.all(site.many(20, '/'))
  for (const answer of stale) t.strictSame(said(answer), { status: 200, text: 'made 1', cache: 'STALE', why: STALE })
  t.equal(stale[0]!.field('age'), '63')
  const refresh = await site.origin.run(2)
  t.match(said(await site.ask('/')), { text: 'made 1', cache: 'STALE' })
  refresh.answer('made 2')
  await filled(2, site)
  t.strictSame(said(await site.ask('/')), { status: 200, text: 'made 2', cache: 'HIT', why: 'hit; ttl=60' })
  t.equal(site.origin.runs.length, 2)
  t.strictSame(counted(site), { hits: 1, stale: 21, misses: 1, fills: 2, refreshes: 1 })
})

test('one process of the fleet makes the new response, and all have it', async (t) => {
  const [one, other] = await twoProcesses(t, { staleWhileRevalidate: '1m' })
  one.origin.answers((run) => `made ${run}`)
  await one.ask('/')
  one.pass(MINUTE_MS + 3000)
  one.origin.answers(undefined)
  const asked = [...one.many(10, '/'), ...other.many(10, '/')]
  for (const answer of await Promise.all(asked)) t.strictSame(said(answer), { status: 200, text: 'made 1', cache: 'STALE', why: STALE })
  const refresh = await one.origin.run(2)
  await turns(one.app)
  await turns(other.app)
  refresh.answer('made 2')
  await filled(2, one, other)
  for (const site of [one, other]) t.match(said(await site.ask('/')), { text: 'made 2', cache: 'HIT' })
  await turns(other.app)
  t.equal(one.origin.runs.length, 2)
  t.equal(one.stats().refreshes + other.stats().refreshes, 1)
})

/** For how many seconds a response with this field is of use after its lifetime of a minute; the route says 20. */
const windows: Record<string, number> = {
  'max-age=5': 20,
  'stale-while-revalidate=50': 50,
  'max-age=5, stale-while-revalidate=7, stale-if-error=90': 7,
  'stale-while-revalidate=0': 0,
  'stale-while-revalidate=soon': 0,
  'must-revalidate, stale-while-revalidate=50': 0,
  'proxy-revalidate': 0,
  's-maxage=5, stale-while-revalidate=50': 20
}

for (const [field, seconds] of Object.entries(windows)) {
  test(`with Cache-Control: ${field} a response is sent for ${seconds} s after its lifetime, where the route says 20`, async (t) => {
    const site = await scene(t, { staleWhileRevalidate: '20s' })
    site.origin.answers((run, { url }, reply) => {
      reply.header('cache-control', field)
      return `${url} made ${run}`
    })
    await site.ask('/?early')
    await site.ask('/?late')
    site.pass(MINUTE_MS + seconds * 1000 - 1)
    t.equal((await site.ask('/?early')).field('x-cache'), seconds === 0 ? 'HIT' : 'STALE')
    site.pass(1)
    t.match(said(await site.ask('/?late')), { cache: 'MISS', text: /^\/\?late made / })
  })
}

test('a response that says nothing more than its own window is sent within it, on a route without options', async (t) => {
  const site = await scene(t, {})
  site.origin.answers((run, _request, reply) => {
    reply.header('cache-control', 'stale-while-revalidate=30')
    return `made ${run}`
  })
  await site.ask('/')
  site.pass(MINUTE_MS + 29_999)
  t.match(said(await site.ask('/')), { cache: 'STALE', text: 'made 1' })
  await filled(2, site)
  t.match(said(await site.ask('/')), { cache: 'HIT', text: 'made 2' })
})

inEveryStore('what was invalidated softly is sent while a new response is made, and after that no more', async (t, cache) => {
  const site = await scene(t, { staleWhileRevalidate: '1m', tags: ['a'] }, { cache })
  site.origin.answers((run) => `made ${run}`)
  await site.ask('/')
  await site.app.cache.invalidateTags('a', { soft: true })
  t.strictSame(said(await site.ask('/')), { status: 200, text: 'made 1', cache: 'STALE', why: 'hit; ttl=0; detail=stale-while-revalidate' })
  await filled(2, site)
  t.match(said(await site.ask('/')), { text: 'made 2', cache: 'HIT' })
  await site.app.cache.invalidateTags('a')
  t.match(said(await site.ask('/')), { text: 'made 3', cache: 'MISS' })
})

test('a soft invalidation of one process makes all send the old response, and one make a new one', async (t) => {
  const [one, other] = await twoProcesses(t, { staleWhileRevalidate: '1m', tags: ['a'] })
  one.origin.answers((run) => `made ${run}`)
  await one.ask('/')
  t.match(said(await other.ask('/')), { cache: 'HIT' })
  one.pass(1000)
  one.origin.answers(undefined)
  await one.app.cache.invalidateTags('a', { soft: true })
  for (const site of [other, one]) t.match(said(await site.ask('/')), { text: 'made 1', cache: 'STALE' })
  const refresh = await one.origin.run(2)
  for (const site of [other, one]) await turns(site.app)
  refresh.answer('made 2')
  await filled(2, one, other)
  for (const site of [one, other]) t.match(said(await site.ask('/')), { text: 'made 2', cache: 'HIT' })
  t.equal(one.origin.runs.length, 2)
})

test('what is not stored is never sent again: ttl 0, from a function as well', async (t) => {
  for (const ttl of [0, () => 0]) {
    const site = await scene(t, { ttl, staleWhileRevalidate: '1h', staleIfError: '1h' })
    site.origin.answers((run) => `made ${run}`)
    await site.ask('/')
    site.pass(1)
    t.match(said(await site.ask('/')), { text: 'made 2', cache: 'MISS' })
    site.origin.answers(() => { throw new Error('down') })
    t.match(said(await site.ask('/')), { status: 500, cache: 'MISS' })
  }
})

test('a HEAD request gets the fields of the old response, and what it starts is a GET', async (t) => {
  const site = await scene(t, { staleWhileRevalidate: '1m' })
  site.origin.answers((run) => `made ${run}`)
  await site.ask('/')
  site.pass(MINUTE_MS + 3000)
  const answer = await site.ask('/', { method: 'HEAD' })
  t.strictSame([said(answer), answer.field('content-length')], [{ status: 200, text: '', cache: 'STALE', why: STALE }, '6'])
  await filled(2, site)
  t.equal(site.origin.runs[1]!.request.method, 'GET')
  t.match(said(await site.ask('/')), { text: 'made 2', cache: 'HIT' })
})

test('a client that has a copy, or wants a part, is answered from the old response, and the refresh asks for a whole new one', async (t) => {
  const site = await scene(t, (app, origin) => {
    app.get('/', cached({ staleWhileRevalidate: '1m' }), origin.handler)
  })
  site.origin.answers((run, { headers }, reply) => {
    if (headers['if-none-match'] !== undefined || headers.range !== undefined) return reply.code(304).send()
    reply.header('etag', `"${run}"`)
    return `made ${run}`
  })
  await site.ask('/')
  const asked: Array<{ headers: Record<string, string>, status: number, part: (whole: string) => string }> = [
    { headers: { 'if-none-match': '"1"', range: 'bytes=0-1' }, status: 304, part: () => '' },
    { headers: { 'if-none-match': '"0"' }, status: 200, part: (whole) => whole },
    { headers: { range: 'bytes=0-3' }, status: 206, part: (whole) => whole.slice(0, 4) }
  ]
  for (const [index, { headers, status, part }] of asked.entries()) {
    site.pass(MINUTE_MS + 3000)
    t.match(said(await site.ask('/', { headers })), { status, text: part(`made ${index + 1}`), cache: 'STALE' })
    await filled(index + 2, site)
    t.match(said(await site.ask('/')), { status: 200, text: `made ${index + 2}`, cache: 'HIT' })
  }
})

test('variants of a response are refreshed each for itself', async (t) => {
  const site = await scene(t, { staleWhileRevalidate: '1m', varyByHeaders: ['x-size'] })
  site.origin.answers((run, { headers }) => `${String(headers['x-size'])} ${run}`)
  const small = { headers: { 'x-size': 's' } }
  const large = { headers: { 'x-size': 'l' } }
  await site.ask('/', small)
  await site.ask('/', large)
  site.pass(MINUTE_MS + 3000)
  t.match(said(await site.ask('/', small)), { text: 's 1', cache: 'STALE' })
  await filled(3, site)
  t.match(said(await site.ask('/', small)), { text: 's 3', cache: 'HIT' })
  t.match(said(await site.ask('/', large)), { text: 'l 2', cache: 'STALE' })
})

test('the old response is for those alone whom its Vary fits: others wait for their own', async (t) => {
  const site = await scene(t, { staleWhileRevalidate: '1m' })
  site.origin.answers((run, { headers }, reply) => {
    reply.header('vary', 'accept-language')
    return `${String(headers['accept-language'])} ${run}`
  })
  await site.ask('/', { headers: { 'accept-language': 'de' } })
  site.pass(MINUTE_MS + 3000)
  t.match(said(await site.ask('/', { headers: { 'accept-language': 'en' } })), { text: 'en 2', cache: 'MISS' })
})
