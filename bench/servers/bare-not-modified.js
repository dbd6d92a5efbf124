// The same without a cache: the handler knows its ETag and compares it.
import Fastify from 'fastify'
import { serve } from './contestant.js'
import { body, contentType } from './payload.js'

const app = Fastify()

app.get('/places/:id', (request, reply) => {
  reply.header('etag', '"1"').header('cache-control', 'max-age=60')
  if (request.headers['if-none-match'] === '"1"') reply.code(304).send()
  else reply.header('content-type', contentType).send(body)
})

await serve(app)
