import { test } from 'tap'
import { answers, brief, cached, date, everywhere, heard, scene, type Scene } from './stage.ts'

const obeyRequestDirectives = true

/** Stored at once, ten seconds before the end of its minute. */
async function nearEnd (site: Scene): Promise<void> {
  await site.ask('/')
  site.pass(50_000)
}

async function ask (site: Scene, control: string): Promise<string> {
  const given = await site.ask('/', { headers: { 'cache-control': control } })
  return `${given.status} ${heard(given)}`
}

const STALE = '200 STALE hit; ttl=-30; detail=max-stale'
const HIT = '200 HIT hit; ttl=10'
const ANEW = '200 MISS fwd=request; stored'
const EXPIRED = '200 MISS fwd=stale; stored'

/** Of a response that is 50 seconds old and fresh for 10 more. */
const fresh: Array<[control: string, expected: string]> = [
  ['max-age=50', HIT],
  ['max-age=49', ANEW],
  ['max-age=0', ANEW],
  ['max-age=99, max-age=0', ANEW],
  ['min-fresh=10', HIT],
  ['min-fresh=11', ANEW],
  ['no-cache', ANEW],
  ['NO-CACHE', ANEW],
  ['max-stale', HIT],
  ['only-if-cached', HIT],
  ['only-if-cached, max-age=60, max-stale', HIT],
  ['only-if-cached, no-cache', '504 MISS detail=only-if-cached'],
  ['only-if-cached, max-age=1', '504 MISS detail=only-if-cached'],
  ['no-store', '200 BYPASS fwd=bypass; detail=no-store'],
  ['no-transform, x=1', HIT],
  ['max-age=soon', HIT],
  ['max-age', HIT],
  ['', HIT]
]

everywhere('what a request asks of a fresh response counts where the route says so', async (t, cache) => {
  for (const [control, expected] of fresh) {
    const site = await scene(t, { obeyRequestDirectives }, { cache: { ...cache, prefix: `${cache.prefix ?? 'cache'}-${fresh.findIndex((one) => one[0] === control)}` } })
    answers(site, {})
    await nearEnd(site)
    t.equal(await ask(site, control), expected, control)
  }
})

/** Of one that has been stale for 30 seconds. */
const stale: Array<[control: string, expected: string]> = [
  ['max-stale', STALE],
  ['max-stale=30', STALE],
  ['max-stale=29', EXPIRED],
  ['max-stale, max-stale=29', EXPIRED],
  ['max-stale=30, max-age=90', STALE],
  ['max-stale=30, max-age=89', EXPIRED],
  ['max-stale=30, max-age=60', EXPIRED],
  ['max-stale, only-if-cached', STALE],
  ['only-if-cached', '504 MISS detail=only-if-cached'],
  ['max-stale, no-cache', EXPIRED],
  ['min-fresh=1', EXPIRED],
  ['no-store', '200 BYPASS fwd=bypass; detail=no-store']
]

test('and of a stale one that is kept', async (t) => {
  for (const [control, expected] of stale) {
    const site = await scene(t, { obeyRequestDirectives, staleIfError: '5m' })
    answers(site, {})
    await nearEnd(site)
    site.pass(40_000)
    t.equal(await ask(site, control), expected, control)
  }
})

test('what the response forbids counts more than max-stale', async (t) => {
  for (const control of ['must-revalidate', 'proxy-revalidate', 's-maxage=60', 'no-cache']) {
    const site = await scene(t, { ttl: 'http', obeyRequestDirectives })
    answers(site, { fields: { 'cache-control': `max-age=60, ${control}`, etag: '"a"' } })
    await nearEnd(site)
    site.pass(40_000)
    t.match(await ask(site, 'max-stale'), /^200 MISS fwd=stale/, control)
  }
  const site = await scene(t, { ttl: 'http', obeyRequestDirectives })
  answers(site, { fields: { 'cache-control': 'max-age=60', etag: '"a"' } })
  await nearEnd(site)
  site.pass(40_000)
  t.equal(await ask(site, 'max-stale'), STALE, 'which is there to be asked about')
})

