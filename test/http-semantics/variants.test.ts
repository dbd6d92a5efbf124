import type { FastifyReply, FastifyRequest } from 'fastify'
import { test, type Test } from 'tap'
import type { ResponseCacheOptions } from 'fastify-response-cache'
import { answers, brief, date, everywhere, heard, scene, tell, type Scene } from './stage.ts'

type Headers = Record<string, string>

/** The handler says by which fields it has chosen, and what it saw in them. */
function choosesBy (site: Scene, ...names: string[]): void {
  site.origin.answers((run, { headers }, reply) => {
    reply.header('vary', names.join(', '))
    return `${names.map((name) => headers[name.toLowerCase()] ?? 'none').join('|')} made ${run}`
  })
}

async function choosing (t: Test, cache: ResponseCacheOptions, ...names: string[]): Promise<Scene> {
  const site = await scene(t, {}, { cache })
  choosesBy(site, ...names)
  return site
}

everywhere('two responses that differ by a field live side by side', async (t, cache) => {
  const site = await choosing(t, cache, 'Accept')
  const [json, html] = [{ accept: 'application/json' }, { accept: 'text/html' }]
  t.equal(heard(await site.ask('/', { headers: json })), 'MISS fwd=uri-miss; stored')
  t.equal(heard(await site.ask('/', { headers: html })), 'MISS fwd=vary-miss; stored')
  for (let time = 0; time < 3; time++) {
    t.equal(brief(await site.ask('/', { headers: json })), '200 HIT application/json made 1')
    t.equal(brief(await site.ask('/', { headers: html })), '200 HIT text/html made 2')
  }
  t.equal(brief(await site.ask('/', { headers: html, method: 'HEAD' })), '200 HIT ')
})

everywhere('so do many, each for those who sent the same', async (t, cache) => {
  const site = await choosing(t, cache, 'X-Tenant')
  for (let i = 0; i < 30; i++) await site.ask('/', { headers: { 'x-tenant': `t${i}` } })
  for (let i = 0; i < 30; i++) t.equal(brief(await site.ask('/', { headers: { 'x-tenant': `t${i}` } })), `200 HIT t${i} made ${i + 1}`)
  t.equal(site.origin.runs.length, 30)
})

everywhere('a field that is absent is not one that is empty', async (t, cache) => {
  const site = await choosing(t, cache, 'X-Tenant')
  t.equal(brief(await site.ask('/')), '200 MISS none made 1')
  t.equal(brief(await site.ask('/', { headers: { 'x-tenant': '' } })), '200 MISS  made 2')
  t.equal(brief(await site.ask('/')), '200 HIT none made 1')
  t.equal(brief(await site.ask('/', { headers: { 'x-tenant': '' } })), '200 HIT  made 2')
  t.equal(brief(await site.ask('/', { headers: { 'x-tenant': 'none' } })), '200 MISS none made 3')
})

const alike: Array<[field: string, one: string, other: string]> = [
  ['accept-language', 'de, en;q=0.5', 'DE,en;q=0.50'],
  ['accept-language', 'de, fr', 'fr, de'],
  ['accept-encoding', 'gzip, br;q=0.5', 'br;q=0.5,GZIP'],
  ['accept', 'text/html;level=1, */*;q=0.1', '*/*;q=0.1, TEXT/HTML;level=1']
]
const different: Array<[field: string, one: string, other: string]> = [
  ['accept-language', 'de', 'de;q=0'],
  ['accept', 'text/html, text/plain', 'text/plain, text/html'],
  ['accept-encoding', 'gzip', 'gzip, br'],
  ['accept', 'text/html;level=1', 'text/html;level=2'],
  ['x-tenant', 'a, b', 'a,b'],
  ['x-tenant', 'a', 'A'],
  ['user-agent', 'x/1', 'x/1.0'],
  ['accept-language', 'de;q=2', 'de;q=3']
]

test('what means the same in content negotiation shares a response, and nothing else does', async (t) => {
  for (const [cases, expected] of [[alike, 'HIT'], [different, 'MISS']] as const) {
    for (const [field, one, other] of cases) {
      const site = await choosing(t, {}, field)
      await site.ask('/', { headers: { [field]: one } })
      t.equal((await site.ask('/', { headers: { [field]: other } })).field('x-cache'), expected, `${field}: ${one} and ${other}`)
    }
  }
})

