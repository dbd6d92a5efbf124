import type { RouteHandlerMethod } from 'fastify'
import { test } from 'tap'
import { cached, counted, inEveryStore, said, scene, turns, until, type Run, type Scene } from './scene.ts'

const MINUTE_MS = 60_000
const FORM = 'application/x-www-form-urlencoded'
/** What cannot be repeated runs its handler itself. */
const form = { method: 'POST', headers: { 'content-type': FORM }, body: 'a=1' }

/** Answers with this run, and waits until all that comes of it has begun. */
async function round (site: Scene, runs: readonly Run[], text: string): Promise<void> {
  for (const run of runs) run.answer(text)
  for (let turn = 0; turn < 5; turn++) await turns(site.app)
}

inEveryStore('those who wait while what they wait for is invalidated do not run one after another', async (t, cache) => {
  const site = await scene(t, { tags: ['t'] }, { cache })
  const asked = site.many(41, '/')
  await site.arrived(41)
  await site.origin.run(1)
  const rounds: number[] = []
  for (let begun = 0; site.origin.runs.length > begun && rounds.length < 41;) {
    const runs = site.origin.runs.slice(begun)
    begun += runs.length
    rounds.push(runs.length)
    await site.app.cache.invalidateTags('t')
    const answered = rounds.reduce((sum, count) => sum + count)
    await round(site, runs, 'made before an invalidation')
    if (answered < 41) await site.origin.run(answered + 1)
    await turns(site.app)
  }
  t.equal(rounds.reduce((sum, count) => sum + count), 41, 'each runs at last')
  t.ok(rounds.length <= 6, `1 + 3 + 9 + 27 + … in ${rounds.length} rounds: ${rounds.join(', ')}`)
  t.ok(Math.max(...rounds) <= 27, 'never all at once')
  for (const { status } of await Promise.all(asked)) t.equal(status, 200)
})

test('the first response that is not invalidated while it is made serves all who still wait', async (t) => {
  const site = await scene(t, { tags: ['t'] })
  const asked = site.many(41, '/')
  await site.arrived(41)
  await site.origin.run(1)
  await site.app.cache.invalidateTags('t')
  await round(site, site.origin.runs.slice(), 'old')
  t.equal(site.origin.runs.length, 4)
  await round(site, site.origin.runs.slice(1), 'new')
  t.equal(site.origin.runs.length, 4)
  const texts = (await Promise.all(asked)).map(({ text }) => text)
  t.equal(texts.filter((text) => text === 'new').length, 40)
})

inEveryStore('a response whose handler began earlier does not take the place of one whose handler began later', async (t, cache) => {
  const site = await scene(t, { lock: false }, { cache })
  const earlier = site.ask('/')
  const first = await site.origin.run(1)
  const begunAt = performance.now()
  await until(() => performance.now() - begunAt > 20, 'time that can be told apart')
  const later = site.ask('/')
  const second = await site.origin.run(2)
  second.answer('of the later one')
  await later
  first.answer('of the earlier one')
  await earlier
  await turns(site.app)
  t.match(said(await site.ask('/')), { cache: 'HIT', text: 'of the later one' })
})

/** Answers that a request asked for by conditions of its own, or for a part. */
const conditional: Record<number, Record<string, string>> = {
  206: { range: 'bytes=0-0' },
  304: { 'if-none-match': '"1"' },
  412: { 'if-match': '"2"' },
  416: { range: 'bytes=9-' }
}

for (const [status, headers] of Object.entries(conditional)) {
  test(`a ${status} to a request with ${Object.keys(headers).join()} wakes a few of those who wait, who are given what one of them makes`, async (t) => {
    const site = await scene(t, {})
    const asked = [site.ask('/', { headers })]
    const first = await site.origin.run(1)
    asked.push(...site.many(30, '/'))
    await site.arrived(31)
    first.reply.code(Number(status))
    await round(site, [first], '')
    t.ok(site.origin.runs.length >= 2 && site.origin.runs.length <= 4, `${site.origin.runs.length} runs, of which 3 at once at most`)
    await round(site, site.origin.runs.slice(1), 'whole')
    const answers = await Promise.all(asked)
    t.strictSame(answers.map((answer) => answer.status), [Number(status), ...Array(30).fill(200)])
    t.ok(site.origin.runs.length <= 4)
  })

  test(`a ${status} to a request with ${Object.keys(headers).join()} is not remembered as an answer for one client: others wait for one run`, async (t) => {
    const site = await scene(t, {})
    site.origin.answers((_run, _request, reply) => reply.code(Number(status)).send(''))
    t.equal((await site.ask('/', { headers })).status, Number(status))
    site.origin.answers(undefined)
    const asked = site.many(20, '/')
    await site.arrived(21)
    t.equal(site.origin.runs.length, 2)
    for (const run of site.origin.runs) run.answer('whole')
    for (const answer of await Promise.all(asked)) t.match(said(answer), { status: 200, text: 'whole' })
    t.match(counted(site), { collapsed: 19, fills: 1 })
  })
}

