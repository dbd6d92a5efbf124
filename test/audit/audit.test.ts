import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import responseCache, { type ResponseCacheOptions } from 'fastify-response-cache'
import { readdir, readFile } from 'node:fs/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { Readable } from 'node:stream'
import { test } from 'tap'
import { apart, cached, inEveryStore, open, together } from '../safety/helpers.ts'
import { fields } from './helpers.ts'

test('a report says what was read, where, and what to write', async (t) => {
  const { ask, warnings } = await open(t, (app) => {
    app.get('/price', cached({ varyByHeaders: ['accept-language'] }), async (request) => ({ tenant: request.headers['x-tenant'], ip: request.ip }))
  }, { cache: { audit: 'warn' } })
  await ask('/price')
  t.strictSame(warnings.map(({ message }) => message), [
    'the handler of GET /price reads the header field x-tenant, which the key does not cover: others are given what was made for one of its ' +
    "values; write varyByHeaders: ['accept-language', 'x-tenant'], or send Vary: x-tenant",
    'the handler of GET /price reads the address of the client, which the key does not cover: others are given what was made for one of its ' +
    'values; read it in a hook if the response does not depend on it; else make it a part of what the route\'s "key" returns, or do not cache the route'
  ])
  t.strictSame(warnings[0]?.details, { cache: { route: 'GET /price', outcome: 'miss', reason: 'unkeyed-input', field: 'header x-tenant' } })
})

test('a field is reported once for a route, and again for another route', async (t) => {
  const { ask, warnings } = await open(t, (app) => {
    for (const path of ['/a', '/b']) app.get(path, cached(), async ({ headers }) => ({ tenant: headers['x-tenant'] }))
  }, { cache: { audit: 'warn' } })
  for (const path of ['/a', '/a?1', '/b', '/b?1', '/a?2']) await ask(path)
  t.strictSame(warnings.map(({ details }) => (details.cache as { route: string }).route), ['GET /a', 'GET /b'])
})

inEveryStore('with refuse a response that depends on what the key leaves out is not stored, and says why', async (t, cache) => {
  const site = await open(t, (app) => {
    app.get('/unkeyed', cached(), async ({ headers }) => ({ tenant: headers['x-tenant'], at: Math.random() }))
    app.get('/keyed', cached({ varyByHeaders: ['x-tenant'] }), async ({ headers }) => ({ tenant: headers['x-tenant'], at: Math.random() }))
  }, { cache: { ...cache, audit: 'refuse' } })
  const answer = await site.ask('/unkeyed')
  t.match(answer.field('cache-status'), /; detail=unkeyed-input$/)
  await apart(t, site, [['/unkeyed', { headers: { 'x-tenant': 'a' } }], ['/unkeyed', { headers: { 'x-tenant': 'b' } }]])
  await together(t, site, [['/keyed', { headers: { 'x-tenant': 'a' } }], ['/keyed', { headers: { 'x-tenant': 'a' } }]])
  t.strictSame(fields(site.warnings), ['header x-tenant'])
  t.match(site.warnings[0]?.message, /: its responses are not stored; write varyByHeaders/)
})

test('a field that the response names in Vary is not reported, and it is where the response does not', async (t) => {
  const { ask, warnings } = await open(t, (app) => {
    app.get('/vary', cached(), async ({ headers }, reply) => {
      reply.header('vary', 'Accept-Language, X-Tenant')
      return { language: headers['accept-language'], tenant: headers['x-tenant'] }
    })
    app.get('/none', cached(), async ({ headers }) => ({ language: headers['accept-language'] }))
  }, { cache: { audit: 'warn' } })
  await ask('/vary')
  t.strictSame(warnings, [])
  await ask('/none')
  t.strictSame(fields(warnings), ['header accept-language'])
})

test('what is not stored is not reported', async (t) => {
  const { ask, warnings } = await open(t, (app) => {
    app.get('/private', cached(), async ({ headers }, reply) => {
      reply.header('cache-control', 'private')
      return { tenant: headers['x-tenant'] }
    })
    app.get('/bypass', cached(), async ({ headers }) => ({ token: headers.authorization }))
    app.get('/uncached', async ({ headers }) => ({ tenant: headers['x-tenant'] }))
    app.get('/fails', cached(), async ({ headers }) => { throw new Error(`for ${String(headers['x-tenant'])}`) })
  }, { cache: { audit: 'refuse' } })
  for (const path of ['/private', '/uncached', '/fails']) await ask(path)
  await ask('/bypass', { headers: { authorization: 'Bearer 1' } })
  t.strictSame(warnings, [])
})

