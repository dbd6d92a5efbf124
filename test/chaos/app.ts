import Fastify, { type FastifyInstance, type RouteShorthandOptions } from 'fastify'
import { setTimeout as sleep } from 'node:timers/promises'
import responseCache from '../../lib/index.ts'
import { OPERATIONS, operationOf, PADDING, pathOf, SLOW_MS, thingOf, type AppSettings, type Operation } from './settings.ts'
import type { Versions } from './versions.ts'

type ById = { Params: { id: string } }

/** The app that all processes run. Deadlines and limits of the cache are its defaults. */
export async function buildApp ({ cache }: AppSettings, versions: Versions): Promise<FastifyInstance> {
  const app = Fastify()
  if (cache !== undefined) await app.register(responseCache, { ...cache, defaults: { ttl: '1h' } })
  let runs = 0
  for (const operation of OPERATIONS) {
    app.get<ById>(`/${operation}/:id`, cache === undefined ? {} : cached(operation), async ({ params }) => {
      const run = `${process.pid}-${++runs}`
      await sleep(operation === 'lease' ? SLOW_MS : 2 + Math.random() * 4)
      const thing = thingOf(operation, Number(params.id))
      return { thing, version: await versions.read(thing), run, padding: PADDING }
    })
  }
  app.put<ById>('/touch/:id', async ({ params }) => {
    const thing = Number(params.id)
    const version = await versions.raise(thing)
    return { thing, version, isAcknowledged: cache !== undefined && await invalidated(app, thing) }
  })
  if (cache !== undefined) addWarming(app)
  await app.ready()
  return app
}

function cached (operation: Operation): RouteShorthandOptions {
  return {
    config: {
      cache: {
        namespace: operation,
        tags: ({ params }) => [tagOf(thingOf(operation, Number((params as ById['Params']).id)))]
      }
    }
  }
}

/** What is not confirmed is told to the client; anything else is a fault. */
async function invalidated ({ cache }: FastifyInstance, thing: number): Promise<boolean> {
  try {
    await (thing % 3 === 0 ? cache.invalidateUrl(pathOf(thing)) : cache.invalidateTags(tagOf(thing)))
    return true
  } catch (fault) {
    const { code } = fault as { code?: string }
    if (code === 'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE' || code === 'RESPONSE_CACHE_ERR_INVALIDATION_PENDING') return false
    throw fault
  }
}

function addWarming (app: FastifyInstance): void {
  app.post<{ Body: number[] }>('/warm', async ({ body }) => {
    const { filled, fresh, failed } = await app.cache.warm(body.map((thing) => ({ url: pathOf(thing) })))
    return { filled, fresh, failed }
  })
}

function tagOf (thing: number): string {
  return `${operationOf(thing)}:${thing}`
}
