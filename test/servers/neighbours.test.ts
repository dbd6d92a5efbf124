import Fastify from 'fastify'
import { createClient } from 'redis'
import t, { type Test } from 'tap'
import responseCache, { createCache } from '../../lib/index.ts'
import { startRedisServer, useRedis } from '../helpers/redis.ts'
import { ask, buildApp, PATIENT, until, type App } from './app.ts'

t.test('two plugins in one process with prefixes of their own never meet', async (t) => {
  const { url, prefix } = await useRedis(t)
  for (const memory of [false, {}] as const) await separate(t, await Promise.all(['one', 'two'].map((name) => connected(t, { redis: url, prefix: `${prefix}-${name}-${memory !== false}`, memory }))))
})

t.test('two plugins in one app, in contexts beside each other, have a cache each', async (t) => {
  const { url, prefix } = await useRedis(t)
  const app = Fastify()
  t.teardown(() => app.close())
  const runs: Record<string, number> = { one: 0, two: 0 }
  for (const name of ['one', 'two']) {
    await app.register(async (context) => {
      await context.register(responseCache, { redis: url, prefix: `${prefix}-${name}`, timeouts: PATIENT })
      context.get(`/${name}`, { config: { cache: { ttl: '5m', tags: ['all'] } } }, async () => `${name} ${++runs[name]!}`)
      context.put(`/${name}`, { config: { cache: { invalidates: { tags: ['all'] } } } }, async () => 'changed')
    })
  }
  for (const name of ['one', 'two']) await until('a hit', async () => (await ask({ app }, `/${name}`)).cache === 'HIT')
  await app.inject({ method: 'PUT', url: '/one' })
  t.match(await ask({ app }, '/one'), { cache: 'MISS', body: `one ${runs.one!}` })
  t.match(await ask({ app }, '/two'), { cache: 'HIT' }, 'the tag of the same name is of another cache')
})

t.test('two plugins in one process with the same prefix share entries and invalidations', async (t) => {
  const { url, prefix } = await useRedis(t)
  for (const memory of [false, {}] as const) {
    const source = { version: 1 }
    const [one, two] = await Promise.all([1, 2].map(() => connected(t, { redis: url, prefix: `${prefix}-${memory !== false}`, memory }, source)))
    await until('a hit', async () => (await ask(one!, '/plain/1')).cache === 'HIT')
    t.equal((await ask(two!, '/plain/1')).cache, 'HIT')
    source.version++
    await one!.app.cache.invalidateTags('id:1')
    await until('the other one knows', async () => (await ask(two!, '/plain/1')).body === 'version 2')
  }
})

t.test('a prefix that begins with that of another app and a colon is another app', async (t) => {
  const { url, prefix } = await useRedis(t)
  const [outer, inner] = await Promise.all([prefix, `${prefix}:b`].map((name) => connected(t, { redis: url, prefix: name })))
  await separate(t, [outer!, inner!])
  await inner!.app.cache.set('user:1', 'inner', { ttl: '5m' })
  t.equal(await outer!.app.cache.get('b:user:1'), undefined, 'what is under the same key in Redis is not what was asked for')
  await outer!.app.cache.sweep()
  t.equal((await ask(inner!, '/plain/1')).cache, 'HIT', 'the sweep of the one leaves the entries of the other')
  t.equal(await inner!.app.cache.get('user:1'), 'inner', 'and its values')
  t.equal(await outer!.app.cache.deletePattern('*'), 1, 'its own value')
  t.equal(await inner!.app.cache.get('user:1'), 'inner', 'so does the deletion by a pattern')
})

t.test('two apps in different databases of one server, with the same prefix, break no promise', async (t) => {
  const { url } = await startRedisServer(t)
  const [here, there] = await Promise.all([3, 4].map((database) => connected(t, { redis: `${url}/${database}`, prefix: 'app', memory: { maxBlindMs: 2000 } })))
  await separate(t, [here!, there!])
})

t.test('what is invalidated in another database costs those with the same prefix next to nothing', async (t) => {
  const { url } = await startRedisServer(t)
  const admin = await createClient({ url }).connect()
  t.teardown(() => { admin.destroy() })
  const here = await connected(t, { redis: `${url}/3`, prefix: 'app', memory: { maxBlindMs: 60_000 } })
  await until('it listens', () => here.lines.some(({ state }) => state === 'listening'))
  for (let i = 0; i < 4; i++) await until('a hit', async () => (await ask(here, '/plain/1')).cache === 'HIT')
  const there = createCache({ redis: `${url}/4`, prefix: 'app', timeouts: PATIENT, defaults: { ttl: 60 } })
  t.teardown(() => there.close())
  await there.connect()
  await there.invalidateTags('first')
  await admin.configResetStat()
  for (let i = 0; i < 300; i++) {
    await there.invalidateTags(`tag ${i}`)
    t.equal((await ask(here, '/plain/1')).cache, 'HIT')
  }
  const reads = Number(/cmdstat_zmscore:calls=(\d+)/.exec(await admin.info('commandstats'))?.[1] ?? 0)
  t.ok(reads <= 10, `${reads} reads of the marks for 300 foreign messages`)
  t.equal(here.lines.length, 1, 'and it does not count as deaf')
})

async function connected (t: Test, options: Parameters<typeof buildApp>[1], source = { version: 1 }): Promise<App> {
  const one = await buildApp(t, options, source)
  await one.app.ready()
  await one.app.cache.connect()
  return one
}

/** What one of them stores, invalidates, deletes and sweeps has nothing to do with the other, in both directions. */
async function separate (t: Test, [one, two]: App[]): Promise<void> {
  for (const [here, there] of [[one!, two!], [two!, one!]] as const) {
    for (const app of [here, there]) await until('a hit', async () => (await ask(app, '/plain/1')).cache === 'HIT')
    for (const app of [here, there]) await app.app.cache.set('user:1', `value of ${app === one ? 'one' : 'two'}`, { ttl: '5m' })
    const runs = there.runs()
    const { cache } = here.app
    await cache.invalidate({ tags: ['id:1'], namespaces: ['plain'], urls: ['/plain/1'], users: ['ada'], keys: ['user:1'], patterns: ['*'] })
    await cache.invalidateAll()
    t.equal((await ask(here, '/plain/1')).cache, 'MISS')
    await cache.deletePattern('user:*')
    await cache.sweep()
    for (let i = 0; i < 3; i++) t.equal((await ask(there, '/plain/1')).cache, 'HIT')
    t.equal(there.runs(), runs)
    t.equal(await there.app.cache.get('user:1'), `value of ${there === one ? 'one' : 'two'}`)
    await until('a hit', async () => (await ask(here, '/plain/1')).cache === 'HIT')
  }
}