test('reads after an await, in a callback and in a handler that uses reply.request are reported', async (t) => {
  const { ask, warnings } = await open(t, (app) => {
    app.get('/await', cached(), async (request) => {
      await turn()
      return { tenant: request.headers['x-await'] }
    })
    app.get('/callback', cached(), (request, reply) => {
      setImmediate(() => { reply.send({ tenant: request.headers['x-callback'] }) })
    })
    app.get('/value', cached(), ((request: FastifyRequest) => ({ tenant: request.headers['x-value'] })) as never)
    app.get('/reply', cached(), async (_request, reply) => ({ tenant: reply.request.headers['x-reply'] }))
    app.get('/late', cached({ hardTimeout: '5s' }), async ({ headers }) => ({ tenant: headers['x-late'] }))
  }, { cache: { audit: 'warn' } })
  for (const path of ['/await', '/callback', '/value', '/reply', '/late']) t.equal((await ask(path)).status, 200, path)
  t.strictSame(fields(warnings), ['header x-await', 'header x-callback', 'header x-value', 'header x-reply', 'header x-late'])
})

test('a stream that reads while it is made is reported, and with refuse not stored', async (t) => {
  const site = await open(t, (app) => {
    async function * lines (request: FastifyRequest): AsyncGenerator<string> {
      yield 'one\n'
      await turn()
      yield `${String(request.headers['x-tenant'])} ${Math.random()}\n`
    }
    app.get('/stream', cached(), (request, reply) => reply.type('text/plain').send(Readable.from(lines(request))))
    app.get('/plain', cached(), (_request, reply) => reply.type('text/plain').send(Readable.from(['one\n', `${Math.random()}\n`])))
  }, { cache: { audit: 'refuse' } })
  const first = await site.ask('/stream')
  t.match(first.text, /^one\nundefined /)
  t.equal((await site.ask('/stream')).field('x-cache'), 'MISS')
  t.strictSame(fields(site.warnings), ['header x-tenant'])
  await together(t, site, [['/plain'], ['/plain']])
})

test('what hooks read is not reported, neither before the handler nor after it', async (t) => {
  const { ask, warnings } = await open(t, (app) => {
    const read = (request: FastifyRequest): unknown => [request.ip, request.headers['x-hook'], { ...request.headers }, request.socket.remoteAddress]
    for (const name of ['onRequest', 'preValidation', 'preHandler', 'onResponse'] as const) app.addHook(name, async (request) => { read(request) })
    for (const name of ['preSerialization', 'onSend'] as const) app.addHook(name, async (request: FastifyRequest) => { read(request) })
    app.get('/async', cached(), async () => ({}))
    app.get('/send', cached(), (_request, reply) => { reply.send({}) })
    app.get('/value', cached(), (() => ({})) as never)
    app.get('/stream', cached(), (_request, reply) => reply.send(Readable.from(['a'])))
  }, { cache: { audit: 'warn' } })
  for (const path of ['/async', '/send', '/value', '/stream']) t.equal((await ask(path)).status, 200)
  t.strictSame(warnings, [])
})

test('a line that the handler logs about the request is not reported', async (t) => {
  const logged: string[] = []
  const { ask, warnings } = await open(t, (app) => {
    app.get('/', cached(), async (request) => {
      request.log.info({ req: request }, 'by the handler')
      return {}
    })
  }, { cache: { audit: 'warn' }, fastify: { logger: { stream: { write: (line: string) => { logged.push(line) } } } } })
  await ask('/')
  t.match(JSON.parse(logged.find((line) => line.includes('by the handler')) ?? '{}'), { req: { remoteAddress: '127.0.0.1', url: '/' } })
  t.strictSame(warnings, [])
})

test('the request stays the same object, and is as it was when the handler is done', async (t) => {
  const known = new WeakMap<FastifyRequest, string>()
  const told: Array<Record<string, unknown>> = []
  const shape = ({ raw, ...own }: FastifyRequest): unknown => [Object.keys(own), Object.getOwnPropertyDescriptor(raw, 'headers'), typeof Object.getOwnPropertyDescriptor(raw, 'socket')?.get]
  let before: unknown
  const { ask } = await open(t, (app) => {
    app.decorateRequest('user', null)
    app.addHook('onRequest', async (request) => { known.set(request, 'known') })
    app.addHook('preHandler', async (request) => { before = shape(request) })
    app.addHook('onSend', async (request) => { told.push({ after: shape(request), user: Reflect.get(request, 'user'), extra: request.headers['x-extra'] }) })
    app.get('/', cached({ key: () => 'k' }), async function (request, reply) {
      Reflect.set(request, 'user', { id: 'set late' })
      request.headers['x-extra'] = 'added'
      told.push({
        known: known.get(request),
        isSame: reply.request === request,
        isStable: Object.is(request.headers, request.headers) && Object.is(request.query, request.query),
        isApp: this === request.server || typeof this.inject === 'function',
        user: Reflect.get(request, 'user') as unknown,
        copy: { ...request.headers }['x-tenant'],
        names: Object.keys(request.query as object)
      })
      return {}
    })
  }, { cache: { audit: 'warn' } })
  await ask('/?b=1&a=2', { headers: { 'x-tenant': 'acme' } })
  t.strictSame(told[0], { known: 'known', isSame: true, isStable: true, isApp: true, user: { id: 'set late' }, copy: 'acme', names: ['b', 'a'] })
  t.strictSame(told[1], { after: before, user: { id: 'set late' }, extra: 'added' })
})

