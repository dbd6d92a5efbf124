// bentocache in a handler, keyed by the URL. `object`: its defaults, as in its documentation; Fastify serializes the object on every request.
// `string`: the best case, a ready JSON string kept by reference.
import { BentoCache, bentostore } from 'bentocache'
import { memoryDriver } from 'bentocache/drivers/memory'
import Fastify from 'fastify'
import { produce, serve } from './contestant.js'
import { contentType } from './payload.js'

const form = process.argv[2]
const cache = new BentoCache({
  default: 'memory',
  stores: { memory: bentostore().useL1Layer(memoryDriver(form === 'string' ? { serialize: false } : {})) }
})

const app = Fastify()

const handlers = {
  object: async (request) => cache.getOrSet({ key: request.url, ttl: '1h', factory: () => produce() }),
  string: async (request, reply) => {
    reply.header('content-type', contentType)
    return cache.getOrSet({ key: request.url, ttl: '1h', factory: () => JSON.stringify(produce()) })
  }
}
app.get('/places/:id', handlers[form])

await serve(app)
