import { test } from 'tap'
import type { FastifyRequest } from 'fastify'
import { apart, cached, inEveryStore, open, together, unique } from './helpers.ts'

/*
 * The validated query selects the response; what does not select it is hidden from the handler, in every form in which
 * the handler could read it.
 */

/** Everything a handler can read of the query. */
function seen (request: FastifyRequest): object {
  return { query: request.query, url: request.url, originalUrl: request.originalUrl, rawUrl: request.raw.url }
}

inEveryStore('every parameter selects the response unless the route says otherwise (PortSwigger, unkeyed parameters)', async (t, cache) => {
  const site = await open(t, (app) => app.get('/*', cached(), unique()), { cache })
  const pairs = [
    ['?utm_source=a', ''], ['?a', ''], ['?a=', '?b='], ['?a=1', '?a=2'], ['?a=1', '?a=1&a=1'], ['?a=1&a=2', '?a=2&a=1'], ['?a=1&a=2', '?a=1,2'],
    ['?a=1&b=2', '?a=1%26b=2'], ['?a=1;b=2', '?a=1&b=2'], ['?a=1%3D&b', '?a=1=b'], ['?a=b:c', '?a:b=c'], ['?__proto__=a', ''], ['?__proto__=a', '?__proto__=b'],
    ['?constructor=a', ''], ['?a=1', '?A=1'], ['?a=+', '?a='], ['?a=null', '?a'], ['?a=%00', '?a='], ['?a=1#b', '?a=1'], ['?a[]=1', '?a=1'], ['?a?b', '?a']
  ]
  for (const [index, [one, other]] of pairs.entries()) await apart(t, site, [[`/${index}${one}`], [`/${index}${other}`]])
  await together(t, site, [['/?a=1&b=2'], ['/?a=1&b=2']])
})

inEveryStore('parameters that the list leaves out are hidden from the handler, in the query and in the URL (PortSwigger, unkeyed parameters)', async (t, cache) => {
  const site = await open(t, (app) => app.get('/', cached({ varyByQuery: ['q', 'page'] }), async (request) => seen(request)), { cache })
  const clean = (await site.ask('/?q=a')).text
  const hidden = [
    'utm_source=evil', 'x=evil', 'Q=evil', 'q%20=evil', '__proto__=evil', 'constructor=evil', 'evil', '=evil', '%=evil', '%E0%A4%A=evil', 'q%00=evil',
    'a&b=evil', 'utm_source=evil&utm_source=evil', 'toString=evil', 'hasOwnProperty=evil'
  ]
  for (const parameter of hidden) {
    for (const [index, query] of [`q=a&${parameter}`, `${parameter}&q=a`].entries()) {
      const host = `${index}.${hidden.indexOf(parameter)}.example` // nothing is stored for it yet
      const { text, ...response } = await site.ask(`/?${query}`, { headers: { host } })
      t.equal(response.field('x-cache'), 'MISS')
      t.notOk(text.includes('evil'), `${query} gave ${text}`)
      t.match(JSON.parse(text), { query: { q: 'a' } })
      await together(t, site, [[`/?${query}`], ['/?q=a']])
    }
  }
  t.equal((await site.ask('/?q=a')).text, clean)
})

test('a parameter cannot slip past the list as a part of one that is on it (PortSwigger, parameter cloaking)', async (t) => {
  const site = await open(t, (app) => app.get('/', cached({ varyByQuery: ['q'] }), async (request) => ({ ...seen(request), ...await made() })))
  const made = unique()
  for (const known of ['q=a', 'q=a&q=b']) { // of which parsers make a text and a list
    for (const name of ['q[x]', 'q.x', 'q[', 'q.', 'q[]', 'q%5Bx%5D', 'q%2Ex', '.q', '[q]']) {
      const host = { headers: { host: `${encodeURIComponent(name + known)}.example` } }
      await site.ask(`/?${known}&${name}=evil`, host)
      const response = await site.ask(`/?${known}`, host)
      t.notOk(response.text.includes('evil'), `${name} gave ${response.text}`)
    }
  }
})

test('a parameter that a nested parser reads is covered in all its parts (PortSwigger, parameter cloaking)', async (t) => {
  const querystringParser = (text: string): Record<string, unknown> => {
    const q: Record<string, string> = {}
    for (const [name, value] of new URLSearchParams(text)) q[/^q\[(\w+)\]$/.exec(name)?.[1] ?? name] = value
    return { q }
  }
  const site = await open(t, (app) => app.get('/', cached({ varyByQuery: ['q'] }), unique()), { fastify: { routerOptions: { querystringParser } } })
  await apart(t, site, [['/?q[x]=1'], ['/?q[x]=2']])
  await apart(t, site, [['/?q[x]=3'], ['/?q[y]=3']])
  await together(t, site, [['/?q[x]=4&q[y]=5'], ['/?q[y]=5&q[x]=4']])
})

