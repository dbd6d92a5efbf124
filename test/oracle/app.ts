import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import responseCache from '../../lib/index.ts'
import type { Database } from './database.ts'
import { observingLogger } from './observed.ts'
import { handlerTime } from './random.ts'
import type { ProcessSettings } from './settings.ts'
import { NAMESPACES, tagsOf } from './things.ts'

type ById = { Params: { id: string } }

/** The app that all processes run: routes that read things, and routes that change them. */
export async function buildApp ({ cacheUrl, prefix, memory }: ProcessSettings, database: Database): Promise<FastifyInstance> {
  const app = Fastify({ loggerInstance: observingLogger as FastifyBaseLogger })
  await app.register(responseCache, {
    redis: cacheUrl,
    prefix,
    ...(memory === undefined ? {} : { memory }),
    defaults: { ttl: '1h' },
    // A machine that is busy is not what is tested.
    timeouts: { read: '5s', write: '5s' },
    debugHeaders: true
  })
  for (const namespace of NAMESPACES) addReading(app, namespace, database)
  addWriting(app, database)
  await app.ready()
  await app.cache.connect()
  return app
}

function addReading (app: FastifyInstance, namespace: string, database: Database): void {
  app.get<ById>(`/${namespace}/:id`, {
    config: {
      cache: {
        namespace,
        varyByUser: (request) => request.headers['x-user'] as string,
        tags: (request) => [tagsOf(Number(request.params.id)).early]
      }
    }
  }, async (request, reply) => {
    const thing = Number(request.params.id)
    if (Math.random() < 0.5) reply.cacheTags(tagsOf(thing).late)
    await handlerTime()
    const version = await database.read(thing)
    reply.cacheTags(tagsOf(thing).late)
    await handlerTime()
    return { version, padding: 'x'.repeat(500) }
  })
  // No word on the cache: what is cached for this URL is invalidated because it was changed.
  app.put<ById>(`/${namespace}/:id`, async (request) => ({ version: await database.raise(Number(request.params.id)) }))
}

function addWriting (app: FastifyInstance, database: Database): void {
  app.put<ById>('/invalidates/:id', {
    config: { cache: { invalidates: (request) => ({ tags: [tagsOf(Number(request.params.id)).early] }) } }
  }, async (request) => ({ version: await database.raise(Number(request.params.id)) }))

  app.post<ById>('/reply/:id', async (request, reply) => {
    const version = await database.raise(Number(request.params.id))
    reply.cacheInvalidate({ tags: [tagsOf(Number(request.params.id)).late] })
    return { version }
  })
}
