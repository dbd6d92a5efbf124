import Fastify from 'fastify'
import { test } from 'tap'
import responseCache, { createCache } from '../../lib/index.ts'

test('who asks one route for ever new URLs does not keep the others from being stored', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache, { defaults: { ttl: '1m' }, limits: { newKeysPerSecond: 1 } })
  for (const url of ['/scanned', '/other']) app.get(url, { config: { cache: true } }, async () => 'answer')
  for (let i = 0; i < 30; i++) await app.inject(`/scanned?n=${i}`)
  t.match((await app.inject('/scanned?n=31')).headers['cache-status'], /too-many-keys/)
  t.match((await app.inject('/other')).headers['cache-status'], /stored/)
  t.equal((await app.inject('/other')).headers['x-cache'], 'HIT')
})

test('one waiter too many gets what is stale, if there is something', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  let now = 0
  let runs = 0
  let open = (): void => {}
  const gate = new Promise<void>((resolve) => { open = resolve })
  await app.register(responseCache, { clock: () => now, limits: { waiters: 1 } })
  app.get('/', { config: { cache: { ttl: '1s', staleIfError: '1h', softTimeout: '300ms' } } }, async () => {
    if (++runs > 1) await gate // longer than anybody waits
    return `run ${runs}`
  })
  await app.inject('/')
  now = 2000
  const answers = await Promise.all(Array.from({ length: 4 }, () => app.inject('/')))
  t.strictSame(answers.map(({ headers }) => headers['x-cache']), ['STALE', 'STALE', 'STALE', 'STALE'])
  t.equal(runs, 2, 'none of them has run the handler')
  t.equal(answers.filter(({ headers }) => String(headers['cache-status']).includes('overloaded')).length, 3)
  open()
})

test('tags that would never be stored are refused when the route is declared', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache, { defaults: { ttl: '1m' }, limits: { tags: 2, tagLength: 5 } })
  const declare = (url: string, tags: string[]): unknown => app.get(url, { config: { cache: { tags } } }, async () => 'answer')
  t.throws(() => declare('/many', ['a', 'b', 'c']), { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID', message: /config\.cache of GET \/many: expected at most 2 tags of 5 characters/ })
  t.throws(() => declare('/long', ['longer']), { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID' })
  declare('/fine', ['a', 'b'])
})

test('an error text shows no password of a URL in the wrong place', async (t) => {
  const url = 'redis://user:hunter2@127.0.0.1:6379'
  for (const wrong of [{ store: url }, { memory: url }, { prefix: url }, url]) {
    try {
      createCache(wrong as never)
      t.fail('refused')
    } catch (fault) {
      t.match((fault as Error).message, /a URL with credentials \(string\)/)
      t.notMatch((fault as Error).message, /hunter2/)
    }
  }
})
