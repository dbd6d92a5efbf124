/** Compiled by `npm run typecheck`, never run. */
import Fastify from 'fastify'
import responseCache, { createCache } from 'fastify-response-cache'
import { createClient, createClientPool, createCluster, createSentinel, RESP_TYPES, type RedisClientType } from 'redis'

const app = Fastify()
const rootNodes = [{ url: 'redis://127.0.0.1:7000' }]
const sentinel = { name: 'mymaster', sentinelRootNodes: [{ host: '127.0.0.1', port: 26379 }] }

// An address, or options: the cache makes the client, and closes it.
await app.register(responseCache, { redis: 'redis://127.0.0.1:6379' })
await app.register(responseCache, { redis: { url: 'rediss://cache.example:6380', username: 'app', password: 'secret' } })
await app.register(responseCache, { redis: { socket: { host: '127.0.0.1', port: 6379, tls: true }, database: 2 } })
await app.register(responseCache, { redis: { rootNodes } })
await app.register(responseCache, { redis: sentinel })

// Clients of the user, of every kind and whatever their settings.
await app.register(responseCache, { redis: createClient() })
await app.register(responseCache, { redis: await createClient({ url: 'redis://127.0.0.1:6379' }).connect() })
await app.register(responseCache, { redis: createClient({ RESP: 2 }) })
await app.register(responseCache, { redis: createClient({ RESP: 3, disableOfflineQueue: true }) })
await app.register(responseCache, { redis: createClient({ commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } } }) })
await app.register(responseCache, { redis: createClient() as RedisClientType })
await app.register(responseCache, { redis: createClientPool() })
await app.register(responseCache, { redis: createClientPool({ RESP: 2 }) })
await app.register(responseCache, { redis: createCluster({ rootNodes }) })
await app.register(responseCache, { redis: createCluster({ rootNodes, RESP: 2 }) })
await app.register(responseCache, { redis: createSentinel(sentinel) })
createCache({ redis: createClient() })

// @ts-expect-error a port is no address
createCache({ redis: 6379 })
// @ts-expect-error there is no such option
createCache({ redis: { adress: 'redis://127.0.0.1:6379' } })
// @ts-expect-error this is no client
createCache({ redis: new Map<string, string>() })
