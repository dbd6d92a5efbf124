import { brotliCompressSync } from 'node:zlib'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import staticFiles, { type FastifyStaticOptions } from '@fastify/static'
import Fastify, { type FastifyInstance } from 'fastify'
import responseCache from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { listen, repeats, type Service } from '../plugin/serve.ts'
import { cached, serveIn, type Order } from './orders.ts'

const CSS = 'body { color: black }\n'.repeat(100)
const PAGE = '<h1>Hello</h1>\n'

async function open (t: Test, order: Order, { options, routes }: { options?: Partial<FastifyStaticOptions>, routes?: (app: FastifyInstance) => unknown } = {}): Promise<Service & { root: string }> {
  const root = t.testdir({ 'style.css': CSS, 'style.css.br': brotliCompressSync(CSS), 'page.html': PAGE })
  const service = await serveIn(t, order, {
    plugin: (app) => app.register(staticFiles, { root, prefix: '/files/', ...options }),
    routes: (app) => {
      app.get('/style', cached(), (request, reply) => reply.sendFile('style.css'))
      app.get('/page', cached(), (request, reply) => reply.sendFile('page.html', { maxAge: '1h', immutable: true }))
      app.get('/download', cached(), (request, reply) => reply.download('style.css', 'my style.css'))
      app.get('/missing', cached(), (request, reply) => reply.sendFile('nothing.css'))
      return routes?.(app)
    }
  })
  return { ...service, root }
}

function inBothOrders (title: string, check: (t: Test, order: Order) => Promise<void>): void {
  for (const order of ['before', 'after'] as const) test(`@fastify/static: ${title} [registered ${order} the cache]`, async (t) => check(t, order))
}

