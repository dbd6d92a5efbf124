// A hit with as many tags as the first argument says, while something else is invalidated ten times a second: so every hit compares
// its labels with marks that are newer than itself.
import Fastify from 'fastify'
import responseCache from '../../dist/index.js'
import { produce, serve } from './contestant.js'

const tags = Array.from({ length: Number(process.argv[2]) }, (_, at) => `place:${at}`)
const app = Fastify()
await app.register(responseCache)

app.get('/places/:id', { config: { cache: { ttl: '1h', tags } } }, async () => produce())

setInterval(() => app.cache.invalidateTags('another'), 100).unref()
await serve(app)
