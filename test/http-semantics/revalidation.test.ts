import { test } from 'tap'
import { answers, brief, date, everywhere, filled, heard, scene, twoProcesses, type Answer, type Fields, type Scene } from './stage.ts'

const MINUTE_MS = 60_000
const ETAG = { etag: '"1"' }
const RENEWED = 'REVALIDATED fwd=stale; fwd-status=304; stored'

/** A handler that answers 304 when it is asked about what it would answer. */
function unchanged (site: Scene, whole: Answer, renewed: Fields = {}): void {
  const { etag, 'last-modified': modified } = whole.fields as Record<string, string | undefined>
  answers(site, (run, { headers }) => {
    note(site, run, headers)
    const isSame = headers['if-none-match'] === undefined ? modified !== undefined && headers['if-modified-since'] === modified : headers['if-none-match'] === etag && etag !== undefined
    return isSame ? { status: 304, fields: { ...etag === undefined ? {} : { etag }, ...renewed } } : whole
  })
}

const questions = new WeakMap<Scene, unknown[][]>()

function note (site: Scene, run: number, headers: Record<string, unknown>): void {
  const asked = questions.get(site) ?? []
  asked[run] = [headers['if-none-match'], headers['if-modified-since']]
  questions.set(site, asked)
}

/** What a run of the handler was asked about. */
const asked = (site: Scene, run: number): unknown[] | undefined => questions.get(site)?.[run]

everywhere('a 304 of the handler renews what is stored: its body, and the fields of both', async (t, cache) => {
  const site = await scene(t, { ttl: 'http' }, { cache })
  unchanged(site, { fields: { ...ETAG, 'last-modified': date(-9), 'cache-control': 'max-age=60', 'content-type': 'text/x-own', 'x-kept': 'kept', 'x-new': 'old' }, body: 'text' }, { 'cache-control': 'max-age=90', 'x-new': 'new' })
  await site.ask('/')
  site.pass(MINUTE_MS)
  const renewed = await site.ask('/')
  t.strictSame([renewed.status, renewed.text, heard(renewed)], [200, 'text', RENEWED])
  t.strictSame(asked(site, 2), ['"1"', undefined], 'by its ETag alone: a date may be too coarse')
  const hit = await site.ask('/')
  t.strictSame([hit.text, heard(hit)], ['text', 'HIT hit; ttl=90'])
  for (const answer of [renewed, hit]) {
    t.strictSame(['etag', 'last-modified', 'cache-control', 'content-type', 'x-kept', 'x-new'].map((name) => answer.field(name)),
      ['"1"', date(-9), 'max-age=90', 'text/x-own', 'kept', 'new'])
  }
  site.pass(90_000)
  t.equal(heard(await site.ask('/')), RENEWED, 'and again')
})

everywhere('so with an explicit ttl, where `revalidate` says how long it is kept for that', async (t, cache) => {
  const site = await scene(t, { revalidate: '5m' }, { cache })
  unchanged(site, { fields: ETAG, body: 'text' })
  await site.ask('/')
  site.pass(2 * MINUTE_MS)
  t.equal(heard(await site.ask('/')), RENEWED)
  t.equal(heard(await site.ask('/')), 'HIT hit; ttl=60')
})

test('nothing is asked without `revalidate`, about validators that the cache has made, or after a change', async (t) => {
  const off = await scene(t, {})
  unchanged(off, { fields: ETAG, body: 'text' })
  const made = await scene(t, { revalidate: '5m' })
  unchanged(made, { fields: {}, body: 'text' })
  for (const site of [off, made]) {
    await site.ask('/')
    site.pass(MINUTE_MS)
    t.match(heard(await site.ask('/')), /^MISS/)
    t.strictSame(asked(site, 2), [undefined, undefined])
  }
  const changed = await scene(t, { revalidate: '5m' })
  unchanged(changed, { fields: ETAG, body: 'text' })
  await changed.ask('/')
  changed.pass(MINUTE_MS)
  unchanged(changed, { fields: { etag: '"2"' }, body: 'changed' })
  t.equal(brief(await changed.ask('/')), '200 MISS changed')
  t.equal(brief(await changed.ask('/')), '200 HIT changed')
})

test('a condition of the client is about what the handler confirms', async (t) => {
  const site = await scene(t, { ttl: 'http' })
  unchanged(site, { fields: { ...ETAG, 'cache-control': 'max-age=60' }, body: 'text' }, { 'cache-control': 'max-age=60' })
  await site.ask('/')
  for (const [etag, expected] of [['"1"', '304 REVALIDATED '], ['"0"', '200 REVALIDATED text'], ['*', '304 REVALIDATED ']] as const) {
    site.pass(MINUTE_MS)
    t.equal(brief(await site.ask('/', { headers: { 'if-none-match': etag } })), expected)
    t.equal(site.origin.runs.at(-1)!.reply.raw.statusCode, Number(expected.slice(0, 3)))
    t.equal(brief(await site.ask('/')), '200 HIT text')
  }
})

test('nobody who waits is given less', async (t) => {
  const site = await scene(t, { ttl: 'http' })
  answers(site, { fields: { ...ETAG, 'cache-control': 'max-age=60' }, body: 'text' })
  await site.ask('/')
  site.pass(MINUTE_MS)
  site.origin.answers(undefined)
  const all = [{ 'if-none-match': '"1"' }, {}, { 'if-none-match': '"1"' }, {}].map((headers) => site.ask('/', { headers: headers as Record<string, string> }))
  await site.arrived(5)
  const { reply } = await site.origin.run(2)
  reply.code(304).headers({ ...ETAG, 'cache-control': 'max-age=60' }).send()
  t.strictSame((await Promise.all(all)).map(brief).sort(), ['200 HIT text', '200 HIT text', '304 HIT ', '304 REVALIDATED '])
  t.equal(site.origin.runs.length, 2)
})

