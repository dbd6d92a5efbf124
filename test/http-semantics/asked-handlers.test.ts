import type { FastifyInstance } from 'fastify'
import { test, type Test } from 'tap'
import { answers, brief, cached, date, everywhere, heard, scene, tell, type Origin, type Scene } from './stage.ts'

const MINUTE_MS = 60_000
const FRESH = { 'cache-control': 'max-age=60' }

/** A handler that answers with a `Response`, 304 to who asks about it. */
function passesOn (site: Scene): void {
  site.origin.answers((_run, { headers }) => {
    const fields = { ...FRESH, etag: '"1"', 'content-type': 'text/plain' }
    return headers['if-none-match'] === '"1"' ? new Response(null, { status: 304, headers: fields }) : new Response('text', { headers: fields })
  })
}

everywhere('a handler that is asked may say with a Response that nothing has changed', async (t, cache) => {
  const site = await scene(t, { ttl: 'http' }, { cache })
  passesOn(site)
  t.equal(brief(await site.ask('/')), '200 MISS text')
  for (let time = 0; time < 2; time++) {
    site.pass(MINUTE_MS)
    const renewed = await site.ask('/')
    t.strictSame([brief(renewed), heard(renewed), renewed.field('etag')], ['200 REVALIDATED text', 'REVALIDATED fwd=stale; fwd-status=304; stored', '"1"'])
    const hit = await site.ask('/')
    t.strictSame([brief(hit), heard(hit)], ['200 HIT text', 'HIT hit; ttl=60'])
  }
  site.pass(MINUTE_MS)
  t.equal(brief(await site.ask('/', { headers: { 'if-none-match': '"1"' } })), '304 REVALIDATED ')
  t.equal(site.origin.runs.length, 4)
})

everywhere('a Response with an error of the server is one that a stale response is sent for', async (t, cache) => {
  const site = await scene(t, { staleIfError: '1m' }, { cache })
  site.origin.answers((run) => run === 1 ? new Response('good') : new Response('broken', { status: 500 }))
  t.equal(brief(await site.ask('/')), '200 MISS good')
  site.pass(MINUTE_MS)
  for (let time = 0; time < 2; time++) t.equal(brief(await site.ask('/')), '200 STALE good')
  site.pass(MINUTE_MS)
  t.match(brief(await site.ask('/')), /^500 MISS broken/)
})

/** A hook that adds a field the way Fastify documents it: with all that are there. */
function withHook (app: FastifyInstance, { handler }: Origin): void {
  app.addHook('onRequest', async (request) => { request.headers = { ...request.headers, 'x-a': '1' } })
  app.get('/', cached({ ttl: 'http', tags: ['x'] }), handler)
}

/** A handler whose content has a version, and that answers 304 to who has it. */
function hasVersion (site: Scene, version: string): void {
  const fields = { ...FRESH, etag: `"${version}"` }
  answers(site, (_run, { headers }) => headers['if-none-match'] === fields.etag ? { status: 304, fields } : { fields, body: version })
}

const agings: Record<string, (site: Scene) => unknown> = {
  'is stale': (site) => { site.pass(MINUTE_MS) },
  'was invalidated softly': async (site) => await site.app.cache.invalidate({ tags: ['x'] }, { soft: true })
}

for (const [what, age] of Object.entries(agings)) {
  everywhere(`where a hook has replaced the header fields, the copy of one client does not renew what ${what} for others`, async (t, cache) => {
    const site = await scene(t, withHook, { cache })
    hasVersion(site, 'v1')
    t.equal(brief(await site.ask('/')), '200 MISS v1')
    hasVersion(site, 'v2')
    await age(site)
    t.equal((await site.ask('/', { headers: { 'if-none-match': '"v2"' } })).status, 304)
    t.equal(brief(await site.ask('/')), '200 MISS v2')
    t.equal(brief(await site.ask('/')), '200 HIT v2')
  })
}

test('a handler behind such a hook is asked where the client has asked nothing', async (t) => {
  const site = await scene(t, withHook)
  hasVersion(site, 'v1')
  await site.ask('/')
  site.pass(MINUTE_MS)
  t.equal(brief(await site.ask('/')), '200 REVALIDATED v1')
})

/** A handler that compares dates only. */
async function comparesDates (t: Test, fields: Record<string, string>): Promise<Scene> {
  const site = await scene(t, { ttl: 'http' })
  answers(site, (run, { headers }) => headers['if-modified-since'] === undefined ? { fields: { ...FRESH, 'last-modified': date(-1000), ...fields }, body: `v${run}` } : { status: 304, fields: { ...FRESH, ...fields } })
  await site.ask('/')
  site.pass(MINUTE_MS)
  return site
}

test('a handler that compares dates only is not asked by date where there is an ETag', async (t) => {
  const site = await comparesDates(t, { etag: '"1"' })
  t.equal(brief(await site.ask('/')), '200 MISS v2')
  t.strictSame(site.origin.runs[1]!.request.headers['if-modified-since'], undefined)
})

test('it is where there is none', async (t) => {
  t.equal(brief(await (await comparesDates(t, {})).ask('/')), '200 REVALIDATED v1')
})

everywhere('a response that was never fresh is asked about by any clock', async (t, cache) => {
  const site = await scene(t, { ttl: 'http' }, { cache })
  answers(site, (run) => ({ fields: { etag: `"${run}"`, 'cache-control': 'no-cache' }, body: `v${run}` }))
  t.equal(brief(await site.ask('/')), '200 MISS v1')
  for (const [ms, run] of [[-300, 2], [-MINUTE_MS, 3], [300, 4], [0, 5]] as const) {
    site.pass(ms)
    t.equal(brief(await site.ask('/')), `200 MISS v${run}`, `${ms} ms`)
  }
})

test('so are two at once when the clock was set back', async (t) => {
  const site = await scene(t, { ttl: 'http', lock: { waitMs: MINUTE_MS } }) // longer than this test waits
  const fields = { etag: '"1"', 'cache-control': 'no-cache' }
  answers(site, { fields, body: 'text' })
  await site.ask('/')
  site.pass(-300)
  site.origin.answers(undefined)
  const asked = site.many(2, '/')
  await site.origin.run(3)
  for (const run of site.origin.runs.slice(1)) tell(run, fields, 'text')
  for (const given of await Promise.all(asked)) t.equal(brief(given), '200 MISS text')
})

test('after a handler that answers past Fastify, hooks see the conditions of the client', async (t) => {
  const own = { 'if-none-match': '"mine"', 'if-modified-since': date(-1000) }
  const seen: Array<Record<string, unknown>> = []
  const inHandler: Array<Record<string, unknown>> = []
  let ended = (): void => {}
  const site = await scene(t, (app) => {
    app.addHook('onResponse', async ({ headers }) => {
      seen.push({ 'if-none-match': headers['if-none-match'], 'if-modified-since': headers['if-modified-since'] })
      ended()
    })
    app.get('/', cached(), async ({ headers }, reply) => {
      inHandler.push({ 'if-none-match': headers['if-none-match'], 'if-modified-since': headers['if-modified-since'] })
      reply.hijack()
      reply.raw.end('past Fastify')
    })
  })
  const over = new Promise<void>((resolve) => { ended = resolve })
  t.equal((await site.ask('/', { headers: own })).text, 'past Fastify')
  await over
  t.strictSame(inHandler, [{ 'if-none-match': undefined, 'if-modified-since': undefined }], 'the handler does not')
  t.strictSame(seen, [own])
})
