import t, { type Test } from 'tap'
import { createCache, type Cache, type CacheOptions } from '../../lib/index.ts'
import { openCache } from '../helpers/open-cache.ts'
import { useRedis } from '../helpers/redis.ts'

/** Names that the cache itself uses in a store, and for what. */
const KEPT = {
  'user:GET:/users/1': 'stored responses', 'lease:x': 'leases', marks: 'the marks of invalidations', events: 'the events of invalidations', hot: 'what is requested most'
}

t.test('with memory', (t) => behaves(t, async () => ({})))

t.test('with Redis', (t) => behaves(t, async (t) => {
  const { url, prefix } = await useRedis(t)
  return { redis: url, prefix, timeouts: { read: '5s', write: '5s' } }
}))

t.test('with memory in front of Redis', (t) => behaves(t, async (t) => {
  const { url, prefix } = await useRedis(t)
  return { redis: url, prefix, memory: { maxBytes: 1_000_000 }, timeouts: { read: '5s', write: '5s' } }
}))

/** All that `fastify.cache` promises, whatever keeps its entries. */
function behaves (t: Test, optionsFor: (t: Test) => Promise<CacheOptions>): void {
  async function open (t: Test, more: CacheOptions = {}): Promise<Cache> {
    return await openCache(t, { defaults: { ttl: '10m' }, ...await optionsFor(t), ...more })
  }

  t.test('values come back as they were', async (t) => {
    const cache = await open(t)
    const cyclic: Record<string, unknown> = { name: 'loop' }
    cyclic.self = cyclic
    const values = [null, false, 0, '', 'text', { a: [1, { b: null }] }, new Date(86_400_000), new Map([['a', new Set([1])]]), 10n ** 30n, NaN, [undefined], cyclic]
    for (const value of values) {
      t.equal(await cache.set('round:trip', value), true)
      t.same(await cache.get('round:trip'), value)
    }
    t.ok((await cache.set('round:date', new Date(5)), await cache.get('round:date')) instanceof Date)
  })

  t.test('bytes stay bytes', async (t) => {
    const cache = await open(t)
    const bytes = Buffer.from([0, 1, 254, 255])
    for (const value of [bytes, new Uint8Array(bytes)]) {
      await cache.set('bytes', value)
      const found = await cache.get('bytes')
      t.ok(Buffer.isBuffer(found))
      t.same(found, bytes)
    }
  })

  t.test('a stored value does not change with the caller\'s', async (t) => {
    const cache = await open(t)
    const value = { list: [1] }
    const bytes = Buffer.from('abc')
    await cache.setMany([['own', value], ['own:bytes', bytes]])
    value.list.push(2)
    bytes.fill(0)
    t.same(await cache.getMany(['own', 'own:bytes']), [{ list: [1] }, Buffer.from('abc')])
    const found = await cache.get<{ list: number[] }>('own')
    found!.list.push(3)
    t.same(await cache.get('own'), { list: [1] })
  })

  t.test('a missing value is undefined', async (t) => {
    const cache = await open(t)
    t.equal(await cache.get('none'), undefined)
    t.equal(await cache.has('none'), false)
    t.equal(await cache.ttl('none'), undefined)
    t.equal(await cache.expire('none', 5), false)
    t.equal(await cache.delete('none'), false)
    t.same(await cache.getMany(['none', 'none2']), [undefined, undefined])
  })

  t.test('undefined and functions are refused, and nothing is stored', async (t) => {
    const cache = await open(t)
    await t.rejects(cache.set('bad', undefined), { code: 'RESPONSE_CACHE_ERR_VALUE_INVALID', message: /delete\(\)/ })
    await t.rejects(cache.set('bad', () => 1), { code: 'RESPONSE_CACHE_ERR_VALUE_INVALID' })
    await t.rejects(cache.setMany([['good', 1], ['bad', Symbol('x')]]), { code: 'RESPONSE_CACHE_ERR_VALUE_INVALID' })
    t.equal(await cache.has('good'), false)
  })

  t.test('times to live come from the call, the namespace, then the defaults', async (t) => {
    const cache = await open(t, { namespaces: { user: { ttl: '1h' } }, ttls: { blink: '2s' } })
    await cache.setMany([['user:1', 1], ['place:1', 1]])
    await cache.set('place:2', 1, { ttl: 'blink' })
    await cache.set('place:3', 1, { ttl: 30 })
    const seconds = await Promise.all(['user:1', 'place:1', 'place:2', 'place:3'].map((key) => cache.ttl(key)))
    t.same(seconds.map((ttl) => Math.ceil(ttl!)), [3600, 600, 2, 30])
    t.equal(await cache.expire('place:3', '2h'), true)
    t.equal(Math.ceil((await cache.ttl('place:3'))!), 7200)
  })

  t.test('a ttl of 0 stores nothing, and expires at once', async (t) => {
    const cache = await open(t)
    t.equal(await cache.set('zero', 1, { ttl: 0 }), false)
    t.equal(await cache.has('zero'), false)
    await cache.set('zero', 1)
    t.equal(await cache.set('zero', 2, { ttl: 0 }), false)
    t.equal(await cache.get('zero'), undefined, 'neither the new value nor the old one')
    await cache.set('zero', 1)
    t.equal(await cache.expire('zero', 0), true)
    t.equal(await cache.has('zero'), false)
  })

  t.test('a wrong key, ttl or option is refused with what was expected', async (t) => {
    const cache = await open(t, { defaults: {} })
    for (const key of ['', 'a\nb', 'x'.repeat(513), 5 as never]) await t.rejects(cache.get(key), { code: 'RESPONSE_CACHE_ERR_KEY_INVALID' })
    for (const [key, use] of Object.entries(KEPT)) await t.rejects(cache.set(key, 1, { ttl: 5 }), { code: 'RESPONSE_CACHE_ERR_KEY_INVALID', message: `"${key}" (string), which is kept for ${use}` })
    await t.rejects(cache.set('a', 1), { code: 'RESPONSE_CACHE_ERR_TTL_MISSING', message: /key "a".*namespace "a"/ })
    await t.rejects(cache.set('a', 1, { ttl: 'soon' }), { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID', message: /'short'/ })
    await t.rejects(cache.set('a', 1, { tll: 5 } as never), { code: 'RESPONSE_CACHE_ERR_OPTION_UNKNOWN', message: /Did you mean "ttl"/ })
  })

  t.test('many values are set, read and deleted at once', async (t) => {
    const cache = await open(t)
    t.same(await cache.setMany(new Map<string, unknown>([['m:1', 1], ['m:2', { two: 2 }]]), { ttl: 60 }), [true, true])
    t.same(await cache.setMany({ 'm:4': 4 }), [true])
    t.same(await cache.getMany(['m:2', 'm:3', 'm:1', 'm:4']), [{ two: 2 }, undefined, 1, 4])
    t.equal(await cache.deleteMany(['m:1', 'm:2', 'm:3']), 2)
    t.equal(await cache.has('m:1'), false)
  })

  t.test('getOrSet produces once, and gives every caller an own copy', async (t) => {
    const cache = await open(t)
    let produced = 0
    const produce = async (): Promise<{ at: Date, list: number[] }> => {
      produced++
      await new Promise(setImmediate)
      return { at: new Date(1), list: [] }
    }
    const values = await Promise.all([1, 2, 3].map(() => cache.getOrSet('once', produce)))
    values[0]!.list.push(1)
    t.same(values.slice(1), [{ at: new Date(1), list: [] }, { at: new Date(1), list: [] }])
    t.same(await cache.getOrSet('once', produce), { at: new Date(1), list: [] })
    t.equal(produced, 1)
  })

  t.test('getOrSet keeps null, and neither errors nor undefined', async (t) => {
    const cache = await open(t)
    t.equal(await cache.getOrSet('null', () => null), null)
    t.equal(await cache.getOrSet('null', () => 1), null)
    await Promise.all([1, 2].map(() => t.rejects(cache.getOrSet('fails', () => { throw new Error('no database') }), /no database/)))
    t.equal(await cache.getOrSet('fails', () => 'back'), 'back')
    t.equal(await cache.getOrSet('nothing', () => undefined), undefined)
    t.equal(await cache.has('nothing'), false)
  })

  t.test('a delete or set while getOrSet produces is not undone by its result', async (t) => {
    const cache = await open(t)
    for (const change of [() => cache.delete('race'), () => cache.set('race', 'newer')]) {
      const started = withResolvers()
      const finish = withResolvers()
      const running = cache.getOrSet('race', async () => {
        started.resolve()
        await finish.promise
        return 'outdated'
      })
      await started.promise
      await change()
      finish.resolve()
      t.equal(await running, 'outdated')
      t.not(await cache.get('race'), 'outdated')
    }
  })

  t.test('a disabled cache stores nothing and still produces', async (t) => {
    const cache = await open(t, { enabled: false })
    t.equal(await cache.set('off', 1), false)
    t.equal(await cache.getOrSet('off', () => 2), 2)
    t.equal(await cache.get('off'), undefined)
    t.equal(await cache.delete('off'), false)
  })

  t.test('a closed cache says so', async (t) => {
    const cache = await open(t)
    await cache.ping()
    await cache.close()
    await cache.close()
    for (const use of [() => cache.get('a'), () => cache.set('a', 1), () => cache.delete('a'), () => cache.ping()]) {
      await t.rejects(async () => { await use() }, { code: 'RESPONSE_CACHE_ERR_CLOSED' })
    }
  })

  t.test('await using closes it', async (t) => {
    let leaked: Cache
    {
      await using cache = createCache(await optionsFor(t))
      leaked = cache
      await cache.connect()
    }
    await t.rejects(leaked.get('a'), { code: 'RESPONSE_CACHE_ERR_CLOSED' })
  })

  t.end()
}

t.test('two caches with different prefixes in one Redis never meet', async (t) => {
  const { url, prefix } = await useRedis(t)
  const [one, two] = ['a', 'b'].map((name) => createCache({ redis: url, prefix: `${prefix}:${name}`, defaults: { ttl: 60 }, timeouts: { read: '5s', write: '5s' } })) as [Cache, Cache]
  t.teardown(() => Promise.all([one.close(), two.close()]))
  await Promise.all([one.connect(), two.connect()])
  await one.set('key', 'one')
  t.equal(await two.get('key'), undefined)
  t.equal(await two.delete('key'), false)
  t.equal(await one.get('key'), 'one')
})

function withResolvers (): { promise: Promise<void>, resolve: () => void } {
  let resolve!: () => void
  const promise = new Promise<void>((_resolve) => { resolve = _resolve })
  return { promise, resolve }
}
