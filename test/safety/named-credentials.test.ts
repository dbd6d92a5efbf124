import { test, type Test } from 'tap'
import { RESP_TYPES } from 'redis'
import { useRedis, type TestRedis } from '../helpers/redis.ts'
import { apart, cached, inEveryStore, open, setUser, together, unique, type Ask } from './helpers.ts'

/*
 * Routes whose key names credentials: varyByHeaders and varyByCookies.
 */

/** Everything that is under this prefix in Redis, keys and values. */
async function contents (redis: TestRedis): Promise<Buffer> {
  const { client, prefix } = redis
  const found: Buffer[] = []
  for await (const keys of client.scanIterator({ MATCH: `*${prefix}*`, COUNT: 1000 })) {
    for (const key of keys) found.push(Buffer.from(key), await valueOf(redis, key))
  }
  return Buffer.concat(found)
}

/** Nothing where it has ended meanwhile. */
async function valueOf ({ client }: TestRedis, key: string): Promise<Buffer> {
  const type = await client.type(key)
  switch (type) {
    case 'none': return Buffer.alloc(0)
    case 'string': return await client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).get(key) ?? Buffer.alloc(0)
    case 'zset': return Buffer.from(String(await client.zRange(key, 0, -1)))
    case 'hash': return Buffer.from(JSON.stringify(await client.hGetAll(key)))
    case 'stream': return Buffer.from(JSON.stringify(await client.xRange(key, '-', '+')))
    default: throw new Error(`${key} is a ${type}, into which this test does not look`)
  }
}

async function neverReadable (t: Test, redis: TestRedis, secrets: readonly string[]): Promise<void> {
  const kept = await contents(redis)
  t.ok(kept.length > 100, `${kept.length} bytes are kept`)
  for (const secret of secrets) {
    for (const form of [secret, Buffer.from(secret).toString('base64'), encodeURIComponent(secret)]) t.notOk(kept.includes(form), form)
  }
}

inEveryStore('two tokens never share a response of a route that varies by Authorization (Hono CVE-2026-44457)', async (t, cache) => {
  const site = await open(t, (app) => app.get('/*', cached({ varyByHeaders: ['Authorization'] }), unique()), { cache })
  const ann: Ask = ['/', { headers: { authorization: 'Bearer ann' } }]
  for (const [index, other] of ['Bearer bob', 'bearer ann', 'Bearer ann2', 'Basic ann', ''].entries()) {
    const path = `/${index}`
    await apart(t, site, [[path, ann[1]], [path, { headers: { authorization: other } }]])
  }
  await apart(t, site, [['/none', ann[1]], ['/none']], 'a token and none')
  await apart(t, site, [['/empty', { headers: { authorization: '' } }], ['/empty']], 'an empty token and none (Django CVE-2026-113593)')
  await together(t, site, [ann, ann], 'the same token')
})

test('a token or session that a response varies by cannot be read in Redis', async (t) => {
  const redis = await useRedis(t)
  const secrets = ['sekret-token', 'sekret-key', 'sekret-session', 'sekret-other']
  const site = await open(t, (app) => app.get('/', cached({ varyByHeaders: ['authorization', 'x-api-key'], varyByCookies: ['sid', 'other'] }), unique()), {
    cache: { redis: redis.url, prefix: redis.prefix, timeouts: { read: '10s', write: '10s' } }
  })
  const asked: Ask = ['/', { headers: { authorization: 'Bearer sekret-token', 'x-api-key': 'sekret-key', cookie: 'sid=sekret-session; other=sekret-other' } }]
  await together(t, site, [asked, asked])
  await neverReadable(t, redis, secrets)
})

test('the credentials of a user whose responses are stored cannot be read in Redis', async (t) => {
  const redis = await useRedis(t)
  const site = await open(t, (app) => {
    app.decorateRequest('user', null)
    app.addHook('onRequest', async (request) => { setUser(request, { id: 1 }) })
    app.get('/mine', cached({ varyByUser: true }), unique())
    app.get('/shared', cached({ shared: true }), async (request, reply) => {
      reply.header('vary', 'accept-language')
      return 'the same for all'
    })
  }, { cache: { redis: redis.url, prefix: redis.prefix, timeouts: { read: '10s', write: '10s' } } })
  for (const path of ['/mine', '/shared']) {
    const asked: Ask = [path, { headers: { authorization: 'Bearer sekret-token', cookie: 'sid=sekret-session' } }]
    await together(t, site, [asked, asked], path)
  }
  await neverReadable(t, redis, ['sekret-token', 'sekret-session'])
})

inEveryStore('two API keys never share a response of a route that varies by the key (axios-cache-interceptor)', async (t, cache) => {
  const site = await open(t, (app) => app.get('/*', cached({ varyByHeaders: ['x-api-key'] }), unique()), { cache })
  await apart(t, site, [['/1', { headers: { 'x-api-key': 'a' } }], ['/1', { headers: { 'x-api-key': 'b' } }]])
  await apart(t, site, [['/2', { headers: { 'x-api-key': 'a' } }], ['/2']])
  await together(t, site, [['/3', { headers: { 'x-api-key': 'a' } }], ['/3', { headers: { 'X-API-KEY': 'a' } }]])
})

