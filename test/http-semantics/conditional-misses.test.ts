import type { FastifyInstance } from 'fastify'
import { Readable } from 'node:stream'
import { test, type Test } from 'tap'
import { answers, brief, cached, date, everywhere, filled, scene, tell, type Scene } from './stage.ts'

const FIELDS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'] as const
const asked = { 'if-match': '*', 'if-none-match': '"a"', 'if-modified-since': date(-5), 'if-unmodified-since': date(5) }

/** What the handler and the hooks around it saw of the conditions of a request, in the order in which they ran. */
async function watched (t: Test, handle: (app: FastifyInstance) => unknown): Promise<{ site: Scene, seen: string[] }> {
  const seen: string[] = []
  const site = await scene(t, (app, { handler }) => {
    const note = (where: string, headers: Record<string, unknown>): void => { seen.push(`${where} ${FIELDS.filter((name) => headers[name] !== undefined).length}`) }
    app.addHook('preHandler', async ({ headers }) => note('before', headers))
    app.addHook('onSend', async ({ headers }) => note('onSend', headers))
    app.addHook('onResponse', async ({ headers, raw }) => {
      note('after', headers)
      if (headers !== undefined) note('raw', raw.headers)
    })
    handle(app)
    app.get('/', cached(), async (request, reply) => {
      note('handler', request.headers)
      note('handler raw', request.raw.headers)
      return await handler(request, reply)
    })
  })
  return { site, seen }
}

test('the handler does not see the conditions; hooks before the look-up and after the answer do', async (t) => {
  const { site, seen } = await watched(t, () => {})
  answers(site, { fields: { etag: '"a"', 'last-modified': date(-10) } })
  t.equal(brief(await site.ask('/', { headers: asked })), '304 MISS ')
  // Hooks that run between the handler and the last one are part of making the response.
  t.strictSame(seen, ['before 4', 'handler 0', 'handler raw 0', 'onSend 0', 'after 4', 'raw 4'])
})

test('they see them as they were when the handler fails', async (t) => {
  const { site, seen } = await watched(t, () => {})
  site.origin.answers(() => { throw new Error('down') })
  const answer = await site.ask('/', { headers: asked })
  t.strictSame([answer.status, answer.field('cache-status')], [500, 'fastify-response-cache; fwd=uri-miss; detail=status'])
  t.equal(seen.at(-1), 'raw 4')
})

everywhere('a miss with a condition is stored whole, and its client gets its answer', async (t, cache) => {
  const site = await scene(t, {}, { cache })
  answers(site, { fields: { etag: '"a"' }, body: 'text' })
  t.equal(brief(await site.ask('/', { headers: { 'if-none-match': '"a"' } })), '304 MISS ')
  t.equal(brief(await site.ask('/')), '200 HIT text')
  t.equal(brief(await site.ask('/?2', { headers: { 'if-match': '"b"' } })), '412 MISS ')
  t.equal(brief(await site.ask('/?2')), '200 HIT text')
  t.equal(brief(await site.ask('/?3', { headers: { 'if-none-match': '"b"' } })), '200 MISS text')
})

test('so is a stream, to its end', async (t) => {
  const site = await scene(t, {})
  site.origin.answers((_run, _request, reply) => {
    reply.header('etag', '"a"')
    return Readable.from((async function * () {
      for (let i = 0; i < 50; i++) yield await new Promise((resolve) => { setImmediate(resolve, 'x'.repeat(1000)) })
    })())
  })
  const first = await site.ask('/', { headers: { 'if-none-match': '"a"' } })
  t.strictSame([first.status, first.body.length, first.isChunked, first.field('content-length')], [304, 0, false, undefined])
  await filled(1, site)
  const hit = await site.ask('/')
  t.strictSame([hit.field('x-cache'), hit.body.length], ['HIT', 50_000])
})

test('and one that is made in the background', async (t) => {
  const site = await scene(t, { staleWhileRevalidate: '1m' })
  answers(site, {})
  await site.ask('/')
  site.pass(70_000)
  site.origin.answers(() => Readable.from((async function * () {
    for (let i = 0; i < 50; i++) yield await new Promise((resolve) => { setTimeout(resolve, 1, 'x'.repeat(1000)) })
  })()))
  t.equal(brief(await site.ask('/')), '200 STALE made 1')
  await filled(2, site)
  t.equal((await site.ask('/')).body.length, 50_000)
})

