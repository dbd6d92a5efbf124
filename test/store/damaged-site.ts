import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import responseCache from '../../lib/index.ts'
import type { StoreKey } from '../../lib/store/store.ts'
import type { Scene } from './damaged-scene.ts'
import { until } from '../helpers/until.ts'

export interface Line { readonly level: string, readonly state: unknown, readonly message: string }

export interface Site {
  readonly app: FastifyInstance
  readonly lines: Line[]
  ask (url: string, headers?: Record<string, string>): Promise<{ status: number, cache: unknown, body: string }>
}

/** An app whose responses say how often it has answered. */
export async function openSite (t: Test, { url, prefix }: Scene, memory: { maxBytes?: number } | false = false): Promise<Site> {
  const lines: Line[] = []
  let runs = 0
  const log = (level: string) => (details: object, message: string) => { lines.push({ level, state: (details as { cache?: { state?: unknown } }).cache?.state, message }) }
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache, { redis: url, prefix, memory, timeouts: { read: '5s', write: '5s' }, logger: { info: log('info'), warn: log('warn') } })
  app.get('/varied/*', { config: { cache: '5m' } }, async (request, reply) => {
    reply.header('vary', 'Accept-Language')
    return `${request.url} in ${request.headers['accept-language']}, ${++runs}`
  })
  app.get('/*', { config: { cache: '5m' } }, async (request) => `${request.url} ${++runs}`)
  await app.ready()
  await app.cache.connect()
  const ask: Site['ask'] = async (path, headers = {}) => {
    const { statusCode, headers: { 'x-cache': cache }, body } = await app.inject({ url: path, headers })
    return { status: statusCode, cache, body }
  }
  return { app, lines, ask }
}

async function namesOf ({ client, prefix }: Scene): Promise<string[]> {
  const found: string[] = []
  for await (const keys of client.scanIterator({ MATCH: `${prefix}:*`, COUNT: 1000 })) found.push(...keys)
  return found.filter((name) => /:(?:GET):/.test(name) && !name.includes(':lease:'))
}

/** Fills the entries of one request, and gives their keys. */
export async function fill (scene: Scene, { ask }: Site, url: string, headers?: Record<string, string>): Promise<StoreKey[]> {
  const before = await namesOf(scene)
  await ask(url, headers)
  await until(async () => (await ask(url, headers)).cache === 'HIT')
  const names = (await namesOf(scene)).filter((name) => !before.includes(name))
  return names.map((name) => ({ id: name.slice(scene.prefix.length + 1), text: '' }))
}
