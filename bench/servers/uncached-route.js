// The same app as bare-buffer.js with the plugin in it. The route that is measured does not ask for the cache.
import Fastify from 'fastify'
import responseCache from '../../dist/index.js'
import { produce, serve } from './contestant.js'
import { body, contentType } from './payload.js'

const app = Fastify()
await app.register(responseCache)

app.get('/cached', { config: { cache: '1h' } }, async () => produce())
app.get('/places/:id', (request, reply) => {
  reply.header('content-type', contentType).send(body)
})

await serve(app)
