// async-cache-dedupe in a handler, keyed by the URL. `object`: as in its documentation; Fastify serializes the object on every request.
// `string`: the best case, a ready JSON string.
import { createCache } from 'async-cache-dedupe'
import Fastify from 'fastify'
import { produce, serve } from './contestant.js'
import { contentType } from './payload.js'

const cache = createCache({ ttl: 3600, storage: { type: 'memory' } })
cache.define('object', async () => produce())
cache.define('string', async () => JSON.stringify(produce()))

const app = Fastify()

const handlers = {
  object: async (request) => cache.object(request.url),
  string: async (request, reply) => {
    reply.header('content-type', contentType)
    return cache.string(request.url)
  }
}
app.get('/places/:id', handlers[process.argv[2]])

await serve(app)
