import type { FastifyInstance, FastifyRequest } from 'fastify'
import cookie from '@fastify/cookie'
import session from '@fastify/session'
import { test, type Test } from 'tap'
import type { RouteCacheOptions } from 'fastify-response-cache'
import { cached, open, setUser, type Site } from '../safety/helpers.ts'
import { fields } from './helpers.ts'

type Handler = (request: FastifyRequest) => unknown

interface Case {
  reads: Handler
  options?: RouteCacheOptions
  headers?: Record<string, string>
  /** The fields that are reported, in order. */
  reported: string[]
}

/** The route `/u/:id`, on an app whose hooks find a user in `X-Person` and copy things to the request. */
async function site (t: Test, { reads, options }: Case): Promise<Site> {
  return open(t, async (app: FastifyInstance) => {
    await app.register(cookie)
    app.decorateRequest('user', null)
    app.decorateRequest('tenant', null)
    app.decorateRequest('locale', { getter () { return this.headers['x-locale'] } })
    app.decorateRequest('readTheme', function (this: FastifyRequest) { return this.cookies.theme })
    app.addHook('preHandler', async (request) => {
      const person = request.headers['x-person']
      if (person !== undefined) setUser(request, { id: person, role: 'editor', name: `Name of ${person}` })
      Object.assign(request, { tenant: request.headers['x-tenant'] ?? null })
    })
    app.get('/u/:id', cached(options), async (request) => ({ read: reads(request) ?? null }))
  }, { cache: { audit: 'warn' }, fastify: { trustProxy: true } })
}

const member = (name: string): Handler => (request) => Reflect.get(request, name)

const cases: Record<string, Case> = {
  'a header field': { reads: ({ headers }) => headers['x-tenant'], reported: ['header x-tenant'] },
  'a header field that is absent from the raw request': { reads: ({ raw }) => raw.headers['x-tenant'], reported: ['header x-tenant'] },
  'whether a header field is there': { reads: ({ headers }) => 'x-beta' in headers, reported: ['header x-beta'] },
  'a header field of an HTTP/1 request as lists': { reads: ({ raw }) => raw.headersDistinct['x-tenant'], reported: ['header x-tenant'] },
  'the raw header lines': { reads: ({ raw }) => raw.rawHeaders, reported: ['header *'] },
  'a copy of all header fields': { reads: ({ headers }) => ({ ...headers }), reported: ['header *'] },
  'all header fields as JSON': { reads: ({ headers }) => JSON.stringify(headers), reported: ['header *'] },
  'all header fields, handed to Fastify': { reads: ({ headers }) => headers, reported: ['header *'] },
  'two header fields': { reads: ({ headers: { 'user-agent': agent, accept } }) => [agent, accept], reported: ['header user-agent', 'header accept'] },
  'a token': { reads: ({ headers }) => headers.authorization, reported: ['header authorization'] },
  'a cookie': { reads: ({ cookies }) => cookies.theme, reported: ['cookie theme'] },
  'all cookies': { reads: ({ cookies }) => Object.entries(cookies), reported: ['cookie *'] },
  'the Cookie field': { reads: ({ headers }) => headers.cookie, reported: ['header cookie'] },
  'the address': { reads: ({ ip }) => ip, reported: ['ip'] },
  'all addresses': { reads: ({ ips }) => ips, reported: ['ip'] },
  'the address of the socket': { reads: ({ socket }) => socket.remoteAddress, reported: ['ip'] },
  'the port of the raw socket': { reads: ({ raw }) => raw.socket.remotePort, reported: ['socket'] },
  'an absent user': { reads: member('user'), reported: ['user'] },
  'a decorated getter': { reads: member('locale'), reported: ['header x-locale'] },
  'a decorated function': { reads: (request) => (Reflect.get(request, 'readTheme') as () => unknown).call(request), reported: ['cookie theme'] },
  'a copy that a hook has made': { reads: member('tenant'), headers: { 'x-tenant': 'acme' }, reported: ['request.tenant'] },
  'a host that a trusted proxy has replaced': { reads: ({ headers }) => headers.host, headers: { 'x-forwarded-host': 'b.example' }, reported: ['header host'] },
  'a member of the user whose role is the key': { reads: (request) => (Reflect.get(request, 'user') as { name: string }).name, options: { varyByUser: (request) => (Reflect.get(request, 'user') as { role: string }).role }, headers: { 'x-person': 'ada' }, reported: ['user.name'] },
  'a query parameter that the key leaves out': { reads: (request) => (request.query as { b: string }).b, options: { key: ({ query }) => `k${String(query.a)}` }, reported: ['query b'] },
  'a path parameter that the key leaves out': { reads: (request) => (request.params as { id: string }).id, options: { key: () => 'k' }, reported: ['params id'] },
  'the URL that the key leaves out': { reads: ({ url }) => url, options: { key: ({ query }) => `k${String(query.a)}` }, reported: ['url'] },
  'the original URL that the key leaves out': { reads: ({ originalUrl }) => originalUrl, options: { key: () => 'k' }, reported: ['url'] },
  'a header field where another is in the key': { reads: ({ headers }) => headers['x-tenant'], options: { varyByHeaders: ['x-plan'] }, reported: ['header x-tenant'] },
  'a header field that skip asked for and let pass': { reads: ({ headers }) => headers['x-preview'], options: { skip: ({ headers }) => headers['x-preview'] === 'yes' }, headers: { 'x-preview': 'no' }, reported: ['header x-preview'] }
}

