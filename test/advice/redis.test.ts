import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { createClient, createClientPool } from 'redis'
import { createCache } from '../../lib/index.ts'
import { asked, untilReplicating } from '../helpers/redis-admin.ts'
import { startFaultyProxy } from '../helpers/faulty-proxy.ts'
import { startRedisCluster } from '../helpers/redis-cluster.ts'
import { startRedisServer } from '../helpers/redis.ts'
import { adminOf, adviceOf, PATIENT, wordsOf } from './read.ts'

const GOOD = ['--maxmemory', '64mb', '--maxmemory-policy', 'allkeys-lru']
const production = await readFile(join(import.meta.dirname, '../../docs/production.md'), 'utf8')
const aclLine = /^ACL SETUSER .*$/m.exec(production)![0].split(' ')

t.test('a Redis with the settings of docs/production.md is given no advice, with any kind of client', async (t) => {
  const { url } = await startRedisServer(t, { args: GOOD })
  t.same(await adviceOf(t, { redis: url }), [])
  t.same(await adviceOf(t, { redis: url, memory: {} }), [])
  t.same(await adviceOf(t, { redis: { url, RESP: 2 } }), [])
  t.same(await adviceOf(t, { redis: { url, keyPrefix: 'all:' } }), [])
  const pool = createClientPool({ url })
  await pool.connect()
  t.teardown(() => pool.close())
  t.same(await adviceOf(t, { redis: pool as never }), [])
})

t.test('each setting of Redis that a cache should not have is told, with what to do and where the docs say more', async (t) => {
  const cases: Array<[string[], string, string, RegExp]> = [
    [[], 'no-maxmemory', 'risk', /^Redis has no maxmemory: .* Set maxmemory/],
    [['--maxmemory', '64mb'], 'noeviction', 'risk', /noeviction: when it is full/],
    [['--maxmemory', '64mb', '--maxmemory-policy', 'volatile-lru'], 'eviction-policy', 'note', /volatile-lru: only entries go/],
    [['--maxmemory', '64mb', '--maxmemory-policy', 'volatile-ttl'], 'eviction-policy', 'note', /volatile-ttl: leases go first/],
    [['--maxmemory', '64mb', '--maxmemory-policy', 'allkeys-random'], 'eviction-policy', 'note', /allkeys-random: the marks may go/],
    [[...GOOD, '--appendonly', 'yes', '--appendfsync', 'always'], 'append-always', 'risk', /appendfsync always/],
    [[...GOOD, '--save', '900 1'], 'persistence', 'note', /\(save 900 1\)/],
    [[...GOOD, '--appendonly', 'yes'], 'persistence', 'note', /\(appendonly yes\)/]
  ]
  await Promise.all(cases.map(async ([args, word, level, text]) => {
    const { url } = await startRedisServer(t, { args })
    const advice = await adviceOf(t, { redis: url })
    t.match(advice, [{ word, level, text, docs: `docs/advice.md#${word}` }], args.join(' '))
    t.equal(advice.length, 1, wordsOf(advice).join(' '))
  }))
})

t.test('a replica is told', async (t) => {
  const master = await startRedisServer(t, { args: [...GOOD, '--repl-diskless-sync-delay', '0'] })
  const replica = await startRedisServer(t, { args: [...GOOD, '--replicaof', '127.0.0.1', String(master.port)] })
  await asked(replica, untilReplicating)
  t.match(await adviceOf(t, { redis: replica.url }), [{ word: 'replica', level: 'risk' }])
})

t.test('a Redis whose answers take more than a quarter of timeouts.read is told', async (t) => {
  const { url } = await startRedisServer(t, { args: GOOD })
  const proxy = await startFaultyProxy({ port: Number(new URL(url).port) })
  t.teardown(() => proxy.close())
  await proxy.set({ kind: 'delay', ms: 60, direction: 'replies' })
  t.match(await adviceOf(t, { redis: `redis://127.0.0.1:${proxy.port}`, timeouts: { read: '200ms', write: '5s' } }), [{ word: 'slow-redis', level: 'risk', text: /a quarter of timeouts\.read \(200 ms\)/ }])
})

t.test('a user with the rights of docs/production.md is asked nothing that it may not answer, and told what its Redis is', async (t) => {
  const { url } = await startRedisServer(t)
  const admin = await adminOf(t, url)
  await admin.sendCommand(aclLine)
  const advice = await adviceOf(t, { redis: { url, username: 'shop', password: 'PASSWORD', disableClientInfo: true }, prefix: 'shop' })
  t.same(advice, [], 'INFO is refused, so that maxmemory is not known')
  t.same(await admin.sendCommand(['ACL', 'LOG']), [])
  await admin.sendCommand(['ACL', 'SETUSER', 'shop', '+info'])
  t.same(wordsOf(await adviceOf(t, { redis: { url, username: 'shop', password: 'PASSWORD', disableClientInfo: true }, prefix: 'shop' })), ['no-maxmemory'])
  t.same(await admin.sendCommand(['ACL', 'LOG']), [])
})

