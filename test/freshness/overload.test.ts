import type { RouteCacheOptions } from 'fastify-response-cache'
import { PassThrough } from 'node:stream'
import { test } from 'tap'
import { openConnection, type Connection } from '../plugin/connection.ts'
import { cached, inEveryStore, leave, said, scene, turns, until, type Origin, type Run, type Scene } from './scene.ts'

const PATIENT: RouteCacheOptions = { lock: { waitMs: 600_000, leaseMs: 60_000 } }
const MINUTE_MS = 60_000

const routes = (options: RouteCacheOptions) => (app: Scene['app'], origin: Origin): void => { app.get('/:id', cached({ ...PATIENT, ...options }), origin.handler) }

for (const lock of [PATIENT.lock!, false] as const) {
  test(`as many handlers as maxConcurrentFills run at once, more requests are answered with 503${lock === false ? ', without a lock too' : ''}`, async (t) => {
    const site = await scene(t, routes({ maxConcurrentFills: 2, lock }))
    const asked = [site.ask('/1'), site.ask('/2')]
    await site.origin.run(2)
    const refused = await site.ask('/3')
    t.match(said(refused), { status: 503, cache: 'MISS', why: 'detail=overloaded' })
    t.equal(refused.field('retry-after'), '1')
    t.match(JSON.parse(refused.text), { code: 'RESPONSE_CACHE_ERR_OVERLOADED', statusCode: 503 })
    t.match(site.stats(), { misses: 0, refused: 1, fills: 0 })
    for (const { answer } of site.origin.runs) answer('made')
    await Promise.all(asked)
    site.origin.answers(() => 'made')
    t.equal((await site.ask('/3')).status, 200)
    t.match(said(await site.ask('/1')), { status: 200, cache: 'HIT' })
    t.match(site.stats(), { misses: 3, refused: 1, fills: 3, hits: 1 })
  })
}

inEveryStore('requests that wait for a handler are not counted, and a crowd that nobody can lead is refused as a whole', async (t, cache) => {
  const site = await scene(t, routes({ maxConcurrentFills: 1 }), { cache })
  const waiting = site.many(10, '/1')
  await site.arrived(10)
  const statuses = (await Promise.all(site.many(20, '/2'))).map(({ status }) => status)
  t.strictSame(statuses, Array.from({ length: 20 }, () => 503))
  t.equal(site.origin.runs.length, 1)
  site.origin.runs[0]!.answer('made')
  t.strictSame((await Promise.all(waiting)).map(({ text }) => text), Array.from({ length: 10 }, () => 'made'))
  site.origin.answers(() => 'made')
  t.equal((await site.ask('/2')).status, 200, 'nothing is left of those who were refused')
})

inEveryStore('beyond maxConcurrentFills what is stale is served', async (t, cache) => {
  const site = await scene(t, routes({ maxConcurrentFills: 1, staleIfError: '1h' }), { cache })
  site.origin.answers(() => 'old')
  await site.ask('/1')
  site.pass(MINUTE_MS + 1)
  site.origin.answers(undefined)
  const running = site.ask('/2')
  const run = await site.origin.run(2)
  t.match(said(await site.ask('/1')), { status: 200, text: 'old', cache: 'STALE', why: 'hit; ttl=-1; detail=overloaded' })
  t.match(site.stats(), { stale: 1, refused: 0 })
  run.answer('made')
  await running
  site.origin.answers(() => 'new')
  t.match(said(await site.ask('/1')), { text: 'new', cache: 'MISS' })
})

test('each route has its own maxConcurrentFills, and requests that bypass the cache are not refused', async (t) => {
  const site = await scene(t, (app, origin) => {
    app.get('/one/:id', cached({ ...PATIENT, maxConcurrentFills: 1 }), origin.handler)
    app.get('/other/:id', cached({ ...PATIENT, maxConcurrentFills: 1 }), origin.handler)
  })
  const asked = [site.ask('/one/1'), site.ask('/other/1'), site.ask('/one/2', { headers: { authorization: 'Bearer of-one' } })]
  await site.origin.run(3)
  t.equal((await site.ask('/one/3')).status, 503)
  for (const { answer } of site.origin.runs) answer('made')
  t.strictSame((await Promise.all(asked)).map(({ status }) => status), [200, 200, 200])
})

