import t, { type Test } from 'tap'
import { createCache, type Cache } from '../../lib/index.ts'
import type { EntriesOptions, EntriesPage } from '../../lib/client/inspection.ts'
import { encodeEntry, type StoredValue } from '../../lib/stored-entry.ts'
import { openCache } from '../helpers/open-cache.ts'
import { useRedis } from '../helpers/redis.ts'
import { setUps } from '../helpers/set-ups.ts'

/** Behind the memory in front of Redis is what is tested in Redis. */
const manyIn = (where: string): number => where === 'in memory and Redis' ? 500 : 5000

/** All pages; a bound of their number keeps a broken cursor from being followed for ever. */
async function allPages (cache: Cache, options: EntriesOptions = {}, between: (page: number) => Promise<unknown> = async () => {}): Promise<EntriesPage[]> {
  const pages: EntriesPage[] = []
  let cursor: string | undefined
  do {
    const page: EntriesPage = await cache.entries({ ...options, cursor })
    pages.push(page)
    cursor = page.cursor
    if (pages.length > 2000) throw new Error('the pages do not end')
    await between(pages.length)
  } while (cursor !== undefined)
  return pages
}

async function keysOf (cache: Cache, options: EntriesOptions = {}): Promise<string[]> {
  return [...new Set((await allPages(cache, options)).flatMap(({ entries }) => entries.map(({ key }) => key)))].sort()
}

async function fill (cache: Cache, keys: readonly string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += 1000) await cache.setMany(keys.slice(at, at + 1000).map((key) => [key, key] as const))
}