test('a short stream whose client gets a 304 is stored with the status of its handler', async (t) => {
  const site = await scene(t, {})
  site.origin.answers((_run, _request, reply) => reply.header('etag', '"a"').send(Readable.from(['text'])))
  t.equal(brief(await site.ask('/', { headers: { 'if-none-match': '"a"' } })), '304 MISS ')
  await filled(1, site)
  t.equal(brief(await site.ask('/')), '200 HIT text')
})

test('what breaks or is too large is not stored, and the client that has it is told that all the same', async (t) => {
  const site = await scene(t, { maxBytes: 1000 })
  const streams: Record<string, () => Readable> = {
    large: () => Readable.from(['x'.repeat(2000)]),
    broken: () => Readable.from((async function * () { yield 'x'; throw new Error('broken') })())
  }
  for (const [what, make] of Object.entries(streams)) {
    site.origin.answers((_run, _request, reply) => reply.header('etag', '"a"').send(make()))
    for (let time = 0; time < 2; time++) t.equal(brief(await site.ask(`/?${what}`, { headers: { 'if-none-match': '"a"' } })), '304 MISS ', what)
  }
})

test('an answer that is not stored is compared as well, and an error is sent as it is', async (t) => {
  const site = await scene(t, {})
  const ask = async (url: string): Promise<string> => brief(await site.ask(url, { headers: { 'if-none-match': '"a"', 'if-modified-since': date(0) } }))
  answers(site, { fields: { etag: '"a"', 'cache-control': 'no-store' } })
  t.equal(await ask('/'), '304 MISS ')
  answers(site, { fields: { etag: '"a"', 'cache-control': 'no-store' }, status: 404, body: 'nothing' })
  t.equal(await ask('/?2'), '404 MISS nothing')
  site.origin.answers(() => { throw new Error('down') })
  t.match(await ask('/?3'), /^500 MISS .*down/)
})

test('a handler that is known to answer each client alone gets the conditions', async (t) => {
  const site = await scene(t, {})
  site.origin.answers((_run, { headers }, reply) => {
    reply.header('cache-control', 'no-store').header('etag', '"a"')
    if (headers['if-none-match'] === '"a"') return reply.code(304).send()
    return 'whole'
  })
  t.equal(brief(await site.ask('/')), '200 MISS whole')
  t.equal(brief(await site.ask('/', { headers: { 'if-none-match': '"a"' } })), '304 MISS ')
  t.equal(site.origin.runs[1]!.request.headers['if-none-match'], '"a"')
})

test('others who ask at the same time get all of it', async (t) => {
  const site = await scene(t, {})
  const first = site.ask('/', { headers: { 'if-none-match': '"a"' } })
  await site.arrived(1)
  const others = site.many(3, '/')
  await site.arrived(4)
  tell(await site.origin.run(1), { etag: '"a"' }, 'text')
  t.strictSame([brief(await first), ...(await Promise.all(others)).map(brief)], ['304 MISS ', '200 HIT text', '200 HIT text', '200 HIT text'])
  t.equal(site.origin.runs.length, 1)
})

test('a handler that answers 304 without having been asked: it is passed on, not stored, and nobody queues behind it', async (t) => {
  const site = await scene(t, {})
  const all = site.many(12, '/')
  await site.arrived(12)
  site.origin.answers((_run, _request, reply) => reply.code(304).send())
  const { reply } = await site.origin.run(1)
  reply.code(304).send()
  for (const answer of await Promise.all(all)) t.equal(brief(answer), '304 MISS ')
  answers(site, { body: 'text' })
  t.equal(brief(await site.ask('/')), '200 MISS text')
  t.equal(brief(await site.ask('/')), '200 HIT text')
})

test('routes that are not stored keep their conditions: bypassed, uncached and HEAD', async (t) => {
  const site = await scene(t, (app, { handler }) => {
    app.get('/skipped', cached({ skip: () => true }), handler)
    app.get('/uncached', handler)
    app.get('/', cached(), handler)
  })
  site.origin.answers((_run, { headers }, reply) => reply.send(FIELDS.filter((name) => headers[name] !== undefined).length.toString()))
  for (const url of ['/skipped', '/uncached']) t.equal((await site.ask(url, { headers: asked })).text, '4')
  await site.ask('/', { headers: asked, method: 'HEAD' })
  t.equal(site.origin.runs[2]!.request.headers['if-none-match'], '"a"')
  t.equal((await site.ask('/', { headers: { authorization: 'Basic x', ...asked } })).text, '4', 'with credentials')
})
