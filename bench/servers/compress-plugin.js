import compress from '@fastify/compress'
import Fastify from 'fastify'
import { serve } from './contestant.js'
import { body, contentType } from './payload.js'

const app = Fastify()
await app.register(compress)

app.get('/places/:id', (request, reply) => {
  reply.header('content-type', contentType).send(body)
})

await serve(app)
