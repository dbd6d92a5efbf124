/** The app of workers that share a Redis. */
import Fastify, { type FastifyInstance } from 'fastify'
import responseCache from '../../lib/index.ts'

export interface SharingSettings {
  readonly redis: string
  readonly prefix: string
  readonly memory: boolean
}

/** The first holder of the lease of `/held` is ended, and its lease ends so long after it was renewed last. */
export const LEASE_MS = 1000

/** `onHeld`: what the handler of `/held` waits for. */
export async function buildSharingApp ({ redis, prefix, memory }: SharingSettings, onHeld: () => Promise<void>): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(responseCache, {
    redis,
    prefix,
    ...memory ? { memory: {} } : {},
    timeouts: { read: '5s', write: '5s' },
    defaults: { ttl: '1m', lock: { leaseMs: LEASE_MS, waitMs: 20_000 } }
  })
  app.get('/page/:id', { config: { cache: true } }, async ({ url }) => url)
  app.get('/held', { config: { cache: true } }, async ({ url }) => {
    await onHeld()
    return url
  })
  return app
}

/** What workers say to who has started them. `held`: the handler of `/held` runs. */
export type WorkerReport = { readonly port: number } | 'held'

/** What they are told. */
export type WorkerCommand = 'go on' | 'close'
