import t, { type Test } from 'tap'
import { createClient, createClientPool, createCluster } from 'redis'
import { createCache } from '../../lib/index.ts'
import type { RedisOption } from '../../lib/store/redis-client.ts'
import { startRedisCluster } from '../helpers/redis-cluster.ts'
import { startRedisServer, useRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'
import { atOnce, openTier, recorder, startTier, warm, type Line } from './tiers.ts'

t.test('copies and what makes them outdated work with every kind of client', async (t) => {
  const { url, prefix } = await useRedis(t)
  const client = createClient({ url })
  const pool = createClientPool({ url }, { minimum: 1, maximum: 4 })
  const second = createClient({ url, RESP: 2 })
  await Promise.all([client.connect(), pool.connect(), second.connect()])
  t.teardown(() => Promise.all([client.close(), pool.close(), second.close()]))
  const kinds: Record<string, RedisOption> = { url, options: { url }, client, pool, 'client with RESP 2': second, 'options with RESP 2': { url, RESP: 2 } as unknown as RedisOption }
  for (const [kind, redis] of Object.entries(kinds)) await t.test(kind, (t) => hears(t, redis, prefix))
  for (const one of [client, pool, second]) t.equal(await one.ping(), 'PONG', 'what is the user\'s stays open')
})

t.test('copies and what makes them outdated work with a Cluster', async (t) => {
  const options = await startRedisCluster(t)
  const cluster = createCluster(options)
  await cluster.connect()
  t.teardown(() => cluster.close())
  await t.test('options', (t) => hears(t, options, 'p'))
  await t.test('a cluster of the user', (t) => hears(t, cluster, 'q'))
  t.equal(await cluster.get('x'), null, 'which stays open')
  await until(async () => await subscriptions(cluster, 'q') === 0)
})

t.test('a cluster that is closed while it begins to listen does not listen on', async (t) => {
  const options = await startRedisCluster(t)
  const cluster = createCluster(options)
  await cluster.connect()
  t.teardown(() => cluster.close())
  for (let i = 0; i < 5; i++) {
    const { store, lines, faults } = openTier(t, { redis: cluster, prefix: 'p' })
    for (let turn = 0; turn < i; turn++) await Promise.resolve()
    await store.close()
    await cluster.get('x')
    t.same([lines, faults], [[], []])
  }
  await until(async () => await subscriptions(cluster, 'p') === 0)
})

t.test('close leaves no connection and logs nothing', async (t) => {
  const { url } = await startRedisServer(t)
  const admin = createClient({ url, name: 'admin' })
  const own = createClient({ url, name: 'own' })
  const pool = createClientPool({ url, name: 'own' }, { minimum: 1, maximum: 1 })
  await Promise.all([admin.connect(), own.connect(), pool.connect()])
  t.teardown(() => Promise.all([admin.close(), own.close(), pool.close()]))
  const connections = async (): Promise<number> => (await admin.clientList()).filter(({ name }) => name !== 'admin').length
  const before = await connections()
  for (const redis of [{ url, name: 'cache' }, own, pool] as RedisOption[]) {
    const { store, lines, faults } = await startTier(t, { redis, prefix: 'p' })
    t.ok(await connections() > before)
    await store.close()
    await until(async () => await connections() === before)
    t.equal(lines.length, 1)
    t.same(faults, [])
  }
})

t.test('closing while it connects leaves no connection and logs nothing', async (t) => {
  const { url } = await startRedisServer(t)
  const admin = createClient({ url, name: 'admin' })
  await admin.connect()
  t.teardown(() => admin.close())
  for (let turns = 0; turns < 20; turns++) {
    const { store, lines, faults } = openTier(t, { redis: { url, name: 'cache' }, prefix: 'p' })
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => { setImmediate(resolve) })
    await store.close()
    t.same([lines.filter(({ level }) => level === 'warn'), faults], [[], []], `after ${turns} turns`)
  }
  await until(async () => (await admin.clientList()).every(({ name }) => name === 'admin'))
})

t.test('closing right after a hit that looks at the marks behind it logs nothing', async (t) => {
  const { url, prefix } = await useRedis(t)
  for (const at of ['at once', 'in the next turn']) {
    const tier = await startTier(t, { redis: url, prefix, maxBlindMs: 200 })
    const key = await warm(tier, 'page')
    await until(() => tier.store.marks.blindMs > 100)
    atOnce(tier, key)
    if (at !== 'at once') await new Promise((resolve) => { setImmediate(resolve) })
    await tier.store.close()
    await new Promise((resolve) => { setTimeout(resolve, 20) })
    t.same(tier.faults, [], at)
  }
})

t.test('while Redis is away hits from memory do not pass for its return', async (t) => {
  const server = await startRedisServer(t)
  const lines: Line[] = []
  const cache = createCache({ redis: server.url, memory: { maxBlindMs: 600_000 }, advice: false, logger: recorder(lines), defaults: { ttl: '1h' }, timeouts: { read: '5s' } })
  t.teardown(() => cache.close())
  await cache.connect()
  await cache.set('page', 'kept')
  const states = (): unknown[] => lines.map(({ state }) => state)
  await until(() => states().includes('listening'))
  for (let i = 0; i < 20; i++) await cache.get('page')
  await server.stop()
  await until(() => states().includes('deaf') && states().includes('store-error'))
  const awayUntil = performance.now() + 7000 // its client waits for longer than a store has to be calm before it is called available again
  await until(async () => {
    if (await cache.get('page') !== 'kept') throw new Error('expected a hit')
    return performance.now() > awayUntil
  })
  t.same(states().toSorted(), ['deaf', 'listening', 'store-error'])
})

interface Cluster {
  readonly masters: readonly unknown[]
  nodeClient (node: never): unknown
}

/** One process with this client has a copy, another marks it. */
async function hears (t: Test, redis: RedisOption, prefix: string): Promise<void> {
  const [tier, other] = [await startTier(t, { redis, prefix }), await startTier(t, { redis, prefix })]
  for (let round = 0; round < 3; round++) {
    const key = await warm(tier, 'page')
    await other.store.marks.mark('hard', ['t:label'])
    await until(() => atOnce(tier, key) === undefined)
  }
  t.same([...tier.faults, ...other.faults], [])
  for (const { store, lines } of [tier, other]) {
    await store.close()
    t.equal(lines.length, 1)
  }
}

async function subscriptions (cluster: Cluster, prefix: string): Promise<number> {
  let count = 0
  for (const master of cluster.masters) {
    const node = await cluster.nodeClient(master as never) as ReturnType<typeof createClient>
    const reply = await node.sendCommand(['PUBSUB', 'NUMSUB', `${prefix}:marks`]) as unknown as [string, number]
    count += Number(reply[1])
  }
  return count
}
