import { test } from 'tap'
import { brief, cached, everywhere, heard, scene, type Exchange } from './stage.ts'

const MINUTE_MS = 60_000

everywhere('what a key of its own selects is for one browser alone downstream', async (t, cache) => {
  const site = await scene(t, {
    key: ({ headers }) => `tenant:${String(headers['x-tenant'])}`,
    downstream: { maxAge: '30s', cdnMaxAge: '1h', tags: 'surrogate-key' },
    tags: ['a']
  }, { cache })
  site.origin.answers((_run, { headers }) => `for ${String(headers['x-tenant'])}`)
  const told = ({ field }: Exchange): unknown => ['cache-control', 'cdn-cache-control', 'surrogate-key'].map(field)
  for (const tenant of ['a', 'b']) {
    const headers = { 'x-tenant': tenant }
    const given = [await site.ask('/', { headers }), await site.ask('/', { headers })]
    t.strictSame(given.map(brief), [`200 MISS for ${tenant}`, `200 HIT for ${tenant}`])
    given.push(await site.ask('/', { headers, method: 'HEAD' }), await site.ask('/', { headers: { ...headers, 'if-none-match': '*' } }))
    t.equal(given[3]!.status, 304)
    for (const one of given) t.strictSame(told(one), ['private, max-age=30', undefined, undefined])
  }
})

test('reply.cacheInvalidate() throws where the method is cached, also where the route has unsafe methods', async (t) => {
  const site = await scene(t, (app, { handler }) => {
    app.get('/data', cached({ tags: ['x'] }), handler)
    for (const [url, method] of [['/one', ['GET']], ['/both', ['GET', 'POST']]] as const) {
      app.route({ method: [...method], url, ...cached(), handler: async (_request, reply) => reply.cacheInvalidate({ tags: ['x'] }).send('done') })
    }
  })
  site.origin.answers((run) => `made ${run}`)
  await site.ask('/data')
  for (const url of ['/one', '/both']) {
    const { status, text } = await site.ask(url)
    const { code, message } = JSON.parse(text) as Record<string, string>
    t.strictSame([status, code], [500, 'RESPONSE_CACHE_ERR_TARGET_INVALID'], url)
    t.match(message, /reply\.cacheInvalidate\(\).*that is not cached/)
    t.equal(brief(await site.ask('/data')), '200 HIT made 1', 'and nothing is invalidated')
  }
  t.equal((await site.ask('/both', { method: 'POST' })).text, 'done')
  t.equal(brief(await site.ask('/data')), '200 MISS made 2', 'the unsafe one may')
})

const takers = ['max-stale', 'max-stale=0', 'max-stale=600']

everywhere('max-stale takes what is too old, and not what was invalidated softly', async (t, cache) => {
  for (const control of takers) {
    const site = await scene(t, { obeyRequestDirectives: true, staleIfError: '10m', tags: ['x'] }, { cache })
    site.origin.answers((run) => `made ${run}`)
    const ask = async (): Promise<string> => brief(await site.ask('/', { headers: { 'cache-control': control } }))
    await site.app.cache.invalidateAll()
    await site.ask('/')
    site.pass(MINUTE_MS)
    t.equal(await ask(), '200 STALE made 1', control)
    await site.ask('/')
    site.pass(1)
    await site.app.cache.invalidateTags('x', { soft: true })
    t.equal(await ask(), '200 MISS made 3', control)
  }
})

everywhere('nor when that has become too old as well', async (t, cache) => {
  const site = await scene(t, { obeyRequestDirectives: true, staleIfError: '10m', tags: ['x'] }, { cache })
  site.origin.answers((run) => `made ${run}`)
  await site.ask('/')
  site.pass(1)
  await site.app.cache.invalidateTags('x', { soft: true })
  site.pass(MINUTE_MS)
  t.equal(brief(await site.ask('/', { headers: { 'cache-control': 'max-stale=600' } })), '200 MISS made 2')
})

everywhere('only-if-cached runs no handler, also where it is known that nothing is stored', async (t, cache) => {
  for (const staleIfError of [undefined, '1m'] as const) {
    const site = await scene(t, { obeyRequestDirectives: true, ...staleIfError === undefined ? {} : { staleIfError } }, { cache })
    site.origin.answers((run, _request, reply) => {
      reply.header('cache-control', 'private')
      return `made ${run}`
    })
    const cachedOnly = { headers: { 'cache-control': 'only-if-cached' } }
    const before = heard(await site.ask('/', cachedOnly))
    for (let run = 1; run < 3; run++) {
      t.equal(brief(await site.ask('/')), `200 MISS made ${run}`)
      const refused = await site.ask('/', cachedOnly)
      t.strictSame([refused.status, heard(refused)], [504, before])
      t.equal(site.origin.runs.length, run)
    }
  }
})
