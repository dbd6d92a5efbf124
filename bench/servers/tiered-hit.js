import Fastify from 'fastify'
import responseCache from '../../dist/index.js'
import { produce, serve } from './contestant.js'

const app = Fastify()
await app.register(responseCache, { redis: process.env.REDIS_URL, memory: {}, prefix: process.env.BENCH_PREFIX, timeouts: { read: '5s' } })

app.get('/places/:id', { config: { cache: '1h' } }, async () => produce())

await serve(app)
