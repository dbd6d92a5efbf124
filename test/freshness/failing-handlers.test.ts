import type { FastifyInstance } from 'fastify'
import { test } from 'tap'
import { openConnection } from '../plugin/connection.ts'
import { inEveryStore, outlived, said, scene, turns, twoProcesses, until, type Run } from './scene.ts'

const MINUTE_MS = 60_000
/** So long that nobody who is not woken would be done in time. */
const PATIENT = { lock: { waitMs: 600_000, leaseMs: 60_000 } }

const failures: Record<string, (run: Run) => void> = {
  throws: (run) => { run.fail(new Error('down')) },
  'answers 503': (run) => {
    void run.reply.code(503)
    run.answer('down')
  }
}

test('after a failure HEAD requests do not lead: their answers would be for nobody else', async (t) => {
  const site = await scene(t, {})
  const leader = site.ask('/')
  const first = await site.origin.run(1)
  const heads = site.many(3, '/', { method: 'HEAD' })
  await site.arrived(4)
  const gets = site.many(20, '/')
  await site.arrived(24)
  first.fail(new Error('down'))
  await site.origin.run(4)
  await turns(site.app)
  t.strictSame(site.origin.runs.map(({ request }) => request.method), ['GET', 'GET', 'GET', 'GET'])
  for (const run of site.origin.runs) run.answer('up')
  t.equal((await leader).status, 500)
  t.strictSame((await Promise.all([...heads, ...gets])).map(({ status }) => status), Array.from({ length: 23 }, () => 200))
  t.equal(site.origin.runs.length, 4)
})

test('what is invalidated while the handler fails is not served in place of the failure', async (t) => {
  const site = await scene(t, { staleIfError: '1h', tags: ['a'] })
  await outlived(site, MINUTE_MS + 1)
  const asked = site.ask('/')
  const run = await site.origin.run(2)
  await site.app.cache.invalidateTags('a')
  run.fail(new Error('down'))
  t.match(said(await asked), { status: 500, cache: 'MISS' })
})

test('a HEAD request that is answered with what is stale tells its length', async (t) => {
  const site = await scene(t, { staleIfError: '1h' })
  site.origin.answers(() => 'body')
  await site.ask('/')
  site.pass(MINUTE_MS + 1)
  site.origin.answers(() => { throw new Error('down') })
  const answer = await site.ask('/', { method: 'HEAD' })
  t.match(said(answer), { status: 200, cache: 'STALE', why: 'fwd=stale; fwd-status=500; detail=stale-if-error' })
  t.equal(answer.field('content-length'), '4')
})

test('a refresh ahead that failed is not tried again by another process before refreshThrottle is over', async (t) => {
  const [one, other] = await twoProcesses(t, { refreshAhead: true, refreshThrottle: '10m' })
  one.origin.answers((run, _request, reply) => { reply.code(run === 1 ? 200 : 503); return `made ${run}` })
  await one.ask('/')
  one.pass(MINUTE_MS - 1) // so near the end that nearly each hit is due
  while (one.stats().refreshes === 0) t.equal((await one.ask('/')).field('x-cache'), 'HIT')
  await until(() => one.stats().refreshErrors === 1, 'the failure')
  await turns(one.app)
  for (let hit = 0; hit < 10; hit++) t.equal((await other.ask('/')).field('x-cache'), 'HIT')
  await turns(other.app)
  t.equal(one.origin.runs.length, 2)
})

for (const [does, fail] of Object.entries(failures)) {
  inEveryStore(`when the handler ${does}, 3 of those who wait try at once, then 9, and the first response is for all who are left`, async (t, cache) => {
    const site = await scene(t, PATIENT, { cache })
    const asked = site.many(40, '/')
    await site.arrived(40)
    const { runs } = site.origin
    const begun = async (): Promise<number> => {
      await turns(site.app)
      return runs.length
    }
    t.equal(await begun(), 1)
    fail(runs[0]!)
    await site.origin.run(4)
    t.equal(await begun(), 4)
    fail(runs[1]!)
    fail(runs[2]!)
    t.equal(await begun(), 4, 'while one of them runs nobody else tries')
    fail(runs[3]!)
    await site.origin.run(13)
    t.equal(await begun(), 13)
    fail(runs[4]!)
    runs[5]!.answer('up')
    await until(() => site.stats().collapsed === 40 - 13, 'those who are left')
    for (const run of runs.slice(6)) run.answer('up')
    const statuses = (await Promise.all(asked)).map(({ status }) => status)
    t.strictSame([statuses.filter((status) => status === 200).length, statuses.filter((status) => status >= 500).length], [35, 5])
    t.match(site.stats(), { misses: 13, hits: 27, collapsed: 27 })
    t.match(said(await site.ask('/')), { text: 'up', cache: 'HIT' })
  })
}

test('when the handler fails for one process, one request of another process tries too, and the first response is for both', async (t) => {
  const [one, other] = await twoProcesses(t, PATIENT)
  const first = one.many(10, '/')
  await one.arrived(10)
  const second = other.many(10, '/')
  await other.arrived(10)
  const { runs } = one.origin
  runs[0]!.fail(new Error('down'))
  await one.origin.run(5)
  await turns(one.app)
  await turns(other.app)
  t.equal(runs.length, 5, '3 and 1')
  for (const run of runs.slice(1)) run.answer('up')
  const statuses = (await Promise.all([...first, ...second])).map(({ status }) => status)
  t.equal(statuses.filter((status) => status === 200).length, 19)
  t.equal(runs.length, 5)
})