inEveryStore('a credential that the route names does not let in another that it does not (Hono CVE-2026-44457)', async (t, cache) => {
  const site = await open(t, (app) => {
    app.get('/key/*', cached({ varyByHeaders: ['x-api-key'] }), unique())
    app.get('/sid/*', cached({ varyByCookies: ['sid'] }), unique())
  }, { cache })
  const others: Ask[] = [
    ['/key/1', { headers: { 'x-api-key': 'a', authorization: 'a' } }],
    ['/key/2', { headers: { 'x-api-key': 'a', cookie: 'sid=a' } }],
    ['/sid/1', { headers: { cookie: 'sid=a; role=admin' } }],
    ['/sid/2', { headers: { cookie: 'sid=a', authorization: 'a' } }],
    ['/sid/3', { headers: { cookie: 'SID=a' } }]
  ]
  for (const other of others) t.equal((await site.ask(...other)).field('x-cache'), 'BYPASS', JSON.stringify(other))
  const asked: Ask = ['/sid/4', { headers: { cookie: '_ga=1; sid=a' } }]
  await together(t, site, [asked, ['/sid/4', { headers: { cookie: 'sid=a; _ga=2' } }]], 'analytics cookies next to it')
})

inEveryStore('two sessions never share a response of a route that varies by the session cookie (Django GHSA-3h9f-r86x-qvjx)', async (t, cache) => {
  const site = await open(t, (app) => app.get('/*', cached({ varyByCookies: ['sid', 'lang'] }), unique()), { cache })
  const pairs: Array<[string | undefined, string | undefined]> = [
    ['sid=a', 'sid=b'],
    ['sid=a', undefined],
    ['sid=', undefined],
    ['sid=', 'sid'],
    ['sid=a', 'sid=A'],
    ['sid=a', 'sid="a"'],
    ['sid=a', 'sid=a=a'],
    ['sid=a', 'sid=%61'],
    ['sid=a; sid=b', 'sid=b; sid=a'],
    ['sid=a; sid=b', 'sid=a'],
    ['sid=a', 'lang=a'],
    ['sid=a; lang=b', 'sid=b; lang=a'],
    ['sid=a; lang=', 'sid=a'],
    ['sid=a,lang=b', 'sid=a; lang=b']
  ]
  const ask = (path: string, cookie: string | undefined): Ask => cookie === undefined ? [path] : [path, { headers: { cookie } }]
  for (const [index, [one, other]] of pairs.entries()) {
    await apart(t, site, [ask(`/${index}`, one), ask(`/${index}`, other)])
  }
  await together(t, site, [ask('/', 'sid=a; lang=b'), ask('/', ' lang=b;sid=a')], 'the order of cookies selects nothing')
})

inEveryStore('a route that varies by all cookies keeps every two of them apart (Hono CVE-2026-44457)', async (t, cache) => {
  const site = await open(t, (app) => app.get('/*', cached({ varyByHeaders: ['Cookie'] }), unique()), { cache })
  const pairs: Array<[Record<string, string>, Record<string, string>]> = [
    [{ cookie: 'sid=a' }, { cookie: 'sid=b' }], [{ cookie: 'sid=a' }, {}], [{ cookie: '' }, {}], [{ cookie: 'sid=a; _ga=1' }, { cookie: 'sid=a' }], [{ cookie: 'a=1; b=2' }, { cookie: 'b=2; a=1' }]
  ]
  for (const [index, [one, other]] of pairs.entries()) await apart(t, site, [[`/${index}`, { headers: one }], [`/${index}`, { headers: other }]])
  await together(t, site, [['/', { headers: { cookie: 'sid=a' } }], ['/', { headers: { cookie: 'sid=a' } }]])
})

inEveryStore('a header field that was sent empty is not one that was not sent (Django CVE-2026-113593)', async (t, cache) => {
  const site = await open(t, (app) => {
    app.get('/option/*', cached({ varyByHeaders: ['accept-language', 'x-plan'] }), unique())
    const made = unique()
    app.get('/vary/*', cached(), async (request, reply) => {
      reply.header('vary', 'Accept-Language, X-Plan')
      return await made()
    })
  }, { cache })
  for (const [index, path] of ['/option/a', '/option/b', '/option/c', '/vary/a', '/vary/b', '/vary/c'].entries()) {
    const sent: Array<Record<string, string>> = [{ 'accept-language': '' }, { 'x-plan': '' }, { 'x-plan': 'undefined' }]
    const headers = sent[index % 3]!
    await apart(t, site, [[path, { headers }], [path]])
    const asked: Ask = [`${path}/again`, { headers }]
    await together(t, site, [asked, asked])
  }
  const swapped: [Ask, Ask] = [['/option/d', { headers: { 'accept-language': 'a' } }], ['/option/d', { headers: { 'x-plan': 'a' } }]]
  await apart(t, site, swapped, 'the same value in another field')
})
