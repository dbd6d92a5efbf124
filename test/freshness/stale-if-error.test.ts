import type { FastifyReply } from 'fastify'
import { Readable } from 'node:stream'
import { test } from 'tap'
import { cached, counted, filled, inEveryStore, outlived, said, scene, turns, twoProcesses, until } from './scene.ts'

const MINUTE_MS = 60_000
const INSTEAD = 'fwd=stale; fwd-status=500; detail=stale-if-error'
const UNASKED = 'hit; ttl=-3; detail=stale-if-error'

/** What a handler may do in place of an answer, and the status that it would have been answered with. */
const failures: Record<string, [status: number, fail: (reply: FastifyReply) => unknown]> = {
  throws: [500, () => { throw new Error('secret of the failure') }],
  'throws undefined': [500, async () => await Promise.reject(undefined)], // eslint-disable-line prefer-promise-reject-errors
  'throws an error with a status': [503, () => { throw Object.assign(new Error('secret of the failure'), { statusCode: 503 }) }],
  'answers with 500': [500, (reply) => reply.code(500).send({ secret: 'of the failure' })],
  'answers with 599 and a stream': [599, (reply) => reply.code(599).type('text/secret').send(Readable.from(['secret of the failure']))],
  'answers with 503 and nothing': [503, (reply) => reply.code(503).send()],
  'gives something that cannot be sent': [500, (reply) => reply.type('text/plain').send({ secret: 'of the failure' })],
  'gives something that cannot be made JSON': [500, () => ({ secret: 1n })]
}

for (const [title, [status, fail]] of Object.entries(failures)) {
  test(`a handler that ${title} is answered for with the old response, and nothing of the failure is seen`, async (t) => {
    const site = await scene(t, (app, origin) => {
      app.addHook('onRequest', async ({ id }, reply) => { reply.header('x-request', id) })
      app.get('/', cached({ staleIfError: '1m' }), origin.handler)
    })
    site.origin.answers((_run, _request, reply) => {
      reply.header('x-made', 'well').header('etag', '"1"').type('text/x-made').header('cache-control', 'public')
      return 'made 1'
    })
    const first = await site.ask('/')
    site.pass(MINUTE_MS + 3000)
    site.origin.answers((_run, _request, reply) => {
      reply.header('x-failed', '1').header('retry-after', '60').header('cache-control', 'max-age=9').header('location', '/secret').header('x-made', 'badly')
      return fail(reply)
    })
    const answer = await site.ask('/')
    t.strictSame(said(answer), { status: 200, text: 'made 1', cache: 'STALE', why: `fwd=stale; fwd-status=${status}; detail=stale-if-error` })
    t.equal(answer.statusLine, first.statusLine)
    const own = new Set(['date', 'x-request', 'x-cache', 'cache-status', 'age'])
    t.strictSame(answer.lines.filter(([name]) => !own.has(name)).sort(), first.lines.filter(([name]) => !own.has(name)).sort())
    t.equal(answer.field('x-request'), 'req-2')
    t.strictSame(counted(site), { stale: 1, misses: 1, fills: 1 })
    t.match(said(await site.ask('/')), { status: 200, text: 'made 1', why: UNASKED })
  })
}

test('cookies of a failed run are for its client, and for nobody else', async (t) => {
  const site = await scene(t, { staleIfError: '1m', refreshThrottle: 0 })
  await outlived(site, MINUTE_MS + 3000)
  const asked = site.many(2, '/')
  const run = await site.origin.run(2)
  await site.arrived(3)
  run.reply.header('set-cookie', 'session=1')
  run.fail(new Error('down'))
  const answers = await Promise.all(asked)
  t.strictSame(answers.map((answer) => [said(answer).text, answer.field('set-cookie') ?? '-']).sort(), [['made 1', '-'], ['made 1', 'session=1']])
  site.origin.answers((run) => `made ${run}`)
  await site.ask('/')
  t.equal((await site.ask('/')).field('set-cookie'), undefined)
})