inEveryStore('varyByQuery: false hides the whole query (PortSwigger, unkeyed parameters)', async (t, cache) => {
  const site = await open(t, (app) => app.get('/', cached({ varyByQuery: false }), async (request) => seen(request)), { cache })
  const { text } = await site.ask('/?q=evil&q=more&__proto__=evil&%=evil')
  t.strictSame(JSON.parse(text), { query: {}, url: '/', originalUrl: '/', rawUrl: '/' })
  await together(t, site, [['/?q=evil'], ['/']])
})

test('a parameter that validation removes is hidden in the URL too (Hono GHSA-crvj-82cr-hjcx)', async (t) => {
  const schema = { querystring: { type: 'object', additionalProperties: false, properties: { page: { type: 'integer', default: 1 } } } }
  const site = await open(t, (app) => app.get('/', { ...cached(), schema }, async (request) => seen(request)))
  const { text } = await site.ask('/?page=2&callback=evil')
  t.strictSame(JSON.parse(text), { query: { page: 2 }, url: '/?page=2', originalUrl: '/?page=2', rawUrl: '/?page=2' })
  await together(t, site, [['/?callback=evil'], ['/']])
  t.notOk((await site.ask('/')).text.includes('evil'))
})

test('what does not select the response is hidden as well when it is not stored', async (t) => {
  const options = { varyByQuery: ['q'], skip: (request: { headers: object }) => 'x-skip' in request.headers }
  for (const enabled of [true, false]) {
    const site = await open(t, (app) => app.get('/', cached(options), async (request) => seen(request)), { cache: { enabled } })
    for (const headers of [{ authorization: 'a' }, { 'x-skip': '1' }, { 'content-length': '1' }] as Array<Record<string, string>>) {
      const { text, ...response } = await site.ask('/?q=a&r=evil', { headers, body: '?' })
      t.equal(response.field('x-cache'), 'BYPASS')
      t.notOk(text.includes('evil'), 'a handler behaves the same for those who bypass')
    }
  }
})

test('a URL that a hook or a rewrite has kept does not show the handler what is hidden (PortSwigger, unkeyed parameters)', async (t) => {
  const kept = await open(t, (app) => {
    app.addHook('onRequest', async (request) => { t.ok(request.originalUrl) }) // Fastify keeps what it answers here
    app.get('/', cached({ varyByQuery: ['q'] }), async (request) => seen(request))
  })
  t.notOk((await kept.ask('/?q=a&r=evil')).text.includes('evil'), 'read by a hook before')

  const rewritten = await open(t, (app) => app.get('/', cached({ varyByQuery: ['q'] }), async (request) => seen(request)), {
    fastify: { rewriteUrl: (request) => request.url ?? '/' }
  })
  t.notOk((await rewritten.ask('/?q=a&r=evil')).text.includes('evil'), 'kept by rewriteUrl')
})

inEveryStore('a URL that browsers would never send is not reflected to them (PortSwigger, cache key normalization)', async (t, cache) => {
  const schema = { querystring: { type: 'object', properties: { q: { type: 'string' } } } }
  const site = await open(t, (app) => {
    for (const [route, options] of Object.entries({ all: {}, list: { varyByQuery: ['q'] } })) {
      app.get(`/${route}`, { ...cached(options), schema }, async (request) => `<a href='${request.url}&page=2'>next</a>`)
    }
  }, { cache })
  const evil = ['<script>alert(1)</script>', '"onload="x', '\'onload=\'x', '`', '\\', '{{x}}', '|', '^', '\xe4', 'a#<b>', '\x7f']
  for (const [index, written] of evil.entries()) {
    for (const route of ['/all', '/list']) {
      const host = { headers: { host: `${index}.example` } }
      const encoded = `${route}?q=${encodeURIComponent(written).replaceAll("'", '%27')}`
      await site.ask(`${route}?q=${written}`, host)
      const { text } = await site.ask(encoded, host)
      t.equal(text, `<a href='${encoded}&page=2'>next</a>`, written)
      await together(t, site, [[encoded, host], [encoded, host]])
    }
  }
})
