import type { FastifyReply } from 'fastify'
import { test, type Test } from 'tap'
import { apart, cached, inEveryStore, open, setUser, unique, type Site, type SiteOptions } from './helpers.ts'

/*
 * What a response says about itself is stronger than what the route is configured to.
 */

type Shape = (reply: FastifyReply) => unknown

interface Refused {
  shape: Shape
  detail: string
  /** Sent with both requests. */
  headers?: Record<string, string>
}

/** An app with one route for each of these, each cached for a minute whatever it is. */
async function withResponses (t: Test, shapes: Record<string, Shape>, options: SiteOptions & { statusCodes?: number[] } = {}): Promise<Site> {
  const { statusCodes = [200], ...rest } = options
  return await open(t, (app) => {
    for (const [index, shape] of Object.values(shapes).entries()) {
      let made = 0
      app.get(`/${index}`, cached({ statusCodes, shared: true }), async (request, reply) => {
        shape(reply)
        return { made: ++made }
      })
    }
  }, rest)
}

async function neverStored (t: Test, refused: Record<string, Refused>, options?: Parameters<typeof withResponses>[2]): Promise<void> {
  const shapes = Object.fromEntries(Object.entries(refused).map(([title, { shape }]) => [title, shape]))
  const site = await withResponses(t, shapes, options)
  for (const [index, [title, { detail, headers = {} }]] of Object.entries(refused).entries()) {
    const [first, second] = [await site.ask(`/${index}`, { headers }), await site.ask(`/${index}`, { headers })]
    t.equal(second.field('x-cache'), 'MISS', title)
    t.match(second.field('cache-status'), new RegExp(`detail=${detail}$`), title)
    t.not(second.text, first.text, title)
  }
}

function withField (name: string, value: unknown): Shape {
  return (reply) => { reply.header(name, value) }
}

inEveryStore('a session cookie is never handed to the next client (CVE-2022-24894, Nitro GHSA-39r7-wfcx-99xg, undici CVE-2026-13697)', async (t, cache) => {
  const shapes: Record<string, Shape> = {
    header: withField('set-cookie', 'sid=secret'),
    'a list': withField('Set-Cookie', ['sid=secret', 'b=1']),
    'an empty value': withField('set-cookie', ''),
    'on the socket': (reply) => { reply.raw.setHeader('Set-Cookie', 'sid=secret') },
    'appended on the socket': (reply) => { reply.raw.appendHeader('set-cookie', 'sid=secret') },
    'with Cache-Control: public': (reply) => { reply.headers({ 'set-cookie': 'sid=secret', 'cache-control': 'public, max-age=60' }) },
    'with Cache-Control: no-cache="set-cookie"': (reply) => { reply.headers({ 'set-cookie': 'sid=secret', 'cache-control': 'no-cache="set-cookie"' }) }
  }
  await neverStored(t, Object.fromEntries(Object.entries(shapes).map(([title, shape]) => [title, { shape, detail: 'set-cookie' }])), { cache })
})

inEveryStore('a session cookie that a hook sets is never handed to the next client (CVE-2022-24894)', async (t, cache) => {
  for (const hook of ['onRequest', 'preHandler', 'preSerialization', 'onSend'] as const) {
    const site = await open(t, (app) => {
      const setCookie = async (request: unknown, reply: FastifyReply): Promise<void> => { reply.header('set-cookie', `sid=${process.hrtime.bigint()}`) }
      app.get('/', cached(), unique())
      app.addHook(hook as 'onRequest', setCookie as never)
    }, { cache })
    const [first, second] = [await site.ask('/'), await site.ask('/')]
    t.not(second.text, first.text, hook)
    t.not(second.field('set-cookie'), first.field('set-cookie'), hook)
    t.match(second.field('cache-status'), /detail=set-cookie$/)
  }
})

inEveryStore('a configured ttl does not override private, no-store and no-cache (Hono CVE-2026-24472)', async (t, cache) => {
  const refused: Record<string, Refused> = {}
  const fields: Record<string, unknown[]> = {
    private: ['private', 'PRIVATE', 'max-age=60, private', 'private, public', 'private="x-user"', 'private,private="a"', ' private ', 'public,,private', ['public', 'private'], 'private, max-age=60'],
    'no-store': ['no-store', 'No-Store', 'no-store="x"', 'no-store=1', 'max-age=60,no-store', ['max-age=60', 'no-store'], 'no-store, private'],
    'no-cache': ['no-cache', 'no-cache="set-cookie"', 'max-age=60, no-cache', 'NO-CACHE', 'no-cache="a,b"', 'x="no-store", no-cache']
  }
  for (const [detail, values] of Object.entries(fields)) {
    for (const value of values) refused[JSON.stringify(value)] = { shape: withField('cache-control', value), detail }
  }
  await neverStored(t, refused, { cache })
})

