import { test, type Test } from 'tap'
import type { ResponseCacheOptions } from 'fastify-response-cache'
import { useRedis, type TestRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'
import { Observer } from '../store/tiers.ts'
import { brief, Clock, everywhere, Origin, scene, type Scene } from './stage.ts'

const MOST = 50

async function fleet (t: Test, count: number, cache: ResponseCacheOptions = {}): Promise<{ redis: TestRedis, sites: Scene[] }> {
  const redis = await useRedis(t)
  const shared = { clock: new Clock(), origin: new Origin() }
  shared.origin.answers((run, { headers }, reply) => {
    reply.header('vary', 'x-tenant')
    return `${headers['x-tenant']} made ${run}`
  })
  const sites: Scene[] = []
  for (let i = 0; i < count; i++) {
    sites.push(await scene(t, {}, { ...shared, cache: { redis: redis.url, prefix: redis.prefix, timeouts: { read: '10s', write: '10s' }, debugHeaders: true, ...cache } }))
  }
  return { redis, sites }
}

const from = (tenant: string) => ({ headers: { 'x-tenant': tenant } })

async function responseKeys ({ client, prefix }: TestRedis): Promise<string[]> {
  const found: string[] = []
  for await (const keys of client.scanIterator({ MATCH: `*${prefix}:default:GET:*`, COUNT: 1000 })) found.push(...keys)
  return found
}

everywhere('of more variants than fifty the oldest are made anew', async (t, cache) => {
  const site = await scene(t, {}, { cache })
  site.origin.answers((_run, { headers }, reply) => {
    reply.header('vary', 'x-tenant')
    return headers['x-tenant']
  })
  for (let i = 0; i < MOST + 10; i++) await site.ask('/', from(`t${i}`))
  for (let i = 10; i < MOST + 10; i++) t.equal(brief(await site.ask('/', from(`t${i}`))), `200 HIT t${i}`)
  for (let i = 0; i < 10; i++) t.equal(brief(await site.ask('/', from(`t${i}`))), `200 MISS t${i}`)
})

test('and Redis has no more of them, whichever process has stored them', async (t) => {
  const { redis, sites: [one, other] } = await fleet(t, 2)
  for (let i = 0; i < MOST + 20; i++) await (i % 2 === 0 ? one : other)!.ask('/', from(`t${i}`))
  t.equal((await responseKeys(redis)).length, MOST + 1, 'the variants, and what says which they are')
})

test('a process that has not learned what selects the responses asks Redis once more, the first time', async (t) => {
  const { redis, sites: [one, other] } = await fleet(t, 2)
  for (const tenant of ['a', 'b']) await one!.ask('/', from(tenant))
  const observer = await Observer.start(t, redis)
  /** What is asked for besides, the marks for instance, is not about variants. */
  const reads = async (site: Scene, tenant: string): Promise<{ said: string, reads: number }> => {
    let said = ''
    const commands = await observer.during(async () => { said = brief(await site.ask('/', from(tenant))) })
    return { said, reads: commands.filter((name) => name === 'GET').length }
  }
  const known = await reads(one!, 'a')
  t.strictSame(known, { said: '200 HIT a made 1', reads: 1 })
  t.strictSame(await reads(other!, 'a'), { said: '200 HIT a made 1', reads: 2 })
  t.strictSame(await reads(other!, 'a'), known)
  t.strictSame(await reads(other!, 'b'), { said: '200 HIT b made 2', reads: 1 })
})

test('what selects them is learned anew when Redis has lost it', async (t) => {
  const { redis: { client, prefix }, sites: [one, other, third] } = await fleet(t, 3)
  const first = await one!.ask('/', from('a'))
  await one!.ask('/', from('b'))
  const index = first.field('x-cache-key')!
  t.ok(index.startsWith(prefix))
  t.equal(await client.unlink(index), 1, 'what the miss has shown is the key of all variants')
  t.equal(brief(await one!.ask('/', from('a'))), '200 HIT a made 1')
  one!.pass(10_000) // what began before what is there would not replace it
  t.equal(brief(await other!.ask('/', from('b'))), '200 MISS b made 3')
  t.equal(brief(await other!.ask('/', from('a'))), '200 HIT a made 1')
  // The answer does not wait until it is stored, behind what selects it.
  await until(async () => brief(await other!.ask('/', from('b'))) === '200 HIT b made 3')
  t.equal(brief(await third!.ask('/', from('b'))), '200 HIT b made 3')
})

test('bytes in its place that nobody has written count as nothing', async (t) => {
  const { redis: { client }, sites: [one, other] } = await fleet(t, 2)
  const index = (await one!.ask('/', from('a'))).field('x-cache-key')!
  await client.set(index, 'x-tenant')
  t.equal(brief(await other!.ask('/', from('b'))), '200 MISS b made 2')
  for (const site of [one!, other!]) {
    t.equal(brief(await site.ask('/', from('a'))), '200 HIT a made 1')
    t.equal(brief(await site.ask('/', from('b'))), '200 HIT b made 2')
  }
})

test('what selects them outlives the longest-lived of them', async (t) => {
  const { redis: { client }, sites: [one] } = await fleet(t, 1)
  const index = (await one!.ask('/', from('a'))).field('x-cache-key')!
  t.ok(await client.pTTL(index) > 60_000)
})

test('a process that has learned less than another finds what the other has stored', async (t) => {
  const { sites: [one, other] } = await fleet(t, 2)
  const ask = async (site: Scene, tenant: string, language: string): Promise<string> => brief(await site.ask('/', { headers: { 'x-tenant': tenant, 'accept-language': language } }))
  await ask(one!, 'a', 'de')
  await ask(other!, 'a', 'de')
  one!.origin.answers((run, { headers }, reply) => {
    reply.header('vary', 'x-tenant, accept-language')
    return `${headers['x-tenant']}|${headers['accept-language']} made ${run}`
  })
  t.equal(await ask(one!, 'b', 'de'), '200 MISS b|de made 2')
  t.equal(await ask(other!, 'b', 'en'), '200 MISS b|en made 3', 'never that in another language')
  t.equal(await ask(other!, 'b', 'de'), '200 HIT b|de made 2')
  t.equal(await ask(one!, 'b', 'en'), '200 HIT b|en made 3')
})

test('variants whose copies are in memory are hits without Redis', async (t) => {
  const { redis, sites: [one] } = await fleet(t, 1, { memory: { maxBlindMs: 600_000 } })
  const observer = await Observer.start(t, redis)
  for (let time = 0; time < 4; time++) for (const tenant of ['a', 'b']) await one!.ask('/', from(tenant))
  const commands = await observer.during(async () => {
    for (const tenant of ['a', 'b']) t.match((await one!.app.inject({ url: '/', headers: { ...from(tenant).headers, host: 'a.example' } })).headers['x-cache'], 'HIT')
  })
  t.strictSame(commands, [])
})

test('variants of a fleet are made once each on a cold key', async (t) => {
  const { sites: [one, other] } = await fleet(t, 2)
  const { origin } = one!
  origin.answers(undefined)
  const asked = ['a', 'b', 'c'].flatMap((tenant) => [one!, other!].flatMap((site) => site.many(3, '/', from(tenant)).map(async (given) => [tenant, (await given).text])))
  await Promise.all([one!.arrived(9), other!.arrived(9)])
  origin.answers((_run, { headers }, reply) => {
    reply.header('vary', 'x-tenant')
    return headers['x-tenant']
  })
  const { request, reply, answer } = await origin.run(1)
  reply.header('vary', 'x-tenant')
  answer(request.headers['x-tenant'])
  for (const [tenant, text] of await Promise.all(asked)) t.equal(text, tenant)
  t.strictSame(origin.runs.map((run) => run.request.headers['x-tenant']).sort(), ['a', 'b', 'c'])
})

everywhere('a sweep gives back what invalidated variants take', async (t, cache) => {
  const site = await scene(t, { tags: ['all'] }, { cache })
  site.origin.answers((_run, { headers }, reply) => {
    reply.header('vary', 'x-tenant')
    return headers['x-tenant']
  })
  for (const tenant of ['a', 'b', 'c']) await site.ask('/', from(tenant))
  t.equal((await site.app.cache.sweep()).removed, 0)
  await site.app.cache.invalidateTags('all')
  t.equal((await site.app.cache.sweep()).removed, 3)
  t.equal(brief(await site.ask('/', from('a'))), '200 MISS a')
  t.equal(brief(await site.ask('/', from('a'))), '200 HIT a')
})

test('what a slow variant is selected by is learned by all, although a faster one is listed meanwhile', async (t) => {
  const { sites: [one, other, third] } = await fleet(t, 3)
  await one!.ask('/', from('a'))
  let goOn = (): void => {}
  const told = new Promise<void>((resolve) => { goOn = resolve })
  one!.origin.answers(async (run, { headers }, reply) => {
    if (run === 2) await told
    reply.header('vary', run === 2 ? 'x-tenant, accept-language' : 'x-tenant')
    return `made ${run}`
  })
  const slow = { headers: { 'x-tenant': 'b', 'accept-language': 'de' } }
  const asked = one!.ask('/', slow)
  await one!.origin.run(2)
  t.equal(brief(await other!.ask('/', from('c'))), '200 MISS made 3')
  goOn()
  t.equal(brief(await asked), '200 MISS made 2')
  t.equal(brief(await third!.ask('/', slow)), '200 HIT made 2')
})
