// The Redis store of the plugin without marks: what a hit would cost if no process could invalidate for another.
import Fastify from 'fastify'
import { createClient, RESP_TYPES } from 'redis'
import responseCache, { decodeEntry, encodeEntry } from '../../dist/index.js'
import { produce, serve } from './contestant.js'

const prefix = process.env.BENCH_PREFIX
const client = await createClient({ url: process.env.REDIS_URL, disableOfflineQueue: true, commandOptions: { timeout: 0 } }).connect()
const reader = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
const entryOf = (frame) => frame === null ? undefined : decodeEntry(frame)

const store = {
  get: (key) => reader.get(`${prefix}:${key.id}`).then(entryOf),
  async set (key, entry, ttlMs) { await client.set(`${prefix}:${key.id}`, encodeEntry(entry), { expiration: { type: 'PX', value: ttlMs } }) },
  delete: async (key) => await client.unlink(`${prefix}:${key.id}`) > 0,
  expire: async (key, ttlMs) => await client.pExpire(`${prefix}:${key.id}`, ttlMs) > 0,
  ttlMs: (key) => client.pTTL(`${prefix}:${key.id}`),
  async ping () { await client.ping() },
  connect () {},
  close () { client.destroy() }
}

const app = Fastify()
await app.register(responseCache, { store, timeouts: { read: '5s' } })

app.get('/places/:id', { config: { cache: '1h' } }, async () => produce())

await serve(app)
