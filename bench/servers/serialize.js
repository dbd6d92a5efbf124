// The route as it is before anybody thinks of caching: it returns an object, and Fastify serializes it.
import Fastify from 'fastify'
import { produce, serve } from './contestant.js'

const app = Fastify()

app.get('/places/:id', async () => produce())

await serve(app)
