import type { ResponseCacheOptions } from 'fastify-response-cache'
import type { Test } from 'tap'
import { useRedis } from '../helpers/redis.ts'

/** Options for each place where responses are kept; what is promised holds for all of them. */
export const stores: Record<string, (t: Test) => Promise<ResponseCacheOptions>> = {
  memory: async () => ({}),
  Redis: async (t) => {
    const { url, prefix } = await useRedis(t)
    // The machine may be slow; nothing here is about deadlines.
    return { redis: url, prefix, timeouts: { read: '10s', write: '10s' } }
  }
}