/** Ways in which a handler answers. */
const answers: Record<string, RouteHandlerMethod> = {
  'by what it returns': async (_request, reply) => {
    reply.header('set-cookie', 'a=1')
    return 'its own'
  },
  'by reply.send() in a callback': (_request, reply) => { setImmediate(() => { void reply.header('set-cookie', 'a=1').send('its own') }) },
  'by reply.send() in an async function': async (_request, reply) => await reply.header('set-cookie', 'a=1').send('its own')
}

for (const [title, handler] of Object.entries(answers)) {
  test(`an answer ${title} that hooks take long to send is not replaced by hardTimeout`, async (t) => {
    let release = (): void => {}
    const held = new Promise<void>((resolve) => { release = resolve })
    let sending = 0
    const site = await scene(t, (app) => {
      app.addContentTypeParser(FORM, { parseAs: 'string' }, (_request, text, done) => { done(null, { text }) })
      app.addHook('onSend', async () => { sending++; await held })
      app.post('/', cached({ hardTimeout: '100ms', varyByBody: true }), handler)
    })
    const startedAt = performance.now()
    const asked = site.ask('/', form)
    await until(() => sending === 1, 'the hook')
    await until(() => performance.now() - startedAt > 140, 'more than hardTimeout')
    release()
    const answer = await asked
    t.match(said(answer), { status: 200, text: 'its own', cache: 'MISS' })
    t.strictSame([answer.field('set-cookie'), answer.field('retry-after'), sending], ['a=1', undefined, 1])
  })
}

test('an error of a handler that comes after its hardTimeout is logged', async (t) => {
  const lines: Array<Record<string, unknown>> = []
  const stream = { write (line: string) { lines.push(JSON.parse(line) as Record<string, unknown>) } }
  const site = await scene(t, (app, origin) => {
    app.addContentTypeParser(FORM, { parseAs: 'string' }, (_request, text, done) => { done(null, { text }) })
    app.post('/', cached({ hardTimeout: '30ms', varyByBody: true }), origin.handler)
  }, { fastify: { logger: { level: 'warn', stream } } })
  const answer = await site.ask('/', form)
  t.match(said(answer), { status: 503, why: 'detail=hard-timeout' })
  const told = (): unknown[] => [...lines, ...site.warnings].filter((line) => JSON.stringify(line).includes('the database is away') || line.details !== undefined)
  site.origin.runs[0]!.fail(new Error('the database is away'))
  await until(() => told().length === 1, 'the line in the log')
  await turns(site.app)
  t.equal(told().length, 1)
})

test('in place of an error nothing is left of it: no trailer, no reason phrase, no field', async (t) => {
  const site = await scene(t, { staleIfError: '1d' })
  site.origin.answers((_run, _request, reply) => reply.header('cache-control', 'public, max-age=60').send('good'))
  await site.ask('/')
  site.pass(MINUTE_MS + 1)
  site.origin.answers((_run, _request, reply) => {
    reply.raw.statusMessage = 'The data base of Alice is down'
    reply.trailer('x-secret', (_reply, _payload, done) => { done(null, 'alice') })
    reply.header('x-secret', 'alice')
    throw new Error('down')
  })
  const answer = await site.ask('/')
  t.match(said(answer), { status: 200, text: 'good', cache: 'STALE' })
  t.strictSame([answer.statusLine, answer.trailers, answer.field('trailer'), answer.field('x-secret'), answer.isChunked, answer.isComplete],
    ['HTTP/1.1 200 OK', [], undefined, undefined, false, true])
  t.equal(answer.field('content-length'), '4')
  t.equal(answer.field('cache-control'), 'public, max-age=60', 'as without an error')
})

test('where the cookie of a failed answer goes with a stale one, no other cache may keep that', async (t) => {
  const site = await scene(t, { staleIfError: '1d' })
  site.origin.answers((_run, _request, reply) => reply.header('cache-control', 'public, s-maxage=60').send('good'))
  await site.ask('/')
  site.pass(MINUTE_MS + 1)
  site.origin.answers((_run, _request, reply) => {
    reply.header('set-cookie', 'sid=alice')
    throw new Error('down')
  })
  const answer = await site.ask('/')
  t.match(said(answer), { status: 200, text: 'good', cache: 'STALE' })
  t.equal(answer.field('set-cookie'), 'sid=alice')
  t.match(answer.field('cache-control'), /\bprivate\b/)
  t.notMatch(answer.field('cache-control'), /public|s-maxage/)
})
