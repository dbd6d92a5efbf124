import Fastify from 'fastify'
import responseCache from '../../dist/index.js'
import { produce, serve } from './contestant.js'

const app = Fastify()
await app.register(responseCache)

app.get('/places/:id', { config: { cache: { ttl: '1h', compress: true } } }, async () => produce())

await serve(app)