test('the lines of a field in Vary and the case of its names do not matter', async (t) => {
  const site = await scene(t, {})
  site.origin.answers((run, { headers }, reply) => {
    reply.header('vary', run === 1 ? ['ACCEPT', 'X-Tenant'] : 'x-tenant,accept')
    return `${headers['x-tenant']} made ${run}`
  })
  for (const tenant of ['a', 'b']) t.match(brief(await site.ask('/', { headers: { 'x-tenant': tenant } })), /^200 MISS/)
  for (const tenant of ['a', 'b']) t.match(brief(await site.ask('/', { headers: { 'x-tenant': tenant } })), new RegExp(`^200 HIT ${tenant}`))
})

test('a response that varies by everything is not stored', async (t) => {
  const site = await scene(t, {})
  for (const vary of ['*', 'accept, *', ['accept', '*'], 'a b', ',*,']) {
    site.origin.answers((run, _request: FastifyRequest, reply: FastifyReply) => {
      reply.header('vary', vary)
      return `made ${run}`
    })
    for (let time = 0; time < 2; time++) t.equal((await site.ask(`/?n=${encodeURIComponent(String(vary))}`)).field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=vary', String(vary))
  }
})

/** What a handler answers to one client need not be for the others. */
const refusals: Array<[what: string, answer: (reply: FastifyReply) => unknown]> = [
  ['status 406', (reply) => reply.code(406).send('no such form')],
  ['Vary: *', (reply) => reply.header('vary', '*').send('for one')],
  ['Cache-Control: no-store', (reply) => reply.header('cache-control', 'no-store').send('for one')]
]

for (const [what, answerOne] of refusals) {
  test(`an answer with ${what} to one client leaves the stored variants to the others`, async (t) => {
    const site = await choosing(t, {}, 'Accept')
    const html = { headers: { accept: 'text/html' } }
    await site.ask('/', html)
    t.equal(brief(await site.ask('/', html)), '200 HIT text/html made 1')
    site.origin.answers((run, _request, reply) => run === 2 ? answerOne(reply) : `made ${run}`)
    await site.ask('/', { headers: { accept: 'text/turtle' } })
    t.equal(brief(await site.ask('/', html)), '200 HIT text/html made 1')
  })
}

everywhere('names that come later are added to those that are known', async (t, cache) => {
  const site = await choosing(t, cache, 'Accept')
  const ask = async (accept: string, language: string): Promise<string> => brief(await site.ask('/', { headers: { accept, 'accept-language': language } }))
  t.equal(await ask('text/html', 'de'), '200 MISS text/html made 1')
  t.equal(await ask('text/html', 'en'), '200 HIT text/html made 1')
  choosesBy(site, 'Accept', 'Accept-Language')
  t.equal(await ask('text/plain', 'de'), '200 MISS text/plain|de made 2')
  t.equal(await ask('text/plain', 'de'), '200 HIT text/plain|de made 2')
  t.equal(await ask('text/plain', 'en'), '200 MISS text/plain|en made 3')
  t.equal(await ask('text/html', 'en'), '200 MISS text/html|en made 4')
  t.equal(await ask('text/html', 'de'), '200 MISS text/html|de made 5')
  for (const [accept, language, run] of [['text/plain', 'de', 2], ['text/plain', 'en', 3], ['text/html', 'en', 4], ['text/html', 'de', 5]] as const) {
    t.equal(await ask(accept, language), `200 HIT ${accept}|${language} made ${run}`)
  }
})

everywhere('a response that stops varying does not take the place of the others', async (t, cache) => {
  const site = await choosing(t, cache, 'Accept')
  const ask = async (accept: string): Promise<string> => brief(await site.ask('/', { headers: { accept } }))
  await ask('text/html')
  site.origin.answers((run) => `for all, made ${run}`)
  t.equal(await ask('text/plain'), '200 MISS for all, made 2')
  t.equal(await ask('text/html'), '200 HIT text/html made 1')
  t.equal(await ask('text/plain'), '200 HIT for all, made 2')
  site.pass(60_000)
  t.equal(await ask('text/html'), '200 MISS for all, made 3')
  t.equal(await ask('text/html'), '200 HIT for all, made 3')
})

everywhere('at once: each variant is made once on a cold key, and nobody gets that of another', async (t, cache) => {
  const site = await scene(t, {}, { cache })
  const tenants = ['a', 'b', 'c', 'd']
  const asked = tenants.flatMap((tenant) => site.many(4, '/', { headers: { 'x-tenant': tenant } }).map(async (given) => ({ tenant, given: await given })))
  await site.arrived(16)
  site.origin.answers((_run, { headers }, reply) => {
    reply.header('vary', 'x-tenant')
    return headers['x-tenant']
  })
  const { request, reply, answer } = await site.origin.run(1)
  reply.header('vary', 'x-tenant')
  answer(request.headers['x-tenant'])
  for (const { tenant, given } of await Promise.all(asked)) t.strictSame([given.status, given.text], [200, tenant])
  const made = site.origin.runs.map((run) => run.request.headers['x-tenant']).sort()
  t.strictSame(made, tenants)
})

const invalidations: Record<string, (site: Scene, keys: string[]) => Promise<unknown>> = {
  'the key that they have in common': (site, keys) => site.app.cache.invalidateKey(keys[0]!),
  'a tag of one of them': (site) => site.app.cache.invalidateTags('all'),
  'their URL': (site) => site.app.cache.invalidateUrl('/things/1'),
  'their URL with its query': (site) => site.app.cache.invalidateUrl('/things/1?a=1'),
  'a pattern': (site) => site.app.cache.invalidatePattern('thing:GET:/things/*'),
  'their namespace': (site) => site.app.cache.invalidateNamespace('thing'),
  'a write to their URL': (site) => site.ask('/things/1', { method: 'DELETE' }),
  everything: (site) => site.app.cache.invalidateAll()
}

everywhere('an invalidation means all variants', async (t, cache) => {
  const site = await scene(t, (app, { handler }) => {
    app.get('/things/:id', { config: { cache: { ttl: '1m', namespace: 'thing', tags: ['all'] } } }, handler)
    app.delete('/things/:id', async () => 'deleted')
  }, { cache: { ...cache, debugHeaders: true } })
  choosesBy(site, 'X-Tenant')
  const prefix = (cache.prefix ?? 'cache').length + 1
  const ask = async (tenant: string): Promise<[string | undefined, string]> => {
    const given = await site.ask('/things/1?a=1', { headers: { 'x-tenant': tenant } })
    return [given.field('x-cache'), given.field('x-cache-key')!.slice(prefix)]
  }
  const first: string[] = []
  for (const [what, invalidate] of Object.entries(invalidations)) {
    for (const tenant of ['a', 'b', 'c']) first.push((await ask(tenant))[1])
    for (const tenant of ['a', 'b', 'c']) t.equal((await ask(tenant))[0], 'HIT')
    await invalidate(site, first)
    for (const tenant of ['a', 'b', 'c']) t.equal((await ask(tenant))[0], 'MISS', `${what}, ${tenant}`)
  }
})

everywhere('the key that a hit shows invalidates its own variant', async (t, cache) => {
  const site = await scene(t, {}, { cache: { ...cache, debugHeaders: true } })
  choosesBy(site, 'X-Tenant')
  const ask = async (tenant: string) => await site.ask('/', { headers: { 'x-tenant': tenant } })
  for (const tenant of ['a', 'b', 'a', 'b']) await ask(tenant)
  const key = (await ask('b')).field('x-cache-key')!.slice((cache.prefix ?? 'cache').length + 1)
  await site.app.cache.invalidateKey(key)
  t.equal((await ask('b')).field('x-cache'), 'MISS')
  t.equal((await ask('a')).field('x-cache'), 'HIT', 'and no other')
})

const vary = (headers: Headers): string => headers['x-tenant'] ?? 'nobody'

everywhere('soft invalidation makes all variants stale', async (t, cache) => {
  const site = await scene(t, { staleIfError: '1m' }, { cache })
  choosesBy(site, 'X-Tenant')
  const tenants: Headers[] = [{ 'x-tenant': 'a' }, { 'x-tenant': 'b' }]
  for (const headers of tenants) await site.ask('/', { headers })
  await site.app.cache.invalidateUrl('/', { soft: true })
  site.origin.answers(() => { throw new Error('down') })
  for (const headers of tenants) t.match(brief(await site.ask('/', { headers })), new RegExp(`^200 STALE ${vary(headers)} made`))
})

test('who waited for another variant is not told that his own is unchanged', async (t) => {
  const site = await scene(t, { ttl: 'http' })
  const german = site.ask('/', { headers: { 'accept-language': 'de' } })
  await site.arrived(1)
  const english = site.ask('/', { headers: { 'accept-language': 'en' } })
  await site.arrived(2)
  const fields = { vary: 'accept-language', 'cache-control': 'max-age=60', 'last-modified': date(-1000) }
  answers(site, (_run, { headers }) => headers['if-modified-since'] === undefined ? { fields, body: headers['accept-language'] } : { status: 304, fields })
  tell(await site.origin.run(1), fields, 'de')
  t.strictSame([brief(await german), brief(await english)], ['200 MISS de', '200 MISS en'])
  t.strictSame(brief(await site.ask('/', { headers: { 'accept-language': 'en' } })), '200 HIT en')
})
