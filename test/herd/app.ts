import Fastify, { type FastifyInstance } from 'fastify'
import { setTimeout as sleep } from 'node:timers/promises'
import type responseCache from '../../lib/index.ts'
import { now, type Run, type ServerSettings } from './settings.ts'

export interface HerdApp {
  readonly app: FastifyInstance
  /** Where the handlers of `/origin/:id` ask from now on. */
  setOrigin (port: number): void
}

type ById = { Params: { id: string } }

/** The app that all servers run. It is not in bench/, because there may be another Fastify there, with types of its own. */
export async function buildApp (settings: ServerSettings, told: (run: Run) => void): Promise<HerdApp> {
  const { handlerMs, cache } = settings
  const app = Fastify()
  if (cache !== undefined) await registerCache(app, settings)
  const config = cache === undefined ? {} : { cache }
  let runs = 0
  let originPort = 0

  function begin (key: string): string {
    const version = `${process.pid}-${++runs}`
    told({ key, version, at: now() })
    return version
  }

  app.get<ById>('/thing/:id', { config }, async ({ params, url }) => {
    const version = begin(url)
    await sleep(handlerMs)
    return { id: params.id, version }
  })
  app.get<ById>('/user/:id', { config: cache === undefined ? {} : { cache: { ...cache, varyByUser: ({ headers }) => headers['x-user'] as string } } }, async ({ headers, url }) => {
    const version = begin(url)
    await sleep(handlerMs)
    return { for: headers['x-user'], version }
  })
  app.get<ById>('/language/:id', { config }, async ({ headers, url }, reply) => {
    const version = begin(url)
    await sleep(handlerMs)
    reply.header('vary', 'accept-language')
    return { for: headers['accept-language'], version }
  })
  // Nobody is told of these runs: that would cost more than they do.
  app.get<ById>('/uncacheable/:id', { config }, async ({ params }, reply) => {
    if (handlerMs > 0) await sleep(handlerMs)
    reply.header('set-cookie', 'seen=1; Path=/')
    return { id: params.id }
  })
  app.get<ById>('/origin/:id', { config }, async ({ params, url }, reply) => {
    const version = begin(url)
    const answer = await fetch(`http://127.0.0.1:${originPort}/${params.id}`).catch(() => undefined)
    if (answer?.ok !== true) return await reply.code(503).send({ error: 'the origin is down', version })
    return { origin: await answer.text(), version }
  })
  return { app, setOrigin: (port) => { originPort = port } }
}

async function registerCache (app: FastifyInstance, { library, redisUrl, prefix, memory }: ServerSettings): Promise<void> {
  const { default: plugin } = await import(library) as { default: typeof responseCache }
  await app.register(plugin, {
    // All processes and the load share two cores or so: waiting for Redis takes longer than where it is not squeezed.
    ...redisUrl === undefined ? {} : { redis: redisUrl, prefix, timeouts: { read: '2s', write: '2s' } },
    ...memory === true ? { memory: {} } : {},
    defaults: { ttl: '1h' }
  })
}
