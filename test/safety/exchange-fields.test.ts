import type { FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import { test } from 'tap'
import { cached, inEveryStore, open, together, unique } from './helpers.ts'

/*
 * Header fields that belong to one exchange are not repeated to others.
 */

const OF_ONE_EXCHANGE: Record<string, string> = {
  'X-Request-Id': 'r1',
  'request-id': 'r1',
  'X-Correlation-ID': 'r1',
  'x-trace-id': 'r1',
  'X-Amzn-Trace-Id': 'Root=1',
  traceparent: '00-a-b-01',
  tracestate: 'a=b',
  'server-timing': 'db;dur=53',
  'x-response-time': '3ms',
  'x-runtime': '3',
  'X-RateLimit-Limit': '10',
  'X-RateLimit-Remaining': '3',
  'x-ratelimit-reset': '50',
  'RateLimit-Policy': '10;w=60',
  ratelimit: 'limit=10, remaining=3',
  'RateLimit-Remaining': '3',
  'X-Rate-Limit-Remaining': '3',
  'rate-limit-remaining': '3',
  'Keep-Alive': 'timeout=99',
  'proxy-connection': 'keep-alive',
  'Proxy-Authenticate': 'Basic',
  'authentication-info': 'nextnonce="a"',
  'proxy-authentication-info': 'nextnonce="a"',
  te: 'trailers',
  upgrade: 'h2c',
  'x-cache': 'HIT from elsewhere',
  'cache-status': 'elsewhere; hit',
  'x-cache-key': 'k'
}

inEveryStore('a hit does not repeat what belonged to another exchange (RFC 9111 section 3.1, Hono GHSA-q7jf-gf43-6x6p)', async (t, cache) => {
  const site = await open(t, (app) => {
    app.get('/:name', cached(), async (request, reply) => {
      const { name } = request.params as { name: string }
      reply.headers({ [name]: OF_ONE_EXCHANGE[name], 'x-own': 'kept' })
      return 'body'
    })
  }, { cache })
  for (const [name, value] of Object.entries(OF_ONE_EXCHANGE)) {
    await site.ask(`/${name}`)
    const hit = await site.ask(`/${name}`)
    t.equal(hit.field('x-cache'), 'HIT', name)
    t.equal(hit.field('x-own'), 'kept')
    t.notOk(hit.lines.some((line) => line[1] === value), `${name}: ${value}`)
  }
})

inEveryStore('fields that Connection names end with their connection (RFC 9111 section 3.1)', async (t, cache) => {
  const site = await open(t, (app) => app.get('/', cached(), async (request, reply) => {
    reply.headers({ connection: 'X-Hop, close', 'x-hop': 'secret', 'x-own': 'kept' })
    return 'body'
  }), { cache })
  await site.ask('/')
  const hit = await site.ask('/')
  t.strictSame([hit.field('x-cache'), hit.field('x-hop'), hit.field('x-own')], ['HIT', undefined, 'kept'])
})

inEveryStore('each request has its own id and counters from hooks, also when it is a hit (Hono GHSA-q7jf-gf43-6x6p)', async (t, cache) => {
  let requests = 0
  const count = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    reply.headers({ 'x-request-id': request.id, 'x-own-id': request.id, 'x-ratelimit-remaining': 10 - ++requests, 'x-seen': requests })
  }
  const site = await open(t, (app) => {
    app.addHook('onRequest', count)
    app.get('/', cached(), unique())
  }, { cache })
  const [first, second, third] = [await site.ask('/'), await site.ask('/'), await site.ask('/')]
  t.strictSame([second.field('x-cache'), third.field('x-cache')], ['HIT', 'HIT'])
  for (const [index, response] of [first, second, third].entries()) {
    t.equal(response.field('x-ratelimit-remaining'), String(9 - index))
    t.equal(response.field('x-seen'), String(index + 1))
    t.equal(response.field('x-own-id'), response.field('x-request-id'))
    t.equal(response.lines.filter(([name]) => name === 'x-ratelimit-remaining').length, 1)
  }
  t.not(second.field('x-own-id'), first.field('x-own-id'))
})

inEveryStore('the id of a request under a name of the app\'s own is not repeated (Hono GHSA-q7jf-gf43-6x6p)', async (t, cache) => {
  const site = await open(t, (app) => app.get('/', cached(), async (request, reply) => {
    reply.header('x-acme-req-id', request.id)
    return 'body'
  }), { cache })
  const first = await site.ask('/')
  const second = await site.ask('/')
  t.equal(second.field('x-cache'), 'HIT')
  t.not(second.field('x-acme-req-id'), first.field('x-acme-req-id'))
})

