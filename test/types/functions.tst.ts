/** Compiled by `npm run typecheck`, never run. */
import { createCache, type Cache, type WrapOptions, type WrappedFunction } from 'fastify-response-cache'
import { cached, invalidates, type CachedOptions } from 'fastify-response-cache/decorators'

interface User { id: number, name: string }
const cache = createCache({ defaults: { ttl: '5m' } })

function same<A, B> (..._proof: [A] extends [B] ? [B] extends [A] ? [] : [never] : [never]): void {}

// A wrapped function takes what the function takes, and gives a promise of what it gives.
const find = async (id: number, lang?: string): Promise<User> => ({ id, name: lang ?? '' })
const wrapped = cache.wrap(find, { name: 'a', ttl: 'long' })
same<Parameters<typeof wrapped>, [id: number, lang?: string]>()
same<ReturnType<typeof wrapped>, Promise<User>>()
same<Parameters<typeof wrapped.keyOf>, [id: number, lang?: string]>()
same<typeof wrapped, WrappedFunction<[id: number, lang?: string], Promise<User>>>()
const key: string = wrapped.keyOf(7)
await cache.invalidateKey(key)
await wrapped(7)
await wrapped(7, 'de')
// @ts-expect-error a number is expected
await wrapped('7')
// @ts-expect-error the same arguments
wrapped.keyOf('7')

// A function without a promise gets one.
export const count = cache.wrap((...words: string[]) => words.length, { name: 'b' })
same<Parameters<typeof count>, string[]>()
same<ReturnType<typeof count>, Promise<number>>()

// Functions in options know result and arguments, and need not take all; what they annotate does not change the function.
export const options = cache.wrap(find, {
  name: 'c',
  tags: (user, id, lang) => [user.name, id.toFixed(), lang?.trim() ?? 'x'],
  key: (id, lang) => `${id.toFixed()}${lang?.trim()}`
})
same<Parameters<typeof options>, [id: number, lang?: string]>()
cache.wrap(find, { name: 'd', tags: (user) => [user.name], key: () => 'x' })
export const annotated = cache.wrap(find, { name: 'e', tags: (user: { name: string }) => [user.name], key: (id: number) => `${id}` })
same<Parameters<typeof annotated>, [id: number, lang?: string]>()
cache.wrap(async (id: number): Promise<User | undefined> => ({ id, name: '' }), { name: 'f', tags: (user) => [user.name] })
export const inline = cache.wrap(async (id: number, user: User) => ({ id, user }), { name: 'g', key: (id: number) => `${id}`, tags: ({ user }) => [user.name] })
same<Parameters<typeof inline>, [id: number, user: User]>()
const shape: WrapOptions<[id: number], User> = { name: 'h', tags: (user, id) => [user.name, `${id}`] }
cache.wrap(async (id: number) => ({ id, name: '' }), shape)

// @ts-expect-error a name is required
cache.wrap(find, { ttl: 5 })
// @ts-expect-error a list is expected
cache.wrap(find, { name: 'i', tags: 'user' })
// @ts-expect-error the function has no such argument
cache.wrap(find, { name: 'j', key: (id: string) => id })
// @ts-expect-error a text is expected
cache.wrap(find, { name: 'k', key: (id) => id })

// `this` is passed through.
const ofTenant = cache.wrap(async function (this: { tenant: string }, id: number) { return `${this.tenant}${id}` }, {
  name: 'l', key (id) { return `${this.tenant}:${id}` }
})
await ofTenant.call({ tenant: 'a' }, 1)
ofTenant.keyOf.call({ tenant: 'a' }, 1)
// @ts-expect-error without a tenant
await ofTenant(1)

// Decorated methods keep their types, and their options know result, arguments and instance.
class Users {
  static readonly cache: Cache = cache
  readonly cache: Cache
  readonly #own: Cache
  readonly tenant = 'a'

  constructor (given: Cache) {
    this.cache = given
    this.#own = given
  }

  @cached({ name: 'm' })
  async find (id: number, lang?: string) { return { id, name: lang ?? '' } }

  @cached({ name: 'n', ttl: '5m', tags: (user, id) => [user.name, id.toFixed()], key (id) { return `${this.tenant}:${id.toFixed()}` } })
  async ofTenant (id: number): Promise<User> { return { id, name: this.tenant } }

  @cached({ name: 'o', cache: (self) => self.#own, tags: (user: User) => [user.name] })
  async own (id: number): Promise<User> { return { id, name: '' } }

  @cached({ name: 'p', tags: ['users'] })
  static async count (): Promise<number> { return 1 }

  @invalidates((user, id, name) => ({ tags: [`user:${user.id}`, id.toFixed(), name] }))
  async rename (id: number, name: string): Promise<User> { return { id, name } }

  @invalidates({ tags: ['users'] }, { cache: (self) => self.#own })
  async remove (_id: number): Promise<void> {}

  @invalidates(async (_result, id) => ({ tags: [`user:${id}`] }))
  static async purge (_id: number): Promise<void> {}

  // @ts-expect-error a decorated method gives a promise
  @cached({ name: 'q' })
  now (): number { return 1 }

  // @ts-expect-error the method has no such argument
  @cached({ name: 'r', key: (id: string) => id })
  async wrong (id: number): Promise<number> { return id }

  // @ts-expect-error a property is no method
  @cached({ name: 's' })
  property = async (): Promise<number> => 1
}

export const users = new Users(cache)
same<Parameters<typeof users.find>, [id: number, lang?: string]>()
same<ReturnType<typeof users.find>, Promise<{ id: number, name: string }>>()

// Options can be made elsewhere.
export const forUsers: CachedOptions<Users, [id: number], User> = { name: 't', key (id) { return `${this.tenant}${id}` } }
