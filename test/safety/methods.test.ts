import { test } from 'tap'
import { apart, cached, inEveryStore, open, sendRaw, together, unique, type Ask } from './helpers.ts'

inEveryStore('HEAD never fills the entry of GET (Nitro GHSA-39r7-wfcx-99xg)', async (t, cache) => {
  const site = await open(t, (app) => app.get('/', cached(), unique()), { cache })
  for (let n = 0; n < 2; n++) {
    const head = await site.ask('/', { method: 'HEAD' })
    t.equal(head.field('x-cache'), 'MISS')
    t.match(head.field('cache-status'), /detail=head$/)
    t.equal(head.body.length, 0)
  }
  const get = await site.ask('/')
  t.equal(get.field('x-cache'), 'MISS')
  t.match(JSON.parse(get.text), { made: Number })
})

inEveryStore('HEAD is answered from the entry of GET, without its body and with its length', async (t, cache) => {
  const site = await open(t, (app) => app.get('/', cached(), async (request, reply) => {
    reply.header('x-made', process.hrtime.bigint().toString())
    return 'a body'
  }), { cache })
  const get = await site.ask('/')
  const head = await site.ask('/', { method: 'HEAD' })
  t.equal(head.field('x-cache'), 'HIT')
  t.equal(head.field('x-made'), get.field('x-made'))
  t.equal(head.field('content-length'), String(get.body.length))
  t.equal(head.body.length, 0)
  t.equal((await site.ask('/')).text, 'a body', 'and the entry stays whole')
})

inEveryStore('a HEAD route of its own never gives its empty body to GET (Nitro GHSA-39r7-wfcx-99xg)', async (t, cache) => {
  const site = await open(t, (app) => {
    app.head('/', cached(), async (request, reply) => { reply.header('x-head', '1').send('') })
    app.get('/', cached(), unique())
    app.route({ method: ['GET', 'HEAD'], url: '/both', ...cached(), handler: unique() })
  }, { cache })
  for (const path of ['/', '/both']) {
    await site.ask(path, { method: 'HEAD' })
    const get = await site.ask(path)
    t.equal(get.field('x-head'), undefined)
    t.match(JSON.parse(get.text), { made: Number })
  }
  t.equal((await site.ask('/', { method: 'HEAD' })).field('x-head'), '1', 'nor does it get what was meant for GET')
})

inEveryStore('unsafe methods are never answered from the cache, and invalidate what GET has there (undici CVE-2026-85008, RFC 9111 section 4.4)', async (t, cache) => {
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
  const made = unique()
  for (const invalidateOnWrite of [true, false]) {
    const site = await open(t, (app) => {
      app.route({ method: methods, url: '/', ...cached(), handler: made })
      app.route({ method: methods, url: '/keyed', ...cached({ key: () => 'same' }), handler: made })
      app.route({ method: methods, url: '/body', ...cached({ varyByBody: true }), handler: made })
    }, { cache: { ...cache, invalidateOnWrite } })
    for (const path of ['/', '/keyed', '/body']) {
      await together(t, site, [[path], [path]])
      let last = (await site.ask(path)).text
      const seen = [last]
      for (const method of methods.slice(path === '/' ? 1 : 2)) {
        for (let n = 0; n < 2; n++) {
          const response = await site.ask(path, { method })
          t.match(response.field('cache-status'), /; fwd=method$/, `${method} ${path}`)
          t.notOk(seen.includes(response.text), `${method} ${path} ran the handler`)
          const after = (await site.ask(path)).text
          const isGone = invalidateOnWrite && method !== 'OPTIONS'
          t.equal(after === last, !isGone, `after ${method} ${path} GET is ${isGone ? 'made anew' : 'untouched'}`)
          t.equal((await site.ask(path)).text, after, 'and stored')
          last = after
          seen.push(response.text, after)
        }
      }
    }
  }
})

test('a route whose method cannot be cached is refused at registration (undici CVE-2026-85008)', async (t) => {
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    for (const options of [{}, { varyByUser: true }, { shared: true }]) {
      await t.rejects(open(t, (app) => app.route({ method, url: '/', ...cached(options), handler: unique() })), { code: 'RESPONSE_CACHE_ERR_METHOD' })
    }
  }
  for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    for (const options of [{ varyByBody: true }, { key: () => 'same' }]) {
      await t.rejects(open(t, (app) => app.route({ method, url: '/', ...cached(options), handler: unique() })), { code: 'RESPONSE_CACHE_ERR_METHOD' })
    }
  }
})

inEveryStore('methods do not share a response of one route (Nitro GHSA-39r7-wfcx-99xg)', async (t, cache) => {
  const site = await open(t, (app) => {
    app.route({ method: ['GET', 'POST'], url: '/*', ...cached({ varyByBody: true }), handler: unique() })
    app.route({ method: ['GET', 'POST'], url: '/keyed', ...cached({ key: () => 'same' }), handler: unique() })
  }, { cache })
  for (const path of ['/', '/keyed']) {
    await apart(t, site, [[path], [path, { method: 'POST' }]])
    await together(t, site, [[path, { method: 'POST' }], [path, { method: 'POST' }]])
  }
})

inEveryStore('a GET with a body is never answered from the cache, nor fills it (PortSwigger, fat GET)', async (t, cache) => {
  const site = await open(t, (app) => app.get('/*', cached(), unique()), { cache })
  const fat: Array<Record<string, string>> = [
    { 'content-length': '5' }, { 'transfer-encoding': 'chunked' }, { 'content-type': 'application/x-www-form-urlencoded', 'content-length': '5' }
  ]
  for (const [index, headers] of fat.entries()) {
    for (const method of ['GET', 'HEAD']) {
      const chunked = 'transfer-encoding' in headers
      const request = `${method} /${index} HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n` +
        Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('') + (chunked ? '\r\n5\r\nq=bad\r\n0\r\n\r\n' : '\r\nq=bad')
      const response = await sendRaw(site.port, request)
      t.match(response, /^HTTP\/1.1 200 /)
      t.match(response, /\r\ncache-status: .*; fwd=bypass; detail=request-body\r\n/)
    }
    await together(t, site, [[`/${index}`], [`/${index}`]])
  }
  const lean: Ask = ['/', { headers: { 'content-length': '0' } }]
  await together(t, site, [['/'], lean], 'a body of no bytes is none')
})

inEveryStore('a request to become another protocol is left alone', async (t, cache) => {
  const site = await open(t, (app) => app.get('/', cached(), unique()), { cache })
  const { text } = await site.ask('/')
  const response = await sendRaw(site.port, 'GET / HTTP/1.1\r\nhost: a.example\r\nupgrade: websocket\r\nconnection: close\r\n\r\n')
  t.match(response, /detail=upgrade/)
  t.notOk(response.includes(text))
})
