import { Readable } from 'node:stream'
import { test } from 'tap'
import { setUser } from '../safety/helpers.ts'
import { answers, brief, cached, date, everywhere, freshUrl, heard, scene, tell, turns, type Answer, type Fields, type Scene } from './stage.ts'

const ETAG = /^"[\w-]{27}"$/
type Asked = { status: number, text: string }

async function ask (site: Scene, fields: Record<string, string>, url = '/', method = 'GET'): Promise<Asked> {
  const { status, text } = await site.ask(url, { headers: fields, method })
  return { status, text }
}

everywhere('a strong ETag of the body is made for the miss and its hits', async (t, cache) => {
  const site = await scene(t, {}, { cache })
  answers(site, { body: 'text' })
  const [miss, hit, head] = [await site.ask('/'), await site.ask('/'), await site.ask('/', { method: 'HEAD' })]
  const etag = miss.field('etag')!
  t.match(etag, ETAG)
  t.strictSame([hit.field('etag'), head.field('etag')], [etag, etag])
  answers(site, { body: 'text' })
  t.equal((await site.ask('/?other')).field('etag'), etag, 'of the same bytes')
  answers(site, { body: 'texts' })
  t.not((await site.ask('/?changed')).field('etag'), etag)
  t.strictSame(await ask(site, { 'if-none-match': etag }), { status: 304, text: '' })
})

test("the handler's own ETag is kept, and only a 200 gets one", async (t) => {
  const site = await scene(t, { ttl: 'http' })
  const fields = { 'cache-control': 'max-age=60' }
  for (const etag of ['"own"', 'W/"own"']) {
    answers(site, { fields: { ...fields, etag } })
    const url = freshUrl()
    for (let time = 0; time < 2; time++) t.equal((await site.ask(url)).field('etag'), etag)
  }
  for (const status of [203, 204, 301, 404]) {
    answers(site, { status, fields })
    const url = freshUrl()
    for (let time = 0; time < 2; time++) t.equal((await site.ask(url)).field('etag'), undefined)
  }
  answers(site, { fields: { 'cache-control': 'no-store' } })
  t.equal((await site.ask(freshUrl())).field('etag'), undefined, 'nor what is not stored')
})

test('a stream has its ETag from the first hit on', async (t) => {
  const site = await scene(t, {})
  site.origin.answers(() => Readable.from(['te', 'xt']))
  t.equal((await site.ask('/')).field('etag'), undefined)
  const hit = await site.ask('/')
  t.match(hit.field('etag'), ETAG)
  t.equal((await ask(site, { 'if-none-match': hit.field('etag')! })).status, 304)
})

const [BEFORE, THEN, AFTER] = [date(-2000), date(-1000), date(-500)]
const own: Answer = { fields: { etag: '"a,b"', 'last-modified': THEN }, body: 'text' }

/** The status for conditions on a response with the ETag `"a,b"` that was changed at THEN. */
const conditions: Array<[fields: Record<string, string>, status: number]> = [
  [{ 'if-none-match': '"a,b"' }, 304],
  [{ 'if-none-match': 'W/"a,b"' }, 304],
  [{ 'if-none-match': '"x", "a,b" ,"y"' }, 304],
  [{ 'if-none-match': '*' }, 304],
  [{ 'if-none-match': '"a"' }, 200],
  [{ 'if-none-match': '"A,B"' }, 200],
  [{ 'if-none-match': 'a,b' }, 200],
  [{ 'if-none-match': '' }, 200],
  [{ 'if-modified-since': THEN }, 304],
  [{ 'if-modified-since': AFTER }, 304],
  [{ 'if-modified-since': BEFORE }, 200],
  [{ 'if-modified-since': 'yesterday' }, 200],
  [{ 'if-match': '"a,b"' }, 200],
  [{ 'if-match': '"x", "a,b"' }, 200],
  [{ 'if-match': '*' }, 200],
  [{ 'if-match': 'W/"a,b"' }, 412],
  [{ 'if-match': '"x"' }, 412],
  [{ 'if-unmodified-since': THEN }, 200],
  [{ 'if-unmodified-since': AFTER }, 200],
  [{ 'if-unmodified-since': BEFORE }, 412],
  [{ 'if-unmodified-since': 'yesterday' }, 200],
  // Which of them counts (RFC 9110 section 13.2.2).
  [{ 'if-none-match': '"x"', 'if-modified-since': AFTER }, 200],
  [{ 'if-none-match': '"a,b"', 'if-modified-since': BEFORE }, 304],
  [{ 'if-match': '"a,b"', 'if-unmodified-since': BEFORE }, 200],
  [{ 'if-match': '"x"', 'if-none-match': '"a,b"' }, 412],
  [{ 'if-match': '"a,b"', 'if-none-match': '"a,b"' }, 304],
  [{ 'if-unmodified-since': BEFORE, 'if-none-match': '"a,b"' }, 412],
  [{ 'if-unmodified-since': AFTER, 'if-modified-since': AFTER }, 304]
]

