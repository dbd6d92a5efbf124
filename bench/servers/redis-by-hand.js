// What a careful person writes without a plugin: one GET that answers with a Buffer, sent as it is.
import Fastify from 'fastify'
import { createClient, RESP_TYPES } from 'redis'
import { produce, serve } from './contestant.js'
import { contentType } from './payload.js'

const prefix = process.env.BENCH_PREFIX
const client = createClient({ url: process.env.REDIS_URL })
await client.connect()
const buffers = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })

const app = Fastify()

async function sendCached (request, reply) {
  const cached = await buffers.get(`${prefix}:${request.url}`)
  if (cached === null) return
  reply.header('content-type', contentType).send(cached)
  return reply
}

app.get('/places/:id', { preHandler: sendCached }, async (request, reply) => {
  const json = JSON.stringify(produce())
  await client.set(`${prefix}:${request.url}`, json, { expiration: { type: 'EX', value: 3600 } })
  return reply.header('content-type', contentType).send(json)
})

await serve(app)