test('an answer that is no failure is sent as it is: 4xx, and what an error handler makes of a throw', async (t) => {
  const site = await scene(t, (app, origin) => {
    app.setErrorHandler((_error, _request, reply) => { void reply.code(200).send('sorry') })
    app.get('/', cached({ staleIfError: '1m' }), origin.handler)
  })
  const answers: Array<[number, string, (reply: FastifyReply) => unknown]> = [
    [403, 'no', (reply) => reply.code(403).send('no')],
    [499, 'no', (reply) => reply.code(499).send('no')],
    [200, 'sorry', () => { throw new Error('down') }]
  ]
  for (const [status, text, answer] of answers) {
    site.origin.answers(() => 'made')
    await site.ask(`/?${text}${status}`)
    site.pass(MINUTE_MS + 3000)
    site.origin.answers((_run, _request, reply) => answer(reply))
    t.match(said(await site.ask(`/?${text}${status}`)), { status, text, cache: 'MISS' })
  }
})

inEveryStore('404 and 410 end what is there, so that it is no longer sent in place of an error', async (t, cache) => {
  for (const status of [404, 410]) {
    const site = await scene(t, { staleIfError: '1h', statusCodes: [200], refreshThrottle: 0 }, { cache: { ...cache, prefix: `${cache.prefix ?? 'p'}-${status}` } })
    site.origin.answers(() => 'made')
    await site.ask('/')
    site.pass(MINUTE_MS + 1)
    site.origin.answers((_run, _request, reply) => reply.code(status).send('gone'))
    t.match(said(await site.ask('/')), { status, text: 'gone', cache: 'MISS' })
    site.origin.answers(() => { throw new Error('down') })
    site.pass(10_000) // longer than an answer for one client is remembered
    t.match(said(await site.ask('/')), { status: 500, cache: 'MISS' })
  }
})

test('what guards say is no failure of the handler', async (t) => {
  let refusal: [number, string] | undefined
  const site = await scene(t, (app, origin) => {
    app.addHook('preHandler', async (_request, reply) => { if (refusal !== undefined) return await reply.code(refusal[0]).send(refusal[1]) })
    app.get('/', cached({ staleIfError: '1h', staleWhileRevalidate: '30s' }), origin.handler)
  })
  site.origin.answers(() => 'made')
  await site.ask('/')
  for (const ms of [MINUTE_MS + 3000, MINUTE_MS]) {
    site.pass(ms)
    for (const [status, text] of [[401, 'who?'], [503, 'the guard is away']] as const) {
      refusal = [status, text]
      t.match(said(await site.ask('/')), { status, text, cache: undefined })
    }
  }
  await turns(site.app)
  t.equal(site.origin.runs.length, 1)
})

/** For how many seconds a response with this field stands in for an error after its lifetime of a minute; the route says 20. */
const windows: Record<string, number> = {
  'stale-if-error=50': 50,
  'stale-if-error=0': 0,
  'stale-while-revalidate=0, stale-if-error=7': 7,
  'must-revalidate': 0,
  's-maxage=5, stale-if-error=50': 20
}

for (const [field, seconds] of Object.entries(windows)) {
  test(`with Cache-Control: ${field} a response stands in for errors for ${seconds} s, where the route says 20`, async (t) => {
    const site = await scene(t, { staleIfError: '20s', refreshThrottle: 0 })
    site.origin.answers((_run, _request, reply) => {
      reply.header('cache-control', field)
      return 'made'
    })
    await site.ask('/?early')
    await site.ask('/?late')
    site.origin.answers(() => { throw new Error('down') })
    site.pass(MINUTE_MS + seconds * 1000 - 1)
    t.match(said(await site.ask('/?early')), { status: 200, cache: seconds === 0 ? 'HIT' : 'STALE' })
    site.pass(1)
    t.match(said(await site.ask('/?late')), { status: 500, cache: 'MISS' })
  })
}

inEveryStore('one request tries while others wait, and then nobody tries for refreshThrottle', async (t, cache) => {
  const site = await scene(t, { staleIfError: '1h', refreshThrottle: '10m' }, { cache })
  await outlived(site, MINUTE_MS + 3000)
  const asked = site.many(10, '/')
  const run = await site.origin.run(2)
  await site.arrived(11)
  run.fail(new Error('down'))
  const answers = await Promise.all(asked)
  for (const { status, text } of answers) t.strictSame([status, text], [200, 'made 1'])
  t.strictSame(answers.map((answer) => said(answer).why).sort(), [INSTEAD, ...Array.from({ length: 9 }, () => UNASKED)])
  for (const answer of await Promise.all(site.many(5, '/'))) t.strictSame(said(answer), { status: 200, text: 'made 1', cache: 'STALE', why: UNASKED })
  t.equal(site.origin.runs.length, 2)
  t.strictSame(counted(site), { stale: 15, misses: 1, fills: 1 })
})

