import { test } from 'tap'
import { repeats, serve } from './serve.ts'
import { stores } from './stores.ts'

const config = { cache: true }

for (const [place, optionsOf] of Object.entries(stores)) {
  test(`a hit from ${place} repeats every field line the handler set, in its order`, async (t) => {
    const service = await serve(t, (app) => {
      app.get('/', { config }, async (request, reply) => {
        reply.header('ETag', '"v1"').header('X-Number', 7).header('X-Empty', '')
        reply.header('link', ['</a>; rel=next', '</b>; rel=prev']).header('last-modified', 'Fri, 20 Nov 2026 10:00:00 GMT')
        reply.headers({ 'Content-Language': 'de', 'content-disposition': 'attachment; filename="tür.txt"' })
        reply.raw.setHeader('X-Raw', ['one', 'two'])
        return 'x'
      })
    }, { cache: await optionsOf(t) })
    const { hit } = await repeats(t, service, '/')
    t.strictSame(hit.lines.filter(([name]) => name === 'link'), [['link', '</a>; rel=next'], ['link', '</b>; rel=prev']])
    t.strictSame(hit.lines.filter(([name]) => name === 'x-raw'), [['x-raw', 'one'], ['x-raw', 'two']])
    t.equal(hit.field('x-empty'), '')
    t.equal(hit.field('x-number'), '7')
    t.equal(hit.field('content-disposition'), 'attachment; filename="tür.txt"')
  })
}

test('a hit repeats fields that control other caches, and a Vary whose fields the request has', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', { config }, async (request, reply) => {
      reply.header('cache-control', 'public, max-age=60').header('vary', 'accept-language').header('expires', 'Fri, 20 Nov 2026 10:00:00 GMT')
      return 'x'
    })
  })
  const { hit } = await repeats(t, service, '/', { headers: { 'accept-language': 'de' } })
  t.equal(hit.field('vary'), 'accept-language')
  t.equal((await service.get('/', { headers: { 'accept-language': 'fr' } })).field('x-cache'), 'MISS')
})

test('a hit does not repeat what belonged to the connection of the first client', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', { config }, async (request, reply) => {
      reply.header('connection', 'close, X-Hop').header('x-hop', '1').header('keep-alive', 'timeout=1').header('proxy-authenticate', 'Basic')
      return 'x'
    })
  })
  t.equal((await service.get('/')).field('x-hop'), '1')
  const hit = await service.get('/')
  t.equal(hit.field('x-cache'), 'HIT')
  for (const name of ['x-hop', 'keep-alive', 'proxy-authenticate']) t.equal(hit.field(name), undefined, name)
})

test('a hit has the date of its own, but where the handler said when the response was made (RFC 9110 section 6.6.1)', async (t) => {
  const long = 'Thu, 01 Jan 1970 00:00:00 GMT'
  let clock = Date.parse('2026-11-21T12:00:00Z')
  const service = await serve(t, (app) => {
    app.get('/dated', { config }, async (request, reply) => reply.header('date', long).send('x'))
    app.get('/undated', { config }, async () => 'x')
  }, { cache: { clock: () => clock } })
  t.equal((await service.get('/dated')).field('date'), long)
  const { hit } = await repeats(t, service, '/undated')
  t.ok(Date.parse(hit.field('date') ?? '') > Date.parse('2020-01-01'))
  clock += 5000
  const dated = await service.get('/dated')
  t.strictSame([dated.field('x-cache'), dated.field('date'), dated.field('age')], ['HIT', long, String(clock / 1000)])
  t.equal(dated.lines.filter(([name]) => name === 'date').length, 1)
})

test('a hit does not repeat the id of the request that filled it, under whatever name', async (t) => {
  const service = await serve(t, (app) => {
    app.addHook('onSend', async (request, reply) => { reply.header('x-reference', request.id) })
    app.get('/', { config }, async (request, reply) => reply.header('x-request-id', request.id).header('x-ticket', request.id).send('x'))
  }, { fastify: { genReqId: () => `id-${Math.random()}` } })
  const miss = await service.get('/')
  const hit = await service.get('/')
  t.equal(hit.field('x-cache'), 'HIT')
  t.equal(hit.field('x-request-id'), undefined)
  t.equal(hit.field('x-ticket'), undefined)
  t.match(hit.field('x-reference'), /^id-/)
  t.not(hit.field('x-reference'), miss.field('x-reference'))
})