everywhere('what is invalidated is not asked about; softly, by its ETag alone', async (t, cache) => {
  const site = await scene(t, { ttl: 'http' }, { cache })
  const both = { ...ETAG, 'last-modified': date(-9), 'cache-control': 'max-age=60' }
  unchanged(site, { fields: both, body: 'text' }, { 'cache-control': 'max-age=60' })
  await site.ask('/')
  await site.app.cache.invalidateUrl('/')
  t.equal(brief(await site.ask('/')), '200 MISS text')
  t.strictSame(asked(site, 2), [undefined, undefined])
  await site.app.cache.invalidateUrl('/', { soft: true })
  t.equal(heard(await site.ask('/')), RENEWED)
  t.strictSame(asked(site, 3), ['"1"', undefined])
  t.equal(brief(await site.ask('/')), '200 HIT text', 'the handler has confirmed it since')
  unchanged(site, { fields: { 'last-modified': date(-9), 'cache-control': 'max-age=60' }, body: 'dated' })
  await site.ask('/?2')
  await site.app.cache.invalidateUrl('/', { soft: true })
  t.equal(brief(await site.ask('/?2')), '200 MISS dated', 'there may have been two changes in that second')
})

test('what is invalidated while the handler is asked stays dead, though it says 304', async (t) => {
  const site = await scene(t, { ttl: 'http' })
  answers(site, { fields: { ...ETAG, 'cache-control': 'max-age=60' }, body: 'text' })
  await site.ask('/')
  site.pass(MINUTE_MS)
  site.origin.answers(undefined)
  const asking = site.ask('/')
  const { reply } = await site.origin.run(2)
  await site.app.cache.invalidateUrl('/')
  reply.code(304).headers(ETAG).send()
  await asking
  unchanged(site, { fields: { ...ETAG, 'cache-control': 'max-age=60' }, body: 'new' })
  t.equal(brief(await site.ask('/')), '200 MISS new')
  t.strictSame(asked(site, 3), [undefined, undefined])
})

everywhere('in the background as well: what is stale is sent, and renewed behind it', async (t, cache) => {
  const site = await scene(t, { ttl: 'http', staleWhileRevalidate: '1m' }, { cache })
  unchanged(site, { fields: { ...ETAG, 'cache-control': 'max-age=60' }, body: 'text' }, { 'cache-control': 'max-age=60' })
  await site.ask('/')
  site.pass(MINUTE_MS + 1000)
  t.equal(brief(await site.ask('/', { headers: { 'if-none-match': '"0"' } })), '200 STALE text')
  await filled(2, site)
  t.strictSame(asked(site, 2), ['"1"', undefined])
  t.equal(brief(await site.ask('/')), '200 HIT text')
  t.equal(site.origin.runs.length, 2)
})

test('across processes: one asks about what the other has stored, and both have what comes of it', async (t) => {
  const [one, other] = await twoProcesses(t, { ttl: 'http' })
  unchanged(one, { fields: { ...ETAG, 'cache-control': 'max-age=60' }, body: 'text' }, { 'cache-control': 'max-age=60' })
  await one.ask('/')
  one.pass(MINUTE_MS)
  t.equal(heard(await other.ask('/')), RENEWED)
  t.equal(brief(await one.ask('/')), '200 HIT text')
  t.equal(one.origin.runs.length, 2)
})

test('HEAD asks about nothing, and stores nothing', async (t) => {
  const site = await scene(t, { ttl: 'http' })
  unchanged(site, { fields: { ...ETAG, 'cache-control': 'max-age=60' }, body: 'text' })
  await site.ask('/')
  site.pass(MINUTE_MS)
  t.equal(heard(await site.ask('/', { method: 'HEAD' })), 'MISS fwd=stale; detail=head')
  t.strictSame(asked(site, 2), [undefined, undefined])
  t.equal(heard(await site.ask('/')), RENEWED)
})

everywhere('each variant is asked about by its own validators', async (t, cache) => {
  const site = await scene(t, { ttl: 'http' }, { cache })
  answers(site, (_run, { headers }) => {
    const etag = `"${headers['accept-language']}"`
    const fields = { vary: 'accept-language', 'cache-control': 'max-age=60', etag }
    return headers['if-none-match'] === etag ? { status: 304, fields } : { fields, body: headers['accept-language'] }
  })
  for (const time of ['MISS', 'REVALIDATED', 'HIT']) {
    for (const language of ['de', 'en']) t.equal(brief(await site.ask('/', { headers: { 'accept-language': language } })), `200 ${time} ${language}`)
    if (time === 'MISS') site.pass(MINUTE_MS)
  }
})

test('a 304 that forbids storing is obeyed, and one with a cookie is for its client', async (t) => {
  for (const [fields, detail] of [[{ 'cache-control': 'no-store' }, 'no-store'], [{ 'cache-control': 'private' }, 'private'], [{ 'set-cookie': 'a=1' }, 'set-cookie']] as const) {
    const site = await scene(t, { ttl: 'http' })
    unchanged(site, { fields: { ...ETAG, 'cache-control': 'max-age=60' }, body: 'text' }, fields)
    await site.ask('/')
    site.pass(MINUTE_MS)
    const answer = await site.ask('/')
    t.strictSame([answer.status, answer.text, heard(answer)], [200, 'text', `REVALIDATED fwd=stale; fwd-status=304; detail=${detail}`])
    t.match(heard(await site.ask('/')), /^MISS/)
  }
})
