import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import v8 from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { FastifyInstance, InjectOptions } from 'fastify'
import inject, { type Response as LightMyRequestResponse } from 'light-my-request'
import { test } from 'tap'
import { createClient } from 'redis'
import { useRedis } from '../helpers/redis.ts'
import { cached, counted, filled, inEveryStore, outlived, refreshFailed, said, scene, turns, twoProcesses, until } from './scene.ts'

const MINUTE_MS = 60_000

/** Goes on for as long as somebody reads, and until it is destroyed. */
function endless (): Readable {
  return new Readable({ highWaterMark: 1000, read () { setImmediate(() => { if (!this.destroyed) this.push(Buffer.alloc(1000, 'x')) }) } })
}

/** Why nothing can be stored of a stream that has no end. */
const streams: Record<string, { fields?: Record<string, string>, status?: number }> = {
  'is longer than maxBytes': {},
  'is longer than maxBytes, as its length says': { fields: { 'content-length': '1000000000' } },
  'is private': { fields: { 'cache-control': 'private' } },
  'sets a cookie': { fields: { 'set-cookie': 'a=1' } },
  'has another status': { status: 202 }
}

for (const [title, { fields = {}, status = 200 }] of Object.entries(streams)) {
  test(`an endless stream behind ends when it shows that nothing can be stored of it: it ${title}`, async (t) => {
    const site = await scene(t, { staleWhileRevalidate: '1h', maxBytes: 10_000 })
    site.origin.answers(() => 'made 1')
    await site.ask('/')
    site.pass(MINUTE_MS + 1)
    const source = endless()
    t.teardown(() => source.destroy())
    site.origin.answers((_run, _request, reply) => reply.code(status).headers(fields).send(source))
    t.match(said(await site.ask('/')), { cache: 'STALE' })
    await refreshFailed(1, site)
    await until(() => source.destroyed, 'the end of the stream')
    t.match(said(await site.ask('/')), { cache: 'STALE', text: 'made 1' })
  })
}

test('streams of clients that have gone end, also where a repeated request made them', async (t) => {
  const sources: Readable[] = []
  const site = await scene(t, { hardTimeout: '20s', maxBytes: 10_000 })
  t.teardown(() => { sources.forEach((source) => { source.destroy() }) })
  site.origin.answers((_run, _request, reply) => {
    const source = endless()
    sources.push(source)
    return reply.type('text/event-stream').send(source)
  })
  const asked = await fetch(`http://127.0.0.1:${site.port}/`)
  await asked.body!.getReader().read()
  await asked.body!.cancel().catch(() => { /* it is being read */ })
  await until(() => sources.length === 2 && sources[0]!.destroyed, 'the end of the one that nobody reads')
})

test('a reply that is hijacked behind is over at once, as if its client had gone', async (t) => {
  const ended: string[] = []
  const site = await scene(t, { staleWhileRevalidate: '1h' })
  site.origin.answers(() => 'made 1')
  await site.ask('/')
  site.pass(MINUTE_MS + 1)
  site.origin.answers(async (_run, _request, reply) => {
    reply.hijack()
    reply.raw.on('close', () => { ended.push('closed') })
    reply.raw.write('for ever')
    return reply
  })
  t.match(said(await site.ask('/')), { cache: 'STALE' })
  await until(() => ended.length === 1, 'the end of the hijacked reply')
  await refreshFailed(1, site)
  t.match(said(await site.ask('/')), { status: 200, cache: 'STALE', text: 'made 1' })
})

test('closing waits for a refresh that runs: what its handler uses is there until it ends', async (t) => {
  const order: string[] = []
  const site = await scene(t, (app, origin) => {
    app.addHook('onClose', async () => { order.push('onClose') })
    app.get('/', cached({ staleWhileRevalidate: '1h' }), async (request, reply) => {
      const answer = await origin.handler(request, reply)
      order.push('handler')
      return answer
    })
  })
  await outlived(site, MINUTE_MS + 1)
  t.match(said(await site.ask('/')), { cache: 'STALE' })
  const run = await site.origin.run(2)
  const closing = site.app.close()
  await manyTurns()
  t.strictSame(order, ['handler'], 'of the first run')
  run.answer('made 2')
  await closing
  t.strictSame(order, ['handler', 'handler', 'onClose'])
  t.equal(site.stats().fills, 2, 'and what it made is stored')
})

test('an app that closes starts no refresh any more, and serves what is stale', async (t) => {
  const site = await scene(t, { staleWhileRevalidate: '1h' }, { fastify: { return503OnClosing: false } })
  site.origin.answers((run) => `made ${run}`)
  await site.app.inject('/?a')
  await site.app.inject('/?b')
  site.pass(MINUTE_MS + 1)
  site.origin.answers(undefined)
  await site.app.inject('/?a')
  const run = await site.origin.run(3)
  const closing = site.app.close()
  await manyTurns()
  const { statusCode, headers } = await lateRequest(site.app, '/?b')
  t.strictSame([statusCode, headers['x-cache']], [200, 'STALE'])
  await manyTurns()
  t.equal(site.origin.runs.length, 3)
  run.answer('made 3')
  await closing
  t.match(counted(site), { refreshes: 1, fills: 3 })
})

/** A request that comes when the app is closing, over a connection that was there before: `app.inject` refuses that. */
async function lateRequest (app: FastifyInstance, url: string): Promise<LightMyRequestResponse> {
  return await inject((request, response) => { app.routing(request as unknown as IncomingMessage, response as unknown as ServerResponse) }, { url })
}

/** What does not take long would have happened. */
async function manyTurns (): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => { setImmediate(resolve) })
}