test('answers that are known to be for one client each count too', async (t) => {
  const site = await scene(t, routes({ maxConcurrentFills: 2 }))
  site.origin.answers((_run, _request, reply) => reply.header('cache-control', 'private').send('private'))
  await site.ask('/1')
  site.origin.answers(undefined)
  const asked = site.many(2, '/1')
  await site.origin.run(3)
  t.equal((await site.ask('/1')).status, 503)
  for (const { answer } of site.origin.runs) answer('made')
  await Promise.all(asked)
  site.origin.answers(() => 'made')
  t.equal((await site.ask('/1')).status, 200)
})

/** How a handler may end, seen from a client that has sent its request. Resolves when nothing more comes. */
const endings: Record<string, (run: Run, client: Connection) => unknown> = {
  answers: (run, client) => { run.answer('made'); return client.end() },
  throws: (run, client) => { run.fail(new Error('down')); return client.end() },
  'answers what is not stored': (run, client) => { run.answer(run.reply.code(404).send('gone')); return client.end() },
  'answers what Fastify cannot send': (run, client) => { void run.reply.type('text/plain'); run.answer({}); return client.end() },
  'hijacks the reply': (run, client) => {
    run.reply.hijack()
    run.reply.raw.end('made')
    return client.end()
  },
  'answers past Fastify': (run, client) => { run.reply.raw.end('made'); run.answer(undefined); return client.end() },
  'sends a stream that breaks': async (run, client) => {
    const stream = new PassThrough()
    run.answer(stream)
    stream.write('one ')
    await client.until('one ')
    stream.destroy(new Error('broken'))
    await client.end()
  },
  'sends a stream that is too large': async (run, client) => {
    run.answer(new PassThrough().end(Buffer.alloc(2000)))
    await client.end()
  },
  'answers a client that has hung up': async (run, client) => {
    await leave(client, run)
    run.answer('made')
  },
  'throws for a client that has hung up': async (run, client) => {
    await leave(client, run)
    run.fail(new Error('down'))
  },
  'sends a stream to a client that hangs up': async (run, client) => {
    const stream = new PassThrough()
    run.answer(stream)
    stream.write('one ')
    await client.until('one ')
    await leave(client, run)
  }
}

for (const [how, end] of Object.entries(endings)) {
  test(`a handler that ${how} makes room for another one`, async (t) => {
    const site = await scene(t, routes({ maxConcurrentFills: 1, maxBytes: 1000 }))
    const client = await openConnection(t, site.port, '/1')
    const run = await site.origin.run(1)
    t.equal((await site.ask('/2')).status, 503)
    await end(run, client)
    await turns(site.app)
    site.origin.answers(() => 'made')
    t.equal((await site.ask('/2')).status, 200)
    t.equal((await site.ask('/3')).status, 200, 'and the room is what it was')
    site.origin.answers(undefined)
    const next = site.ask('/4')
    const last = await site.origin.run(4)
    t.equal((await site.ask('/5')).status, 503, 'and no larger')
    last.answer('made')
    await next
  })
}

test('a client that hangs up does not make room as long as the handler runs', async (t) => {
  const site = await scene(t, routes({ maxConcurrentFills: 1 }))
  const client = await openConnection(t, site.port, '/1')
  const run = await site.origin.run(1)
  await leave(client, run)
  await turns(site.app)
  t.equal((await site.ask('/2')).status, 503)
  run.answer('made')
  await until(() => site.stats().fills === 1, 'the response')
  site.origin.answers(() => 'made')
  t.equal((await site.ask('/2')).status, 200)
})

test('a request that something else answers while it waits takes no room', async (t) => {
  let answerInstead: (() => unknown) | undefined
  const site = await scene(t, (app, origin) => {
    app.addHook('onRequest', async (request, reply) => { if (request.headers['x-limited'] !== undefined) answerInstead = () => reply.code(504).send('too late') })
    app.get('/:id', cached({ lock: { waitMs: 50 }, maxConcurrentFills: 2 }), origin.handler)
  })
  const leader = site.ask('/1')
  const run = await site.origin.run(1)
  const limited = site.ask('/1', { headers: { 'x-limited': '1' } })
  await site.arrived(2)
  answerInstead!()
  t.equal((await limited).status, 504)
  site.origin.answers(() => 'late')
  t.match(said(await site.ask('/1')), { status: 200, text: 'late', why: 'fwd=uri-miss; detail=lock-timeout' }) // it came later, and is late after the other one
  t.equal(site.origin.runs.length, 2)
  run.answer('made')
  await leader
})
