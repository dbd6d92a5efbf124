import t, { type Test } from 'tap'
import { createCache, type Cache, type CacheOptions } from '../../lib/index.ts'
import { cached, invalidates } from '../../lib/decorators.ts'
import { startRedisServer, useRedis } from '../helpers/redis.ts'

interface User { id: number, name: string, reads: number }

class Users {
  readonly cache: Cache
  readonly names = new Map([[1, 'Ada'], [2, 'Eve']])
  readonly tenant: string
  reads = 0
  static reads = 0
  static cache: Cache

  constructor (cache: Cache, tenant = 'a') {
    this.cache = cache
    this.tenant = tenant
  }

  @cached({ name: 'user', tags: (user, id) => [`user:${id}`, `name:${user.name}`] })
  async find (id: number): Promise<User> {
    return { id, name: this.names.get(id) ?? '', reads: ++this.reads }
  }

  @cached({ name: 'tenant', key (id) { return `${this.tenant}:${id}` }, tags () { return [this.tenant] } })
  async ofTenant (id: number): Promise<string> {
    return `${this.tenant} ${id} ${++this.reads}`
  }

  @cached({ name: 'count', tags: ['users'] })
  static async count (): Promise<number> {
    return ++this.reads
  }

  @invalidates((user, id) => ({ tags: [`user:${id}`, `name:${user.name}`] }))
  async rename (id: number, name: string): Promise<{ name: string }> {
    if (name === '') throw new Error('no name')
    this.names.set(id, name)
    return { name }
  }

  @invalidates({ tags: ['users'] })
  static async add (): Promise<string> { return 'added' }
}

t.test('with memory', (t) => behaves(t, async () => ({})))

t.test('with Redis', (t) => behaves(t, async (t) => {
  const { url, prefix } = await useRedis(t)
  return { redis: url, prefix, timeouts: { read: '5s', write: '5s' } }
}))