test('when refreshThrottle is over one request tries again, and the first good response ends the failure', async (t) => {
  const site = await scene(t, { staleIfError: '1h', refreshThrottle: '10s' })
  site.origin.answers((run) => {
    if (run === 2 || run === 3) throw new Error('down')
    return `made ${run}`
  })
  const why = async (ms: number): Promise<string | undefined> => {
    site.pass(ms)
    return said(await site.ask('/')).why
  }
  t.equal(await why(0), 'fwd=uri-miss; stored')
  t.equal(await why(MINUTE_MS + 3000), INSTEAD)
  t.equal(await why(9999), 'hit; ttl=-13; detail=stale-if-error')
  t.equal(await why(1), INSTEAD)
  t.equal(await why(9999), 'hit; ttl=-23; detail=stale-if-error')
  t.equal(await why(1), 'fwd=stale; stored')
  t.equal(await why(0), 'hit; ttl=60')
  site.origin.answers(() => { throw new Error('down') })
  t.equal(await why(MINUTE_MS), INSTEAD, 'what was good ended the rest')
})

test('after a failure in one process the whole fleet leaves the handler alone', async (t) => {
  const THROTTLE_MS = 700
  const [one, other] = await twoProcesses(t, { staleIfError: '1h', refreshThrottle: `${THROTTLE_MS}ms` })
  one.origin.answers((run) => `made ${run}`)
  await one.ask('/')
  one.pass(MINUTE_MS + 3000)
  one.origin.answers(undefined)
  const asked = [...one.many(3, '/'), ...other.many(3, '/')]
  const run = await one.origin.run(2)
  await one.arrived(4)
  await other.arrived(3)
  const failedAt = performance.now()
  run.fail(new Error('down'))
  const answers = await Promise.all(asked)
  for (const { status, text } of answers) t.strictSame([status, text], [200, 'made 1'])
  one.origin.answers((run) => `made ${run}`)
  await until(() => {
    one.pass(THROTTLE_MS) // what this process remembers itself
    void other.ask('/')
    return one.origin.runs.length > 2
  }, 'the next try')
  t.ok(performance.now() - failedAt >= THROTTLE_MS, 'not before the time of the store')
  await filled(2, one, other)
  for (const site of [one, other]) t.match(said(await site.ask('/')), { text: 'made 3', cache: 'HIT' })
  t.equal(one.origin.runs.length, 3)
})

test('a soft invalidation does not take away what stands in for errors, a hard one does', async (t) => {
  const site = await scene(t, { staleIfError: '1h', refreshThrottle: 0, tags: ['a'] })
  site.origin.answers((run) => `made ${run}`)
  await site.ask('/')
  await site.app.cache.invalidateTags('a', { soft: true })
  site.origin.answers(() => { throw new Error('down') })
  t.strictSame(said(await site.ask('/')), { status: 200, text: 'made 1', cache: 'STALE', why: INSTEAD })
  await site.app.cache.invalidateTags('a')
  t.match(said(await site.ask('/')), { status: 500, cache: 'MISS' })
})

test('a status that may be stored is no good response when it is a failure: 5xx never takes the place of one', async (t) => {
  const site = await scene(t, { staleIfError: '1m', statusCodes: [200, 503], refreshThrottle: 0 })
  site.origin.answers(() => 'made')
  await site.ask('/')
  site.pass(MINUTE_MS + 3000)
  site.origin.answers((_run, _request, reply) => reply.code(503).send('down'))
  t.match(said(await site.ask('/')), { status: 200, text: 'made', cache: 'STALE' })
  t.match(said(await site.ask('/')), { status: 200, text: 'made', cache: 'STALE' })
})

inEveryStore('an answer for one client does not keep what is stale from those who come when the handler fails', async (t, cache) => {
  const site = await scene(t, { staleIfError: '1h', refreshThrottle: 0 }, { cache })
  site.origin.answers(() => 'made')
  await site.ask('/')
  site.pass(63_000)
  site.origin.answers((_run, _request, reply) => reply.code(403).send('no'))
  t.match(said(await site.ask('/')), { status: 403, cache: 'MISS' })
  site.origin.answers(() => { throw new Error('down') })
  t.match(said(await site.ask('/')), { status: 200, text: 'made', cache: 'STALE' })
})
