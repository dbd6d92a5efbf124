import t from 'tap'
import { createCache } from '../../lib/index.ts'
import { startRedisServer, useRedis } from '../helpers/redis.ts'

t.test('what has to be confirmed waits for the first connection', async (t) => {
  const { url, prefix } = await useRedis(t)
  for (const use of ['invalidateTags', 'publish', 'delete', 'ping'] as const) {
    const cache = createCache({ redis: url, prefix, defaults: { ttl: '1m' }, timeouts: { write: '10s', invalidate: '10s' } })
    t.teardown(() => cache.close())
    await cache[use]('thing')
    t.pass(use)
  }
})

t.test('and rejects with the reason when there is none in time', async (t) => {
  const server = await startRedisServer(t, { args: ['--requirepass', 'secret'] })
  const lines: string[] = []
  const logger = { info () {}, warn: (details: { err?: Error }, text: string) => { lines.push(`${text}: ${details.err?.message}`) } }
  const cache = createCache({ redis: server.url.replace('//', '//:wrong@'), defaults: { ttl: '1m' }, timeouts: { write: '2s' }, advice: false, logger: logger as never })
  t.teardown(() => cache.close())
  t.equal(await cache.get('thing'), undefined, 'reading does not wait')
  await t.rejects(cache.invalidateTags('thing'), { code: 'RESPONSE_CACHE_ERR_INVALIDATION_PENDING' })
  t.ok(lines.some((line) => line.includes('WRONGPASS')), `the log says why: ${lines.join('; ')}`)
  for (const state of [/fails to read/, /does not confirm what is invalidated/]) t.equal(lines.filter((line) => state.test(line)).length, 1, 'each state once')
  t.equal(lines.length, 2)
})
