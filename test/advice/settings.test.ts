import Fastify from 'fastify'
import t from 'tap'
import responseCache, { createCache, type ResponseCacheOptions } from '../../lib/index.ts'
import type { ProcessFacts } from '../../lib/advice/process-facts.ts'
import { settingsAdvice } from '../../lib/advice/settings-rules.ts'
import { storeAdvice } from '../../lib/advice/store-rules.ts'
import type { ServerFacts } from '../../lib/store/store-facts.ts'
import { cacheSettings } from '../../lib/options/resolve.ts'
import { startRedisServer } from '../helpers/redis.ts'
import { PATIENT, recorder, wordsOf, type Line } from './read.ts'

const HERE: ProcessFacts = { heapLimit: 2 ** 31, memoryLimit: undefined, isProduction: false, isWorker: false }
const SYSTEM = { readMs: 50, isSystemClock: true }
const FINE: ServerFacts = { name: 'Redis', clockAheadMs: 0, version: '7.0.15', role: 'master', maxMemory: 2 ** 26, evictionPolicy: 'allkeys-lru' }

t.test('what was not said or may not be asked is not judged', async (t) => {
  t.same(storeAdvice({ latencyMs: 1, servers: [{ name: 'Redis', clockAheadMs: 0 }] }, SYSTEM), [])
  t.same(settingsAdvice(cacheSettings({}), HERE), [])
  t.same(await createCache().advice(), [])
})

t.test('a clock of Redis that is off by more than a second is told, unless the process brings its own', async (t) => {
  const facts = (clockAheadMs: number) => ({ latencyMs: 1, servers: [{ ...FINE, clockAheadMs }] })
  t.match(storeAdvice(facts(1500), SYSTEM), [{ word: 'clock-skew', level: 'note', text: /1\.5 s ahead of/ }])
  t.match(storeAdvice(facts(-2500), SYSTEM), [{ word: 'clock-skew', text: /2\.5 s behind/ }])
  t.same(storeAdvice(facts(1000), SYSTEM), [])
  t.same(storeAdvice(facts(-9000), { ...SYSTEM, isSystemClock: false }), [])
})

t.test('versions before 6.2 are told', async (t) => {
  const words = (version: string) => wordsOf(storeAdvice({ servers: [{ ...FINE, version }] }, SYSTEM))
  for (const version of ['5.0.14', '6.0.16', '6.1.0']) t.same(words(version), ['old-redis'], version)
  for (const version of ['6.2.0', '7.0.15', '8.2.1', '10.0.0', 'unstable', '255.255.255']) t.same(words(version), [], version)
})

t.test('memory that may take more than half of what there is is told', async (t) => {
  const told = (maxBytes: number, process: Partial<ProcessFacts>) => settingsAdvice(cacheSettings({ memory: { maxBytes } }), { ...HERE, ...process })
  t.same(told(2 ** 30, {}), [])
  t.match(told(2 ** 30 + 1, {}), [{ word: 'large-memory', level: 'risk', text: /\(1024 MiB\) is more than half of the heap limit \(2048 MiB\)/ }])
  t.match(told(2 ** 28 + 1, { memoryLimit: 2 ** 29 }), [{ word: 'large-memory', text: /the system gives/ }])
  const cache = createCache({ memory: { maxBytes: 2 ** 45 } })
  t.match(await cache.advice(), [{ word: 'large-memory' }], 'by the limit of this very process')
})

t.test('a cache in the memory of one of several workers is told, one in Redis is not', async (t) => {
  const worker = { ...HERE, isWorker: true }
  t.match(settingsAdvice(cacheSettings({}), worker), [{ word: 'memory-alone', level: 'risk' }])
  t.same(settingsAdvice(cacheSettings({ redis: 'redis://127.0.0.1:1', memory: {} }), worker), [])
})

t.test('what is for development is told in production', async (t) => {
  const settings = { ...cacheSettings({}), debugHeaders: true, audit: 'warn' as const }
  t.match(settingsAdvice(settings, { ...HERE, isProduction: true }), [{ word: 'debug-headers', level: 'risk' }, { word: 'audit-in-production', level: 'note' }])
  t.same(settingsAdvice(settings, HERE), [])
})

