import type { Test } from 'tap'
import type { CacheOptions } from '../../lib/index.ts'
import { useRedis } from './redis.ts'

/** Options for each place where entries are kept: what is promised of the client holds for all of them. Nothing here is about deadlines. */
export const setUps: Record<'in memory' | 'in Redis' | 'in memory and Redis', (t: Test) => Promise<CacheOptions>> = {
  'in memory': async () => ({}),
  'in Redis': inRedis,
  'in memory and Redis': async (t) => ({ ...await inRedis(t), memory: {} })
}

async function inRedis (t: Test): Promise<CacheOptions> {
  const { url, prefix } = await useRedis(t)
  return { redis: url, prefix, timeouts: { read: '5s', write: '5s' } }
}
