import Fastify, { type FastifyRequest } from 'fastify'
import responseCache, { createCache, optionsFromEnv } from 'fastify-response-cache'
import { cached, invalidates } from 'fastify-response-cache/decorators'
import { createClient } from 'redis'

const app = Fastify()
await app.register(responseCache, { redis: createClient(), prefix: 'shop', ttls: { quick: '5s' } })
await app.register(responseCache, optionsFromEnv(process.env))

app.get('/users/:id', {
  config: {
    cache: {
      namespace: 'user',
      ttl: '1h',
      varyByUser: true,
      key: (request) => request.params.id ?? 'none',
      skip: (request: FastifyRequest<{ Querystring: { fresh?: boolean } }>) => request.query.fresh === true
    }
  }
}, async () => ({ hello: 'world' }))

// @ts-expect-error a list is expected
app.get('/wrong', { config: { cache: { ttl: '1h', varyByHeaders: 'accept' } } }, async () => 'wrong')

const cache = createCache({ memory: { maxBytes: 1024 } })
const names: string[] = await cache.getOrSet('names:all', async () => ['Ada'], { ttl: 60 })
await app.cache.set('names:copy', names, { ttl: 'long' })

class Users {
  readonly cache = app.cache

  @cached({ name: 'user', ttl: '5m', tags: (user, id) => [`user:${id}`, user.name] })
  async find (id: number): Promise<{ name: string }> {
    return { name: String(id) }
  }

  @invalidates((result, id) => ({ tags: [`user:${id}`] }))
  async rename (id: number, name: string): Promise<void> {}
}
await new Users().rename(7, (await new Users().find(7)).name)
