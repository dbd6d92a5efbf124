import type { FastifyReply, FastifyRequest } from 'fastify'
import { test } from 'tap'
import { UncacheableMemory } from '../../lib/fills/uncacheable.ts'
import { createClient } from 'redis'
import { startRedisServer } from '../helpers/redis.ts'
import { exchange } from '../plugin/exchange.ts'
import { setUser } from '../safety/helpers.ts'
import { inEveryStore, said, scene, turns, twoProcesses, until, type Scene } from './scene.ts'

const PATIENT = { lock: { waitMs: 600_000, leaseMs: 60_000 } }

/** What makes a response one that is for its client alone. */
const privately: Record<string, (reply: FastifyReply, request: FastifyRequest) => unknown> = {
  'Set-Cookie': (reply, request) => reply.header('set-cookie', `session=${request.id}`),
  'Cache-Control: private': (reply) => reply.header('cache-control', 'private'),
  'Cache-Control: no-store': (reply) => reply.header('cache-control', 'no-store'),
  'Vary: *': (reply) => reply.header('vary', '*'),
  'a user that the handler found': (_reply, request) => { setUser(request, { id: request.id }) },
  'a status that is not stored': (reply) => reply.code(404),
  'a ttl of 0': (reply) => reply.header('x-ttl', '0')
}

for (const [what, mark] of Object.entries(privately)) {
  test(`a response with ${what} is given to its own client alone, and all who waited for it run their handlers at once`, async (t) => {
    const ttl = (_request: unknown, reply: { getHeader (name: string): unknown }): number => reply.getHeader('x-ttl') === '0' ? 0 : 60
    const site = await scene(t, { ...PATIENT, ttl })
    const answer = async (number: number): Promise<void> => {
      const { reply, request, ...run } = await site.origin.run(number)
      mark(reply, request)
      run.answer(`for ${request.id}`)
    }
    const leader = site.ask('/')
    await site.arrived(1)
    const asked = [leader, ...site.many(8, '/')]
    await site.arrived(9)
    t.equal(site.origin.runs.length, 1)
    await answer(1)
    await site.origin.run(9) // none of them has been answered
    for (let number = 2; number <= 9; number++) await answer(number)
    const answers = await Promise.all(asked)
    t.equal(new Set(answers.map(({ text }) => text)).size, 9)
    if (what === 'Set-Cookie') for (const { field, text } of answers) t.equal(field('set-cookie'), `session=${text.replace('for ', '')}`)
    t.strictSame(new Set(answers.map(({ field }) => field('x-cache'))), new Set(['MISS']))
    t.match(site.stats(), { misses: 9, hits: 0, collapsed: 0, fills: 0 })
  })
}

test('those who waited in another process for a response with Set-Cookie run their handlers at once as well', async (t) => {
  const [one, other] = await twoProcesses(t, PATIENT)
  const leader = one.ask('/')
  const run = await one.origin.run(1)
  const asked = [leader, ...one.many(3, '/'), ...other.many(4, '/')]
  await one.arrived(4)
  await other.arrived(4)
  void run.reply.header('set-cookie', 'session=1')
  run.answer('for 1')
  await one.origin.run(8)
  one.origin.runs.slice(1).forEach((later, at) => {
    void later.reply.header('set-cookie', `session=${at + 2}`)
    later.answer(`for ${at + 2}`)
  })
  const answers = await Promise.all(asked)
  for (const { field, text } of answers) t.equal(field('set-cookie'), `session=${text.replace('for ', '')}`)
  t.equal(new Set(answers.map(({ text }) => text)).size, 8)
})

test('a hijacked reply is for nobody who waits: they run their handlers at once', async (t) => {
  const site = await scene(t, PATIENT)
  const hijack = ({ reply }: { reply: FastifyReply }, text: string): void => {
    reply.hijack()
    reply.raw.writeHead(200, { connection: 'close', 'content-length': text.length })
    reply.raw.end(text)
  }
  const leader = site.ask('/')
  const first = await site.origin.run(1)
  const asked = [leader, ...site.many(4, '/')]
  await site.arrived(5)
  hijack(first, '1')
  await site.origin.run(5)
  site.origin.runs.slice(1).forEach((run, at) => { hijack(run, String(at + 2)) })
  t.strictSame((await Promise.all(asked)).map(({ text }) => text).sort(), ['1', '2', '3', '4', '5'])
  t.equal(await isRemembered(site), true)
})

test('while an answer for one client is remembered nobody waits and Redis is asked nothing, until a response can be stored', async (t) => {
  const redis = await startRedisServer(t)
  const site = await scene(t, PATIENT, { cache: { redis: redis.url, timeouts: { read: '10s', write: '10s' } } })
  const commands = await commandCounter(t, redis.url)
  const ask = (): ReturnType<typeof exchange> => exchange(site.port, '/')
  site.origin.answers((run, _request, reply) => {
    void reply.header('set-cookie', `session=${run}`)
    return `for ${run}`
  })
  await ask()
  await turns(site.app)
  const before = await commands()
  for (let run = 2; run <= 6; run++) t.match(said(await ask()), { text: `for ${run}`, cache: 'MISS', why: 'fwd=uri-miss; detail=set-cookie' })
  t.equal(await commands() - before, 0)
  t.equal(await isRemembered(site), true)
  site.origin.answers((run) => `for all, by ${run}`)
  const { text } = await ask()
  await turns(site.app)
  t.match(said(await ask()), { text, cache: 'HIT' })
  t.equal(await isRemembered(site, { path: '/?other' }), false)
})

