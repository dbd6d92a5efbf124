// The floor under everything: a route that sends a Buffer it already has.
import Fastify from 'fastify'
import { serve } from './contestant.js'
import { body, contentType } from './payload.js'

const app = Fastify()

app.get('/places/:id', (request, reply) => {
  reply.header('content-type', contentType).send(body)
})

await serve(app)
