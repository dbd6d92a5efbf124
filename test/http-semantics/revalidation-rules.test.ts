import { test } from 'tap'
import { answers, brief, date, everywhere, filled, heard, scene, tell, type Answer, type Fields, type Scene } from './stage.ts'

const MINUTE_MS = 60_000
const ETAG = { etag: '"1"' }
const LONG = 'a text that is repeated '.repeat(200)

/** A handler that answers 304 with these fields when it is asked about what it has answered. */
function unchanged (site: Scene, whole: Answer, renewed: Fields = {}): void {
  answers(site, (_run, { headers }) => headers['if-none-match'] === whole.fields?.etag && whole.fields?.etag !== undefined ? { status: 304, fields: renewed } : whole)
}

everywhere('a response with no-cache and validators is stored, and the handler asked each time', async (t, cache) => {
  const site = await scene(t, { ttl: 'http' }, { cache })
  unchanged(site, { fields: { ...ETAG, 'cache-control': 'no-cache' }, body: 'text' }, { 'cache-control': 'no-cache' })
  t.equal(heard(await site.ask('/')), 'MISS fwd=uri-miss; stored')
  for (let time = 0; time < 3; time++) t.equal(brief(await site.ask('/')), '200 REVALIDATED text')
  t.equal(brief(await site.ask('/', { headers: { 'if-none-match': '"1"' } })), '304 REVALIDATED ')
  t.equal(site.origin.runs.length, 5)
  unchanged(site, { fields: { etag: '"2"', 'cache-control': 'no-cache' }, body: 'new' })
  t.equal(brief(await site.ask('/')), '200 MISS new')
})

test('without validators, or with an explicit ttl, it is not stored', async (t) => {
  for (const [options, fields] of [[{ ttl: 'http' }, {}], [{ ttl: '1m' }, ETAG], [{ ttl: 'http', revalidate: false }, ETAG]] as const) {
    const site = await scene(t, options)
    unchanged(site, { fields: { ...fields, 'cache-control': 'no-cache' } })
    for (let time = 0; time < 2; time++) t.equal(heard(await site.ask('/')), 'MISS fwd=uri-miss; detail=no-cache')
  }
})

test('such requests ask at once, not one after another', async (t) => {
  const site = await scene(t, { ttl: 'http', lock: { waitMs: 60_000 } }) // longer than this test waits
  const fields = { ...ETAG, 'cache-control': 'no-cache' }
  const cold = site.many(5, '/')
  await site.arrived(5)
  tell(await site.origin.run(1), fields, 'text')
  await site.origin.run(5)
  for (const run of site.origin.runs.slice(1)) tell(run, fields, 'text')
  for (const given of await Promise.all(cold)) t.equal(given.text, 'text')
  const warm = site.many(5, '/')
  await site.origin.run(10)
  for (const run of site.origin.runs.slice(5)) run.reply.code(304).headers(fields).send()
  for (const given of await Promise.all(warm)) t.equal(brief(given), '200 REVALIDATED text')
})

/** What a first answer says besides `max-age`. */
const dated: Array<[what: string, fields: Fields]> = [
  ['Expires', { expires: date(60) }],
  ['a Date', { date: date(0) }]
]

for (const [what, fields] of dated) {
  test(`what had ${what} and is renewed without is new`, async (t) => {
    const site = await scene(t, { ttl: 'http' })
    unchanged(site, { fields: { ...ETAG, 'cache-control': 'max-age=60', ...fields }, body: 'text' }, { 'cache-control': 'max-age=60' })
    await site.ask('/')
    site.pass(10 * MINUTE_MS - 1)
    t.equal(heard(await site.ask('/')), 'REVALIDATED fwd=stale; fwd-status=304; stored')
    const hit = await site.ask('/')
    t.strictSame([heard(hit), hit.field('age')], ['HIT hit; ttl=60', '0'])
  })
}