inBothOrders('a file that a cached handler sends is stored with its length, type and validators', async (t, order) => {
  const service = await open(t, order)
  const { hit } = await repeats(t, service, '/style')
  t.equal(hit.text, CSS)
  t.match(hit.field('content-type'), /^text\/css/)
  t.equal(hit.field('content-length'), String(CSS.length))
  t.equal(hit.field('last-modified'), (await stat(join(service.root, 'style.css'))).mtime.toUTCString())
  t.match(hit.field('etag'), /^W\/"/)
  t.equal(hit.field('accept-ranges'), 'bytes')
  t.equal(hit.field('cache-control'), 'public, max-age=0')
  t.equal((await repeats(t, service, '/page')).hit.field('cache-control'), 'public, max-age=3600, immutable')
  t.match((await repeats(t, service, '/download')).hit.field('content-disposition'), /^attachment; filename="my style.css"/)
})

inBothOrders('a HEAD is answered from the stored file, and a HEAD alone stores nothing', async (t, order) => {
  const service = await open(t, order)
  const first = await service.get('/style', { method: 'HEAD' })
  t.strictSame([first.status, first.field('content-length'), first.text], [200, String(CSS.length), ''])
  const { hit } = await repeats(t, service, '/style')
  const head = await service.get('/style', { method: 'HEAD' })
  t.strictSame([head.field('x-cache'), head.text, head.field('content-length'), head.field('etag')], ['HIT', '', String(CSS.length), hit.field('etag')])
})

inBothOrders('a client that has the file is told so, before and after it is stored, and others get the file', async (t, order) => {
  const service = await open(t, order)
  const etag = (await service.get('/files/style.css')).field('etag')!
  const since = (await service.get('/files/style.css')).field('last-modified')!
  for (const [name, value] of [['if-none-match', etag], ['if-modified-since', since]] as const) {
    const known = await service.get('/style', { headers: { [name]: value } })
    t.strictSame([known.status, known.text], [304, ''])
  }
  for (let time = 0; time < 2; time++) {
    const whole = await service.get('/style')
    t.strictSame([whole.status, whole.text], [200, CSS])
  }
  t.equal((await service.get('/style')).field('x-cache'), 'HIT')
  const other = await service.get('/style', { headers: { 'if-none-match': '"other"' } })
  t.strictSame([other.status, other.text], [200, CSS])
})

inBothOrders('a part of a file is never stored as the whole, and the part that was asked for is made of the stored whole', async (t, order) => {
  const service = await open(t, order)
  for (let time = 0; time < 2; time++) {
    const part = await service.get('/style', { headers: { range: 'bytes=0-3' } })
    t.strictSame([part.status, part.text, part.field('content-range')], [206, 'body', `bytes 0-3/${CSS.length}`])
    t.not(part.field('x-cache'), 'HIT')
  }
  await repeats(t, service, '/style')
  const part = await service.get('/style', { headers: { range: 'bytes=0-3' } })
  t.equal(part.field('x-cache'), 'HIT')
  t.strictSame([part.status, part.text, part.field('content-range')], [206, 'body', `bytes 0-3/${CSS.length}`])
})

inBothOrders('a file that is not there is not stored', async (t, order) => {
  const { get } = await open(t, order)
  for (let time = 0; time < 2; time++) {
    const response = await get('/missing')
    t.strictSame([response.status, response.field('cache-status')], [404, 'fastify-response-cache; fwd=uri-miss; detail=status'])
  }
})

inBothOrders('its own routes are not cached', async (t, order) => {
  const { get } = await open(t, order)
  for (let time = 0; time < 2; time++) {
    const file = await get('/files/style.css')
    t.strictSame([file.status, file.text, file.field('x-cache')], [200, CSS, undefined])
  }
})

test('@fastify/static: its routes are cached where an onRoute hook that was there before the cache says so', async (t) => {
  const root = t.testdir({ 'style.css': CSS })
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  app.addHook('onRoute', (route) => { if (route.url.startsWith('/files/')) route.config = { ...route.config, ...cached().config } })
  await app.register(responseCache, { defaults: { ttl: '1m' } })
  await app.register(staticFiles, { root, prefix: '/files/' })
  const service = await listen(app)
  await repeats(t, service, '/files/style.css')
  const head = await service.get('/files/style.css', { method: 'HEAD' })
  t.strictSame([head.field('x-cache'), head.field('content-length')], ['HIT', String(CSS.length)])
  for (let time = 0; time < 2; time++) t.equal((await service.get('/files/none.css')).status, 404)
})

test('@fastify/static: config.cache that comes from an onRoute hook behind the cache is refused when the app starts', async (t) => {
  const root = t.testdir({ 'style.css': CSS })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache, { defaults: { ttl: '1m' } })
  await app.register(async (scope) => {
    scope.addHook('onRoute', (route) => { route.config = { ...route.config, ...cached().config } })
    await scope.register(staticFiles, { root, prefix: '/files/' })
  })
  await t.rejects(async () => { await app.ready() }, { code: 'RESPONSE_CACHE_ERR_NOT_ATTACHED' })
})

inBothOrders('a file larger than maxBytes is sent whole, every time, and not stored', async (t, order) => {
  const service = await open(t, order, { routes: (app) => { app.get('/large', cached({ maxBytes: 100 }), (request, reply) => reply.sendFile('style.css')) } })
  for (let time = 0; time < 2; time++) {
    const response = await service.get('/large')
    t.strictSame([response.text, response.field('cache-status')], [CSS, 'fastify-response-cache; fwd=uri-miss; detail=too-large'])
  }
})

inBothOrders('a precompressed file is sent to those who accept it only, whoever asks first', async (t, order) => {
  const service = await open(t, order, { options: { preCompressed: true } })
  const ask = async (encoding?: string): Promise<[encoding: string | undefined, body: string]> => {
    const response = await service.get('/style', { headers: encoding === undefined ? {} : { 'accept-encoding': encoding } })
    return [response.field('content-encoding'), response.body.toString('base64')]
  }
  const packed = brotliCompressSync(CSS).toString('base64')
  const plain = Buffer.from(CSS).toString('base64')
  for (let time = 0; time < 3; time++) {
    t.strictSame(await ask('br'), ['br', packed])
    t.strictSame(await ask(), [undefined, plain])
    t.strictSame(await ask('identity'), [undefined, plain])
    t.strictSame(await ask('br;q=0, identity'), [undefined, plain])
  }
  await ask('br')
  t.equal((await service.get('/style', { headers: { 'accept-encoding': 'br' } })).field('x-cache'), 'HIT')
})
