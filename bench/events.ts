/*
 * How long after an XADD of another client the invalidation holds, in this process and for a client of its own:
 *
 *   npx tsx bench/events.ts redis://127.0.0.1:6379 1000
 */
import { createCache } from 'fastify-response-cache'
import { createClient } from 'redis'

const [url = 'redis://127.0.0.1:6379', count = '1000'] = process.argv.slice(2)
const prefix = `bench-events-${process.pid}`
const cache = createCache({ redis: url, prefix })
const key = `${prefix}:marks`
cache.invalidateOn('changed', (tag: string) => ({ tags: [tag] }))
await cache.connect()

const service = await createClient({ url }).connect()
const observer = await createClient({ url }).connect()
const delays: number[] = []
for (let i = 0; i < Number(count); i++) {
  const start = performance.now()
  await service.xAdd(`${prefix}:events`, '*', { json: JSON.stringify({ event: 'changed', data: `tag:${i}` }) })
  while (await observer.zScore(key, `ht:tag:${i}`) === null);
  delays.push(performance.now() - start)
}
delays.sort((a, b) => a - b)
const at = (share: number): string => `${delays[Math.min(delays.length - 1, Math.floor(delays.length * share))]!.toFixed(2)} ms`
console.log(`${delays.length} events: p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}`)

await service.unlink([key, `${prefix}:events`])
await Promise.all([service.close(), observer.close(), cache.close()])