function behaves (t: Test, optionsFor: (t: Test) => Promise<CacheOptions>): void {
  async function open (t: Test): Promise<Cache> {
    const cache = createCache({ defaults: { ttl: '10m' }, ...await optionsFor(t) })
    t.teardown(() => cache.close())
    await cache.connect()
    return cache
  }

  t.test('a decorated method runs once for the same arguments', async (t) => {
    const users = new Users(await open(t))
    t.match(await users.find(1), { name: 'Ada', reads: 1 })
    t.match(await users.find(1), { name: 'Ada', reads: 1 })
    t.match(await users.find(2), { name: 'Eve', reads: 2 })
    const results = await Promise.all([users.find(3), users.find(3), users.find(3)])
    t.strictSame(results.map(({ reads }) => reads), [3, 3, 3])
  })

  t.test('what a method invalidates is gone when its promise resolves', async (t) => {
    const users = new Users(await open(t))
    await users.find(1)
    await users.find(2)
    t.strictSame(await users.rename(1, 'Ida'), { name: 'Ida' })
    t.match(await users.find(1), { name: 'Ida', reads: 3 })
    t.match(await users.find(2), { name: 'Eve', reads: 2 })
    await users.rename(3, 'Eve')
    t.match(await users.find(2), { name: 'Eve', reads: 4 }, 'by a tag from the result')
  })

  t.test('a method that throws invalidates nothing', async (t) => {
    const users = new Users(await open(t))
    await users.find(1)
    await t.rejects(users.rename(1, ''), { message: 'no name' })
    t.match(await users.find(1), { reads: 1 })
  })

  t.test('instances with one cache share results, with two they do not', async (t) => {
    const cache = await open(t)
    await using other = createCache({ defaults: { ttl: '10m' } })
    const [one, two, three] = [new Users(cache), new Users(cache), new Users(other)]
    await one.find(1)
    await two.find(1)
    await three.find(1)
    t.strictSame([one.reads, two.reads, three.reads], [1, 0, 1])
    t.strictSame(await two.find(1), await one.find(1))
  })

  t.test('what an own key takes from `this` keeps instances apart', async (t) => {
    const cache = await open(t)
    const [a, b] = [new Users(cache, 'a'), new Users(cache, 'b')]
    t.strictSame([await a.ofTenant(1), await b.ofTenant(1), await a.ofTenant(1), await b.ofTenant(1)], ['a 1 1', 'b 1 1', 'a 1 1', 'b 1 1'])
    await cache.invalidateTags('a')
    t.strictSame([await a.ofTenant(1), await b.ofTenant(1)], ['a 1 2', 'b 1 1'])
  })

  t.test('static methods use the static cache', async (t) => {
    Users.cache = await open(t)
    const before = await Users.count()
    t.equal(await Users.count(), before)
    t.equal(await Users.add(), 'added')
    t.equal(await Users.count(), before + 1)
  })

  t.test('the cache may be somewhere else, also private', async (t) => {
    const cache = await open(t)
    let calls = 0
    class Rates {
      readonly #store = cache
      @cached({ name: 'rates', cache: (self) => self.#store })
      async of (_base: string): Promise<number> { return ++calls }

      @invalidates({ namespaces: ['rates'] }, { cache: () => cache })
      async reload (): Promise<void> {}
    }
    const rates = new Rates()
    t.strictSame([await rates.of('eur'), await rates.of('eur')], [1, 1])
    await rates.reload()
    t.equal(await rates.of('eur'), 2)
  })

  t.end()
}

t.test('a subclass shares what it inherits, and cannot take the name for a method of its own', async (t) => {
  await using cache = createCache({ defaults: { ttl: '10m' } })
  class Admins extends Users {}
  class Guests extends Users {
    @cached({ name: 'user' })
    override async find (id: number): Promise<User> { return { id, name: 'guest', reads: 0 } }
  }
  await new Users(cache).find(1)
  t.match(await new Admins(cache).find(1), { name: 'Ada' })
  await t.rejects(new Guests(cache).find(1), { code: 'RESPONSE_CACHE_ERR_OPTION_CONFLICT', message: /"user"/ })
})

t.test('an undecorated method that calls a decorated one gets the stored result', async (t) => {
  await using cache = createCache({ defaults: { ttl: '10m' } })
  class Names extends Users {
    async nameOf (id: number): Promise<string> { return (await this.find(id)).name }
  }
  const names = new Names(cache)
  t.strictSame([await names.nameOf(1), await names.nameOf(1), names.reads], ['Ada', 'Ada', 1])
})

t.test('without a cache, calls reject before the method runs', async (t) => {
  let runs = 0
  class Service {
    cache?: unknown
    @cached({ name: 'a' })
    async read (): Promise<number> { return ++runs }

    @invalidates({ tags: ['a'] })
    async write (): Promise<number> { return ++runs }

    @cached({ name: 'b', cache: () => undefined as unknown as Cache })
    async elsewhere (): Promise<number> { return ++runs }
  }
  const service = new Service()
  const code = 'RESPONSE_CACHE_ERR_OPTION_INVALID'
  for (const cache of [undefined, null, 5, new Map(), { wrap () {} }]) {
    service.cache = cache
    await t.rejects(service.read(), { code, message: /"cache" in @cached\(\) of read\(\): expected app\.cache .* in this\.cache, or an option/ })
    await t.rejects(service.write(), { code, message: /"cache" in @invalidates\(\) of write\(\)/ })
  }
  await t.rejects(service.elsewhere(), { code, message: /from the function, got undefined/ })
  const { read } = service
  await t.rejects(read.call(undefined as unknown as Service), { code })
  t.equal(runs, 0)
})

t.test('wrong options are refused when the class is defined', async (t) => {
  const define = (options: unknown) => class {
    @cached(options as { name: string })
    async read (): Promise<number> { return 1 }
  }
  const invalid = 'RESPONSE_CACHE_ERR_OPTION_INVALID'
  t.throws(() => define({}), { code: invalid, message: /"name" in @cached\(\) of read\(\)/ })
  t.throws(() => define(undefined), { code: invalid })
  t.throws(() => define({ name: '' }), { code: invalid })
  t.throws(() => define({ name: 'a', cache: 5 }), { code: invalid, message: /"cache"/ })
  t.throws(() => define({ name: 'a', tag: [] }), { code: 'RESPONSE_CACHE_ERR_OPTION_UNKNOWN', message: /Did you mean "tags"/ })

  const write = (targets: unknown, options?: unknown) => class {
    @invalidates(targets as object, options as object)
    async write (): Promise<number> { return 1 }
  }
  const target = 'RESPONSE_CACHE_ERR_TARGET_INVALID'
  t.throws(() => write(undefined), { code: target })
  t.throws(() => write({ tags: [''] }), { code: target, message: /@invalidates\(\) of write\(\)/ })
  t.throws(() => write({ tag: ['a'] }), { code: target })
  t.throws(() => write({ tags: ['a'] }, { cache: 1 }), { code: invalid })
  t.throws(() => write({ tags: ['a'] }, { soft: true }), { code: 'RESPONSE_CACHE_ERR_OPTION_UNKNOWN' })
})

t.test('anything but a public method is refused when the class is defined', async (t) => {
  const conflict = { code: 'RESPONSE_CACHE_ERR_OPTION_CONFLICT' }
  const anyMember = cached({ name: 'a' }) as unknown as (value: unknown, context: unknown) => never
  t.throws(() => class {
    @anyMember
    get user () { return 1 }
  }, { ...conflict, message: /@cached\(\) of user: expected a method, got a getter/ })
  t.throws(() => class {
    @anyMember
    user = 1
  }, { ...conflict, message: /got a field/ })
  t.throws(() => {
    @anyMember
    class User {}
    return User
  }, { ...conflict, message: /got a class/ })
  t.throws(() => class {
    @(anyMember as (value: () => Promise<number>, context: ClassMethodDecoratorContext) => never)
    async #find (): Promise<number> { return 1 }

    find () { return this.#find() }
  }, { ...conflict, message: /#find: expected a public method/ })
  const legacy = (decorator: unknown) => (decorator as (target: unknown, name: string, descriptor: unknown) => void)({}, 'find', {})
  t.throws(() => legacy(anyMember), { ...conflict, message: /remove "experimentalDecorators"/ })
  t.throws(() => legacy(invalidates({ tags: ['a'] })), { ...conflict, message: /remove "experimentalDecorators"/ })
})

t.test('targets that are none reject after the method has run', async (t) => {
  await using cache = createCache()
  let runs = 0
  class Service {
    @invalidates(() => ({ tags: [''] }), { cache: () => cache })
    async write (): Promise<number> { return ++runs }
  }
  await t.rejects(new Service().write(), { code: 'RESPONSE_CACHE_ERR_TARGET_INVALID' })
  t.equal(runs, 1)
})

t.test('a write that Redis does not confirm as invalidated rejects, a read goes on', async (t) => {
  const server = await startRedisServer(t)
  const cache = createCache({ defaults: { ttl: '10m' }, redis: server.url, timeouts: { read: '100ms', invalidate: '100ms' } })
  t.teardown(() => cache.close())
  await cache.connect()
  const users = new Users(cache)
  await users.find(1)
  await server.stop()
  await t.rejects(users.rename(1, 'Ida'), { code: 'RESPONSE_CACHE_ERR_INVALIDATION_PENDING' })
  t.equal(users.names.get(1), 'Ida', 'the change has happened')
  t.match(await users.find(1), { name: 'Ida' })
})
