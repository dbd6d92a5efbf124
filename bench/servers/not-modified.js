// Clients have a copy: they send its ETag and are told that it is still good.
import Fastify from 'fastify'
import responseCache from '../../dist/index.js'
import { produce, serve } from './contestant.js'

const app = Fastify()
await app.register(responseCache)

app.get('/places/:id', { config: { cache: '1h' } }, async (request, reply) => {
  reply.header('etag', '"1"').header('cache-control', 'max-age=60')
  return produce()
})

await serve(app)
