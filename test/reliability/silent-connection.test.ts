import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { createCache } from '../../lib/index.ts'
import { startRedisServer } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'

for (const memory of [false, {}] as const) {
  t.test(`connections that have gone silent are given up, also that on which invalidations are heard: ${memory === false ? 'Redis' : 'memory in front of Redis'}`, async (t) => {
    const server = await startRedisServer(t)
    const way = await wayTo(t, server.port)
    const lines: string[] = []
    const cache = createCache({
      redis: way.url, memory, defaults: { ttl: '1m' }, breaker: { openFor: '200ms' }, logger: { info () {}, warn: (_details, text) => { lines.push(text) } }
    })
    t.teardown(() => cache.close())
    await cache.connect()
    await until(async () => await cache.set('a', 1))
    await until(async () => await cache.get('a') === 1 && way.size >= (memory === false ? 1 : 2))
    way.goDark()
    const darkAt = performance.now()
    await until(async () => await cache.get('a') === undefined)
    await until(async () => await cache.get('a') === 1)
    const ms = performance.now() - darkAt
    t.ok(ms < 10_000, `found again after ${ms} ms`)
    t.equal(way.size, way.dark + (memory === false ? 1 : 2), 'each connection was made anew, once')
    t.match(lines, [/fails to read/])
  })
}

t.test('a connection of the user\'s stays as it is', async (t) => {
  const server = await startRedisServer(t)
  const way = await wayTo(t, server.port)
  const { createClient } = await import('redis')
  const client = createClient({ url: way.url })
  await client.connect()
  t.teardown(() => { client.destroy() })
  const cache = createCache({ redis: client, defaults: { ttl: '1m' }, breaker: { openFor: '100ms' } })
  t.teardown(() => cache.close())
  await cache.connect()
  await until(async () => await cache.set('a', 1))
  way.goDark()
  const darkAt = performance.now()
  await until(async () => { await cache.get('a'); return performance.now() - darkAt > 5000 })
  t.equal(client.isReady, true)
})

interface Way {
  readonly url: string
  /** Connections so far, and those of them that are dark. */
  readonly size: number
  readonly dark: number
  /** Nothing comes through on any connection of now any more, and nothing says so. */
  goDark (): void
}

async function wayTo (t: Test, port: number): Promise<Way> {
  const pairs: Socket[][] = []
  let dark = 0
  const server = createServer((from) => {
    const to = connect(port, '127.0.0.1')
    pairs.push([from, to])
    for (const socket of [from, to]) socket.on('error', () => {}).on('close', () => { from.destroy(); to.destroy() })
    from.pipe(to).pipe(from)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of pairs.flat()) socket.destroy()
    server.close()
  })
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get size () { return pairs.length },
    get dark () { return dark },
    goDark () {
      for (const socket of pairs.flat()) socket.unpipe().pause()
      dark = pairs.length
    }
  }
}