t.test('routes with a ttl above a day, and long ones without jitter, are named once', async (t) => {
  const { app } = await appWith({ namespaces: { old: { ttl: '2d' } }, ttls: { week: '7d' } })
  app.get('/day', { config: { cache: { ttl: '24h' } } }, async () => '')
  app.get('/week', { config: { cache: { ttl: 'week' } } }, async () => '')
  app.get('/adaptive', { config: { cache: { ttl: '1m', adaptiveTtl: { min: '1m', max: '2d' } } } }, async () => '')
  app.get('/by-status', { config: { cache: { ttl: { 200: '1m', 404: '3d' } } } }, async () => '')
  app.get('/http', { config: { cache: { ttl: 'http' } } }, async () => '')
  app.get('/function', { config: { cache: { ttl: () => '9d' } } }, async () => '')
  app.get('/together', { config: { cache: { ttl: '1h', jitter: 0 } } }, async () => '')
  app.get('/short', { config: { cache: { ttl: '59m', jitter: 0 } } }, async () => '')
  t.teardown(() => app.close())
  await app.ready()
  const advice = await app.cache.advice()
  t.match(advice, [
    { word: 'long-ttl', level: 'note', text: /^GET \/week, GET \/adaptive, GET \/by-status, namespaces\.old: / },
    { word: 'no-jitter', level: 'note', text: /^GET \/together: / }
  ])
  t.equal(advice.length, 2)
})

t.test('responses for one user that say they are for all are told when they come, once per route', async (t) => {
  const { app, lines } = await appWith({ user: (request) => request.headers['x-user'] as string | undefined })
  const answer = (field: string, vary?: string) => async (_request: unknown, reply: { header (name: string, value: string): unknown }) => {
    if (vary !== undefined) reply.header('vary', vary)
    reply.header('cache-control', field)
    return 'mine'
  }
  const config = { cache: { ttl: '1m', varyByUser: true } }
  app.get('/public', { config }, answer('public, max-age=60'))
  app.get('/s-maxage', { config }, answer('s-maxage=60'))
  app.get('/private', { config }, answer('max-age=60'))
  app.get('/varied', { config }, answer('public, max-age=60', 'Authorization'))
  app.get('/for-all', { config: { cache: { ttl: '1m' } } }, answer('public, max-age=60'))
  t.teardown(() => app.close())
  for (const user of ['ada', 'eve']) {
    for (const url of ['/public', '/s-maxage', '/private', '/varied', '/for-all']) await app.inject({ url, headers: { 'x-user': user } })
  }
  t.match(await app.cache.advice(), [{ word: 'public-per-user', level: 'risk', text: /^GET \/public, GET \/s-maxage: / }])
  t.same(lines.filter(({ advice }) => advice === 'public-per-user').map(({ message }) => message.split(':')[0] + message.split(':')[1]!), ['advice GET /public', 'advice GET /s-maxage'])
})

t.test('at the start each is logged once, a risk as a warning, a note as information', async (t) => {
  const { url } = await startRedisServer(t)
  const { app, lines } = await appWith({ redis: url })
  app.get('/week', { config: { cache: { ttl: '7d' } } }, async () => '')
  t.teardown(() => app.close())
  await app.ready()
  await until(() => lines.filter(({ advice }) => advice !== undefined).length === 2)
  t.match(lines.filter(({ advice }) => advice !== undefined), [
    { level: 'warn', advice: 'no-maxmemory', docs: 'docs/advice.md#no-maxmemory', message: /^advice: Redis has no maxmemory/ },
    { level: 'info', advice: 'long-ttl', docs: 'docs/advice.md#long-ttl' }
  ])
})

t.test('with Redis away the app is ready, and the advice is logged when Redis comes', async (t) => {
  const server = await startRedisServer(t)
  await server.stop()
  const { app, lines } = await appWith({ redis: server.url })
  t.teardown(() => app.close())
  await app.ready()
  t.match(await app.cache.advice(), [{ word: 'store-unknown' }])
  t.same(lines.filter(({ advice }) => advice !== undefined), [])
  await server.start()
  await until(() => lines.some(({ advice }) => advice === 'no-maxmemory'))
})

t.test('advice: false logs none, and the cache still tells who asks', async (t) => {
  const { url } = await startRedisServer(t)
  const { app, lines } = await appWith({ redis: url, advice: false })
  t.teardown(() => app.close())
  await app.ready()
  await app.cache.connect()
  t.same(wordsOf(await app.cache.advice()), ['no-maxmemory'])
  t.same(lines.filter(({ advice }) => advice !== undefined), [])
  t.throws(() => createCache({ advice: 'no' as unknown as boolean }), { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID' })
})

t.test('a cache that is off says so, and nothing else', async (t) => {
  t.match(await createCache({ enabled: false, memory: { maxBytes: 2 ** 45 } }).advice(), [{ word: 'disabled', level: 'note' }])
})

async function appWith (options: ResponseCacheOptions) {
  const lines: Line[] = []
  const app = Fastify()
  await app.register(responseCache, { timeouts: PATIENT, logger: recorder(lines), ...options })
  return { app, lines }
}

async function until (isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}
