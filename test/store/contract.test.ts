import t, { type Test } from 'tap'
import { createClient, createClientPool } from 'redis'
import { storePromises } from 'fastify-response-cache/store-contract'
import { MemoryStore } from '../../lib/store/memory-store.ts'
import { RedisStore } from '../../lib/store/redis-store.ts'
import type { RedisOption } from '../../lib/store/redis-client.ts'
import type { Store } from '../../lib/store/store.ts'
import type { FillStamp } from '../../lib/marks/ledger.ts'
import { useRedis } from '../helpers/redis.ts'
import { openTier } from './tiers.ts'

t.test('the memory store keeps every promise of a store', async (t) => {
  await keepsAll(t, () => new MemoryStore({ maxBytes: 10_000_000, clock: Date.now }))
})

t.test('the Redis store keeps every promise of a store', async (t) => {
  const { url, prefix } = await useRedis(t)
  const options = new URL(url)
  await t.test('by URL', (t) => keepsAll(t, () => open(url, prefix)))
  await t.test('by client options', (t) => keepsAll(t, () => open({ socket: { host: options.hostname, port: Number(options.port) } }, prefix)))
  await t.test('with a client of the user, which stays open', async (t) => {
    const client = createClient({ url })
    await client.connect()
    t.teardown(() => client.close())
    await keepsAll(t, () => open(client, prefix))
    t.equal(await client.ping(), 'PONG')
  })
  await t.test('with a client pool of the user, which stays open', async (t) => {
    const pool = createClientPool({ url }, { minimum: 1, maximum: 4 })
    await pool.connect()
    t.teardown(() => pool.close())
    await keepsAll(t, () => open(pool, prefix))
    t.equal(await pool.ping(), 'PONG')
  })
})

t.test('memory in front of Redis keeps every promise of a store', async (t) => {
  const { url, prefix } = await useRedis(t)
  await t.test('by URL', (t) => keepsAll(t, () => openTier(t, { redis: url, prefix }).store))
  await t.test('with copies that are used', (t) => keepsAll(t, () => openWarm(t, url, prefix)))
})

/** Entries of the suite are of another life of the marks, for which no copy is used: here they are of this one, and asked for often. */
async function openWarm (t: Test, url: string, prefix: string): Promise<Store> {
  const { store } = openTier(t, { redis: url, prefix })
  await store.connect()
  await store.marks.keepCopies()
  const filled = new Map<string, FillStamp>()
  return {
    async get (key) {
      for (let i = 0; i < 2; i++) await store.get(key)
      const entry = await store.get(key)
      return entry && { ...entry, filled: filled.get(key.text)! }
    },
    async set (key, entry, ttlMs) {
      filled.set(key.text, entry.filled)
      await store.set(key, { ...entry, filled: store.marks.ledger.stamp! }, ttlMs)
    },
    delete: (key) => store.delete(key),
    expire: (key, ttlMs) => store.expire(key, ttlMs),
    ttlMs: (key) => store.ttlMs(key),
    ping: () => store.ping(),
    connect: () => store.connect(),
    close: () => store.close()
  }
}

function open (redis: RedisOption, prefix: string): Store {
  return new RedisStore({ redis, prefix, commandMs: 1000, onFault: (fault) => t.comment(fault) })
}

async function keepsAll (t: Test, open: () => Store | Promise<Store>): Promise<void> {
  for (const { name, run } of storePromises) await t.test(name, () => run(open))
}
