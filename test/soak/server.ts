/** A server of the soak: `node --expose-gc --import=tsx test/soak/server.ts '<ServerSettings as JSON>'`, with a channel to its parent. */
import Fastify, { type FastifyRequest } from 'fastify'
import type { AddressInfo } from 'node:net'
import { Agent, get, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import responseCache from '../../lib/index.ts'
import { MAX_BLIND_MS, targetsOf, THINGS, type Answer, type ServerReport, type ServerSample, type ServerSettings } from './settings.ts'

type ById = { Params: { id: string } }

const { name, redis, prefix, memory, originPort } = JSON.parse(process.argv[2]!) as ServerSettings
process.once('disconnect', () => { process.exit() }) // the parent has ended
const [warnings, unhandled]: [string[], string[]] = [[], []]
process.on('warning', ({ message }) => { warnings.push(message) })
process.on('unhandledRejection', (fault) => { unhandled.push(String(fault)) })

const agent = new Agent({ keepAlive: true })
// Connections that are idle are kept: ending one while a request is on its way to it would look like an error.
const app = Fastify({ forceCloseConnections: true, keepAliveTimeout: 3_600_000 })
await app.register(responseCache, {
  redis,
  prefix,
  ...memory ? { memory: { maxBytes: 5_000_000, maxBlindMs: MAX_BLIND_MS } } : {},
  // The machine has other work as well: what is looked for is not how fast Redis is.
  timeouts: { read: '500ms', write: '1s' },
  defaults: { ttl: '30s', lock: { waitMs: 2000, leaseMs: 2000 } },
  warm: { targets: Array.from({ length: 5 }, (_, i) => ({ url: `/thing/${i}` })), every: '10s' }
})
const tags = ({ params }: { params: { id?: string } }): string[] => [`thing:${String(params.id)}`]

app.get<ById>('/thing/:id', { config: { cache: { tags } } }, async (request) => await answer(request))
app.get<ById>('/user/:id', { config: { cache: { tags, varyByUser: ({ headers }) => String(headers['x-user']) } } }, async (request) => await answer(request))
app.get<ById>('/vary/:id', { config: { cache: { tags } } }, async (request, reply) => {
  reply.header('vary', 'accept-language')
  return await answer(request)
})
app.get<ById>('/swr/:id', { config: { cache: { tags, ttl: '300ms', staleWhileRevalidate: '10s', staleIfError: '10s' } } }, async (request) => await answer(request))
app.get<ById>('/stream/:id', { config: { cache: { tags, compress: true } } }, async (request, reply) => {
  reply.type('application/json')
  const json = JSON.stringify(await answer(request))
  return Readable.from([json.slice(0, 5), Buffer.from(json.slice(5)), ' '.repeat(4000)], { objectMode: false })
})
const revisionOf = app.cache.wrap(revision, { name: 'revision', ttl: '30s', tags: (_revision, id) => [`thing:${id}`] })
app.get<ById>('/function/:id', { config: { cache: false } }, async (request) => await answer(request, await revisionOf(request.params.id)))
app.get<ById>('/value/:id', { config: { cache: false } }, async (request) => {
  const { id } = request.params
  return await answer(request, await app.cache.getOrSet(`value:${id}`, () => revision(id), { tags: [`thing:${id}`] }))
})
app.post<ById>('/invalidate/:id', { config: { cache: false } }, async ({ params: { id } }) => {
  await app.cache.invalidate(targetsOf(id))
  return 'confirmed'
})
app.cache.invalidateOn<{ id: string }>('changed', ({ id }) => targetsOf(id))
app.post<ById>('/publish/:id', { config: { cache: false } }, async ({ params }) => {
  await app.cache.publish('changed', params)
  return 'confirmed'
})

await app.listen({ host: '127.0.0.1', port: 0 })
process.on('message', (command) => {
  if (command === 'sample') void sample().then(say)
  else void app.close().then(() => { agent.destroy(); process.removeAllListeners('disconnect'); process.disconnect() })
})
say({ port: (app.server.address() as AddressInfo).port })

async function answer ({ headers, url, params }: FastifyRequest<ById>, known?: number): Promise<Answer> {
  const path = url.slice(1)
  return {
    path,
    revision: known ?? await revision(params.id),
    user: path.startsWith('user/') ? String(headers['x-user']) : null,
    language: path.startsWith('vary/') ? String(headers['accept-language']) : null
  }
}

async function revision (id: string): Promise<number> {
  if (Number(id) >= THINGS) throw new Error(`expected a thing below ${THINGS}, got ${id}`)
  const [response] = await once(get({ host: '127.0.0.1', port: originPort, path: `/${id}`, agent }), 'response') as [IncomingMessage]
  return Number(await text(response))
}

async function sample (): Promise<ServerSample> {
  for (let i = 0; i < 2; i++) {
    globalThis.gc!()
    await new Promise((resolve) => { setImmediate(resolve) })
  }
  const { rss, heapUsed: heap, external } = process.memoryUsage()
  const resources = process.getActiveResourcesInfo()
  const count = (kind: string): number => resources.filter((one) => one === kind).length
  return { rss, heap, external, timers: count('Timeout'), sockets: count('TCPSocketWrap'), handles: resources.length, warnings, unhandled: unhandled.map((text) => `${name}: ${text}`) }
}

function say (report: ServerReport): void {
  if (process.connected) process.send!(report)
}
