import t from 'tap'
import { openCache } from '../helpers/open-cache.ts'
import { startRedisServer, useRedis } from '../helpers/redis.ts'
import { createClient } from 'redis'

t.test('a sample of all says exactly what there is, by namespace', async (t) => {
  const { url, prefix } = await useRedis(t)
  for (const options of [{}, { redis: url, prefix, timeouts: { read: '5s', write: '5s' } }]) {
    const cache = await openCache(t, options)
    await cache.setMany([['user:1', Buffer.alloc(100)], ['user:2', Buffer.alloc(50)]], { ttl: '30s' })
    await cache.set('user:3', Buffer.alloc(1), { ttl: '2h' })
    await cache.set('post', Buffer.alloc(7), { ttl: '2d' })
    await cache.set('__proto__:1', Buffer.alloc(7), { ttl: '4m' })
    const { namespaces, ...rest } = await cache.sample()
    t.same(rest, { scanned: 5, isComplete: true })
    t.same(Object.entries(namespaces).sort(), [
      ['__proto__', { entries: 1, bytes: 7, ttl: { classes: [0, 1, 0, 0, 0] } }],
      ['post', { entries: 1, bytes: 7, ttl: { classes: [0, 0, 0, 0, 1] } }],
      ['user', { entries: 3, bytes: 151, ttl: { classes: [2, 0, 0, 1, 0] } }]
    ])
  }
})

t.test('a sample of a part says so, and estimates the rest', async (t) => {
  const server = await startRedisServer(t)
  for (const options of [{}, { redis: server.url, timeouts: { read: '5s', write: '5s' } }]) {
    const cache = await openCache(t, options)
    for (let at = 0; at < 4000; at += 1000) {
      // The oldest and the newest are of different namespaces: a sample of the oldest alone would show it.
      await cache.setMany(Array.from({ length: 1000 }, (_, i) => [`ns${at < 2000 ? 1 : 2}:${at + i}`, Buffer.alloc(100)] as const), { ttl: '10m' })
    }
    const { scanned, isComplete, share, namespaces } = await cache.sample({ most: 500 })
    t.equal(isComplete, false)
    t.ok(scanned > 200 && scanned <= 550, `${scanned} looked at`)
    t.ok(share! > 0.05 && share! < 0.2, `${share}`)
    for (const name of ['ns1', 'ns2']) {
      const { entries, bytes, ttl: { classes } } = namespaces[name]!
      t.ok(entries > 1300 && entries < 2700, `${name}: ${entries} of 2000`)
      t.ok(Math.abs(bytes / 100 - entries) <= 1, `${bytes} bytes`)
      t.ok(classes[2]! > 50 && classes[2]! <= 500, 'classes are of what was looked at')
    }
    t.equal((await cache.sample({ most: 10_000 })).isComplete, true)
  }
  await t.rejects((await openCache(t)).sample({ most: 10_001 }), { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID' })
})

t.test('a user of Redis who may not ask for the number of keys gets what was looked at', async (t) => {
  const server = await startRedisServer(t)
  const admin = await createClient({ url: server.url }).connect()
  t.teardown(() => admin.close())
  await admin.sendCommand(['ACL', 'SETUSER', 'shop', 'on', '>PASSWORD', '&*', '~shop:*', '+@all', '-dbsize'])
  const cache = await openCache(t, { redis: { url: server.url, username: 'shop', password: 'PASSWORD' }, prefix: 'shop', timeouts: { read: '5s', write: '5s' } })
  await cache.setMany(Array.from({ length: 300 }, (_, i) => [`a:${i}`, Buffer.alloc(10)] as const), { ttl: '10m' })
  const { share, scanned, isComplete, namespaces } = await cache.sample({ most: 100 })
  t.same([share, isComplete], [undefined, false])
  t.equal(namespaces.a!.entries, scanned)
  const all = await cache.sample()
  t.same([all.isComplete, all.namespaces.a!.entries, all.namespaces.a!.bytes], [true, 300, 3000])
})
