/**
 * An app that is closed while it is busy, in a process that has to end by itself:
 * `node --import=tsx test/lifecycle/traffic.ts '<TrafficSettings as JSON>'`.
 */
import Fastify, { type FastifyInstance } from 'fastify'
import { Agent, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import responseCache from '../../lib/index.ts'
import { now, say, until } from './said.ts'

export interface TrafficSettings {
  readonly redis?: string
  readonly prefix: string
  readonly memory?: boolean
}

export interface TrafficReport {
  readonly ms: number
  /** Requests that had reached the app when it was closed and had no answer yet. */
  readonly underWay: number
  /** Of the requests that reached the app, those whose answer was not what it should be. */
  readonly wrong: string[]
  readonly answered: number
  readonly outcomes: Record<string, number>
  readonly invalidated: Record<string, number>
  readonly lines: string[]
  readonly unhandled: string[]
}

const settings = JSON.parse(process.argv[2]!) as TrafficSettings
const [lines, unhandled]: [string[], string[]] = [[], []]
process.on('warning', ({ message }) => { lines.push(message) })
process.on('unhandledRejection', (fault) => { unhandled.push(String(fault)) })

const PATHS = ['/thing', '/thing', '/stale', '/user', '/stream', '/vary', '/compressed', '/uncacheable']
const CLIENTS = 30
const HANDLER_MS = 30

/** Ids of requests that have come to the app, with whether they have been answered. */
const reached = new Map<string, boolean>()
const invalidated: Record<string, number> = {}
const outcomes: Record<string, number> = {}
const wrong: string[] = []

const app = await buildApp()
await app.listen({ host: '127.0.0.1', port: 0 })
if (settings.redis !== undefined) await app.cache.connect()
app.cache.invalidateOn('changed', () => ({ tags: ['changed'] }))
const { port } = app.server.address() as AddressInfo
const agent = new Agent({ keepAlive: true })
const closing = new AbortController()
const clients = Array.from({ length: CLIENTS }, (_, i) => ask(i))
const invalidator = invalidate()
await until(() => reached.size > 400)
const underWay = [...reached.values()].filter((isAnswered) => !isAnswered).length
closing.abort()
const at = now()
const closed = app.close().then(() => now() - at)
await Promise.all([...clients, invalidator])
agent.destroy() // Fastify waits for connections that are kept, for as long as it keeps them
const ms = await closed
for (const [id, isAnswered] of reached) if (!isAnswered) wrong.push(`${id} was not answered`)
say({ ms, underWay, wrong, answered: [...reached.values()].filter(Boolean).length, outcomes, invalidated, lines, unhandled } satisfies TrafficReport)

/** One client, one request after the other, until the app is closed. */
async function ask (client: number): Promise<void> {
  for (let n = 0; !closing.signal.aborted; n++) {
    const path = `${PATHS[(client + n) % PATHS.length]!}/${n % 7}`
    const id = `${client}-${n}`
    try {
      const response = await request(path, { 'x-id': id, ...path.startsWith('/user') ? { 'x-user': `u${client % 3}` } : {}, 'accept-language': client % 2 === 0 ? 'de' : 'en', 'accept-encoding': 'br' })
      const body = await text(response.setEncoding('latin1'))
      if (!reached.has(id)) continue // Node or Fastify have refused it: they were closing
      reached.set(id, true)
      const outcome = String(response.headers['cache-status']).replace(/; ttl=.*/, '')
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      const isRight = path.startsWith('/compressed') ? body.length > 0 : body === bodyOf(path, { user: `u${client % 3}`, language: client % 2 === 0 ? 'de' : 'en' })
      if (response.statusCode !== 200 || !isRight) wrong.push(`${path}: ${response.statusCode} ${body.slice(0, 100)}`)
    } catch (fault) {
      if (reached.has(id)) wrong.push(`${path}: ${String(fault)}`)
    }
  }
}

async function request (path: string, headers: Record<string, string>): Promise<IncomingMessage> {
  const sent = get({ host: '127.0.0.1', port, path, headers, agent })
  const [response] = await once(sent, 'response') as [IncomingMessage]
  return response
}

/** Each call has an outcome, also the one that is under way when the app closes. */
async function invalidate (): Promise<void> {
  while (!closing.signal.aborted) {
    const outcome = await app.cache.invalidateTags('stale').then(() => 'confirmed', (fault: { code: string }) => fault.code)
    invalidated[outcome] = (invalidated[outcome] ?? 0) + 1
    await new Promise((resolve) => { setTimeout(resolve, 5) })
  }
}

function bodyOf (path: string, { user, language }: { user: unknown, language: unknown }): string {
  if (path.startsWith('/user')) return `${path} for ${String(user)}`
  return path.startsWith('/vary') ? `${path} in ${String(language)}` : path
}

async function buildApp (): Promise<FastifyInstance> {
  const app = Fastify()
  const { redis, prefix, memory } = settings
  app.addHook('onRequest', async ({ headers }) => { if (headers['x-id'] !== undefined) reached.set(String(headers['x-id']), false) })
  await app.register(responseCache, {
    prefix,
    advice: false,
    ...redis === undefined ? {} : { redis, timeouts: { read: '5s', write: '5s' } },
    ...memory === true ? { memory: {} } : {},
    defaults: { ttl: '1m', tags: ['changed'] },
    warm: { targets: Array.from({ length: 2000 }, (_, i) => ({ url: `/thing/${i}` })), concurrency: 2 },
    logger: { info () {}, warn: (details, message) => { lines.push(`${message}: ${String((details as { err?: unknown }).err)}`) } }
  })
  const slowly = async (): Promise<void> => { await new Promise((resolve) => { setTimeout(resolve, HANDLER_MS) }) }
  const answer = async ({ url, headers }: { url: string, headers: Record<string, unknown> }): Promise<string> => {
    await slowly()
    return bodyOf(url, { user: headers['x-user'], language: headers['accept-language'] })
  }
  app.get('/thing/:id', { config: { cache: true } }, answer)
  app.get('/stale/:id', { config: { cache: { ttl: '20ms', jitter: 0, staleWhileRevalidate: '1m', tags: ['stale'] } } }, answer)
  app.get('/user/:id', { config: { cache: { varyByUser: ({ headers }) => String(headers['x-user']) } } }, answer)
  app.get('/vary/:id', { config: { cache: true } }, async (request, reply) => {
    reply.header('vary', 'accept-language')
    return await answer(request)
  })
  app.get('/compressed/:id', { config: { cache: { ttl: '50ms', compress: true } } }, async ({ url }) => url.repeat(20_000))
  app.get('/uncacheable/:id', { config: { cache: true } }, async (request, reply) => {
    reply.header('set-cookie', 'a=b')
    return await answer(request)
  })
  app.get('/stream/:id', { config: { cache: { ttl: '50ms' } } }, async ({ url }) => Readable.from((async function * () {
    for (const character of url) {
      await new Promise((resolve) => { setTimeout(resolve, 3) })
      yield character
    }
  })()))
  return app
}
