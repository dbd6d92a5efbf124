import { createClient } from 'redis'
import t, { type Test } from 'tap'
import type { ConnectedRedis } from '../../lib/store/redis-client.ts'
import { RedisHot } from '../../lib/store/redis-hot.ts'
import { HALF_LIFE_MS, LocalHot, type HotStore } from '../../lib/warming/hot-store.ts'
import { useRedis, type RedisTestClient } from '../helpers/redis.ts'

const stores: Record<string, (t: Test) => Promise<HotStore>> = {
  'in the process': async () => new LocalHot(),
  'in Redis': async (t) => {
    const { client, prefix } = await useRedis(t)
    return redisHot(client, prefix)
  }
}

function redisHot (client: RedisTestClient, prefix: string, most?: number): RedisHot {
  return new RedisHot({ open: () => client as unknown as ConnectedRedis, prefix, ...(most === undefined ? {} : { most }) })
}

for (const [where, open] of Object.entries(stores)) {
  t.test(`${where}: what was requested most is first, over all that was added`, async (t) => {
    const hot = await open(t)
    t.strictSame(await hot.top(10), [])
    await hot.add(new Map([['a', 5], ['b', 7], ['c', 1]]))
    await hot.add(new Map([['a', 4], ['d', 2], ['c', 0.5]]))
    t.strictSame(await hot.top(10), ['a', 'b', 'd', 'c'])
    t.strictSame(await hot.top(2), ['a', 'b'])
  })

  t.test(`${where}: no more than 1,000 are kept, the hottest`, async (t) => {
    const hot = await open(t)
    await hot.add(new Map(Array.from({ length: 900 }, (_, i) => [`cold ${i}`, 1])))
    await hot.add(new Map(Array.from({ length: 400 }, (_, i) => [`hot ${i}`, 2])))
    const kept = await hot.top(5000)
    t.equal(kept.length, 1000)
    t.equal(kept.filter((name) => name.startsWith('hot')).length, 400)
  })

  t.test(`${where}: nothing is added by nothing`, async (t) => {
    const hot = await open(t)
    await hot.add(new Map())
    t.strictSame(await hot.top(1), [])
  })
}

t.test('a request weighs half after five minutes, and nothing after an hour', async (t) => {
  let now = 0
  const hot = new LocalHot({ monotonic: () => now })
  await hot.add(new Map([['old', 10]]))
  now = HALF_LIFE_MS
  await hot.add(new Map([['more', 5.1], ['less', 4.9]]))
  t.strictSame(await hot.top(3), ['more', 'old', 'less'])
  now = 3_600_000 + 4 * HALF_LIFE_MS
  t.strictSame(await hot.top(3), [], 'forgotten')
})

t.test('in Redis a request weighs half after five minutes as well, by the clock of the server', async (t) => {
  const { client, prefix } = await useRedis(t)
  const hot = redisHot(client, prefix)
  await hot.add(new Map([['old', 10], ['new', 1]]))
  // What was counted a half-life ago has one less.
  await client.zIncrBy(`${prefix}:hot`, -1, 'old')
  await hot.add(new Map([['more', 5.1], ['less', 4.9]]))
  t.strictSame(await hot.top(4), ['more', 'old', 'less', 'new'])
  await client.zIncrBy(`${prefix}:hot`, -12.5, 'new')
  t.strictSame(await hot.top(4), ['more', 'old', 'less'], 'an hour later')
  await hot.add(new Map([['old', 1]]))
  t.equal(await client.zScore(`${prefix}:hot`, 'new'), null, 'and gone')
})

t.test('two processes count into one set, of a bounded size and life', async (t) => {
  const { client, url, prefix } = await useRedis(t)
  const other = createClient({ url })
  await other.connect()
  t.teardown(() => other.close())
  const [a, b] = [redisHot(client, prefix, 3), redisHot(other as unknown as RedisTestClient, prefix, 3)]
  await Promise.all([a.add(new Map([['x', 2], ['y', 3]])), b.add(new Map([['x', 2], ['z', 1]]))])
  t.strictSame(await a.top(9), ['x', 'y', 'z'])
  await b.add(new Map([['w', 9]]))
  t.strictSame(await a.top(9), ['w', 'x', 'y'])
  const ttlMs = await client.pTTL(`${prefix}:hot`)
  t.ok(ttlMs > 3_500_000 && ttlMs <= 3_600_000, `it goes in ${ttlMs} ms`)
})

t.test('scores that no count explains do not stay on top', async (t) => {
  const { client, prefix } = await useRedis(t)
  await client.zAdd(`${prefix}:hot`, [{ value: 'forged', score: Infinity }, { value: 'ahead', score: 1e9 }])
  const hot = redisHot(client, prefix)
  t.strictSame(await hot.top(9), [])
  await hot.add(new Map([['a', 1]]))
  t.strictSame(await client.zRange(`${prefix}:hot`, 0, -1), ['a'])
})
