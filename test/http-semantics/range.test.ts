import { test } from 'tap'
import { Readable } from 'node:stream'
import { answers, brief, cached, date, everywhere, filled, freshUrl, heard, scene, tell, type Fields } from './stage.ts'

const BODY = '0123456789'
const FIELDS: Fields = { etag: '"a"', 'last-modified': date(-1000), date: date(-500), 'content-type': 'text/plain', 'x-own': 'value' }

/** What a hit of ten bytes answers: status, Content-Range, body. */
const ranges: Array<[range: string, status: number, contentRange: string | undefined, text: string]> = [
  ['bytes=0-3', 206, 'bytes 0-3/10', '0123'],
  ['bytes=3-', 206, 'bytes 3-9/10', '3456789'],
  ['bytes=-2', 206, 'bytes 8-9/10', '89'],
  ['bytes=-20', 206, 'bytes 0-9/10', BODY],
  ['bytes=0-99', 206, 'bytes 0-9/10', BODY],
  ['bytes=9-9', 206, 'bytes 9-9/10', '9'],
  ['BYTES=0-0', 206, 'bytes 0-0/10', '0'],
  ['bytes=10-', 416, 'bytes */10', ''],
  ['bytes=-0', 416, 'bytes */10', ''],
  // Another form, which may be ignored.
  ['bytes=0-1,3-4', 200, undefined, BODY],
  ['bytes=4-3', 200, undefined, BODY],
  ['bytes=a-b', 200, undefined, BODY],
  ['bytes=-', 200, undefined, BODY],
  ['bytes 0-1', 200, undefined, BODY],
  ['lines=0-1', 200, undefined, BODY],
  ['bytes=0-1 2', 200, undefined, BODY],
  ['', 200, undefined, BODY]
]

everywhere('a part of what is stored is sent', async (t, cache) => {
  const site = await scene(t, {}, { cache })
  answers(site, { fields: FIELDS, body: BODY })
  await site.ask('/')
  for (const [range, status, contentRange, text] of ranges) {
    const part = await site.ask('/', { headers: { range } })
    t.strictSame([part.status, part.field('content-range'), part.text, part.isComplete], [status, contentRange, text, true], range)
    t.equal(part.field('content-length'), String(text.length), range)
    if (status === 416) continue
    t.strictSame([part.field('x-own'), part.field('etag'), part.field('content-type'), part.field('x-cache')], ['value', '"a"', 'text/plain', 'HIT'], range)
  }
  t.equal(site.origin.runs.length, 1)
})

/** With `Range: bytes=0-1`. */
const conditions: Array<[fields: Record<string, string>, status: number]> = [
  [{ 'if-range': '"a"' }, 206],
  [{ 'if-range': '"b"' }, 200],
  [{ 'if-range': 'W/"a"' }, 200],
  [{ 'if-range': date(-900) }, 200],
  [{ 'if-range': 'a' }, 200],
  [{ 'if-none-match': '"a"' }, 304],
  [{ 'if-none-match': '"b"' }, 206],
  [{ 'if-match': '"a"' }, 206],
  [{ 'if-match': '"b"' }, 412],
  [{ 'if-match': '"b"', 'if-range': '"a"' }, 412],
  [{ 'if-modified-since': date(-1000) }, 304],
  [{ 'if-unmodified-since': date(-2000) }, 412]
]

test('conditions come before the range, and If-Range decides whether it counts', async (t) => {
  const site = await scene(t, {})
  answers(site, { fields: FIELDS, body: BODY })
  await site.ask('/')
  for (const [fields, status] of conditions) {
    const given = await site.ask('/', { headers: { range: 'bytes=0-1', ...fields } })
    t.strictSame([given.status, given.text], [status, { 200: BODY, 206: '01' }[status] ?? ''], JSON.stringify(fields))
  }
})

test('a weak ETag, and a date of the same second, show no bytes to be the same', async (t) => {
  for (const [fields, ifRange] of [[{ ...FIELDS, etag: 'W/"a"' }, 'W/"a"'], [{ ...FIELDS, date: date(-1000) }, date(-1000)]] as const) {
    const site = await scene(t, {})
    answers(site, { fields, body: BODY })
    await site.ask('/')
    t.equal((await site.ask('/', { headers: { range: 'bytes=0-1', 'if-range': ifRange } })).status, 200)
  }
})

