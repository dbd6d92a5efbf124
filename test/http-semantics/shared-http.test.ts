import type { RouteCacheOptions } from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { setUser } from '../safety/helpers.ts'
import { answers, brief, cached, date, everywhere, filled, heard, scene, tell, turns, type Scene } from './stage.ts'
import type { SceneOptions } from '../freshness/scene.ts'

type Headers = Record<string, string>

/** Ways to say who asks. */
const credentials: Record<string, Headers> = {
  Authorization: { authorization: 'Bearer ada' },
  'a session cookie': { cookie: 'sessionid=ada' },
  'an API key': { 'x-api-key': 'ada' },
  'request.user': { 'x-name': 'ada' }
}
const [ADA, BOB] = [{ authorization: 'Bearer ada' }, { authorization: 'Bearer bob' }]

/** The guard finds the user in `X-Name`. */
async function sharing (t: Test, options: RouteCacheOptions = {}, given?: SceneOptions): Promise<Scene> {
  return await scene(t, (app, { handler }) => {
    app.addHook('preHandler', async (request) => { if (request.headers['x-name'] !== undefined) setUser(request, { id: request.headers['x-name'] }) })
    app.get('/', cached({ shared: 'http', ...options }), handler)
  }, given)
}

/** The handler answers with who asked. */
function names (site: Scene, control?: string): void {
  site.origin.answers((run, { headers }, reply) => {
    if (control !== undefined) reply.header('cache-control', control)
    return `for ${[headers.authorization, headers.cookie, headers['x-api-key'], headers['x-name']].find((value) => value !== undefined) ?? 'all'} made ${run}`
  })
}

everywhere('a response to credentials is for others only where it says so', async (t, cache) => {
  for (const [who, headers] of Object.entries(credentials)) {
    for (const [control, isShared] of [[undefined, false], ['max-age=60', false], ['public', true], ['s-maxage=60', true], ['must-revalidate', true], ['private', false], ['no-store', false], ['public="x"', false], ['s-maxage=soon', false], ['proxy-revalidate', false]] as const) {
      const site = await sharing(t, {}, { cache: { ...cache, prefix: `${cache.prefix ?? 'cache'}-${who.length}-${String(control).replaceAll(/\W/g, '')}` } })
      names(site, control)
      const first = await site.ask('/', { headers })
      t.match(first.text, /ada made 1/)
      t.equal(first.field('cache-status')?.endsWith('; stored'), isShared, `${who}: ${control}`)
      t.equal((await site.ask('/')).text, isShared ? first.text : 'for all made 2', `${who}: ${control}`)
      await site.app.close()
    }
  }
})

everywhere('what was made for nobody is for those with credentials as well', async (t, cache) => {
  const site = await sharing(t, {}, { cache })
  names(site)
  await site.ask('/')
  for (const headers of Object.values(credentials)) t.equal(brief(await site.ask('/', { headers })), '200 HIT for all made 1')
  t.equal(site.origin.runs.length, 1)
})

test('users get responses of their own where nothing is shared, however often they ask', async (t) => {
  const site = await sharing(t)
  names(site)
  for (let time = 0; time < 3; time++) {
    t.match((await site.ask('/', { headers: ADA })).text, /^for Bearer ada/)
    t.match((await site.ask('/', { headers: BOB })).text, /^for Bearer bob/)
  }
  t.equal(site.origin.runs.length, 6)
  t.equal(brief(await site.ask('/')), '200 MISS for all made 7')
})

test('who has credentials neither waits for others nor is waited for', async (t) => {
  const site = await sharing(t)
  const all = [site.ask('/', { headers: ADA }), site.ask('/', { headers: BOB })]
  await site.origin.run(2)
  all.push(site.ask('/'))
  await site.origin.run(3)
  all.push(site.ask('/', { headers: ADA }), site.ask('/'))
  const fourth = await site.origin.run(4)
  await site.arrived(5)
  t.equal(fourth.request.headers.authorization, 'Bearer ada')
  t.equal(site.origin.runs.length, 4, 'the one without waits for the other without')
  for (const run of site.origin.runs) run.answer(`for ${run.request.headers.authorization ?? 'all'}`)
  t.strictSame((await Promise.all(all)).map(({ text }) => text), ['for Bearer ada', 'for Bearer bob', 'for all', 'for Bearer ada', 'for all'])
})

