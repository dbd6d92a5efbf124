import t, { type Test } from 'tap'
import { createCache, type Cache, type CacheOptions, type Store } from '../../lib/index.ts'
import { MemoryStore } from '../../lib/store/memory-store.ts'
import { openCache } from '../helpers/open-cache.ts'
import { setUps } from '../helpers/set-ups.ts'

/* `deletePattern` and `sweep`, which walk through everything under the prefix. */

for (const [where, optionsFor] of Object.entries(setUps)) {
  const open = async (t: Test): Promise<{ cache: Cache, options: CacheOptions }> => {
    const options: CacheOptions = { defaults: { ttl: '10m' }, ...await optionsFor(t) }
    return { cache: await openCache(t, options), options }
  }

  t.test(`deletePattern removes the values of the pattern and no others, ${where}`, async (t) => {
    const { cache } = await open(t)
    await cache.setMany([['user:1:profile', 1], ['user:1:cart', 2], ['user:12:cart', 3], ['other:user:1:cart', 4]])
    t.equal(await cache.deletePattern('user:1:*'), 2)
    t.same(await cache.getMany(['user:1:profile', 'user:1:cart', 'user:12:cart', 'other:user:1:cart']), [undefined, undefined, 3, 4])
    t.equal(await cache.deletePattern('user:1:*'), 0)
  })

  t.test(`a getOrSet that runs during deletePattern does not put its result back, ${where}`, async (t) => {
    const { cache } = await open(t)
    const produced = cache.getOrSet('user:1', async () => {
      await cache.deletePattern('user:*')
      return 'old'
    })
    t.equal(await produced, 'old')
    t.equal(await cache.get('user:1'), undefined)
  })

  t.test(`sweep removes what is invalidated and nothing else, ${where}`, async (t) => {
    const { cache } = await open(t)
    await cache.set('a:1', 1, { tags: ['red'] })
    await cache.set('a:2', 2, { tags: ['blue'] })
    await cache.set('b:1', 3)
    await cache.invalidate({ tags: ['red'], namespaces: ['b'] })
    t.same(await cache.sweep(), { scanned: 3, removed: 2 })
    t.same(await cache.sweep(), { scanned: 1, removed: 0 })
    t.equal(await cache.get('a:2'), 2)
  })

  t.test(`nothing is walked through with a wrong pattern, a cache that is off, or one that is closed, ${where}`, async (t) => {
    const { cache, options } = await open(t)
    for (const pattern of ['', 7, undefined, ['a']]) await t.rejects(cache.deletePattern(pattern as string), { code: 'RESPONSE_CACHE_ERR_TARGET_INVALID' })
    const off = await openCache(t, { ...options, enabled: false })
    t.equal(await off.deletePattern('*'), 0)
    t.same(await off.sweep(), { scanned: 0, removed: 0 })
    await cache.close()
    await t.rejects(cache.deletePattern('*'), { code: 'RESPONSE_CACHE_ERR_CLOSED' })
    await t.rejects(cache.sweep(), { code: 'RESPONSE_CACHE_ERR_CLOSED' })
  })
}

t.test('a value that another process keeps a copy of is gone there after deletePattern', async (t) => {
  const options = { defaults: { ttl: '10m' }, ...await setUps['in memory and Redis'](t) }
  const [one, other] = [await openCache(t, options), await openCache(t, options)]
  await one.set('user:1', 'old')
  // A copy is kept when it is asked for often; the deletion is heard of later.
  for (let asked = 0; asked < 5; asked++) await other.get('user:1')
  t.equal(await one.deletePattern('user:*'), 1)
  const giveUpAt = performance.now() + 5000
  while (await other.get('user:1') !== undefined && performance.now() < giveUpAt) await new Promise((resolve) => { setImmediate(resolve) })
  t.equal(await other.get('user:1'), undefined)
})

t.test('a walk through a Redis that is gone rejects and says so', async (t) => {
  const cache = createCache({ redis: 'redis://127.0.0.1:1', defaults: { ttl: '10m' } })
  t.teardown(() => cache.close())
  await t.rejects(cache.deletePattern('*'), { code: 'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE' })
  await t.rejects(cache.sweep(), { code: 'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE' })
})

t.test('a store of one\'s own that cannot walk says which method it lacks', async (t) => {
  const memory = new MemoryStore({ maxBytes: 1_000_000, clock: Date.now })
  const store: Store = {
    get: (key) => memory.get(key),
    set: (key, entry, ttlMs) => memory.set(key, entry, ttlMs),
    delete: (key) => memory.delete(key),
    expire: (key, ttlMs) => memory.expire(key, ttlMs),
    ttlMs: (key) => memory.ttlMs(key),
    ping () {},
    connect () {},
    close () {}
  }
  const cache = await openCache(t, { store, defaults: { ttl: '10m' } })
  await t.rejects(cache.deletePattern('*'), { code: 'RESPONSE_CACHE_ERR_STORE_UNSUPPORTED', message: /method deleteValues\(\)/ })
  await t.rejects(cache.sweep(), { code: 'RESPONSE_CACHE_ERR_STORE_UNSUPPORTED', message: /method sweep\(\)/ })
})
