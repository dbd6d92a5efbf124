import Fastify from 'fastify'
import lcache from 'fastify-lcache'
import { produce, serve } from './contestant.js'

const app = Fastify()
await app.register(lcache, { ttlInMinutes: 60 })

app.get('/places/:id', async () => produce())

await serve(app)