test('when a handler fails and only HEAD requests wait, each runs the handler for itself', async (t) => {
  const site = await scene(t, PATIENT)
  const leader = site.ask('/')
  const run = await site.origin.run(1)
  const heads = site.many(5, '/', { method: 'HEAD' })
  await site.arrived(6)
  run.fail(new Error('down'))
  await site.origin.run(6) // all at once
  for (const { answer } of site.origin.runs.slice(1)) answer('up')
  t.equal((await leader).status, 500)
  t.strictSame((await Promise.all(heads)).map((answer) => said(answer).why), Array.from({ length: 5 }, () => 'fwd=uri-miss; detail=head'))
})

test('when a handler fails, nobody tries for clients that have hung up meanwhile', async (t) => {
  const site = await scene(t, PATIENT)
  const leader = site.ask('/')
  const run = await site.origin.run(1)
  const gone = await hungUp(t, site, 12)
  t.equal(gone, 12)
  run.fail(new Error('down'))
  t.equal((await leader).status, 500)
  await turns(site.app)
  t.ok(site.origin.runs.length <= 4, `the handler, which fails, was run ${site.origin.runs.length - 1} times for nobody`)
  site.origin.answers(() => 'up')
  for (const { answer } of site.origin.runs) answer('up')
  t.match(said(await site.ask('/')), { status: 200, text: 'up' })
})

test('when a handler fails, those who are still there try, and not those who have hung up', async (t) => {
  const site = await scene(t, PATIENT)
  const leader = site.ask('/')
  const run = await site.origin.run(1)
  await hungUp(t, site, 12)
  const there = site.many(2, '/')
  await site.arrived(15)
  run.fail(new Error('down'))
  t.equal((await leader).status, 500)
  await site.origin.run(3)
  await turns(site.app)
  t.equal(site.origin.runs.length, 3)
  site.origin.answers(() => 'up')
  for (const { answer } of site.origin.runs) answer('up')
  t.strictSame((await Promise.all(there)).map(({ text }) => text), ['up', 'up'])
})

const endings: Record<string, (app: FastifyInstance) => void> = {
  'an error of an onSend hook': (app) => {
    app.addHook('onSend', async (request) => { if (request.headers['x-first'] !== undefined) throw new Error('broken hook') })
  },
  'an error of the serializer': (app) => {
    app.addHook('preHandler', async (request, reply) => { if (request.headers['x-first'] !== undefined) reply.serializer(() => { throw new Error('broken serializer') }) })
  },
  'an error handler that throws': (app) => {
    app.setErrorHandler(() => { throw new Error('broken error handler') })
    app.addHook('preSerialization', async (request) => { if (request.headers['x-first'] !== undefined) throw new Error('broken hook') })
  }
}

for (const [what, declare] of Object.entries(endings)) {
  test(`those who wait are not left alone by ${what}`, async (t) => {
    const site = await scene(t, (app, origin) => {
      declare(app)
      app.get('/', { config: { cache: { ttl: '1m', ...PATIENT } } }, origin.handler)
    })
    const leader = site.ask('/', { headers: { 'x-first': '1' } })
    const run = await site.origin.run(1)
    const asked = site.many(3, '/')
    await site.arrived(4)
    site.origin.answers(() => ({ up: true }))
    run.answer({ down: true })
    t.equal((await leader).status, 500)
    t.strictSame((await Promise.all(asked)).map(({ text }) => text), ['{"up":true}', '{"up":true}', '{"up":true}'])
  })
}

test('those who wait for a handler that answers past Fastify without saying so try in its place', async (t) => {
  const site = await scene(t, PATIENT)
  const leader = site.ask('/')
  const run = await site.origin.run(1)
  const asked = site.many(3, '/')
  await site.arrived(4)
  site.origin.answers(() => 'up')
  run.reply.raw.end('past')
  t.equal((await leader).text, 'past')
  t.strictSame((await Promise.all(asked)).map(({ text }) => text), ['up', 'up', 'up'])
  run.answer(undefined)
})

inEveryStore('a request that something else answers while it waits leaves the turn to try to others', async (t, cache) => {
  let answerInstead: (() => unknown) | undefined
  const site = await scene(t, (app, origin) => {
    app.addHook('onRequest', async (request, reply) => { if (request.headers['x-limited'] !== undefined) answerInstead = () => reply.code(504).send('too late') })
    app.get('/', { config: { cache: { ttl: '1m', ...PATIENT, maxConcurrentFills: 2 } } }, origin.handler)
  }, { cache })
  const leader = site.ask('/')
  const run = await site.origin.run(1)
  const limited = site.ask('/', { headers: { 'x-limited': '1' } })
  await site.arrived(2)
  answerInstead!()
  t.equal((await limited).status, 504)
  run.fail(new Error('down'))
  t.equal((await leader).status, 500)
  await turns(site.app)
  site.origin.answers(() => 'up')
  for (let again = 0; again < 3; again++) t.match(said(await site.ask('/')), { status: 200, text: 'up' })
})

/** So many requests that wait, and whose clients have gone. */
async function hungUp (t: Parameters<typeof scene>[0], site: Awaited<ReturnType<typeof scene>>, count: number): Promise<number> {
  let gone = 0
  site.app.server.on('request', (request) => { request.socket.once('close', () => { gone++ }) })
  const clients = await Promise.all(Array.from({ length: count }, () => openConnection(t, site.port, '/')))
  await site.arrived(count + 1)
  for (const { socket } of clients) socket.destroy()
  await until(() => gone === count, 'the clients to be gone')
  return gone
}