test('the stale-while-revalidate of the route is for those who ask for nothing fresher', async (t) => {
  for (const [control, expected] of [['no-cache', /^200 MISS/], ['max-age=70', /^200 MISS/], ['min-fresh=1', /^200 MISS/], ['', /^200 STALE/], ['only-if-cached', /^(200 STALE|504)/]] as const) {
    const site = await scene(t, { obeyRequestDirectives, staleWhileRevalidate: '5m' })
    answers(site, {})
    await nearEnd(site)
    site.pass(40_000)
    t.match(await ask(site, control), expected, control)
  }
})

test('Pragma: no-cache counts where there is no Cache-Control', async (t) => {
  const site = await scene(t, { obeyRequestDirectives })
  answers(site, {})
  await site.ask('/')
  t.equal(heard(await site.ask('/', { headers: { pragma: 'no-cache' } })), 'MISS fwd=request; stored')
  t.equal((await site.ask('/', { headers: { pragma: 'no-cache', 'cache-control': 'max-age=60' } })).field('x-cache'), 'HIT')
  t.equal((await site.ask('/', { headers: { pragma: 'other' } })).field('x-cache'), 'HIT')
})

test('the age that a response came with counts', async (t) => {
  const site = await scene(t, { ttl: 'http', obeyRequestDirectives })
  answers(site, { fields: { 'cache-control': 'max-age=60', age: '20', date: date(-20) } })
  await site.ask('/')
  t.match(await ask(site, 'max-age=30'), /HIT/)
  t.match(await ask(site, 'max-age=19'), /fwd=request/)
})

everywhere('by default none of them counts', async (t, cache) => {
  const site = await scene(t, {}, { cache })
  answers(site, {})
  await nearEnd(site)
  for (const [control] of [...fresh, ...stale]) t.equal(await ask(site, control), HIT, control)
  t.equal(brief(await site.ask('/', { headers: { pragma: 'no-cache' } })), '200 HIT made 1')
  site.pass(60_000)
  t.match(await ask(site, 'only-if-cached'), /^200 MISS fwd=.*; stored$/)
})

test('a function says whose directives count; one that fails is nobody\'s', async (t) => {
  const site = await scene(t, { obeyRequestDirectives: ({ headers }) => headers['x-editor'] === 'yes' })
  answers(site, {})
  await site.ask('/')
  t.equal(heard(await site.ask('/', { headers: { 'cache-control': 'no-cache' } })), 'HIT hit; ttl=60')
  site.pass(100) // what began earlier would not take its place
  t.equal(heard(await site.ask('/', { headers: { 'cache-control': 'no-cache', 'x-editor': 'yes' } })), 'MISS fwd=request; stored')
  t.equal(brief(await site.ask('/')), '200 HIT made 2', 'others have what it has made')
})

test('an answer from nowhere is a 504 that says so, and the handler does not run', async (t) => {
  const site = await scene(t, (app, { handler }) => { app.get('/', cached({ obeyRequestDirectives }), handler) })
  const given = await site.ask('/', { headers: { 'cache-control': 'only-if-cached' } })
  t.strictSame([given.status, given.field('retry-after'), JSON.parse(given.text).code], [504, undefined, 'RESPONSE_CACHE_ERR_ONLY_IF_CACHED'])
  t.equal(site.origin.runs.length, 0)
  const head = await site.ask('/', { method: 'HEAD', headers: { 'cache-control': 'only-if-cached' } })
  t.equal(head.status, 504)
})

test('many who want it anew at once share one run', async (t) => {
  const site = await scene(t, { obeyRequestDirectives })
  answers(site, {})
  await site.ask('/')
  site.origin.answers(undefined)
  const all = site.many(5, '/', { headers: { 'cache-control': 'no-cache' } })
  await site.arrived(6)
  const { answer } = await site.origin.run(2)
  answer('anew')
  for (const given of await Promise.all(all)) t.equal(given.text, 'anew')
  t.equal(site.origin.runs.length, 2)
})

test('no-store is kept nowhere, and leaves what is stored', async (t) => {
  const site = await scene(t, { obeyRequestDirectives })
  answers(site, {})
  await site.ask('/')
  t.equal(brief(await site.ask('/', { headers: { 'cache-control': 'no-store' } })), '200 BYPASS made 2')
  t.equal(brief(await site.ask('/')), '200 HIT made 1')
})
