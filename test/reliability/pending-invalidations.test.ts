import Fastify, { type FastifyInstance } from 'fastify'
import { setTimeout } from 'node:timers/promises'
import { createClient } from 'redis'
import t, { type Test } from 'tap'
import responseCache, { createCache, type ResponseCacheOptions } from '../../lib/index.ts'
import { startRedisServer } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'

interface Site {
  readonly app: FastifyInstance
  readonly lines: string[]
  /** `X-Cache` and the body. */
  get (url?: string): Promise<string>
}

const PENDING = { code: 'RESPONSE_CACHE_ERR_INVALIDATION_PENDING', statusCode: 503 }

for (const memory of [false, {}] as const) {
  const where = memory === false ? 'in Redis' : 'in memory in front of Redis'

  t.test(`what is invalidated while Redis does not answer is not served as fresh any more, and elsewhere as soon as Redis answers: ${where}`, async (t) => {
    const server = await startRedisServer(t)
    const state = { version: 1 }
    const [one, other] = [await siteOf(t, state, { redis: server.url, memory }), await siteOf(t, state, { redis: server.url, memory })]
    for (const site of [one, other]) await until(async () => await site.get() === 'HIT version 1')
    await server.pause()
    t.teardown(() => server.resume())
    state.version = 2
    await t.rejects(one.app.cache.invalidateTags('thing'), PENDING)
    t.equal(one.app.cache.stats().store.pendingInvalidations, 1)
    for (let i = 0; i < 5; i++) t.equal(await one.get(), 'MISS version 2')
    await server.resume()
    await until(async () => one.app.cache.stats().store.pendingInvalidations === 0)
    for (let i = 0; i < 5; i++) t.match(await one.get(), /version 2/)
    await until(async () => await other.get() !== 'HIT version 1')
    for (const site of [one, other]) await until(async () => await site.get() === 'HIT version 2')
    t.match(one.lines.filter((line) => line.includes('invalidated')), [/does not confirm/, /has confirmed/])
    t.equal(one.lines.filter((line) => line.includes('invalidated')).length, 2)
  })
}

t.test('a soft invalidation that waits leaves what is stored for those who may have it stale', async (t) => {
  const server = await startRedisServer(t)
  const client = await createClient({ url: server.url }).connect()
  t.teardown(() => client.close())
  const state = { version: 1 }
  const site = await siteOf(t, state, { redis: server.url, defaults: { staleIfError: '1h' } })
  await until(async () => await site.get() === 'HIT version 1')
  await client.aclSetUser('default', '-eval')
  await t.rejects(site.app.cache.invalidateTags('thing', { soft: true }), PENDING)
  state.version = 0
  t.equal(await site.get(), 'STALE version 1', 'its handler fails')
  state.version = 2
  await t.rejects(site.app.cache.invalidateTags('thing'), PENDING)
  t.equal(await site.get(), 'MISS version 2')
  await client.aclSetUser('default', '+eval')
  await until(async () => await site.get() === 'HIT version 2')
  t.equal(site.app.cache.stats().store.pendingInvalidations, 0)
})

t.test('a full Redis invalidates', async (t) => {
  const server = await startRedisServer(t)
  const client = await createClient({ url: server.url }).connect()
  t.teardown(() => client.close())
  const state = { version: 1 }
  const site = await siteOf(t, state, { redis: server.url })
  await until(async () => await site.get() === 'HIT version 1')
  await client.configSet('maxmemory', '1')
  for (let i = 0; i < 10; i++) await site.get(`/${i}`)
  await until(() => site.app.cache.stats().store.write === 'open')
  state.version = 2
  await site.app.cache.invalidateTags('thing')
  t.equal(await site.get(), 'MISS version 2')
})

t.test('a short pause of Redis costs a caller that pause and no error', async (t) => {
  const server = await startRedisServer(t)
  const cache = createCache({ redis: server.url, timeouts: { invalidate: '10s', write: '200ms' } })
  t.teardown(() => cache.close())
  await cache.connect()
  await server.stop()
  const invalidated = cache.invalidateTags(['a', 'b'])
  await setTimeout(1)
  await server.start()
  t.strictSame(await invalidated, { tags: ['a', 'b'], soft: false })
  t.equal(cache.stats().store.pendingInvalidations, 0)
})

t.test('while Redis is away those who wait for a response that was made after the invalidation share it', async (t) => {
  const server = await startRedisServer(t)
  const state = { version: 1 }
  const site = await siteOf(t, state, { redis: server.url })
  await until(async () => await site.get() === 'HIT version 1')
  await server.stop()
  await t.rejects(site.app.cache.invalidateTags('thing'), PENDING)
  state.version = 2
  const handled = site.app.cache.stats().misses
  const all = await Promise.all(Array.from({ length: 20 }, () => site.get()))
  t.strictSame(new Set(all.map((one) => one.replace(/^\w+ /, ''))), new Set(['version 2']))
  t.equal(site.app.cache.stats().misses - handled, 1, 'the handler ran once')
})

t.test('what is not confirmed when the cache is closed is said', async (t) => {
  const server = await startRedisServer(t)
  const lines: string[] = []
  const logger = { info () {}, warn: (details: object, text: string) => { lines.push(`${text} ${JSON.stringify(details)}`) } }
  const cache = createCache({ redis: server.url, timeouts: { invalidate: '50ms', write: '100ms' }, logger })
  await cache.connect()
  await server.stop()
  await t.rejects(cache.invalidateTags('thing'), PENDING)
  await cache.close()
  t.match(lines.at(-1), /closed before the store confirmed .*t:thing/)
})

t.test('what waits when the cache is closed is sent once more', async (t) => {
  const server = await startRedisServer(t)
  const [closing, other] = [createCache({ redis: server.url, timeouts: { invalidate: '1ms', write: '10s' } }), createCache({ redis: server.url, defaults: { ttl: '1m' }, timeouts: { read: '5s' } })]
  t.teardown(() => other.close())
  await Promise.all([closing.connect(), other.connect()])
  await other.set('a', 1, { tags: ['thing'] })
  await server.pause()
  t.teardown(() => server.resume())
  await t.rejects(closing.invalidateTags('thing'), PENDING)
  const closed = closing.close()
  await server.resume()
  await closed
  t.equal(await other.get('a'), undefined)
})

async function siteOf (t: Test, state: { version: number }, options: ResponseCacheOptions): Promise<Site> {
  const lines: string[] = []
  const log = (_details: object, text: string): void => { lines.push(text) }
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache, { timeouts: { invalidate: '100ms', read: '200ms' }, breaker: { openFor: '100ms' }, logger: { info: log, warn: log }, ...options })
  app.get('/*', { config: { cache: { ttl: '5m', tags: ['thing'] } } }, async (_request, reply) => {
    const { version } = state
    await setTimeout(5)
    if (version === 0) reply.code(500)
    return `version ${version}`
  })
  await app.ready()
  await app.cache.connect()
  return {
    app,
    lines,
    async get (url = '/') {
      const { headers, body } = await app.inject(url)
      return `${String(headers['x-cache'])} ${body}`
    }
  }
}