test('a Cache-Control that cannot be understood is taken for the worst (undici CVE-2026-9678, CVE-2026-14643, CVE-2026-13697)', async (t) => {
  const malformed = [
    'private=', 'no-store"', '"private', 'private="', 'private="a', 'max-age=60; private', 'max-age = , private', 'priv ate', 'max-age=60 private', 'private =', '=private', 'max-age="60', 'a="\\',
    'no-store\\', 'private="\\"', 'public (private)', 'max-age=60,private"', 'no-cache="a"b', 'max-age==60', 'privaté', '{private}', ',=,', 'a="b""c"', '@private', 'private:1'
  ]
  await neverStored(t, Object.fromEntries(malformed.map((value) => [value, { shape: withField('cache-control', value), detail: 'malformed-cache-control' }])))
})

test('what is said of other things in Cache-Control does not keep a response from being stored', async (t) => {
  const harmless = ['public', 'max-age=60', 'x="private, no-store"', 'x-private', 'no-storey', 'must-revalidate', 'no-transform, immutable', '', ',', 'a="\\"no-store\\""', 'x=private']
  const site = await withResponses(t, Object.fromEntries(harmless.map((value) => [value, withField('cache-control', value)])))
  for (const [index, value] of harmless.entries()) {
    await site.ask(`/${index}`)
    t.equal((await site.ask(`/${index}`)).field('x-cache'), 'HIT', value)
  }
})

inEveryStore('Vary: * in any place is for one request only (Django CVE-2026-6907, http-cache-semantics CVE-2026-93750)', async (t, cache) => {
  const values = ['*', ' * ', 'accept, *', '*, accept', 'accept,*,accept', ['accept', '*'], ['', '*'], ['*', ''], ', *', '*,', 'accept, * , origin', 'a b', 'accept; origin', '"accept"', 'accept\t*']
  await neverStored(t, Object.fromEntries(values.map((value) => [JSON.stringify(value), { shape: withField('vary', value), detail: 'vary' }])), { cache })
})

inEveryStore('a response that varies by credentials is not stored for a request that has some (Hono CVE-2026-44457)', async (t, cache) => {
  const refused: Record<string, Refused> = {}
  for (const name of ['Authorization', 'Cookie', 'X-API-Key', 'X-Forwarded-User']) {
    const headers = { [name.toLowerCase()]: '_ga=1' }
    for (const value of [name, name.toUpperCase(), `accept, ${name}`, ['accept', name]]) refused[JSON.stringify(value)] = { shape: withField('vary', value), detail: 'vary', headers }
  }
  await neverStored(t, refused, { cache })
})

test('a response that varies by credentials and was made without any is for those without (Hono CVE-2026-44457)', async (t) => {
  const site = await open(t, (app) => {
    const made = unique()
    app.get('/*', cached({ shared: true }), async (request, reply) => {
      reply.header('vary', 'cookie, authorization')
      return await made()
    })
  })
  await apart(t, site, [['/1'], ['/1', { headers: { authorization: 'a' } }]])
  await apart(t, site, [['/2'], ['/2', { headers: { cookie: 'sid=1' } }]])
  await apart(t, site, [['/3'], ['/3', { headers: { cookie: '' } }]], 'an empty Cookie is not none (Django CVE-2026-113593)')
  const { text } = await site.ask('/4')
  t.equal((await site.ask('/4')).text, text)
})

inEveryStore('a response is only for requests with the same values of the fields that it varies by (cache-tests, vary)', async (t, cache) => {
  const site = await open(t, (app) => {
    const made = unique()
    app.get('/*', cached(), async (request, reply) => {
      reply.header('vary', ['Accept-Language', 'X-Plan, x-theme'])
      return await made()
    })
  }, { cache })
  const base = { 'accept-language': 'de', 'x-plan': 'a', 'x-theme': 'b' }
  const others: Array<Record<string, string>> = [
    { ...base, 'accept-language': 'fr' }, { ...base, 'x-theme': 'c' }, { ...base, 'x-plan': 'b', 'x-theme': 'a' }, { ...base, 'x-plan': 'a, a' }, { 'x-plan': 'a', 'x-theme': 'b' }, {},
    { ...base, 'accept-language': 'de-AT' }, { ...base, 'accept-language': '' }, { ...base, 'x-plan': 'A' }, { ...base, 'x-plan': 'a,' }
  ]
  for (const [index, headers] of others.entries()) await apart(t, site, [[`/${index}`, { headers: base }], [`/${index}`, { headers }]])
  const { text } = await site.ask('/', { headers: base })
  for (const same of [{}, { 'accept-language': 'DE' }, { 'accept-language': ' de;q=1' }]) t.equal((await site.ask('/', { headers: { ...base, ...same } })).text, text)
})

