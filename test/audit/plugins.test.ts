import compress from '@fastify/compress'
import cookie from '@fastify/cookie'
import cors from '@fastify/cors'
import etag from '@fastify/etag'
import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import replyFrom from '@fastify/reply-from'
import fastifyStatic from '@fastify/static'
import Fastify, { type FastifyInstance, type FastifyPluginAsync, type FastifyPluginCallback, type FastifyRequest } from 'fastify'
import responseCache from 'fastify-response-cache'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { test, type Test } from 'tap'
import { exchange } from '../plugin/exchange.ts'
import { cached, open, type Site } from '../safety/helpers.ts'
import { fields } from './helpers.ts'

/** By a name that the compiler does not follow: its types would say what `request.user` is, for all tests of this project. */
const JWT: string = '@fastify/jwt'
const { default: jwt }: { default: FastifyPluginCallback<{ secret: string }> } = await import(JWT)

interface Plugin {
  add (app: FastifyInstance): Promise<unknown>
  headers: Record<string, string>
}

function plugin <Options extends object> (register: FastifyPluginAsync<Options> | FastifyPluginCallback<Options>, options: Options, headers: Record<string, string> = {}): Plugin {
  return { add: async (app) => app.register(register as FastifyPluginCallback<Options>, options as never), headers }
}

const origin = { origin: 'https://shop.example' }

const plugins: Record<string, Plugin> = {
  'no other plugin': { add: async () => {}, headers: {} },
  '@fastify/cors': plugin(cors, { origin: true }, origin),
  '@fastify/cookie': plugin(cookie, {}, { cookie: '_ga=1' }),
  '@fastify/etag': plugin(etag, {}, { 'if-none-match': '"x"' }),
  '@fastify/compress': plugin(compress, { threshold: 1 }, { 'accept-encoding': 'gzip' }),
  '@fastify/helmet': plugin(helmet, {}),
  '@fastify/rate-limit': plugin(rateLimit, { max: 1000 })
}

const text = 'a text that is long enough to be compressed '.repeat(50)

/** The plugin before this one or after it; answers of all kinds, to GET and HEAD. */
for (const [name, { add, headers }] of Object.entries(plugins)) {
  for (const order of ['before', 'after']) {
    test(`nothing is reported of ordinary handlers with ${name} ${order} the cache`, async (t) => {
      const { ask, warnings } = await listen(t, { before: order === 'before' ? add : undefined, after: order === 'after' ? add : undefined })
      for (const path of ['/object/1?a=1', '/text', '/stream', '/callback']) {
        t.equal((await ask(path, { headers, method: 'HEAD' })).status, 200)
        t.equal((await ask(path, { headers })).status, 200)
        t.equal((await ask(path, { headers })).field('x-cache'), 'HIT', path)
      }
      t.strictSame(warnings, [])
    })
  }
}

type Add = Plugin['add']

async function listen (t: Test, { before, after }: { before: Add | undefined, after: Add | undefined }): Promise<Pick<Site, 'ask' | 'warnings'>> {
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  const warnings: Site['warnings'] = []
  await before?.(app)
  const logger = { info () {}, warn: (details: object, message: string) => { warnings.push({ details: details as Record<string, unknown>, message }) } }
  await app.register(responseCache, { audit: 'refuse', defaults: { ttl: '1m' }, logger })
  await after?.(app)
  app.get('/object/:id', cached(), async ({ params, query }) => ({ params, query, text }))
  app.get('/text', cached(), async (_request, reply) => reply.type('text/plain').send(text))
  app.get('/stream', cached(), (_request, reply) => reply.type('text/plain').send(Readable.from([text])))
  app.get('/callback', cached(), (_request, reply) => { setImmediate(() => { reply.send({ text }) }) })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return { warnings, ask: async (path, options) => exchange(port, path, options) }
}

function userOf (request: FastifyRequest): unknown {
  return Reflect.get(request, 'user')
}

test('nothing is reported with @fastify/jwt and varyByUser, and request.user is without it', async (t) => {
  const { app, ask, warnings } = await open(t, async (app) => {
    await app.register(jwt, { secret: 'a secret of the test' })
    const verify = { preHandler: async (request: FastifyRequest) => { await (request as unknown as { jwtVerify (): Promise<unknown> }).jwtVerify() } }
    app.get('/me', { ...cached({ varyByUser: true }), ...verify }, async (request) => ({ user: userOf(request) }))
    app.get('/all', { ...cached({ shared: true }), ...verify }, async () => ({ all: true }))
    app.get('/anyone', cached(), async (request) => ({ user: userOf(request) ?? null }))
  }, { cache: { audit: 'warn' } })
  const headers = { authorization: `Bearer ${(app as unknown as { jwt: { sign (payload: object): string } }).jwt.sign({ sub: 'ada', role: 'editor' })}` }
  for (const path of ['/me', '/all']) {
    t.match((await ask(path, { headers })).field('cache-status'), /stored$/)
    t.equal((await ask(path, { headers })).field('x-cache'), 'HIT')
  }
  t.strictSame(warnings, [])
  await ask('/anyone')
  t.strictSame(fields(warnings), ['user'])
})

test('a file that @fastify/static sends is no report', async (t) => {
  const { ask, warnings } = await open(t, async (app) => {
    await app.register(fastifyStatic, { root: import.meta.dirname, serve: false })
    app.get('/file', cached(), (_request, reply) => reply.sendFile('helpers.ts'))
  }, { cache: { audit: 'warn' } })
  t.match(await ask('/file'), { status: 200, text: /export function fields/ })
  t.equal((await ask('/file')).field('x-cache'), 'HIT')
  t.strictSame(warnings, [])
})

test('a request that @fastify/reply-from passes on is reported once, as all header fields', async (t) => {
  const origin = Fastify()
  t.teardown(() => origin.close())
  origin.get('/', async ({ headers }) => ({ tenant: headers['x-tenant'] }))
  const base = await origin.listen({ port: 0, host: '127.0.0.1' })
  const { app, warnings } = await open(t, async (app) => {
    await app.register(replyFrom, { base })
    app.get('/', cached(), (_request, reply) => reply.from('/'))
  }, { cache: { audit: 'warn' } })
  const answer = await app.inject({ url: '/', headers: { 'x-tenant': 'acme' } }) // the origin's Connection would keep a socket open
  t.equal(answer.body, '{"tenant":"acme"}')
  await app.inject('/?2')
  t.strictSame(fields(warnings), ['header *'])
})