for (const [input, one] of Object.entries(cases)) {
  test(`a handler that reads ${input} is reported once`, async (t) => {
    const { ask, warnings } = await site(t, one)
    const asked = { headers: one.headers ?? {} }
    const answer = await ask('/u/1?a=1&b=2', asked)
    t.match(answer.field('cache-status'), /stored$/)
    await ask('/u/2?a=2&b=3', asked)
    t.strictSame(fields(warnings), one.reported)
    t.ok(warnings.every(({ details }) => (details.cache as { route: string }).route === 'GET /u/:id'))
  })
}

const covered: Record<string, Case> = {
  'nothing but path and query': { reads: ({ params, query, url }) => [params, query, url], reported: [] },
  'what the key always has': { reads: ({ host, hostname, protocol, port, method, headers }) => [host, hostname, protocol, port, method, headers.host, headers['x-forwarded-proto']], reported: [] },
  'what says nothing of the client': { reads: ({ id, log, routeOptions, server, is404, signal }) => [id, log.level, routeOptions.url, server.prefix, is404, signal.aborted], reported: [] },
  'a log line about the request': { reads: (request) => { request.log.info({ req: request, ip: 1 }, 'seen') }, reported: [] },
  'whether the client is still there': { reads: ({ raw, socket }) => [raw.destroyed, socket.destroyed, raw.socket.destroyed], reported: [] },
  'conditions and ranges': { reads: ({ headers }) => [headers['if-none-match'], headers.range, headers['cache-control']], reported: [] },
  'a header field in varyByHeaders': { reads: ({ headers }) => headers['x-tenant'], options: { varyByHeaders: ['X-Tenant'] }, reported: [] },
  'a copy of a header field in varyByHeaders': { reads: member('tenant'), options: { varyByHeaders: ['x-tenant'] }, headers: { 'x-tenant': 'acme' }, reported: [] },
  'a cookie in varyByCookies': { reads: ({ cookies }) => cookies.theme, options: { varyByCookies: ['theme'] }, headers: { cookie: 'theme=dark' }, reported: [] },
  'the Cookie field with nothing but cookies in varyByCookies': { reads: ({ headers }) => headers.cookie, options: { varyByCookies: ['theme'] }, headers: { cookie: 'theme=dark; _ga=1' }, reported: [] },
  'a user in varyByUser': { reads: member('user'), options: { varyByUser: true }, headers: { 'x-person': 'ada' }, reported: [] },
  'the name of a user in varyByUser': { reads: (request) => (Reflect.get(request, 'user') as { name: string }).name, options: { varyByUser: true }, headers: { 'x-person': 'ada' }, reported: [] },
  'an absent user with varyByUser': { reads: member('user'), options: { varyByUser: true }, reported: [] },
  'a token with varyByUser': { reads: ({ headers }) => headers.authorization, options: { varyByUser: true }, reported: [] },
  'a user where the response is shared': { reads: member('user'), options: { shared: true }, headers: { 'x-person': 'ada' }, reported: [] },
  'what varyByUser reads': { reads: ({ headers }) => headers['x-plan'], options: { varyByUser: ({ headers }) => String(headers['x-plan'] ?? 'free') }, reported: [] },
  'what the key reads': { reads: ({ headers, query }) => [headers['x-plan'], (query as { a: string }).a], options: { key: ({ headers, query }) => `k${String(headers['x-plan'])}:${String(query.a)}` }, reported: [] },
  'parts of the URL that is the key': { reads: ({ params, query, url }) => [{ ...params as object }, { ...query as object }, url], options: { key: ({ url }) => url }, reported: [] },
  'an absent field that skip asks for': { reads: ({ headers }) => headers['x-preview'], options: { skip: ({ headers }) => headers['x-preview'] !== undefined }, reported: [] }
}

for (const [input, one] of Object.entries(covered)) {
  test(`a handler that reads ${input} is not reported`, async (t) => {
    const { ask, warnings } = await site(t, one)
    const answer = await ask('/u/1?a=1&b=2', { headers: one.headers ?? {} })
    t.match([answer.status, answer.field('cache-status')], [200, /stored$/])
    t.strictSame(warnings, [])
  })
}

test('a body that the key leaves out is reported, and one that it reads is not', async (t) => {
  const { ask, warnings } = await open(t, (app) => {
    app.post('/out', cached({ key: () => 'k' }), async ({ body }) => ({ body }))
    app.post('/in', cached({ key: ({ body }) => JSON.stringify(body) }), async ({ body }) => ({ body }))
    app.post('/vary', cached({ varyByBody: true }), async ({ body }) => ({ body }))
  }, { cache: { audit: 'warn' } })
  for (const path of ['/out', '/in', '/vary']) {
    t.equal((await ask(path, { method: 'POST', body: '{"a":1}', headers: { 'content-type': 'application/json' } })).text, '{"body":{"a":1}}')
  }
  t.strictSame(fields(warnings), ['body'])
})

test('a session is reported, unless varyByUser reads it', async (t) => {
  const { ask, warnings } = await open(t, async (app) => {
    await app.register(cookie)
    await app.register(session, { secret: 'a secret with at least 32 characters', saveUninitialized: false })
    app.get('/none', cached(), async (request) => ({ id: request.session.get('nobody' as never) ?? null }))
    app.get('/user', cached({ varyByUser: (request) => request.session.get('nobody' as never) }), async (request) => ({ id: request.session.get('nobody' as never) ?? null }))
  }, { cache: { audit: 'warn' } })
  for (const path of ['/none', '/user']) t.match((await ask(path)).field('cache-status'), /stored$/)
  t.strictSame(fields(warnings), ['session'])
})
