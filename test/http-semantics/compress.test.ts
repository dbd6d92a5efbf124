import { hash } from 'node:crypto'
import { Readable } from 'node:stream'
import { brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { test } from 'tap'
import { useRedis } from '../helpers/redis.ts'
import { answers, brief, everywhere, filled, freshUrl, heard, scene, type Exchange, type Fields, type Scene } from './stage.ts'

const LONG = 'words that are repeated '.repeat(100)
const TEXT: Fields = { 'content-type': 'text/plain' }

/** Stored, and asked for once more. */
async function hit (site: Scene, acceptEncoding: string | undefined, url = '/', more: Record<string, string> = {}): Promise<Exchange> {
  return await site.ask(url, { headers: { ...acceptEncoding === undefined ? {} : { 'accept-encoding': acceptEncoding }, ...more } })
}

function decoded ({ body, field }: Exchange): string {
  switch (field('content-encoding')) {
    case 'br': return brotliDecompressSync(body).toString()
    case 'gzip': return gunzipSync(body).toString()
    default: return body.toString()
  }
}

/** What clients get that accept these codings, by what bodies are stored in. */
const accepted: Array<[acceptEncoding: string | undefined, br: string | undefined, gzip: string | undefined]> = [
  [undefined, undefined, undefined],
  ['', undefined, undefined],
  ['br', 'br', undefined],
  ['BR', 'br', undefined],
  ['gzip', undefined, 'gzip'],
  ['x-gzip', undefined, 'gzip'],
  ['gzip, deflate, br', 'br', 'gzip'],
  ['*', 'br', 'gzip'],
  ['*;q=0', undefined, undefined],
  ['br;q=0, gzip;q=0', undefined, undefined],
  ['br;q=0.001, gzip;q=0.000', 'br', undefined],
  ['br;q=0, *', undefined, 'gzip'],
  ['identity', undefined, undefined],
  ['identity;q=0, gzip, br', 'br', 'gzip'],
  ['identity;q=1, br;q=0.1, gzip;q=0.1', 'br', 'gzip'],
  ['br;q=2', undefined, undefined],
  ['deflate, zstd', undefined, undefined]
]

for (const [at, coding] of ['br', 'gzip'].entries()) {
  everywhere(`${coding}: clients that accept it get the stored bytes, others what was compressed`, async (t, cache) => {
    const site = await scene(t, { compress: coding as 'br' | 'gzip' }, { cache })
    answers(site, { fields: { ...TEXT, etag: '"own"' }, body: LONG })
    const miss = await hit(site, 'br, gzip')
    t.strictSame([miss.text, miss.field('content-encoding'), miss.field('vary'), miss.field('etag')], [LONG, undefined, 'accept-encoding', '"own"'])
    for (const [acceptEncoding, ...expected] of accepted) {
      const given = await hit(site, acceptEncoding)
      const encoding = expected[at]
      t.strictSame([given.field('x-cache'), given.field('content-encoding'), given.field('vary'), given.field('content-type')], ['HIT', encoding, 'accept-encoding', 'text/plain'], String(acceptEncoding))
      t.equal(given.field('etag'), encoding === undefined ? '"own"' : `"own-${encoding}"`)
      t.equal(given.field('content-length'), String(given.body.length))
      t.ok(given.isComplete && decoded(given) === LONG)
      t.equal(given.body.length < LONG.length, encoding !== undefined)
      const head = await site.ask('/', { method: 'HEAD', headers: acceptEncoding === undefined ? {} : { 'accept-encoding': acceptEncoding } })
      t.strictSame(['content-encoding', 'etag', 'vary', 'content-length'].map((name) => head.field(name)), ['content-encoding', 'etag', 'vary', 'content-length'].map((name) => given.field(name)))
    }
    t.equal(site.origin.runs.length, 1)
  })
}

test('If-None-Match is compared with the ETag of the coding that would be sent', async (t) => {
  const site = await scene(t, { compress: 'gzip' })
  answers(site, { fields: { ...TEXT, etag: '"own"' }, body: LONG })
  await site.ask('/')
  for (const [acceptEncoding, etag, status] of [['gzip', '"own-gzip"', 304], ['gzip', '"own"', 200], [undefined, '"own"', 304], [undefined, '"own-gzip"', 200], ['br', '"own", "own-gzip"', 304], ['gzip', '*', 304]] as const) {
    const given = await hit(site, acceptEncoding, '/', { 'if-none-match': etag })
    t.equal(given.status, status, `${acceptEncoding}: ${etag}`)
    if (status === 304) t.strictSame([given.body.length, given.field('vary'), given.field('content-encoding'), given.field('etag')], [0, 'accept-encoding', undefined, acceptEncoding === 'gzip' ? '"own-gzip"' : '"own"'])
  }
})

test('a weak ETag is that of all codings', async (t) => {
  const site = await scene(t, { compress: 'gzip' })
  answers(site, { fields: { ...TEXT, etag: 'W/"own"' }, body: LONG })
  await site.ask('/')
  for (const acceptEncoding of ['gzip', undefined]) {
    t.equal((await hit(site, acceptEncoding)).field('etag'), 'W/"own"')
    t.equal((await hit(site, acceptEncoding, '/', { 'if-none-match': '"own"' })).status, 304)
  }
})

/** Bytes without a pattern. */
const NOISE = Buffer.concat(Array.from({ length: 100 }, (_, at) => hash('sha256', String(at), 'buffer')))

/** What is stored as it came. */
const untouched: Record<string, { fields: Fields, body?: unknown, status?: number }> = {
  'a small body': { fields: TEXT, body: 'x'.repeat(1023) },
  'a picture': { fields: { 'content-type': 'image/png' }, body: LONG },
  'an archive': { fields: { 'content-type': 'application/zip' }, body: LONG },
  'no type at all': { fields: {}, body: Buffer.from(LONG) },
  'no-transform': { fields: { ...TEXT, 'cache-control': 'public, no-transform' }, body: LONG },
  'another status': { fields: TEXT, status: 203, body: LONG },
  'a coding of its own': { fields: { ...TEXT, 'content-encoding': 'gzip' }, body: gzipSync(LONG) },
  'what gets no smaller': { fields: TEXT, body: NOISE }
}

everywhere('what is small, compressed already or not to be changed is stored as it is', async (t, cache) => {
  const site = await scene(t, { compress: 'gzip', statusCodes: [200, 203] }, { cache })
  for (const [what, given] of Object.entries(untouched)) {
    answers(site, given)
    const url = freshUrl()
    const headers = { 'accept-encoding': 'gzip' }
    const miss = await site.ask(url, { headers })
    const hit = await site.ask(url, { headers })
    t.equal(hit.field('x-cache'), 'HIT', what)
    for (const name of ['content-encoding', 'content-type', 'etag', 'vary']) t.equal(hit.field(name), miss.field(name), `${what}: ${name}`)
    t.ok(hit.body.equals(miss.body), what)
  }
})

test('bodies from 1024 bytes are compressed, text and data by other names, and streams', async (t) => {
  const site = await scene(t, { compress: true })
  for (const type of ['text/html; charset=utf-8', 'application/json', 'application/problem+json', 'image/svg+xml', 'APPLICATION/JSON']) {
    answers(site, { fields: { 'content-type': type }, body: Buffer.from('x'.repeat(1024)) })
    const url = freshUrl()
    await site.ask(url)
    const given = await hit(site, 'br', url)
    t.strictSame([given.field('content-encoding'), given.field('content-type'), decoded(given)], ['br', type, 'x'.repeat(1024)], type)
  }
  site.origin.answers((_run, _request, reply) => reply.type('text/plain').send(Readable.from([LONG, LONG])))
  await site.ask('/?stream')
  await filled(6, site)
  const given = await hit(site, 'br', '/?stream')
  t.strictSame([given.field('content-encoding'), decoded(given)], ['br', LONG + LONG])
  t.equal((await hit(site, undefined, '/?stream')).text, LONG + LONG)
})

test('parts are cut from the bytes of the coding that is sent', async (t) => {
  const site = await scene(t, { compress: 'gzip' })
  answers(site, { fields: TEXT, body: LONG })
  await site.ask('/')
  const whole = await hit(site, 'gzip')
  const part = await hit(site, 'gzip', '/', { range: 'bytes=2-5' })
  t.strictSame([part.status, part.field('content-range'), part.field('content-encoding'), part.field('etag')], [206, `bytes 2-5/${whole.body.length}`, 'gzip', whole.field('etag')])
  t.ok(part.body.equals(whole.body.subarray(2, 6)))
  t.equal((await hit(site, 'gzip', '/', { range: 'bytes=2-5', 'if-range': whole.field('etag')! })).status, 206)
  const other = await hit(site, undefined, '/', { range: 'bytes=2-5', 'if-range': whole.field('etag')! })
  t.strictSame([other.status, other.text], [200, LONG], 'of what is decompressed all is sent')
  t.strictSame((await hit(site, undefined, '/', { range: 'bytes=2-5' })).text.includes('rds '), true)
})

test('those who wait are not kept waiting by the compression', async (t) => {
  const site = await scene(t, { compress: 'gzip' })
  const all = [site.ask('/', { headers: { 'accept-encoding': 'gzip' } }), site.ask('/'), site.ask('/', { headers: { 'accept-encoding': 'identity;q=0, gzip' } })]
  await site.arrived(3)
  const { reply, answer } = await site.origin.run(1)
  reply.headers(TEXT)
  answer(LONG)
  for (const given of await Promise.all(all)) t.equal(decoded(given), LONG)
})

test('if the handler fails, or a new one is being made, each client gets what it accepts', async (t) => {
  for (const window of ['staleIfError', 'staleWhileRevalidate'] as const) {
    const site = await scene(t, { compress: 'gzip', [window]: '5m' })
    answers(site, { fields: TEXT, body: LONG })
    await site.ask('/')
    site.pass(70_000)
    site.origin.answers(() => { throw new Error('down') })
    for (const [acceptEncoding, expected] of [[undefined, undefined], ['gzip', 'gzip'], ['br', undefined]] as const) {
      const given = await hit(site, acceptEncoding)
      t.strictSame([given.status, given.field('x-cache'), given.field('content-encoding'), given.isComplete], [200, 'STALE', expected, true])
      t.equal(decoded(given), LONG)
      site.pass(6000)
    }
    const head = await site.ask('/', { method: 'HEAD' })
    t.strictSame([head.status, head.field('content-length')], [200, String(LONG.length)])
  }
})

test('bytes that were damaged in Redis count as nothing', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const site = await scene(t, { compress: 'gzip' }, { cache: { redis: url, prefix, timeouts: { read: '10s', write: '10s' }, debugHeaders: true } })
  answers(site, { fields: TEXT, body: LONG })
  const key = (await site.ask('/')).field('x-cache-key')!
  t.ok(await client.strLen(key) < LONG.length, 'stored as it was compressed')
  await client.setRange(key, await client.strLen(key) - 10, 'xxxxx')
  t.equal(heard(await hit(site, undefined)), 'MISS fwd=uri-miss; stored')
  t.equal(brief(await hit(site, undefined)), `200 HIT ${LONG}`)
})
