import { startServer } from '../../test/helpers/redis-server.ts'
import { builtLibrary } from './figure.ts'
import { withFleet } from './fleet.ts'
import { latency } from './requests.ts'

export interface HerdSettings {
  readonly processes: number
  readonly requests: number
  readonly handlerMs: number
  /** `false`: with `lock: false`, so that each request that finds nothing runs the handler. */
  readonly protection: boolean
  /** Default: a Redis of its own, for as long as it takes. */
  readonly redisUrl?: string
  /** How long the servers are made warm before. Default 2. */
  readonly warmUpSeconds?: number
}

/** What a herd came to: how often the handler ran, and how long each request took, in milliseconds. */
export interface Herd {
  readonly handlerRuns: number
  readonly latencies: number[]
  /** Answers other than 200. */
  readonly errors: number
}

/** Sends requests at one moment for a key that nobody has asked for, to real servers that share a Redis. */
export async function herd ({ redisUrl, ...settings }: HerdSettings): Promise<Herd> {
  if (redisUrl !== undefined) return await stampede(redisUrl, settings)
  const redis = await startServer({})
  try {
    return await stampede(redis.url, settings)
  } finally {
    await redis.dispose()
  }
}

async function stampede (redisUrl: string, { processes, requests, handlerMs, protection, warmUpSeconds = 2 }: HerdSettings): Promise<Herd> {
  const ground = { redisUrl, library: await builtLibrary() }
  const cache = protection ? { ttl: '1h' } : { ttl: '1h', lock: false } as const
  return await withFleet({ ...ground, processes, handlerMs, cache }, async (fleet, client) => {
    const path = '/thing/herd'
    await client.saturate({ ports: fleet.ports, path: '/thing/warm-up', connections: 100, seconds: warmUpSeconds })
    const answers = await client.burst({ requests: Array.from({ length: requests }, (_, at) => ({ port: fleet.ports[at % processes]!, path })) })
    return { handlerRuns: fleet.runsOf(path).length, latencies: answers.map(latency), errors: answers.filter(({ status }) => status !== 200).length }
  })
}