test('an answer for one client is remembered for 5 seconds, then twice as long each time, 2 minutes at most; then one request tries, and nobody waits for it', async (t) => {
  let now = 0
  const key = { id: 'key', text: 'key' }
  const memory = new UncacheableMemory(() => now)
  t.equal(memory.mayRun(key, {}), false)
  memory.note(key, [])
  for (const seconds of [5, 10, 20, 40, 80, 120, 120]) {
    now += seconds * 1000 - 1
    t.equal(memory.mayRun(key, {}), true, `after nearly ${seconds} seconds`)
    memory.note(key, []) // by those who do not ask: no reason to wait longer
    now++
    t.strictSame([memory.mayRun(key, {}), memory.mayRun(key, {}), memory.mayRun(key, {})], [false, true, true], `after ${seconds} seconds`)
    memory.note(key, [])
  }
  now += 120_000
  memory.mayRun(key, {})
  memory.forget(key, {})
  t.equal(memory.mayRun(key, {}), false, 'after a response that was stored')
  memory.note(key, [])
  now += 5000
  t.strictSame([memory.mayRun(key, {}), memory.mayRun(key, {})], [false, true], 'it begins anew')
  now += 5000
  t.equal(memory.mayRun(key, {}), false, 'another one tries when the first has not come back')
})

inEveryStore('when the time of what is remembered is over nobody waits for the request that tries, and what it brings is stored', async (t, cache) => {
  const site = await scene(t, PATIENT, { cache })
  t.equal(await isRemembered(site), false)
  site.pass(5000)
  const before = site.origin.runs.length
  site.origin.answers(undefined)
  const asked = site.many(3, '/')
  await site.origin.run(before + 3)
  site.origin.runs.slice(before).forEach((run) => { run.answer('for all') })
  for (const { text } of await Promise.all(asked)) t.equal(text, 'for all')
  await turns(site.app)
  t.match(said(await site.ask('/')), { text: 'for all', cache: 'HIT' })
})

test('answers for one client are remembered for each value of the fields in their Vary, and for each key', async (t) => {
  const site = await scene(t, PATIENT)
  const inGerman = { headers: { 'accept-language': 'de' }, mark: makeVaryPrivate }
  t.equal(await isRemembered(site, inGerman), false)
  t.equal(await isRemembered(site, inGerman), true)
  t.equal(await isRemembered(site, { path: '/?other', ...inGerman }), false)
  const inEnglish = { 'accept-language': 'en' }
  t.equal(await isRemembered(site, { headers: inEnglish, mark: (reply) => reply.header('vary', 'accept-language') }), false)
  t.match(said(await site.ask('/', { headers: inEnglish })), { cache: 'HIT' })
  t.equal(await isRemembered(site, inGerman), true, 'that one variant can be stored says nothing of another')
})

test('clients cannot make the memory of their answers large: 16 variants of a key are remembered, and 10,000 keys', async (t) => {
  const site = await scene(t, PATIENT)
  const inLanguage = (number: number): { headers: Record<string, string>, mark: Mark } => ({ headers: { 'accept-language': String(number) }, mark: makeVaryPrivate })
  site.origin.answers((_run, _request, reply) => { makeVaryPrivate(reply); return '' })
  for (let number = 1; number <= 17; number++) await site.ask('/', inLanguage(number))
  t.equal(await isRemembered(site, inLanguage(17)), true)
  t.equal(await isRemembered(site, inLanguage(2)), true)
  t.equal(await isRemembered(site, inLanguage(1)), false)
  site.origin.answers((_run, _request, reply) => { makePrivate(reply); return '' })
  for (let number = 1; number <= 10_000; number++) await site.app.inject({ url: `/?${number}`, headers: { host: 'a.example' } })
  t.equal(await isRemembered(site, { path: '/?10000' }), true)
  t.equal(await isRemembered(site, { path: '/?1' }), true)
  t.equal(await isRemembered(site, inLanguage(17)), false)
})

function makePrivate (reply: FastifyReply): unknown {
  return reply.header('cache-control', 'private')
}

function makeVaryPrivate (reply: FastifyReply): unknown {
  return reply.headers({ vary: 'accept-language', 'cache-control': 'private' })
}

type Mark = (reply: FastifyReply) => unknown

/** Whether two requests at the same time both run the handler. They are answered with what is not stored. */
async function isRemembered ({ app, origin, many }: Scene, { path = '/', headers = {}, mark = makePrivate }: { path?: string, headers?: Record<string, string>, mark?: Mark } = {}): Promise<boolean> {
  origin.answers(undefined)
  const before = origin.runs.length
  let came = 0
  const count = (): void => { came++ }
  app.server.on('request', count)
  const asked = many(2, path, { headers })
  await until(() => came === 2, 'the requests')
  app.server.off('request', count)
  await origin.run(before + 1)
  await turns(app)
  const runs = origin.runs.slice(before)
  origin.answers((_run, _request, reply) => { mark(reply); return '' }) // who has waited
  for (const { reply, answer } of runs) {
    mark(reply)
    answer('')
  }
  await Promise.all(asked)
  return runs.length === 2
}

/** How many commands Redis was sent by others, without those of this count and the pings of tests. */
async function commandCounter (t: Parameters<typeof startRedisServer>[0], url: string): Promise<() => Promise<number>> {
  const client = createClient({ url })
  await client.connect()
  t.teardown(() => client.close())
  return async () => {
    const stats = await client.info('commandstats')
    const calls = [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].filter(([, name]) => name !== 'info' && name !== 'ping')
    return calls.reduce((sum, [, , count]) => sum + Number(count), 0)
  }
}
