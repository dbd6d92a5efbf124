import t from 'tap'
import type { Store } from '../../lib/index.ts'
import { MemoryStore } from '../../lib/store/memory-store.ts'
import type { Page, ReadEntry } from '../../lib/store/store.ts'
import { openCache } from '../helpers/open-cache.ts'
import { plainStore } from '../store/plain-store.ts'

t.test('a store of one\'s own without pages says which method it lacks', async (t) => {
  const cache = await openCache(t, { store: plainStore(), defaults: { ttl: '10m' } })
  const looks: Array<[() => Promise<unknown>, string]> = [[() => cache.entries(), 'page'], [() => cache.sample(), 'page'], [() => cache.inspect('a'), 'read']]
  for (const [look, method] of looks) {
    await t.rejects(look(), { code: 'RESPONSE_CACHE_ERR_STORE_UNSUPPORTED', message: new RegExp(`method ${method}\\(\\)`) })
  }
})

function pagedStore (own: Partial<Store> = {}): Store {
  const memory = new MemoryStore({ maxBytes: 1_000_000, clock: Date.now })
  return { ...plainStore(), set: (...args) => memory.set(...args), get: (key) => memory.get(key), page: (options) => memory.page(options), read: (id) => memory.read(id), ...own }
}

t.test('a store of one\'s own with pages is listed, inspected and sampled', async (t) => {
  const cache = await openCache(t, { store: pagedStore(), defaults: { ttl: '10m' } })
  await cache.set('user:1', Buffer.from('body'))
  t.same((await cache.entries({ namespace: 'user' })).entries.map(({ key }) => key), ['user:1'])
  t.equal((await cache.inspect('user:1', { body: 10 }))!.body!.toString(), 'body')
  t.equal((await cache.sample()).scanned, 1)
})

t.test('what such a store gives is looked at', async (t) => {
  const wrong: unknown[] = [undefined, {}, { entries: 7 }, { entries: [7] }, { entries: [{ id: 'a' }] }, { entries: [{ id: 'a', header: {}, bodyBytes: 1 }] }, { entries: [], cursor: 7 }, { entries: [], share: 'half' }]
  for (const page of wrong) {
    const cache = await openCache(t, { store: pagedStore({ page: () => page as Page }) })
    await t.rejects(cache.entries(), { code: 'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE', message: /gave back something else/ }, JSON.stringify(page))
  }
  for (const found of [7, {}, { entry: {} }, { entry: { kind: 'value' }, ttlMs: 1 }]) {
    const cache = await openCache(t, { store: pagedStore({ read: () => found as ReadEntry }) })
    await t.rejects(cache.inspect('a'), { code: 'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE', message: /gave back something else/ }, JSON.stringify(found))
  }
})

t.test('a store that throws, or never answers in pages, is an error of the store', async (t) => {
  const cache = await openCache(t, { store: pagedStore({ page () { throw new Error('no pages today') } }) })
  await t.rejects(cache.entries(), { code: 'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE', message: /what is stored: no pages today/ })
  t.equal(cache.stats().store.errors, 0, 'look-ups do not hear of it')
})