inEveryStore('only the status codes that the route names are stored, 200 without a word (ASP.NET, CPDoS, Next.js CVE-2025-49826)', async (t, cache) => {
  const codes = [200, 201, 202, 203, 204, 205, 206, 300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 410, 412, 413, 414, 416, 429, 431, 500, 501, 502, 503, 504, 599]
  const shapes = Object.fromEntries(codes.map((code) => [String(code), ((reply) => { reply.code(code) }) as Shape]))
  const site = await withResponses(t, shapes, { cache })
  for (const [index, code] of codes.entries()) {
    await site.ask(`/${index}`)
    const second = await site.ask(`/${index}`)
    t.equal(second.status, code)
    t.equal(second.field('x-cache'), code === 200 ? 'HIT' : 'MISS', String(code))
    if (code !== 200) t.match(second.field('cache-status'), /detail=status$/)
  }
})

test('answers to conditions and ranges of one client cannot be asked for (Varnish miss handling, RFC 9111 section 3.3)', async (t) => {
  for (const code of [100, 101, 103, 199, 206, 304, 412, 416, 600, 99.5, '200', Number.NaN]) {
    const opened = open(t, (app) => app.get('/', cached({ statusCodes: [200, code as number] }), unique()))
    await t.rejects(opened, { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID' }, String(code))
  }
})

inEveryStore('the answer to one client\'s condition never becomes the body of everyone (Varnish miss handling)', async (t, cache) => {
  const site = await open(t, (app) => app.get('/', cached(), async (request, reply) => {
    reply.header('etag', '"1"')
    if (request.headers['if-none-match'] === '"1"') return await reply.code(304).send()
    if (request.headers.range !== undefined) return await reply.code(206).header('content-range', 'bytes 0-0/4').send('b')
    return 'body'
  }), { cache })
  t.equal((await site.ask('/', { headers: { range: 'bytes=0-0' } })).status, 206)
  const conditional = await site.ask('/', { headers: { 'if-none-match': '"1"' } })
  t.strictSame([conditional.status, conditional.text, conditional.field('x-cache')], [304, '', 'MISS'])
  const whole = await site.ask('/')
  t.strictSame([whole.status, whole.text, whole.field('x-cache')], [200, 'body', 'HIT'], 'the handler did not see the condition, so that its whole answer is stored')
  const ranged = await site.ask('/', { headers: { range: 'bytes=0-0' } })
  t.strictSame([ranged.status, ranged.text, ranged.field('content-range'), ranged.field('x-cache')], [206, 'b', 'bytes 0-0/4', 'HIT'])
  t.strictSame((await site.ask('/')).text, 'body', 'and the entry stays whole')
})

inEveryStore('what a handler makes of the range of one client is for that client alone (RFC 9111 section 3.3)', async (t, cache) => {
  const site = await open(t, (app) => app.get('/:status', cached(), async (request, reply) => {
    const { status } = request.params as { status: string }
    if (request.headers.range === undefined) return 'body'
    return await reply.code(Number(status)).header('content-range', 'bytes 0-0/4').send('b')
  }), { cache })
  for (const status of [206, 416]) {
    const path = `/${status}`
    for (let n = 0; n < 2; n++) {
      const ranged = await site.ask(path, { headers: { range: 'bytes=0-0' } })
      t.strictSame([ranged.status, ranged.text, ranged.field('x-cache')], [status, 'b', 'MISS'])
    }
    const whole = await site.ask(path)
    t.strictSame([whole.status, whole.text, whole.field('x-cache')], [200, 'body', 'MISS'])
  }
})

test('a Content-Range is of a part where the status says so, else it means nothing (RFC 9110 section 14.4)', async (t) => {
  const site = await withResponses(t, { 200: withField('content-range', 'bytes 0-1/2') })
  const { text } = await site.ask('/0')
  const second = await site.ask('/0')
  t.strictSame([second.status, second.text, second.field('x-cache')], [200, text, 'HIT'])
})

test('cacheability follows from the route, never from how a path ends (web cache deception 2017, Gotta cache \'em all 2024)', async (t) => {
  const site = await open(t, (app) => {
    app.decorateRequest('user', null)
    app.addHook('onRequest', async (request) => { if (request.url.startsWith('/account')) setUser(request, 'ann') })
    app.get('/plain/*', unique())
    app.get('/account/*', cached(), unique())
  })
  for (const suffix of ['x.css', 'a.js', 'a.png', '..%2fstatic%2fx', 'x;a.css', 'x%00.css', 'x?a.css', 'static/../x.css']) {
    for (const path of ['/plain', '/account']) {
      const [first, second] = [await site.ask(`${path}/${suffix}`), await site.ask(`${path}/${suffix}`)]
      t.not(second.text, first.text, `${path}/${suffix}`)
      t.not(second.field('x-cache'), 'HIT')
    }
  }
})
