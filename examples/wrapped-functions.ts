// Cached versions of functions, and of methods by decorators:  npx tsx examples/wrapped-functions.ts
// curl -i http://127.0.0.1:3000/rates/eur
import Fastify from 'fastify'
import responseCache, { type Cache } from 'fastify-response-cache'
import { cached, invalidates } from 'fastify-response-cache/decorators'

const app = Fastify()
await app.register(responseCache, { namespaces: { rates: { ttl: '10m' }, user: { ttl: '1h' } } })

let calls = 0
async function fetchRates (base: string) {
  calls++
  await new Promise((resolve) => { setTimeout(resolve, 300) }) // stands for a slow service
  return { base, at: new Date(), rates: new Map([['usd', 1.1], ['gbp', 0.9]]) }
}

// Ten requests at once make one call. The Date and the Map come back as a Date and a Map.
const getRates = app.cache.wrap(fetchRates, { name: 'rates' })

app.get<{ Params: { base: string } }>('/rates/:base', async ({ params: { base } }) => {
  const { at, rates } = await getRates(base)
  return { base, ageMs: Date.now() - at.getTime(), usd: rates.get('usd'), calls }
})

app.delete<{ Params: { base: string } }>('/rates/:base', async ({ params: { base } }) => {
  return await app.cache.invalidateKey(getRates.keyOf(base))
})

class Users {
  readonly cache: Cache
  readonly #names = new Map([['1', 'Ada']]) // stands for a database

  constructor (cache: Cache) {
    this.cache = cache
  }

  @cached({ name: 'user', tags: (user) => [`user:${user.id}`] })
  async find (id: string) {
    return { id, name: this.#names.get(id) ?? 'nobody', readAt: new Date() }
  }

  @invalidates((_result, id) => ({ tags: [`user:${id}`] }))
  async rename (id: string, name: string) {
    this.#names.set(id, name)
  }
}

const users = new Users(app.cache)

app.get<{ Params: { id: string } }>('/users/:id', async ({ params: { id } }) => await users.find(id))

// curl -X PUT -H 'content-type: application/json' -d '{"name":"Eve"}' http://127.0.0.1:3000/users/1
app.put<{ Params: { id: string }, Body: { name: string } }>('/users/:id', async ({ params: { id }, body: { name } }) => {
  await users.rename(id, name)
  return await users.find(id)
})

const address = await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 3000) })
console.log(`curl -i ${address}/rates/eur`)
