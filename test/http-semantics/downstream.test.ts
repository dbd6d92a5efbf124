import type { RouteCacheOptions } from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { setUser } from '../safety/helpers.ts'
import { answers, cached, everywhere, freshUrl, scene, type Answer, type Exchange, type Fields, type Scene } from './stage.ts'

const NAMES = ['cache-control', 'cdn-cache-control', 'surrogate-key', 'cache-tag'] as const
const ALL: RouteCacheOptions['downstream'] = { maxAge: '30s', cdnMaxAge: '1h', tags: 'surrogate-key' }

/** What clients and a CDN are told. */
function told ({ field }: Exchange): Record<string, string> {
  return Object.fromEntries(NAMES.flatMap((name) => field(name) === undefined ? [] : [[name, field(name)!]]))
}

/** The same of a miss, of a hit, and of a HEAD and a 304 from the hit. */
async function toldByAll (site: Scene, headers: Record<string, string> = {}): Promise<Array<Record<string, string>>> {
  const url = freshUrl()
  const exchanges = [await site.ask(url, { headers }), await site.ask(url, { headers }), await site.ask(url, { headers, method: 'HEAD' }), await site.ask(url, { headers: { ...headers, 'if-none-match': '*' } })]
  return exchanges.map(told)
}

async function holds (t: Test, site: Scene, [expected, headers = {}, message = 'what is told']: [Record<string, string>, Record<string, string>?, string?]): Promise<void> {
  for (const given of await toldByAll(site, headers)) t.strictSame(given, expected, message)
}

everywhere('misses and hits tell clients and a CDN how long they may keep a response, and its tags', async (t, cache) => {
  const site = await scene(t, { downstream: ALL, tags: ['a', 'b:1'] }, { cache })
  answers(site, {})
  await holds(t, site, [{ 'cache-control': 'public, max-age=30', 'cdn-cache-control': 'max-age=3600', 'surrogate-key': 'a b:1' }])
})

test('each of them is said where it is asked for, and nothing by default', async (t) => {
  const cases: Array<[RouteCacheOptions['downstream'], Record<string, string>]> = [
    [{ maxAge: 10 }, { 'cache-control': 'public, max-age=10' }],
    [{ maxAge: 0 }, { 'cache-control': 'public, max-age=0' }],
    [{ maxAge: '1500ms' }, { 'cache-control': 'public, max-age=1' }],
    [{ cdnMaxAge: '1d' }, { 'cdn-cache-control': 'max-age=86400' }],
    [{ tags: 'surrogate-key' }, { 'surrogate-key': 'a b' }],
    [{ tags: 'cache-tag' }, { 'cache-tag': 'a,b' }],
    [false, {}]
  ]
  for (const [downstream, expected] of cases) {
    const site = await scene(t, { ...downstream === undefined ? {} : { downstream }, tags: ['a', 'b'] })
    answers(site, {})
    await holds(t, site, [expected, {}, JSON.stringify(downstream)])
  }
})

/** Tags in the field of each kind. */
const encoded: Array<[tags: string[], surrogateKey: string | undefined, cacheTag: string | undefined]> = [
  [[], undefined, undefined],
  [['user:1', 'a/b', 'x=1&y'], 'user:1 a/b x=1&y', 'user:1,a/b,x=1&y'],
  [['two words'], 'two%20words', 'two%20words'],
  [['a,b', 'c'], 'a%2Cb c', 'a%2Cb,c'],
  [['100%'], '100%25', '100%25'],
  [['schön', '日本'], 'sch%C3%B6n %E6%97%A5%E6%9C%AC', 'sch%C3%B6n,%E6%97%A5%E6%9C%AC'],
  [['a\r\nset-cookie: x=1'], 'a%0D%0Aset-cookie:%20x=1', 'a%0D%0Aset-cookie:%20x=1'],
  [['"q"'], '%22q%22', '%22q%22']
]

test('a tag is one tag in the field, whatever is in it', async (t) => {
  for (const [tags, surrogateKey, cacheTag] of encoded) {
    for (const [kind, expected] of [['surrogate-key', surrogateKey], ['cache-tag', cacheTag]] as const) {
      const site = await scene(t, { downstream: { tags: kind }, tags })
      answers(site, {})
      await holds(t, site, [expected === undefined ? {} : { [kind]: expected }, {}, JSON.stringify(tags)])
    }
  }
})

test('tags of the handler are among them', async (t) => {
  const site = await scene(t, (app, { handler }) => {
    app.get('/', cached({ downstream: { tags: 'surrogate-key' }, tags: ['route'] }), async (request, reply) => {
      reply.cacheTags('handler', 'more')
      return await handler(request, reply)
    })
  })
  answers(site, {})
  await holds(t, site, [{ 'surrogate-key': 'route handler more' }])
})

