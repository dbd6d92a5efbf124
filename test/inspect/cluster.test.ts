import t from 'tap'
import { openCache } from '../helpers/open-cache.ts'
import { startRedisCluster } from '../helpers/redis-cluster.ts'

t.test('entries of all masters of a Cluster are listed, inspected and sampled', async (t) => {
  const { rootNodes } = await startRedisCluster(t)
  const cache = await openCache(t, { redis: { rootNodes }, defaults: { ttl: '10m' }, timeouts: { read: '5s', write: '5s' } })
  const keys = Array.from({ length: 500 }, (_, i) => `user:${i}`)
  await cache.setMany(keys.map((key) => [key, Buffer.from(key)] as const))
  const met = new Set<string>()
  const cursors = new Set<string>()
  let cursor: string | undefined
  do {
    const page: Awaited<ReturnType<typeof cache.entries>> = await cache.entries({ cursor, limit: 60 })
    for (const { key } of page.entries) met.add(key)
    cursor = page.cursor
    if (cursor === undefined) break
    t.notMatch(cursor, /127|:/, 'a cursor names no address')
    t.notOk(cursors.has(cursor), 'it goes on')
    cursors.add(cursor)
  } while (cursors.size < 100)
  t.same(keys.filter((key) => !met.has(key)), [])
  t.equal((await cache.inspect('user:7', { body: 10 }))!.body!.toString(), 'user:7')
  t.match(await cache.sample(), { scanned: 500, isComplete: true, namespaces: { user: { entries: 500 } } })
  const part = await cache.sample({ most: 100 })
  t.ok(part.namespaces.user!.entries > 250 && part.namespaces.user!.entries < 900, `${part.namespaces.user!.entries} of 500, from ${part.scanned}`)
  // A master of a cursor that is there no more: the others are looked at, from their beginning.
  const again = await cache.entries({ cursor: '123.XXXXXXXX', limit: 1000 })
  t.ok(again.entries.length > 400)
})