everywhere('a compressed response is renewed for all, whatever coding they accept', async (t, cache) => {
  const site = await scene(t, { ttl: 'http', compress: 'gzip' }, { cache })
  unchanged(site, { fields: { ...ETAG, 'cache-control': 'max-age=60', 'content-type': 'text/plain' }, body: LONG }, { 'cache-control': 'max-age=60' })
  const [gzip, br] = [{ headers: { 'accept-encoding': 'gzip' } }, { headers: { 'accept-encoding': 'br' } }]
  await site.ask('/', gzip)
  for (let time = 0; time < 2; time++) {
    site.pass(MINUTE_MS)
    const renewed = await site.ask('/', gzip)
    t.strictSame([heard(renewed), renewed.text, renewed.field('content-encoding'), renewed.field('etag')], ['REVALIDATED fwd=stale; fwd-status=304', LONG, undefined, '"1"'])
    await filled(2 + time, site)
    const hits = [await site.ask('/', gzip), await site.ask('/', br), await site.ask('/')]
    t.strictSame(hits.map(({ field }) => [field('x-cache'), field('content-encoding'), field('etag'), field('vary')]),
      [['HIT', 'gzip', '"1-gzip"', 'accept-encoding'], ['HIT', undefined, '"1"', 'accept-encoding'], ['HIT', undefined, '"1"', 'accept-encoding']])
    t.equal(hits[1]!.text, LONG)
  }
  t.equal(site.origin.runs.length, 3)
})

test('a client with the compressed form is told that the renewed one is the same', async (t) => {
  const site = await scene(t, { ttl: 'http', compress: 'gzip' })
  unchanged(site, { fields: { ...ETAG, 'cache-control': 'max-age=60', 'content-type': 'text/plain' }, body: LONG }, { 'cache-control': 'max-age=60' })
  const gzip = { 'accept-encoding': 'gzip' }
  await site.ask('/', { headers: gzip })
  const { field } = await site.ask('/', { headers: gzip })
  site.pass(MINUTE_MS)
  const renewed = await site.ask('/', { headers: { ...gzip, 'if-none-match': field('etag')! } })
  t.strictSame([renewed.status, renewed.field('x-cache')], [304, 'REVALIDATED'])
})

test('the tags that the cache has added for a CDN are those of the last answer', async (t) => {
  const site = await scene(t, { ttl: 'http', tags: () => [`run-${site.origin.runs.length}`], downstream: { tags: 'surrogate-key' } })
  unchanged(site, { fields: { ...ETAG, 'cache-control': 'max-age=60' }, body: 'text' }, { 'cache-control': 'max-age=60' })
  await site.ask('/')
  for (let run = 2; run < 4; run++) {
    site.pass(MINUTE_MS)
    const renewed = await site.ask('/')
    t.strictSame([heard(renewed), renewed.text, renewed.field('surrogate-key')], ['REVALIDATED fwd=stale; fwd-status=304; stored', 'text', `run-${run}`])
    t.equal((await site.ask('/')).field('surrogate-key'), `run-${run}`)
  }
})

test('a request for a part is not the one that asks', async (t) => {
  const site = await scene(t, { ttl: 'http' })
  unchanged(site, { fields: { ...ETAG, 'cache-control': 'max-age=60' }, body: 'text' }, { 'cache-control': 'max-age=60' })
  await site.ask('/')
  site.pass(MINUTE_MS)
  t.equal(brief(await site.ask('/', { headers: { range: 'bytes=0-1' } })), '200 MISS text')
  t.equal(brief(await site.ask('/', { headers: { range: 'bytes=0-1' } })), '206 HIT te')
})

test('a handler that answers its question with an error, or with another response, is taken at its word', async (t) => {
  const site = await scene(t, { ttl: 'http', statusCodes: [200, 404] })
  const whole = { fields: { ...ETAG, 'cache-control': 'max-age=60' }, body: 'text' }
  answers(site, whole)
  await site.ask('/')
  site.pass(MINUTE_MS)
  answers(site, { status: 503 })
  t.match(heard(await site.ask('/')), /^MISS fwd=stale; detail=status/)
  unchanged(site, whole, { 'cache-control': 'max-age=60' })
  t.equal(brief(await site.ask('/')), '200 REVALIDATED text', 'the error has not taken its place')
  site.pass(MINUTE_MS)
  answers(site, { status: 404, fields: { 'cache-control': 'max-age=60' }, body: 'gone' })
  t.equal(brief(await site.ask('/')), '404 MISS gone')
  t.equal(brief(await site.ask('/')), '404 HIT gone')
})