test('in a process 100 refreshes run at once: beyond that what is stale is served, and nothing begins', async (t) => {
  const site = await scene(t, (app, origin) => { app.get('/:id', cached({ staleWhileRevalidate: '1h' }), origin.handler) })
  site.origin.answers((run) => `made ${run}`)
  const urls = Array.from({ length: 130 }, (_, at) => `/${at}`)
  for (const url of urls) await site.app.inject(url)
  site.pass(MINUTE_MS + 1)
  site.origin.answers(undefined)
  for (const url of urls) t.equal((await site.app.inject(url)).headers['x-cache'], 'STALE')
  await turns(site.app)
  t.equal(site.origin.runs.length - 130, 100)
  for (const run of site.origin.runs.slice(130)) run.answer('anew')
  await filled(230, site)
  t.equal((await site.app.inject('/129')).headers['x-cache'], 'STALE')
  ;(await site.origin.run(231)).answer('anew') // closing waits for it
  t.equal((await site.app.inject('/0')).headers['x-cache'], 'HIT')
})

inEveryStore('a guard that refuses the refresh of one client is no reason to leave the handler alone for others', async (t, cache) => {
  const seen = new Map<string, number>()
  const site = await scene(t, (app, origin) => {
    app.addHook('onRequest', async ({ headers }, reply) => {
      const client = String(headers['x-client'])
      const count = (seen.get(client) ?? 0) + 1
      seen.set(client, count)
      if (client === 'at its limit' && count > 1) return await reply.code(429).send('too many')
    })
    app.get('/', cached({ staleWhileRevalidate: '1h', refreshThrottle: '1h' }), origin.handler)
  }, { cache })
  site.origin.answers((run) => `made ${run}`)
  await site.ask('/')
  site.pass(MINUTE_MS + 1)
  t.match(said(await site.ask('/', { headers: { 'x-client': 'at its limit' } })), { cache: 'STALE' })
  await refreshFailed(1, site)
  t.equal(site.origin.runs.length, 1)
  t.match(said(await site.ask('/', { headers: { 'x-client': 'another' } })), { cache: 'STALE' })
  await filled(2, site)
  t.match(said(await site.ask('/')), { cache: 'HIT', text: 'made 2' })
})

test('a run behind that hears from another process that the answer is for one client runs no handler for nobody', async (t) => {
  const { url, prefix } = await useRedis(t)
  const client = createClient({ url })
  await client.connect()
  t.teardown(() => client.close())
  const [one, other] = await twoProcesses(t, { hardTimeout: '20s' }, { cache: { redis: url, prefix, timeouts: { read: '10s', write: '10s' } } })
  const asked = [one.ask('/')]
  const run = await one.origin.run(1)
  asked.push(other.ask('/'))
  await waited(client, prefix)
  one.origin.answers((count, _request, reply) => reply.header('cache-control', 'private').send(`for one ${count}`))
  run.reply.header('cache-control', 'private')
  run.answer('for one')
  const texts = (await Promise.all(asked)).map(({ text }) => text)
  await turns(one.app)
  await turns(other.app)
  t.equal(new Set(texts).size, 2, 'each its own')
  t.equal(one.origin.runs.length, 3, 'the one behind, and one for each client')
})

/** Somebody waits for a lease of this prefix. */
async function waited (client: { keys: (pattern: string) => Promise<string[]>, get: (key: string) => Promise<string | null> }, prefix: string): Promise<void> {
  let isWaited = false
  const look = async (): Promise<void> => {
    const [lease] = await client.keys(`${prefix}:lease:*`)
    isWaited = lease !== undefined && (await client.get(lease))?.startsWith('w:') === true
  }
  await until(() => { void look(); return isWaited }, 'the other process to wait')
}

v8.setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function heapBytes (): number {
  collectGarbage()
  collectGarbage()
  return process.memoryUsage().heapUsed
}

/** So many requests leave less than `bytes` behind, at last: some of what they took goes a little later. */
async function leavesLittle (app: FastifyInstance, { count, bytes, request }: { count: number, bytes: number, request: (at: number) => InjectOptions }): Promise<void> {
  for (let at = 0; at < 50; at++) await app.inject(request(at)) // the code itself is there
  await manyTurns()
  const before = heapBytes()
  for (let at = 50; at < count; at++) await app.inject(request(at))
  await until(() => heapBytes() - before < bytes, `less than ${bytes} bytes to be kept of ${count} requests`)
}

const LONG = 'x'.repeat(12_000)

test('what is remembered of answers for one client takes little memory, however long the URLs are', async (t) => {
  const site = await scene(t, (app) => { app.get('/*', cached(), (_request, reply) => reply.code(404).send('no')) }, { cache: { limits: { keyLength: 20_000 } } })
  await leavesLittle(site.app, { count: 1500, bytes: 6_000_000, request: (at) => ({ url: `/${at}?q=${LONG}` }) })
})

test('what is remembered of answers for one client takes little memory, however long the fields are that select them', async (t) => {
  const site = await scene(t, (app) => { app.get('/*', cached(), (_request, reply) => reply.code(404).header('vary', 'x-a').send('no')) })
  await leavesLittle(site.app, { count: 1500, bytes: 6_000_000, request: (at) => ({ url: `/${at % 100}`, headers: { 'x-a': `${at}${LONG}` } }) })
})

test('what is remembered of failures takes little memory, however long the URLs are', async (t) => {
  const site = await scene(t, (app) => { app.get('/*', cached({ hardTimeout: '20s' }), (_request, reply) => reply.code(503).send('down')) }, { cache: { limits: { keyLength: 20_000 } } })
  await leavesLittle(site.app, { count: 1500, bytes: 6_000_000, request: (at) => ({ url: `/${at}?q=${LONG}` }) })
})
