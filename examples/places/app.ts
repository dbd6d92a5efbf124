import Fastify, { LogController, type FastifyInstance, type FastifyServerOptions } from 'fastify'
import sensible from '@fastify/sensible'
import responseCache, { type ResponseCacheOptions } from 'fastify-response-cache'
import { auth } from './auth.ts'
import type { Database } from './database.ts'
import { areasRoutes } from './routes/areas.ts'
import { exportRoutes } from './routes/export.ts'
import { historyRoutes } from './routes/history.ts'
import { mapRoutes } from './routes/map.ts'
import { messagesRoutes } from './routes/messages.ts'
import { placeRoutes } from './routes/place.ts'
import { reportRoutes } from './routes/report.ts'
import { savedRoutes } from './routes/saved.ts'
import { searchRoutes } from './routes/search.ts'
import { valuationRoutes } from './routes/valuation.ts'

export interface AppOptions {
  /** Options of fastify-response-cache; by default it caches in memory. */
  cache?: ResponseCacheOptions
  logger?: FastifyServerOptions['logger']
}

/** The places API on a loaded database, ready to listen. The database stays the caller's to close. */
export async function buildApp (db: Database, { cache = {}, logger = false }: AppOptions = {}): Promise<FastifyInstance> {
  const app = Fastify({ logger, logController: new LogController({ disableRequestLogging: true }) })
  await app.register(sensible)
  await app.register(auth)
  await app.register(responseCache, {
    // Without its database the API goes on with what it knows: all of it is better a day old than not there.
    defaults: { staleIfError: '1d' },
    // The database works in this process, and answers of Redis wait until it is done. With one elsewhere the default of 50 ms will do.
    timeouts: { read: '1s' },
    ...cache
  })

  for (const routes of [
    areasRoutes, searchRoutes, placeRoutes, savedRoutes, valuationRoutes,
    mapRoutes, exportRoutes, reportRoutes, historyRoutes, messagesRoutes
  ]) {
    await app.register(routes, { db })
  }
  return app
}