test('a CDN that could not be told all tags is told to keep nothing', async (t) => {
  const many = Array.from({ length: 2000 }, (_, at) => `tag-number-${at}`)
  for (const [tags, expected] of [[many, { 'cdn-cache-control': 'no-store' }], [['x'.repeat(16_384)], { 'surrogate-key': 'x'.repeat(16_384), 'cdn-cache-control': 'max-age=3600' }], [['x'.repeat(16_385)], { 'cdn-cache-control': 'no-store' }]] as const) {
    const site = await scene(t, (app, { handler }) => { app.get('/', cached({ downstream: { cdnMaxAge: '1h', tags: 'surrogate-key' }, tags }), handler) }, { cache: { limits: { tags: 2000, tagLength: 20_000 } } })
    answers(site, {})
    const [miss, hit] = await Promise.all(['/', '/'].map(async (url) => await site.app.inject(url)))
    for (const { headers } of [miss!, hit!]) t.strictSame(Object.fromEntries(NAMES.flatMap((name) => headers[name] === undefined ? [] : [[name, headers[name]]])), expected)
  }
})

/** What the handler says, and what clients are told. */
const said: Array<[fields: Fields, expected: Record<string, string>]> = [
  [{ 'cache-control': 'max-age=5' }, { 'cache-control': 'max-age=5', 'cdn-cache-control': 'max-age=3600', 'surrogate-key': 'a' }],
  [{ 'cdn-cache-control': 'no-store' }, { 'cache-control': 'public, max-age=30', 'cdn-cache-control': 'no-store', 'surrogate-key': 'a' }],
  [{ 'surrogate-key': 'own' }, { 'cache-control': 'public, max-age=30', 'cdn-cache-control': 'max-age=3600', 'surrogate-key': 'own' }]
]

test('what the handler says itself stands', async (t) => {
  for (const [fields, expected] of said) {
    const site = await scene(t, { downstream: ALL, tags: ['a'] })
    answers(site, { fields })
    await holds(t, site, [expected, {}, JSON.stringify(fields)])
  }
})

test('a handler that forbids sharing is not overruled at the CDN', async (t) => {
  for (const control of ['no-store', 'private', 'no-cache', 'private, max-age=60', 'private=']) {
    const site = await scene(t, { downstream: ALL, tags: ['a'] })
    answers(site, { fields: { 'cache-control': control } })
    const url = freshUrl()
    for (let time = 0; time < 2; time++) t.strictSame(told(await site.ask(url)), { 'cache-control': control }, control)
  }
})

test('nothing is said of a response that is not stored', async (t) => {
  const site = await scene(t, { downstream: ALL, tags: ['a'] })
  const others: Answer[] = [{ status: 404 }, { fields: { 'set-cookie': 'a=1' } }, { fields: { vary: '*' } }, { status: 500 }]
  for (const given of others) {
    answers(site, given)
    t.strictSame(told(await site.ask(freshUrl())), {}, JSON.stringify(given))
  }
})

/** Routes whose responses are not for all, and requests that they answer. */
const forSome: Record<string, [options: RouteCacheOptions, headers: Record<string, string>]> = {
  'per user': [{ varyByUser: true }, { 'x-name': 'ada' }],
  'shared among those who have passed a guard': [{ shared: true }, { authorization: 'Bearer ada' }],
  'by a credential': [{ varyByHeaders: ['authorization'] }, { authorization: 'Bearer ada' }],
  'by a cookie': [{ varyByCookies: ['theme'] }, { cookie: 'theme=dark' }]
}

for (const [what, [options, headers]] of Object.entries(forSome)) {
  everywhere(`a response ${what} is for one browser alone`, async (t, cache) => {
    const site = await scene(t, (app, { handler }) => {
      app.addHook('preHandler', async (request) => { if (request.headers['x-name'] !== undefined) setUser(request, { id: request.headers['x-name'] }) })
      app.get('/', cached({ downstream: ALL, tags: ['a'], ...options }), handler)
    }, { cache })
    answers(site, {})
    for (const given of [headers, {}]) {
      for (const each of await toldByAll(site, given)) t.strictSame(each, { 'cache-control': 'private, max-age=30' })
    }
  })
}

test('a CDN is told by which header fields the route selects', async (t) => {
  for (const [vary, expected] of [[undefined, 'x-tenant, accept-language'], ['Accept', 'Accept, x-tenant, accept-language'], ['X-Tenant', 'X-Tenant, accept-language']] as const) {
    const site = await scene(t, { downstream: ALL, varyByHeaders: ['X-Tenant', 'Accept-Language'] })
    answers(site, { fields: vary === undefined ? {} : { vary } })
    const url = freshUrl()
    for (const place of ['MISS', 'HIT']) {
      const { field } = await site.ask(url, { headers: { 'x-tenant': 'a' } })
      t.strictSame([field('x-cache'), field('vary'), field('cache-control')], [place, expected, 'public, max-age=30'])
    }
  }
})

everywhere('the fields go on as they were stored, and Age says how much of them is left', async (t, cache) => {
  const site = await scene(t, { downstream: { maxAge: 30 } }, { cache })
  answers(site, {})
  await site.ask('/')
  site.pass(20_000)
  const { field } = await site.ask('/')
  t.strictSame([field('cache-control'), field('age')], ['public, max-age=30', '20'])
})