test('a user with private fields, and one that is frozen, work as ever', async (t) => {
  class Account {
    readonly #name = 'Ada'
    readonly id = 1
    get name (): string { return this.#name }
    greet (greeting: string): string { return `${greeting} ${this.#name}` }
  }
  const users: unknown[] = [new Account(), Object.freeze({ id: 2, name: 'Bob', greet: (greeting: string) => `${greeting} Bob` })]
  const { ask, warnings } = await open(t, (app) => {
    app.decorateRequest('user', null)
    app.addHook('preHandler', async (request) => { Reflect.set(request, 'user', users.shift()) })
    app.get('/', cached({ varyByUser: true }), async (request) => {
      const user = Reflect.get(request, 'user') as Account
      return { name: user.name, text: user.greet('Hello'), isAccount: user instanceof Account }
    })
  }, { cache: { audit: 'warn' } })
  t.equal((await ask('/')).text, '{"name":"Ada","text":"Hello Ada","isAccount":true}')
  t.equal((await ask('/')).text, '{"name":"Bob","text":"Hello Bob","isAccount":false}')
  t.strictSame(warnings, [])
})

test('a handler that throws throws the same', async (t) => {
  const { ask } = await open(t, (app) => {
    app.get('/sync', cached(), () => { throw new Error('now') })
    app.get('/async', cached(), async () => { throw new Error('later') })
    app.get('/twice', cached(), async (_request: FastifyRequest, reply: FastifyReply) => reply.code(200).send({ by: 'send' }))
  }, { cache: { audit: 'refuse' } })
  t.match([(await ask('/sync')).text, (await ask('/async')).text, (await ask('/twice')).text], [/now/, /later/, /send/])
})

test('a HEAD request runs the same handler, and its reads are reported when the response to a GET is stored', async (t) => {
  const { ask, warnings } = await open(t, (app) => {
    app.get('/', cached(), async ({ headers }) => ({ tenant: headers['x-tenant'] }))
  }, { cache: { audit: 'warn' } })
  t.equal((await ask('/', { method: 'HEAD' })).status, 200)
  t.strictSame(warnings, [])
  await ask('/')
  t.strictSame(fields(warnings), ['header x-tenant'])
  t.equal((await ask('/', { method: 'HEAD' })).field('x-cache'), 'HIT')
})

test('names that the client chooses do not fill the log', async (t) => {
  const { ask, warnings } = await open(t, (app) => {
    app.get('/', cached(), async ({ headers, query }) => Object.keys(query as object).map((name) => headers[name] ?? null))
  }, { cache: { audit: 'warn' } })
  await ask(`/?${Array.from({ length: 150 }, (_, index) => `n${index}`).join('&')}`)
  t.equal(warnings.length, 100)
})

test('another value than warn or refuse is refused', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => app.register(responseCache, { audit: 'on' } as unknown as ResponseCacheOptions), {
    code: 'RESPONSE_CACHE_ERR_OPTION_INVALID', message: /"audit".*expected 'warn' or 'refuse', got "on"/
  })
})

test('without the option nothing is recorded, and the code for it is not even loaded', async (t) => {
  const { ask, warnings } = await open(t, (app) => {
    app.get('/', cached(), async (request) => ({ tenant: request.headers['x-tenant'], own: Object.getOwnPropertyDescriptor(request.raw, 'headers')?.get !== undefined }))
  })
  t.equal((await ask('/')).text, '{"own":false}')
  t.strictSame(warnings, [])
  const files = (await readdir('lib', { recursive: true })).filter((name) => name.endsWith('.ts') && !name.startsWith('audit'))
  const texts = await Promise.all(files.map(async (name) => readFile(`lib/${name}`, 'utf8')))
  const lines = texts.flatMap((text) => text.split('\n')).filter((line) => /\/(?:route-audit|recorded-request)\.ts'/.test(line))
  t.ok(lines.length > 1)
  t.strictSame(lines.filter((line) => !line.startsWith('import type ') && !line.includes('await import(')), [])
})