inEveryStore('a client that chooses its request id cannot take fields away from others (PortSwigger, unkeyed input)', async (t, cache) => {
  const fields = {
    'content-type': 'application/json; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'",
    'cross-origin-resource-policy': 'same-origin'
  }
  const sources: Record<string, FastifyServerOptions> = {
    'a field': { requestIdHeader: 'x-request-id' },
    'a part of a field': { genReqId: (request) => String(request.headers['x-request-id']).slice('req-'.length) }
  }
  for (const [source, fastify] of Object.entries(sources)) {
    const site = await open(t, (app) => app.get('/', cached(), async (request, reply) => {
      reply.headers(fields)
      return '{"html":"<script>alert(1)</script>"}'
    }), { cache, fastify })
    for (const [name, value] of Object.entries(fields)) {
      const host = `${name}.${source.length}.example`
      await site.ask('/', { headers: { host, 'x-request-id': source === 'a field' ? value : `req-${value}` } })
      const response = await site.ask('/', { headers: { host } })
      for (const [field, expected] of Object.entries(fields)) t.equal(response.field(field), expected, `${field}, when the id is ${source} like ${name}`)
    }
  }
})

test('a token in a response field is never handed to the next client (CVE-2022-24894)', async (t) => {
  for (const name of ['Authorization', 'X-Auth-Token', 'X-Access-Token', 'X-CSRF-Token', 'X-XSRF-Token', 'X-Session-Token']) {
    const site = await open(t, (app) => app.get('/', cached({ shared: true }), async (request, reply) => {
      reply.header(name, `Bearer ${process.hrtime.bigint()}`)
      return 'body'
    }))
    const first = await site.ask('/', { headers: { authorization: 'Bearer ann' } })
    const second = await site.ask('/', { headers: { authorization: 'Bearer bob' } })
    t.not(second.field(name.toLowerCase()), first.field(name.toLowerCase()), name)
  }
})

inEveryStore('an origin that a response allows is allowed to it alone (RFC 9110 section 12.5.5, Hono GHSA-q7jf-gf43-6x6p)', async (t, cache) => {
  const site = await open(t, (app) => {
    const made = unique()
    app.get('/echo', cached(), async (request, reply) => {
      if (request.headers.origin !== undefined) reply.header('access-control-allow-origin', request.headers.origin)
      return await made()
    })
    app.get('/any', cached(), async (request, reply) => {
      reply.header('access-control-allow-origin', '*')
      return await made()
    })
  }, { cache })
  const from = (origin: string): { headers: Record<string, string> } => ({ headers: { origin } })
  for (const origin of ['https://a.example', 'https://b.example', 'https://a.example']) {
    const response = await site.ask('/echo', from(origin))
    t.equal(response.field('access-control-allow-origin'), origin)
  }
  t.equal((await site.ask('/echo')).field('access-control-allow-origin'), undefined, 'none for those who have none')
  await together(t, site, [['/any', from('https://a.example')], ['/any', from('https://b.example')]], 'a response for all origins')
})

inEveryStore('CORS fields of a hook are those of the request, not of the one that filled the entry (Hono GHSA-q7jf-gf43-6x6p)', async (t, cache) => {
  for (const hook of ['onRequest', 'onSend'] as const) {
    for (const vary of [false, true]) {
      const site = await open(t, (app) => {
        const allow = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => { // as @fastify/cors does
          if (vary) reply.header('vary', 'Origin')
          if (request.headers.origin === undefined) return
          reply.headers({ 'access-control-allow-origin': request.headers.origin, 'access-control-allow-credentials': 'true' })
        }
        app.addHook(hook as 'onRequest', allow as never)
        app.get(`/${hook}/${vary}`, cached(), unique())
      }, { cache })
      for (const origin of ['https://a.example', 'https://b.example', 'https://b.example']) {
        const response = await site.ask(`/${hook}/${vary}`, { headers: { origin } })
        t.equal(response.field('access-control-allow-origin'), origin, `${hook}, Vary ${vary}`)
      }
      t.equal((await site.ask(`/${hook}/${vary}`)).field('access-control-allow-origin'), undefined, `${hook}, Vary ${vary}: no origin`)
    }
  }
})

inEveryStore('a hit says what its bytes are, also to those for whom no hook had said it before (PortSwigger, unkeyed input)', async (t, cache) => {
  const site = await open(t, (app) => {
    app.addHook('onRequest', async (request, reply) => {
      if (request.headers['x-shop'] === 'de') reply.headers({ 'content-type': 'application/json; charset=utf-8', 'content-language': 'de', etag: '"1"' })
    })
    app.get('/', cached(), async (request, reply) => {
      reply.headers({ 'content-type': 'application/json; charset=utf-8', 'content-language': 'de', etag: '"1"' })
      return '{"html":"<script>alert(1)</script>"}'
    })
  }, { cache })
  await site.ask('/', { headers: { 'x-shop': 'de' } })
  const hit = await site.ask('/')
  t.equal(hit.field('content-type'), 'application/json; charset=utf-8')
  t.equal(hit.field('content-language'), 'de')
  t.equal(hit.field('etag'), '"1"')
})