everywhere('conditions are answered by the standard, from a hit and on a miss alike', async (t, cache) => {
  const site = await scene(t, {}, { cache })
  answers(site, own)
  const stored = freshUrl()
  await site.ask(stored)
  for (const [fields, status] of conditions) {
    const expected = { status, text: status === 200 ? 'text' : '' }
    t.strictSame(await ask(site, fields, stored), expected, `hit: ${JSON.stringify(fields)}`)
    t.strictSame(await ask(site, fields, freshUrl()), expected, `miss: ${JSON.stringify(fields)}`)
    t.strictSame(await ask(site, fields, stored, 'HEAD'), { status, text: '' }, `HEAD: ${JSON.stringify(fields)}`)
  }
})

test('conditions are about successful responses only', async (t) => {
  const site = await scene(t, { statusCodes: [200, 203, 301, 404] })
  for (const [status, expected] of [[203, 304], [301, 301], [404, 404]] as const) {
    answers(site, { ...own, status })
    const url = freshUrl()
    for (let time = 0; time < 2; time++) t.equal((await ask(site, { 'if-none-match': '*' }, url)).status, expected)
  }
})

const described: Fields = {
  etag: '"a"',
  'last-modified': THEN,
  'cache-control': 'max-age=60',
  expires: date(60),
  vary: 'accept',
  'content-location': '/there',
  date: date(-5),
  'content-type': 'text/plain',
  'content-language': 'de',
  'x-own': 'value',
  link: '</x>; rel=next',
  'content-security-policy': "default-src 'self'"
}
const repeated = ['etag', 'cache-control', 'expires', 'vary', 'content-location', 'date', 'x-own', 'link', 'content-security-policy'] as const

everywhere('a 304 has the fields that a cache in front needs, and none of the body', async (t, cache) => {
  const site = await scene(t, {}, { cache })
  answers(site, { fields: described, body: 'text' })
  const url = freshUrl()
  for (const place of ['MISS', 'HIT']) {
    const answer = await site.ask(url, { headers: { 'if-none-match': '"a"' } })
    t.strictSame([answer.status, answer.field('x-cache'), answer.body.length, answer.isChunked], [304, place, 0, false])
    for (const name of repeated) t.equal(answer.field(name), String(described[name]), `${place}: ${name}`)
    for (const name of ['content-type', 'content-length', 'content-language', 'content-encoding', 'transfer-encoding']) t.equal(answer.field(name), undefined, `${place}: ${name}`)
    if (place === 'HIT') t.equal(answer.field('age'), '5')
  }
})

everywhere('who waits with a condition is answered by it, and the others get all of it', async (t, cache) => {
  const site = await scene(t, {}, { cache })
  const asked = [{}, { 'if-none-match': '"a"' }, { 'if-none-match': '"x"' }, { 'if-match': '"x"' }, {}].map((headers) => site.ask('/', { headers: headers as Record<string, string> }))
  await site.arrived(5)
  tell(await site.origin.run(1), { etag: '"a"' }, 'text')
  t.strictSame((await Promise.all(asked)).map(({ status, text }) => `${status} ${text}`), ['200 text', '304 ', '200 text', '412 ', '200 text'])
  t.equal(site.origin.runs.length, 1)
})

test('a stale response is compared as a fresh one is, while a new one is made', async (t) => {
  const site = await scene(t, { staleWhileRevalidate: '1m' })
  answers(site, { fields: { etag: '"a"' } })
  await site.ask('/')
  site.pass(70_000)
  site.origin.answers(undefined)
  const answer = await site.ask('/', { headers: { 'if-none-match': '"a"' } })
  t.strictSame([answer.status, answer.text, heard(answer)], [304, '', 'STALE hit; ttl=-10; detail=stale-while-revalidate'])
  const { request, answer: refresh } = await site.origin.run(2)
  t.equal(request.headers['if-none-match'], undefined, 'the request that is repeated asks for all of it')
  refresh('new')
  await turns(site.app)
  t.strictSame(await ask(site, { 'if-none-match': '"a"' }), { status: 200, text: 'new' })
})

test('POST is never answered by conditions of reading', async (t) => {
  const site = await scene(t, (app, { handler }) => { app.post('/', cached({ varyByBody: true }), handler) })
  answers(site, own)
  for (let time = 0; time < 2; time++) {
    const answer = await site.ask('/', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json', 'if-none-match': '"a,b"', 'if-modified-since': AFTER } })
    t.equal(brief(answer), `200 ${time === 0 ? 'MISS' : 'HIT'} text`)
  }
})

test("nobody is told that another user's response has not changed", async (t) => {
  const site = await scene(t, (app, { handler }) => {
    app.addHook('preHandler', async (request) => { if (typeof request.headers['x-name'] === 'string') setUser(request, { id: request.headers['x-name'] }) })
    app.get('/', cached({ varyByUser: true }), handler)
  })
  site.origin.answers((_run, { headers }) => `for ${headers['x-name']}`)
  const etag = (await site.ask('/', { headers: { 'x-name': 'ada' } })).field('etag')!
  for (let time = 0; time < 2; time++) t.strictSame(await ask(site, { 'x-name': 'bob', 'if-none-match': etag }), { status: 200, text: 'for bob' })
  t.strictSame(await ask(site, { 'x-name': 'ada', 'if-none-match': etag }), { status: 304, text: '' })
})