for (const [where, optionsFor] of Object.entries(setUps)) {
  const open = async (t: Test): Promise<Cache> => await openCache(t, { defaults: { ttl: '10m' }, ...await optionsFor(t) })

  t.test(`every entry that is there all the time is met while others come and go, ${where}`, async (t) => {
    const cache = await open(t)
    const many = manyIn(where)
    const kept = Array.from({ length: many }, (_, i) => `kept:${i}`)
    const leaving = Array.from({ length: many / 10 }, (_, i) => `leaving:${i}`)
    await fill(cache, [...kept, ...leaving])
    let added = 0
    const pages = await allPages(cache, { limit: many / 20 }, async () => {
      await fill(cache, Array.from({ length: 20 }, () => `added:${added++}`))
      await cache.deleteMany(leaving.splice(0, 20))
      await fill(cache, kept.slice(added, added + 5)) // replaced is not gone
    })
    const met = new Set(pages.flatMap(({ entries }) => entries.map(({ key }) => key)))
    t.same(kept.filter((key) => !met.has(key)), [])
    t.ok(pages.length >= 20, `${pages.length} pages`)
    t.ok(pages.every(({ entries }) => entries.length <= many / 20), 'no page is larger than asked for')
  })

  t.test(`a namespace and a glob select keys, also together, ${where}`, async (t) => {
    const cache = await open(t)
    await fill(cache, ['user', 'user:1', 'user:1:cart', 'user:12:cart', 'users:1:cart', 'post:1', 'a[b]*c', 'aXb]*c', '__proto__:1'])
    const cases: Array<[EntriesOptions, string[]]> = [
      [{ namespace: 'user' }, ['user', 'user:1', 'user:1:cart', 'user:12:cart']],
      [{ match: 'user:1*' }, ['user:1', 'user:1:cart', 'user:12:cart']],
      [{ match: '*:cart' }, ['user:12:cart', 'user:1:cart', 'users:1:cart']],
      [{ namespace: 'user', match: '*:cart' }, ['user:12:cart', 'user:1:cart']],
      [{ namespace: 'user', match: 'user:1?:*' }, ['user:12:cart']],
      [{ namespace: 'post', match: 'user:*' }, []],
      [{ match: 'a[b]\\*c' }, ['a[b]*c']],
      [{ match: 'user:1' }, ['user:1']],
      [{ namespace: '__proto__' }, ['__proto__:1']],
      [{ namespace: 'nobody' }, []]
    ]
    for (const [options, expected] of cases) t.same(await keysOf(cache, options), expected.sort(), JSON.stringify(options))
    t.same(await keysOf(cache, { match: '*:cart', limit: 2 }), ['user:12:cart', 'user:1:cart', 'users:1:cart'].sort())
  })

  t.test(`a summary says what is known without the body, ${where}`, async (t) => {
    const cache = await open(t)
    await cache.set('user:1', Buffer.alloc(1234), { tags: ['red', 'blue'], ttl: 60 })
    const { entries: [entry], cursor } = await cache.entries()
    const { storedAt, ttl, labels, ...rest } = entry!
    t.same(labels.map(({ kind, value }) => `${kind} ${value}`).sort(), ['namespace user', 'tag blue', 'tag red'])
    t.same(rest, { key: 'user:1', kind: 'value', namespace: 'user', state: 'fresh', bytes: 1234, tags: ['red', 'blue'], isPerUser: false })
    t.ok(Math.abs(Date.now() - storedAt) < 30_000)
    t.ok(ttl! > 30 && ttl! <= 60, `${ttl} s`)
    t.equal(cursor, undefined)
    await cache.invalidateTags('red')
    t.equal((await cache.entries()).entries[0]!.state, 'invalidated')
  })

  t.test(`wrong options are refused, and a cache that is off or closed shows nothing, ${where}`, async (t) => {
    const cache = await open(t)
    await cache.set('a', 1)
    const wrong = [{ limit: 0 }, { limit: 1001 }, { limit: 1.5 }, { namespace: '' }, { namespace: 'a:b' }, { match: '' }, { cursor: '' }, { cursor: '../x' }, { cursor: '1; DROP' }, { cursor: `${2n ** 64n}.` }, { match: 7 }]
    for (const options of wrong) await t.rejects(cache.entries(options as EntriesOptions), { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID' }, JSON.stringify(options))
    await t.rejects(cache.entries({ page: 2 } as EntriesOptions), { code: 'RESPONSE_CACHE_ERR_OPTION_UNKNOWN' })
    const off = await openCache(t, { ...await optionsFor(t), enabled: false })
    t.same(await off.entries(), { entries: [] })
    t.equal(await off.inspect('a'), undefined)
    t.same(await off.sample(), { scanned: 0, isComplete: true, namespaces: {} })
    await cache.close()
    const looks: Array<() => Promise<unknown>> = [() => cache.entries(), () => cache.inspect('a'), () => cache.sample()]
    for (const look of looks) await t.rejects(look(), { code: 'RESPONSE_CACHE_ERR_CLOSED' })
  })
}

t.test('what is damaged, of another type, of another key or of another program is left out', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const cache = await openCache(t, { redis: url, prefix, defaults: { ttl: '10m' }, timeouts: { read: '5s', write: '5s' } })
  await cache.set('user:1', 'mine')
  const value: StoredValue = { kind: 'value', key: 'other', storedAt: 0, filled: { incarnation: '-1', stamp: 1 }, labels: [], encoding: 'bytes', origin: 'set', body: Buffer.from('x') }
  const noHeader = encodeEntry(value)
  noHeader.write('}', 16)
  await Promise.all([
    client.set(`${prefix}:text`, 'hello'),
    client.set(`${prefix}:empty`, ''),
    client.set(`${prefix}:cut`, encodeEntry(value).subarray(0, 30)),
    client.set(`${prefix}:damaged`, noHeader),
    client.set(`${prefix}:user:2`, encodeEntry(value)), // the entry of another key
    client.set(`${prefix}:user:GET:/a:hash`, encodeEntry({ ...value, key: 'user:GET:2:/aand more' })),
    client.hSet(`${prefix}:hash`, 'a', 'b'),
    client.set(`${prefix}:lease:x`, 'token'),
    client.set(`${prefix}x:user:1`, encodeEntry(value))
  ])
  t.same(await keysOf(cache), ['user:1'])
  for (const key of ['text', 'empty', 'cut', 'damaged', 'user:2', 'hash', 'marks', 'lease:x', 'x:user:1', 'user:GET:/a:hash']) t.equal(await cache.inspect(key), undefined, key)
  const damagedBody = encodeEntry({ ...value, key: 'user:3' })
  damagedBody[damagedBody.length - 1]! ^= 1
  await client.set(`${prefix}:user:3`, damagedBody)
  t.equal(await cache.inspect('user:3'), undefined, 'a damaged body is not shown')
  const { scanned, isComplete, namespaces } = await cache.sample()
  t.same([scanned, isComplete, Object.keys(namespaces)], [2, true, ['user']])
  t.equal(cache.stats().store.damaged, 0, 'to look at it is no look-up')
})

t.test('two apps whose prefixes begin alike see their own entries and no others', async (t) => {
  const { url, prefix } = await useRedis(t)
  const options = { redis: url, defaults: { ttl: '10m' }, timeouts: { read: '5s', write: '5s' } }
  const [short, long] = [await openCache(t, { ...options, prefix }), await openCache(t, { ...options, prefix: `${prefix}:b` })]
  await short.setMany([['user:1', 1], ['c', 2]])
  await long.setMany([['user:1', 3], ['d', 4]])
  t.same(await keysOf(short), ['c', 'user:1'])
  t.same(await keysOf(long), ['d', 'user:1'])
  t.equal(await short.inspect('b:user:1'), undefined)
  t.same(Object.keys((await short.sample()).namespaces).sort(), ['c', 'user'])
})

t.test('signed entries are shown, and what another secret has signed is not', async (t) => {
  const { url, prefix } = await useRedis(t)
  const options = { redis: url, prefix, defaults: { ttl: '10m' }, timeouts: { read: '5s', write: '5s' } }
  const cache = await openCache(t, { ...options, integrity: { secret: 'a'.repeat(40) } })
  await cache.set('user:1', Buffer.from('body'))
  t.equal((await cache.inspect('user:1', { body: 10 }))?.body?.toString(), 'body')
  t.equal((await cache.entries()).entries[0]!.bytes, 4)
  const stranger = await openCache(t, { ...options, integrity: { secret: 'b'.repeat(40) } })
  t.equal(await stranger.inspect('user:1', { body: 10 }), undefined)
})

t.test('one call asks little of a Redis that is full of other keys, and the cursor goes on', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const cache = await openCache(t, { redis: url, prefix, defaults: { ttl: '10m' }, timeouts: { read: '5s', write: '5s' } })
  for (let at = 0; at < 12_000; at += 1000) await client.mSet(Array.from({ length: 1000 }, (_, i) => [`${prefix}-other:${at + i}`, 'x'] as [string, string]))
  await cache.set('user:1', 1)
  let pages = 0
  const met = new Set<string>()
  for (const { entries, cursor } of await allPages(cache)) {
    pages++
    for (const { key } of entries) met.add(key)
    if (cursor !== undefined) t.match(cursor, /^\d+\.[\w.-]+$/)
  }
  t.same([...met], ['user:1'])
  t.ok(pages >= 2, `${pages} pages: one of them is at most 10,000 keys`)
})

t.test('a Redis that is gone is an error, and the breaker does not hear of it', async (t) => {
  const gone = createCache({ redis: 'redis://127.0.0.1:1' })
  t.teardown(() => gone.close())
  const looks: Array<() => Promise<unknown>> = [() => gone.entries(), () => gone.inspect('a'), () => gone.sample()]
  for (const look of looks) await t.rejects(look(), { code: 'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE' })
  t.equal(gone.stats().store.timeouts, 0)
})
