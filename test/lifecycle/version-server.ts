/**
 * A server with one version of the library, in front of things that are in Redis as well, but not in the cache:
 * `node --import=tsx test/lifecycle/version-server.ts '<VersionSettings as JSON>'`, with a channel to its parent.
 */
import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { createClient } from 'redis'
import type responseCache from '../../lib/index.ts'

export interface VersionSettings {
  /** Where its source is. */
  readonly library: string
  readonly redis: string
  readonly prefix: string
  readonly memory: boolean
}

export interface Thing {
  readonly id: string
  /** How often it was changed. */
  readonly revision: number
}

type ById = { Params: { id: string } }

const { library, redis, prefix, memory } = JSON.parse(process.argv[2]!) as VersionSettings
process.once('disconnect', () => { process.exit() }) // the parent has ended
const unhandled: string[] = []
process.on('unhandledRejection', (fault) => { unhandled.push(String(fault)) })

const { default: plugin } = await import(library) as { default: typeof responseCache }
const database = await createClient({ url: redis }).connect()
const app = Fastify()
await app.register(plugin, {
  redis,
  prefix,
  ...memory ? { memory: {} } : {},
  timeouts: { read: '5s', write: '5s' },
  defaults: { ttl: '1h' }
})
app.get<ById>('/thing/:id', { config: { cache: { tags: ({ params }) => [`thing:${params.id}`] } } }, async ({ params: { id } }): Promise<Thing> => {
  return { id, revision: Number(await database.get(`${prefix}-things:${id}`) ?? 0) }
})
app.put<ById>('/thing/:id', { config: { cache: { invalidates: ({ params }) => ({ tags: [`thing:${params.id}`] }) } } }, async ({ params: { id } }): Promise<Thing> => {
  return { id, revision: await database.incr(`${prefix}-things:${id}`) }
})
app.get<ById>('/value/:id', { config: { cache: false } }, async ({ params: { id } }): Promise<Thing> => {
  return await app.cache.getOrSet(`value:${id}`, async () => ({ id, revision: Number(await database.get(`${prefix}-values:${id}`) ?? 0) }))
})
app.put<ById>('/value/:id', { config: { cache: false } }, async ({ params: { id } }): Promise<Thing> => {
  const revision = await database.incr(`${prefix}-values:${id}`)
  await app.cache.delete(`value:${id}`)
  return { id, revision }
})
app.post('/sweep', { config: { cache: false } }, async () => await app.cache.sweep())
app.get('/unhandled', { config: { cache: false } }, async () => unhandled)
await app.listen({ host: '127.0.0.1', port: 0 })
await app.cache.connect()
process.once('message', () => {
  process.removeAllListeners('disconnect')
  void Promise.all([app.close(), database.close()]).then(() => { process.disconnect() })
})
process.send!({ port: (app.server.address() as AddressInfo).port })