test('nor does one whose answer was for him make the others run alone', async (t) => {
  const site = await sharing(t)
  names(site, 'private')
  await site.ask('/', { headers: ADA })
  site.origin.answers(undefined)
  const all = site.many(3, '/')
  await site.arrived(4)
  tell(await site.origin.run(2), {}, 'for all')
  for (const given of await Promise.all(all)) t.equal(given.text, 'for all')
  t.equal(site.origin.runs.length, 2)
})

test('a user that is found late makes a response his own', async (t) => {
  const site = await scene(t, (app) => {
    app.get('/', cached({ shared: 'http' }), async (request) => {
      setUser(request, { id: 'ada' })
      return 'for ada'
    })
    app.get('/public', cached({ shared: 'http' }), async (request, reply) => {
      setUser(request, { id: 'ada' })
      reply.header('cache-control', 'public')
      return 'for all'
    })
  })
  for (let time = 0; time < 2; time++) t.equal(heard(await site.ask('/')), 'MISS fwd=uri-miss; detail=credentials')
  await site.ask('/public')
  t.equal(brief(await site.ask('/public')), '200 HIT for all')
})

test('a targeted field says it in place of Cache-Control', async (t) => {
  const site = await sharing(t)
  answers(site, { fields: { 'fastify-cache-control': 'public', 'cache-control': 'private' } })
  t.equal(heard(await site.ask('/', { headers: ADA })), 'MISS fwd=uri-miss; stored')
  answers(site, { fields: { 'fastify-cache-control': 'max-age=60', 'cache-control': 'public' } })
  t.equal(heard(await site.ask('/?2', { headers: ADA })), 'MISS fwd=uri-miss; detail=credentials')
})

test('a response that varies by credentials is for those who send none', async (t) => {
  const site = await sharing(t)
  site.origin.answers((run, { headers }, reply) => {
    reply.header('vary', 'authorization').header('cache-control', 'public')
    return `for ${headers.authorization ?? 'all'} made ${run}`
  })
  t.equal(brief(await site.ask('/')), '200 MISS for all made 1')
  for (const run of [2, 3]) t.equal(brief(await site.ask('/', { headers: ADA })), `200 MISS for Bearer ada made ${run}`)
  t.equal(brief(await site.ask('/')), '200 HIT for all made 1')
})

test('what is stale is never made anew in the background with credentials', async (t) => {
  const site = await sharing(t, { staleWhileRevalidate: '5m' })
  names(site)
  await site.ask('/')
  site.pass(70_000)
  const given = await site.ask('/', { headers: ADA })
  await turns(site.app)
  t.match(given.text, /^for /)
  if (given.field('x-cache') === 'STALE') t.equal(site.origin.runs.length, 1)
  t.equal(brief(await site.ask('/')), '200 STALE for all made 1', 'his own has not taken its place')
  await filled(2, site)
  t.match(brief(await site.ask('/')), /^200 HIT for all/)
})

test('what the handler is asked about by a user stays what all have', async (t) => {
  const site = await sharing(t, { ttl: 'http' })
  const fields = { etag: '"1"', 'last-modified': date(-9), 'cache-control': 'max-age=60' }
  answers(site, { fields, body: 'for all' })
  await site.ask('/')
  site.pass(60_000)
  answers(site, (_run, { headers }) => headers['if-none-match'] === '"1"' ? { status: 304, fields } : { fields, body: `for ${headers.authorization}` })
  t.equal(heard(await site.ask('/', { headers: ADA })), 'REVALIDATED fwd=stale; fwd-status=304; detail=credentials')
  t.match((await site.ask('/')).text, 'for all')
})

test('if the handler fails, what is stale is for them as well', async (t) => {
  const site = await sharing(t, { staleIfError: '5m' })
  names(site)
  await site.ask('/')
  site.pass(70_000)
  site.origin.answers(() => { throw new Error('down') })
  t.equal(brief(await site.ask('/', { headers: ADA })), '200 STALE for all made 1')
})

test('shared: true asks no response, and no shared at all lets nobody in', async (t) => {
  const all = await sharing(t, { shared: true })
  names(all)
  t.equal(heard(await all.ask('/', { headers: ADA })), 'MISS fwd=uri-miss; stored')
  t.equal(brief(await all.ask('/', { headers: BOB })), '200 HIT for Bearer ada made 1')
  const none = await sharing(t, { shared: false })
  names(none, 'public')
  for (const headers of Object.values(credentials)) t.equal(heard(await none.ask('/', { headers })), 'BYPASS fwd=bypass; detail=credentials')
})