inEveryStore('what a hook adds to the lines of a hit is added to that hit alone', async (t, cache) => {
  let sent = 0
  const site = await open(t, (app) => {
    app.addHook('onSend', async (request, reply) => {
      const lines = reply.getHeader('link') as unknown as string[]
      lines.push(`</hit/${++sent}>`)
    })
    app.get('/', cached(), async (request, reply) => {
      reply.header('link', ['</a>', '</b>'])
      return 'body'
    })
  }, { cache })
  await site.ask('/')
  const [second, third] = [await site.ask('/'), await site.ask('/')]
  t.equal(third.field('x-cache'), 'HIT')
  t.notOk(third.field('link')?.includes('/hit/2'), `${second.field('link')} then ${third.field('link')}`)
})

inEveryStore('what a handler took away or a hook changed is the same on a hit', async (t, cache) => {
  const site = await open(t, (app) => {
    app.addHook('onRequest', async (request, reply) => { reply.header('x-debug', 'secret') })
    app.addHook('onSend', async (request, reply, payload) => `<${payload as string}>`)
    app.get('/', cached(), async (request, reply) => {
      reply.removeHeader('x-debug')
      return 'body'
    })
  }, { cache })
  for (const outcome of ['MISS', 'HIT', 'HIT']) {
    const response = await site.ask('/')
    t.strictSame([response.field('x-cache'), response.field('x-debug'), response.text], [outcome, undefined, '<body>'])
  }
})

inEveryStore('a nonce protects one response only, so that response is not stored (CSP level 3)', async (t, cache) => {
  const policies: Record<string, (nonce: string) => unknown> = {
    script: (nonce) => `script-src 'nonce-${nonce}'`,
    'in a list': (nonce) => ["default-src 'self'", `style-src 'self' 'nonce-${nonce}'`],
    'in capitals': (nonce) => `script-src 'NONCE-${nonce}'`
  }
  let nonces = 0
  for (const [title, policy] of Object.entries(policies)) {
    for (const field of ['content-security-policy', 'Content-Security-Policy-Report-Only']) {
      for (const hook of ['onRequest', 'preHandler', 'onSend', 'handler'] as const) {
        const set = (reply: FastifyReply): void => { reply.header(field, policy(String(++nonces))) }
        const path = `/${[title, field, hook].map(encodeURIComponent).join('/')}`
        const site = await open(t, (app) => {
          if (hook !== 'handler') app.addHook(hook as 'onRequest', async (request, reply) => { set(reply) })
          app.get('/*', cached(), async (request, reply) => {
            if (hook === 'handler') set(reply)
            return { nonces }
          })
        }, { cache })
        const [first, second] = [await site.ask(path), await site.ask(path)]
        t.not(second.field('x-cache'), 'HIT', `${title}, ${field}, ${hook}`)
        t.not(second.text, first.text)
      }
    }
  }
})

inEveryStore('a hit says how old it is, and when it was sent', async (t, cache) => {
  let now = Date.now()
  const site = await open(t, (app) => app.get('/', cached({ ttl: '1h' }), unique()), { cache: { ...cache, clock: () => now } })
  const first = await site.ask('/')
  now += 65_900
  const hit = await site.ask('/')
  t.strictSame([first.field('age'), hit.field('age')], [undefined, '65'])
  t.equal(hit.lines.filter(([name]) => name === 'date').length, 1)
  now -= 100_000
  t.equal((await site.ask('/')).field('age'), '0', 'never a negative age')
})

inEveryStore('what came from elsewhere grows older from the age that it had, and keeps its Date (RFC 9111 section 4.2.3, RFC 9110 section 6.6.1)', async (t, cache) => {
  const start = Math.floor(Date.now() / 1000) * 1000
  let now = start
  const agoText = (seconds: number): string => new Date(start - seconds * 1000).toUTCString()
  const sent: Record<string, Record<string, string>> = { age: { age: '777' }, date: { date: agoText(777) }, both: { age: '700', date: agoText(777) } }
  const site = await open(t, (app) => app.get('/:name', cached({ ttl: '1h' }), async (request, reply) => {
    reply.headers(sent[(request.params as { name: string }).name]!)
    return 'body'
  }), { cache: { ...cache, clock: () => now } })
  for (const [name, { date }] of Object.entries(sent)) {
    now = start
    await site.ask(`/${name}`)
    now += 65_900
    const hit = await site.ask(`/${name}`)
    t.strictSame([hit.field('x-cache'), hit.field('age')], ['HIT', String(777 + 65)], name)
    t.equal(hit.lines.filter(([field]) => field === 'age').length, 1)
    if (date !== undefined) t.equal(hit.field('date'), date)
  }
})