t.test('each right that a user lacks is told with what it is for, and none is tried', async (t) => {
  const { url } = await startRedisServer(t)
  const admin = await adminOf(t, url)
  const told = async (without: string): Promise<unknown> => {
    await admin.sendCommand(aclLine.filter((word) => word !== without))
    return await adviceOf(t, { redis: { url, username: 'shop', password: 'PASSWORD', disableClientInfo: true }, prefix: 'shop' })
  }
  const text = (named: string) => new RegExp(`without ${named} `)
  t.match(await told('+set'), [{ word: 'missing-rights', level: 'risk', text: text('set') }])
  t.match(await told('+zremrangebyscore'), [{ word: 'missing-rights', level: 'risk', text: text('zremrangebyscore') }])
  t.match(await told('&shop:marks'), [{ word: 'missing-rights', level: 'note', text: text('publish, subscribe') }])
  t.match(await told('+xadd'), [{ word: 'missing-rights', level: 'note', text: text('xadd') }])
  t.match(await told('+scan'), [{ word: 'missing-rights', level: 'note', text: text('scan') }])
  t.same(await admin.sendCommand(['ACL', 'LOG']), [])
  const other = await adviceOf(t, { redis: { url, username: 'shop', password: 'PASSWORD', disableClientInfo: true }, prefix: 'bank' })
    .catch((error: Error) => error.message)
  t.match(other, [{ word: 'store-unknown' }], 'keys of another prefix cannot even be asked for')
})

t.test('a Cluster is asked master by master', async (t) => {
  const { rootNodes } = await startRedisCluster(t)
  const advice = await adviceOf(t, { redis: { rootNodes } })
  t.match(advice, [{ word: 'no-maxmemory', text: /^127\.0\.0\.1:\d+ has no maxmemory/ }])
  t.equal(advice.length, 1, 'what three servers have in common is said once')
})

t.test('a Cluster without all slots is told, also where the prefix has none', async (t) => {
  const { url } = await startRedisServer(t, { args: [...GOOD, '--cluster-enabled', 'yes', '--cluster-require-full-coverage', 'no'] })
  const prefixes = await asked({ url }, async (client) => {
    await client.clusterAddSlotsRange({ start: 0, end: 15_999 })
    const slots = await Promise.all(Array.from({ length: 1000 }, (_, i) => client.clusterKeySlot(`{${i}}`)))
    return [slots.findIndex((slot) => slot < 16_000), slots.findIndex((slot) => slot >= 16_000)]
  })
  for (const prefix of prefixes) {
    t.match(await adviceOf(t, { redis: { rootNodes: [{ url }] }, prefix: `{${prefix}}` }), [{ word: 'incomplete-cluster', level: 'risk', text: /no master is known for 384 of 16384 slots/ }])
  }
})

t.test('with Redis away there is a note in place of what it would say, and the rest', async (t) => {
  const server = await startRedisServer(t)
  const cache = createCache({ redis: server.url, timeouts: PATIENT, defaults: { ttl: '2d' } })
  t.teardown(() => cache.close())
  await cache.connect()
  await server.stop()
  t.match(await cache.advice(), [{ word: 'store-unknown', level: 'note' }, { word: 'long-ttl' }])
  await server.start()
  let words: string[] = []
  while (!words.includes('no-maxmemory')) {
    await setTimeout(10) // nobody tells when the connection is back
    words = wordsOf(await cache.advice())
  }
  t.same(words, ['long-ttl', 'no-maxmemory'])
})

t.test('a Redis that accepts and says nothing is waited for a few seconds', async (t) => {
  const server = await startRedisServer(t)
  const cache = createCache({ redis: server.url, timeouts: PATIENT })
  t.teardown(() => cache.close())
  await cache.connect()
  await server.pause()
  t.teardown(() => server.resume())
  t.match(await cache.advice(), [{ word: 'store-unknown' }])
  await server.resume()
})

t.test('after it is closed, advice rejects like everything else', async (t) => {
  const cache = createCache()
  await cache.close()
  await t.rejects(cache.advice(), { code: 'RESPONSE_CACHE_ERR_CLOSED' })
})

t.test('a client that the user has not connected yet is no fault of the check', async (t) => {
  const { url } = await startRedisServer(t, { args: GOOD })
  const client = createClient({ url, disableOfflineQueue: true })
  t.teardown(() => { client.destroy() })
  const cache = createCache({ redis: client as never, timeouts: PATIENT })
  t.teardown(() => cache.close())
  t.match(await cache.advice(), [{ word: 'store-unknown' }])
  const ready = once(client, 'ready')
  await client.connect()
  await ready
  t.same(await cache.advice(), [])
})
