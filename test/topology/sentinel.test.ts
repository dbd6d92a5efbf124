import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t from 'tap'
import { createCache } from '../../lib/index.ts'
import { startSentinelFleet } from '../helpers/redis-sentinel.ts'
import { promises } from './judged.ts'

// Fleets of servers take their time to start and to fail over where the machine does something else as well.
t.setTimeout(300_000)

t.test('the cache works on while Sentinels replace the master', async (t) => {
  await promises(t, 'Sentinel')
})

t.test('a Sentinel that accepts a connection and says nothing keeps the cache neither from the others nor from closing', async (t) => {
  const { options } = await startSentinelFleet(t)
  const sockets = new Set<{ destroy (): unknown }>()
  const silent = createServer((socket) => { sockets.add(socket) })
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => {
    silent.close()
    for (const socket of sockets) socket.destroy()
  })
  const mute = { host: '127.0.0.1', port: (silent.address() as AddressInfo).port }
  for (const [sentinelRootNodes, isReachable] of [[[mute, ...options.sentinelRootNodes], true], [[mute], false]] as const) {
    const cache = createCache({ redis: { ...options, sentinelRootNodes: [...sentinelRootNodes] }, defaults: { ttl: '1m' } })
    if (isReachable) {
      await cache.connect()
      t.equal(await cache.set('a', 1), true)
    }
    const startedAt = performance.now()
    await cache.close()
    t.ok(performance.now() - startedAt < 5000, `closed after ${performance.now() - startedAt} ms`)
  }
})