test('a date that is old enough shows them to be, with a Date of the handler or without', async (t) => {
  const site = await scene(t, {})
  const fields = { 'last-modified': date(-1000) }
  for (const given of [fields, FIELDS]) {
    answers(site, { fields: given, body: BODY })
    const url = freshUrl()
    await site.ask(url)
    t.equal(brief(await site.ask(url, { headers: { range: 'bytes=0-1', 'if-range': date(-1000) } })), '206 HIT 01')
  }
})

test('HEAD, POST and other statuses than 200 have no parts', async (t) => {
  const site = await scene(t, (app, { handler }) => {
    app.get('/', cached({ statusCodes: [200, 203] }), handler)
    app.post('/', cached({ varyByBody: true }), handler)
  })
  answers(site, { body: BODY })
  await site.ask('/')
  t.strictSame(brief(await site.ask('/', { method: 'HEAD', headers: { range: 'bytes=0-1' } })), '200 HIT ')
  for (const place of ['MISS', 'HIT']) t.equal(brief(await site.ask('/', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json', range: 'bytes=0-1' } })), `200 ${place} ${BODY}`)
  answers(site, { status: 203, body: BODY })
  await site.ask('/?203')
  t.equal(brief(await site.ask('/?203', { headers: { range: 'bytes=0-1' } })), `203 HIT ${BODY}`)
})

everywhere('a stream has parts once it is stored, and binary bodies are cut at bytes', async (t, cache) => {
  const site = await scene(t, {}, { cache })
  const bytes = Buffer.from([0, 255, 10, 195, 164, 13])
  site.origin.answers(() => Readable.from([bytes.subarray(0, 3), bytes.subarray(3)]))
  await site.ask('/')
  await filled(1, site)
  const part = await site.ask('/', { headers: { range: 'bytes=1-3' } })
  t.strictSame([part.status, [...part.body]], [206, [255, 10, 195]])
  site.origin.answers((_run, _request, reply) => reply.send(Buffer.alloc(0)))
  await site.ask('/?empty')
  for (const range of ['bytes=0-', 'bytes=-1']) t.ok([200, 416].includes((await site.ask('/?empty', { headers: { range } })).status), range)
})

everywhere('a miss asks the handler for the part, and stores only what is whole', async (t, cache) => {
  const site = await scene(t, { ttl: 'http' }, { cache })
  const part = { headers: { range: 'bytes=0-1' } }
  site.origin.answers((_run, { headers }, reply) => {
    reply.header('cache-control', 'max-age=60')
    return headers.range === undefined ? BODY : reply.code(206).header('content-range', 'bytes 0-1/10').send('01')
  })
  for (let time = 0; time < 2; time++) t.equal(`${brief(await site.ask('/', part))} ${site.origin.runs.length}`, `206 MISS 01 ${time + 1}`)
  t.equal(brief(await site.ask('/')), `200 MISS ${BODY}`)
  t.equal(brief(await site.ask('/', part)), '206 HIT 01')
  answers(site, { fields: { 'cache-control': 'max-age=60' }, body: BODY })
  t.equal(heard(await site.ask('/?whole', part)), 'MISS fwd=uri-miss; stored', 'a handler may not know of ranges')
  t.equal(brief(await site.ask('/?whole')), `200 HIT ${BODY}`)
  answers(site, { status: 416, fields: { 'content-range': 'bytes */10', 'cache-control': 'max-age=60' } })
  t.match(brief(await site.ask('/?none', { headers: { range: 'bytes=90-' } })), /^416 MISS/)
  answers(site, { fields: { 'cache-control': 'max-age=60' }, body: BODY })
  t.equal(brief(await site.ask('/?none')), `200 MISS ${BODY}`)
})

test('who waits for the whole gets his part of it, and nobody gets the part of another', async (t) => {
  const site = await scene(t, {})
  const whole = site.ask('/')
  await site.arrived(1)
  const part = site.ask('/', { headers: { range: 'bytes=2-3' } })
  await site.arrived(2)
  tell(await site.origin.run(1), {}, BODY)
  t.strictSame([brief(await whole), brief(await part)], [`200 MISS ${BODY}`, '206 HIT 23'])

  const other = await scene(t, {})
  const first = other.ask('/', { headers: { range: 'bytes=2-3' } })
  await other.arrived(1)
  const rest = other.many(3, '/')
  await other.arrived(4)
  answers(other, { body: BODY })
  const { reply, answer } = await other.origin.run(1)
  reply.code(206).header('content-range', 'bytes 2-3/10')
  answer('23')
  t.equal(brief(await first), '206 MISS 23')
  for (const given of await Promise.all(rest)) t.strictSame([given.status, given.text], [200, BODY])
})
