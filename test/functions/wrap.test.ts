import { AsyncLocalStorage } from 'node:async_hooks'
import t, { type Test } from 'tap'
import { createCache, type Cache, type CacheOptions } from '../../lib/index.ts'
import { openCache } from '../helpers/open-cache.ts'
import { useRedis } from '../helpers/redis.ts'

t.test('with memory', (t) => behaves(t, async () => ({})))

t.test('with Redis', (t) => behaves(t, async (t) => {
  const { url, prefix } = await useRedis(t)
  return { redis: url, prefix, timeouts: { read: '5s', write: '5s' } }
}))

/** A promise with its ends outside. */
function gate () {
  let open = () => {}
  const opened = new Promise<void>((resolve) => { open = resolve })
  return { opened, open }
}

function behaves (t: Test, optionsFor: (t: Test) => Promise<CacheOptions>): void {
  async function open (t: Test, more: CacheOptions = {}): Promise<Cache> {
    return await openCache(t, { defaults: { ttl: '10m' }, ...await optionsFor(t), ...more })
  }

  t.test('the same arguments run a function once, others again', async (t) => {
    const cache = await open(t)
    const calls: unknown[][] = []
    const find = cache.wrap(async (id: number, filter?: { lang: string, page: number }) => {
      calls.push([id, filter])
      return { id, at: new Date(id), tags: new Set([filter?.lang]) }
    }, { name: 'find' })
    t.strictSame(await find(1), { id: 1, at: new Date(1), tags: new Set([undefined]) })
    t.strictSame(await find(1), { id: 1, at: new Date(1), tags: new Set([undefined]) })
    await find(2)
    await find(1, { lang: 'de', page: 1 })
    await find(1, { page: 1, lang: 'de' })
    t.strictSame(calls, [[1, undefined], [2, undefined], [1, { lang: 'de', page: 1 }]])
  })

  t.test('functions with names of their own share nothing', async (t) => {
    const cache = await open(t)
    const one = cache.wrap((id: number) => `one ${id}`, { name: 'user:one' })
    const two = cache.wrap((id: number) => `two ${id}`, { name: 'user:two' })
    t.strictSame([await one(1), await two(1), await one(1), await two(1)], ['one 1', 'two 1', 'one 1', 'two 1'])
  })

  t.test('the key of a call is what keyOf says: get, invalidateKey and patterns take it', async (t) => {
    const cache = await open(t)
    let calls = 0
    const find = cache.wrap(async (id: number, lang: string) => `${id} ${lang} ${++calls}`, { name: 'user:name' })
    t.equal(find.keyOf(7, 'de'), 'user:name:[7,"de"]')
    t.equal(await find(7, 'de'), '7 de 1')
    t.equal(await cache.get(find.keyOf(7, 'de')), '7 de 1')
    await cache.invalidateKey(find.keyOf(7, 'de'))
    t.equal(await find(7, 'de'), '7 de 2')
    await cache.invalidatePattern('user:name:[7,*')
    t.equal(await find(7, 'de'), '7 de 3')
    await cache.invalidatePattern('user:name:[8,*')
    t.equal(await find(7, 'de'), '7 de 3')
    await cache.invalidateNamespace('user')
    t.equal(await find(7, 'de'), '7 de 4')
  })

  t.test('a long key is a hash, and works the same', async (t) => {
    const cache = await open(t)
    let calls = 0
    const find = cache.wrap(async (text: string) => `${text.length} ${++calls}`, { name: 'long' })
    t.match(find.keyOf('x'.repeat(5000)), /^long:#[\w-]{43}$/)
    t.equal(await find('x'.repeat(5000)), '5000 1')
    t.equal(await find('x'.repeat(5000)), '5000 1')
    t.equal(await find('x'.repeat(5001)), '5001 2')
  })

  t.test('tags come from a list, or from the result and the arguments', async (t) => {
    const cache = await open(t)
    let calls = 0
    const team = cache.wrap(async (id: number) => ({ members: [id, id + 1], calls: ++calls }), {
      name: 'team', tags: ({ members }, id) => [`team:${id}`, ...members.map((member) => `user:${member}`)]
    })
    const count = cache.wrap(async () => ++calls, { name: 'count', tags: ['users'] })
    await team(5)
    await count()
    for (const tag of ['team:5', 'user:6']) {
      const before = calls
      await cache.invalidateTags(tag)
      t.equal((await team(5)).calls, before + 1, tag)
    }
    t.equal(await count(), 2)
    await cache.invalidateTags('users')
    t.equal(await count(), 5)
  })

  t.test('calls at the same time run the function once, and each gets a copy', async (t) => {
    const cache = await open(t)
    const { opened, open: go } = gate()
    let calls = 0
    const slow = cache.wrap(async (id: number) => {
      calls++
      await opened
      return { id }
    }, { name: 'slow' })
    const running = Array.from({ length: 20 }, () => slow(1))
    go()
    const results = await Promise.all(running)
    t.equal(calls, 1)
    t.equal(new Set(results).size, 20)
    for (const result of results) t.strictSame(result, { id: 1 })
  })

  t.test('an error reaches everyone who waits, and is not stored', async (t) => {
    const cache = await open(t)
    const { opened, open: go } = gate()
    let calls = 0
    const fails = cache.wrap(async (_id: number) => {
      if (++calls > 1) return 'fine'
      await opened
      throw new Error('database is away')
    }, { name: 'fails' })
    const running = Array.from({ length: 5 }, () => fails(1))
    go()
    for (const result of await Promise.allSettled(running)) t.match(result, { status: 'rejected', reason: { message: 'database is away' } })
    t.equal(calls, 1)
    t.equal(await fails(1), 'fine')
  })

  t.test('a function that throws without a promise rejects', async (t) => {
    const cache = await open(t)
    const fails = cache.wrap((): string => { throw new Error('at once') }, { name: 'fails' })
    await t.rejects(fails(), { message: 'at once' })
  })

  t.test('undefined is given back and not stored, null is', async (t) => {
    const cache = await open(t)
    const given: unknown[] = []
    const find = cache.wrap(async (nothing: null | undefined) => {
      given.push(nothing)
      return nothing
    }, { name: 'nothing', tags: (result) => [`is ${String(result)}`] })
    t.strictSame([await find(undefined), await find(undefined), await find(null), await find(null)], [undefined, undefined, null, null])
    t.strictSame(given, [undefined, undefined, null])
  })

  t.test('what ran before an invalidation is not stored', async (t) => {
    const cache = await open(t)
    const [started, finish] = [gate(), gate()]
    let name = 'Ada'
    const find = cache.wrap(async (_id: number) => {
      const read = name
      started.open()
      await finish.opened
      return read
    }, { name: 'user', tags: (_name, id) => [`user:${id}`] })
    const before = find(1)
    await started.opened
    name = 'Eve'
    await cache.invalidateTags('user:1')
    const after = find(1)
    finish.open()
    t.equal(await before, 'Ada')
    t.equal(await after, 'Eve')
    t.equal(await find(1), 'Eve')
  })

  t.test('what the caller changes after the call is not read under the old key', async (t) => {
    const cache = await open(t)
    const search = cache.wrap(async (filter: { user: string }) => {
      await cache.ping() // any wait
      return `data of ${filter.user}`
    }, { name: 'search' })
    const filter = { user: 'ada' }
    const ada = search(filter)
    filter.user = 'eve'
    t.equal(await ada, 'data of ada')
    t.equal(await search({ user: 'ada' }), 'data of ada')
    t.equal(await search({ user: 'eve' }), 'data of eve')
  })

  t.test('a function that changes its arguments changes neither its key nor those of the caller', async (t) => {
    const cache = await open(t)
    let calls = 0
    const list = cache.wrap(async (page: { size?: number }) => {
      page.size ??= 10
      return ++calls + page.size
    }, { name: 'list' })
    const page = {}
    t.equal(await list(page), 11)
    t.equal(await list(page), 11)
    t.strictSame(page, {})
  })

  t.test('arguments that no key can be made of are refused by the call, and the function does not run', async (t) => {
    const cache = await open(t)
    class User { id = 1 }
    let calls = 0
    const greet = cache.wrap(async (_lang: string, _options: { user: User }) => ++calls, { name: 'greet' })
    const expected = { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID', message: /wrap\(\) for "greet".*User as argument 2\.user; give a key/ }
    await t.rejects(greet('de', { user: new User() }), expected)
    t.throws(() => greet.keyOf('de', { user: new User() }), expected)
    t.equal(calls, 0)
  })

  t.test('an own key decides alone, and arguments arrive as they are', async (t) => {
    const cache = await open(t)
    class User { readonly #id = 1; get id () { return this.#id } }
    let calls = 0
    const greet = cache.wrap(async (user: User, log: () => void) => {
      log()
      return `${user.id} ${++calls}`
    }, { name: 'greet', key: (user) => `${user.id}` })
    t.equal(greet.keyOf(new User(), () => {}), 'greet:1')
    t.equal(await greet(new User(), () => {}), '1 1')
    t.equal(await greet(new User(), () => t.fail('not called')), '1 1')
  })

  t.test('an own key may be any text but an empty one', async (t) => {
    const cache = await open(t)
    const echo = cache.wrap(async (text: string) => text, { name: 'echo', key: (text) => text })
    for (const text of ['a\r\nb', 'a\rb', '\0', '#', 'x'.repeat(2000), '\ud800', '\udc00', 'GETX:']) {
      t.equal(await echo(text), text)
      t.equal(await echo(text), text)
    }
    await t.rejects(echo(''), { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID', message: /"key".*at least one character/ })
    const numbered = cache.wrap(async (_id: number) => 1, { name: 'numbered', key: ((id: number) => id) as unknown as () => string })
    await t.rejects(numbered(1), { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID', message: /got 1 \(number\)/ })
  })

  t.test('tags that are none reject, and nothing is stored', async (t) => {
    const cache = await open(t)
    for (const [index, given] of [undefined, 'user', [''], [1]].entries()) {
      const wrapped = cache.wrap(async () => 1, { name: `wrong${index}`, tags: (() => given) as unknown as () => string[] })
      await t.rejects(wrapped(), { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID', message: /"tags" in the options of wrap\(\) for "wrong/ })
      t.equal(await cache.has(wrapped.keyOf()), false)
    }
  })

  t.test('`this` is passed through, to the own key and the tags, too', async (t) => {
    const cache = await open(t)
    interface Tenant { tenant: string }
    const find = cache.wrap(async function (this: Tenant, id: number) { return `${this.tenant} ${id}` }, {
      name: 'tenant',
      key (id) { return `${this.tenant}:${id}` },
      tags () { return [this.tenant] }
    })
    t.equal(await find.call({ tenant: 'a' }, 1), 'a 1')
    t.equal(await find.call({ tenant: 'b' }, 1), 'b 1')
    t.equal(find.keyOf.call({ tenant: 'b' }, 1), 'tenant:b:1')
    await cache.set('tenant:b:1', 'set by hand')
    t.equal(await find.call({ tenant: 'b' }, 1), 'set by hand')
    await cache.invalidateTags('a')
    t.equal(await cache.has('tenant:a:1'), false)
  })

  t.test('ttl comes from the options, the namespace, then the defaults', async (t) => {
    const cache = await open(t, { namespaces: { user: { ttl: '1h' } }, ttls: { blink: '2s' } })
    const cases: Array<[string, string | undefined, number]> = [['user:a', undefined, 3600], ['user:b', 'blink', 2], ['place', undefined, 600], ['other', '30s', 30]]
    for (const [name, ttl, seconds] of cases) {
      const wrapped = cache.wrap(async () => 1, { name, ttl })
      await wrapped()
      const left = await cache.ttl(wrapped.keyOf())
      t.ok(left! <= seconds && left! > seconds - 1.9, `${name} ${left}`)
    }
  })

  t.end()
}

t.test('a wrong option is refused when the function is wrapped', async (t) => {
  await using cache = createCache({ defaults: { ttl: '10m' } })
  const fn = async () => 1
  const invalid = 'RESPONSE_CACHE_ERR_OPTION_INVALID'
  for (const name of [undefined, '', ':', 'a:', ':a', 'a::b', 'a b', 'a[', 'a#', 'a\n', 'ä', 1, null, 'x'.repeat(129), `${'x'.repeat(65)}:a`, 'user:GET', 'user:POST:a']) {
    t.throws(() => cache.wrap(fn, { name } as { name: string }), { code: invalid, message: /"name".*expected a name such as 'user'/ }, String(name))
  }
  t.throws(() => cache.wrap(fn, undefined as unknown as { name: string }), { code: invalid })
  t.throws(() => cache.wrap(1 as unknown as () => void, { name: 'a' }), { code: invalid, message: /expected a function, got 1/ })
  t.throws(() => cache.wrap(fn, { name: 'a', tags: 'user' as unknown as string[] }), { code: invalid })
  t.throws(() => cache.wrap(fn, { name: 'a', key: 'id' as unknown as () => string }), { code: invalid })
  t.throws(() => cache.wrap(fn, { name: 'a', ttl: '5 parsecs' }), { code: invalid, message: /"ttl"/ })
  t.throws(() => cache.wrap(fn, { name: 'a', ttls: 5 } as { name: string }), { code: 'RESPONSE_CACHE_ERR_OPTION_UNKNOWN', message: /Did you mean "ttl"/ })
  cache.wrap(fn, { name: 'a' })
  await using without = createCache()
  t.throws(() => without.wrap(fn, { name: 'user:a' }), { code: 'RESPONSE_CACHE_ERR_TTL_MISSING', message: /"user"/ })
})

t.test('what the caller does to its options later changes nothing', async (t) => {
  await using cache = createCache({ defaults: { ttl: '10m' } })
  const options = { name: 'a', tags: ['one'] }
  let calls = 0
  const wrapped = cache.wrap(async () => ++calls, options)
  options.name = 'b'
  options.tags[0] = 'two'
  await wrapped()
  t.equal(await cache.get('a:[]'), 1)
  await cache.invalidateTags('two')
  t.equal(await wrapped(), 1)
  await cache.invalidateTags('one')
  t.equal(await wrapped(), 2)
})

t.test('two functions of a cache cannot have keys in common', async (t) => {
  await using cache = createCache({ defaults: { ttl: '10m' } })
  const conflict = { code: 'RESPONSE_CACHE_ERR_OPTION_CONFLICT' }
  const fn = async () => 1
  const key = () => 'x'
  cache.wrap(fn, { name: 'user' })
  t.throws(() => cache.wrap(async () => 2, { name: 'user' }), { ...conflict, message: /"user".*wrapped already.*not in each request/ })
  t.throws(() => cache.wrap(fn, { name: 'user' }), conflict, 'the same again')
  cache.wrap(fn, { name: 'user:profile' })
  cache.wrap(fn, { name: 'users', key })
  t.throws(() => cache.wrap(fn, { name: 'users:all' }), { ...conflict, message: /"users:all".*keys of "users"/ })
  cache.wrap(fn, { name: 'team:all:now' })
  t.throws(() => cache.wrap(fn, { name: 'team', key }), { ...conflict, message: /"team".*keys of "team:all:now"/ })
  await using another = createCache({ defaults: { ttl: '10m' } })
  another.wrap(async () => 2, { name: 'user' })
})

t.test('a function wrapped anew in each request, around its user, is refused instead of shared', async (t) => {
  await using cache = createCache({ defaults: { ttl: '10m' } })
  const requestOf = (user: string) => cache.wrap(async () => `data of ${user}`, { name: 'data' })()
  t.equal(await requestOf('ada'), 'data of ada')
  t.throws(() => requestOf('eve'), { code: 'RESPONSE_CACHE_ERR_OPTION_CONFLICT' })
})

t.test('what is not an argument is not in the key, as the docs say', async (t) => {
  await using cache = createCache({ defaults: { ttl: '10m' } })
  const user = new AsyncLocalStorage<string>()
  const hidden = cache.wrap(async () => user.getStore(), { name: 'hidden' })
  const keyed = cache.wrap(async () => user.getStore(), { name: 'keyed', key: () => user.getStore() ?? 'nobody' })
  t.strictSame(await Promise.all(['ada', 'eve'].map((name) => user.run(name, () => hidden()))), ['ada', 'ada'])
  t.strictSame(await Promise.all(['ada', 'eve'].map((name) => user.run(name, () => keyed()))), ['ada', 'eve'])
})

t.test('with the cache turned off, functions run', async (t) => {
  await using cache = createCache({ defaults: { ttl: '10m' }, enabled: false })
  let calls = 0
  const count = cache.wrap(async () => ++calls, { name: 'count' })
  t.strictSame([await count(), await count()], [1, 2])
})

t.test('when Redis is away, functions run', async (t) => {
  await using cache = createCache({ defaults: { ttl: '10m' }, redis: 'redis://127.0.0.1:1', timeouts: { read: 50, write: 50 } })
  let calls = 0
  const count = cache.wrap(async () => ++calls, { name: 'count' })
  t.strictSame([await count(), await count()], [1, 2])
})

t.test('after close, calls reject', async (t) => {
  const cache = createCache({ defaults: { ttl: '10m' } })
  const count = cache.wrap(async () => 1, { name: 'count' })
  await cache.close()
  await t.rejects(count(), { code: 'RESPONSE_CACHE_ERR_CLOSED' })
  t.throws(() => cache.wrap(async () => 1, { name: 'other' }), { code: 'RESPONSE_CACHE_ERR_CLOSED' })
})
