import { createRequire } from 'node:module'
import Fastify from 'fastify'
import responseCache, { createCache } from 'fastify-response-cache'

const app = Fastify()
await app.register(responseCache)
app.get('/', { config: { cache: '1m' } }, async () => ({ hello: 'world' }))
for (const expected of ['MISS', 'HIT']) {
  const response = await app.inject('/')
  if (response.headers['x-cache'] !== expected || response.body !== '{"hello":"world"}') {
    throw new Error(`expected ${expected}, got ${response.headers['x-cache']}: ${response.body}`)
  }
}
await app.close()

const cache = createCache()
await cache.set('user:1', { born: new Date(0) }, { ttl: '1m' })
if ((await cache.get('user:1'))?.born.getTime() !== 0) throw new Error('the value did not come back')

await cache.close()

const before = isRedisLoaded()
await import('redis')
console.log(JSON.stringify({ redisLoaded: before, redisLoadedOnceImported: isRedisLoaded() }))

function isRedisLoaded () {
  return Object.keys(createRequire(import.meta.url).cache).some(file => /node_modules[\\/]@?redis[\\/]/.test(file))
}
