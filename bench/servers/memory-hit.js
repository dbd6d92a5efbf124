import Fastify from 'fastify'
import responseCache from '../../dist/index.js'
import { produce, serve } from './contestant.js'

const app = Fastify()
await app.register(responseCache)

app.get('/places/:id', { config: { cache: '1h' } }, async () => produce())

await serve(app)