test('counters and CORS fields that hooks write are those of the present request', async (t) => {
  let left = 10
  const service = await serve(t, (app) => {
    app.addHook('onRequest', async (request, reply) => {
      reply.header('x-ratelimit-remaining', --left).header('x-quota', left).header('access-control-allow-origin', request.headers.origin).header('vary', 'Origin')
    })
    app.get('/', { config }, async () => 'x')
  })
  await service.get('/', { headers: { origin: 'https://one.example' } })
  const same = await service.get('/', { headers: { origin: 'https://one.example' } })
  t.equal(same.field('x-cache'), 'HIT')
  t.equal(same.field('x-ratelimit-remaining'), '8')
  t.equal(same.field('x-quota'), '8')
  const other = await service.get('/', { headers: { origin: 'https://two.example' } })
  t.equal(other.field('access-control-allow-origin'), 'https://two.example')
  t.equal(other.field('x-ratelimit-remaining'), '7')
})

test('counters and timings that the handler wrote are not repeated', async (t) => {
  const names = ['ratelimit', 'ratelimit-policy', 'x-ratelimit-remaining', 'x-rate-limit-reset', 'server-timing', 'x-response-time', 'traceparent']
  const service = await serve(t, (app) => {
    app.get('/', { config }, async (request, reply) => reply.headers(Object.fromEntries(names.map((name) => [name, '1']))).send('x'))
  })
  const miss = await service.get('/')
  const hit = await service.get('/')
  t.equal(hit.field('x-cache'), 'HIT')
  for (const name of names) {
    t.equal(miss.field(name), '1', name)
    t.equal(hit.field(name), undefined, name)
  }
})

test('a field that a hook sets first and the handler changes is repeated as the handler left it', async (t) => {
  const service = await serve(t, (app) => {
    app.addHook('onRequest', async (request, reply) => { reply.header('cache-control', 'no-cache').header('x-frame-options', 'DENY') })
    app.get('/', { config }, async (request, reply) => reply.header('cache-control', 'max-age=5').send('x'))
  })
  const { hit } = await repeats(t, service, '/')
  t.equal(hit.field('cache-control'), 'max-age=5')
  t.equal(hit.field('x-frame-options'), 'DENY')
})

test('a field that a hook sets first and the handler removes stays away from hits', async (t) => {
  const service = await serve(t, (app) => {
    app.addHook('onRequest', async (request, reply) => { reply.header('x-frame-options', 'DENY').header('x-other', '1') })
    app.get('/embed', { config }, async (request, reply) => reply.removeHeader('x-frame-options').send('meant for frames'))
  })
  const { hit } = await repeats(t, service, '/embed')
  t.equal(hit.field('x-frame-options'), undefined)
  t.equal(hit.field('x-other'), '1')
})

test('a Set-Cookie of a hook is sent with its own response and keeps it from being stored', async (t) => {
  let visits = 0
  const service = await serve(t, (app) => {
    app.addHook('onRequest', async (request, reply) => { reply.header('set-cookie', `visit=${++visits}`) })
    app.get('/', { config }, async () => 'x')
  })
  for (const visit of ['visit=1', 'visit=2']) {
    const response = await service.get('/')
    t.equal(response.field('set-cookie'), visit)
    t.equal(response.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=set-cookie')
  }
})

test('a Set-Cookie that a hook writes onto a hit reaches that client only', async (t) => {
  let visits = 0
  const service = await serve(t, (app) => {
    app.addHook('onSend', async (request, reply) => {
      if (++visits === 2) reply.header('set-cookie', 'visit=2')
    })
    app.get('/', { config }, async () => 'x')
  })
  const cookies = []
  for (let visit = 0; visit < 3; visit++) cookies.push((await service.get('/')).field('set-cookie'))
  t.strictSame(cookies, [undefined, 'visit=2', undefined])
})

test('the Cache-Status of a cache closer to the origin is kept in front of ours', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', { config: { cache: { ttl: 60, jitter: 0 } } }, async (request, reply) => reply.header('cache-status', 'Origin; fwd=uri-miss').send('x'))
  })
  const miss = await service.get('/')
  t.equal(miss.field('cache-status'), 'Origin; fwd=uri-miss, fastify-response-cache; fwd=uri-miss; stored')
  t.equal((await service.get('/')).field('cache-status'), 'fastify-response-cache; hit; ttl=60')
})
