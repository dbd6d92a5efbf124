import t from 'tap'
import { createClient, createClientPool } from 'redis'
import type { WalkedRedis } from '../../lib/store/redis-nodes.ts'
import { RedisSweep, type RedisSweepOptions } from '../../lib/store/redis-sweep.ts'
import { encodeEntry, type StoredValue } from '../../lib/stored-entry.ts'
import { startRedisServer, useRedis, type RedisTestClient } from '../helpers/redis.ts'

const MANY = 20_000

const value = (own: Partial<StoredValue> = {}): StoredValue => ({
  kind: 'value', key: 'key', storedAt: 0, filled: { incarnation: '-1', stamp: 1 }, labels: [], encoding: 'bytes', origin: 'set', body: Buffer.from('body'), ...own
})
const dead = encodeEntry(value({ labels: ['t:dead'] }))
const live = encodeEntry(value({ labels: ['t:live'] }))
const isDead = ({ labels }: { labels: readonly string[] }): boolean => labels.includes('t:dead')

/** Without rests, which tests of their own look at. */
function sweepOf (client: unknown, prefix: string, own: Partial<RedisSweepOptions> = {}): RedisSweep {
  return new RedisSweep({ open: () => client as WalkedRedis, prefix, pause: async () => {}, ...own })
}

async function fill (client: Pick<RedisTestClient, 'set'>, names: readonly string[], frame = dead): Promise<void> {
  await Promise.all(names.map((name) => client.set(name, frame)))
}

async function idsUnder (client: RedisTestClient, prefix: string): Promise<string[]> {
  const ids: string[] = []
  for await (const keys of client.scanIterator({ COUNT: 1000 })) {
    ids.push(...keys.filter((key) => key.startsWith(`${prefix}:`)).map((key) => key.slice(prefix.length + 1)))
  }
  return ids.sort()
}

t.test('only values that match are removed, by the globs of invalidations', async (t) => {
  const { client, prefix } = await useRedis(t)
  const cases: Array<[glob: string, removed: string[], kept: string[]]> = [
    ['user:*:profile', ['user::profile', 'user:1:profile', 'user:é😀:profile'], ['user:1:profiles', 'xuser:1:profile']],
    ['a?c', ['abc', 'aéc', 'a?c', 'a\nc'], ['ac', 'a😀c', 'abbc']],
    ['a??c', ['a😀c'], ['aéc']],
    ['a[bc]d', ['a[bc]d'], ['abd', 'acd']],
    ['a\\*c', ['a*c'], ['abc', 'a\\*c']],
    ['a\\?*', ['a?', 'a?b'], ['ab']],
    ['*d', ['d', 'bad'], ['da']],
    ['exact', ['exact'], ['exactly']],
    ['back\\\\slash^-]', ['back\\slash^-]'], ['backslash^-]']],
    ['half\ud800*', ['half\ufffd'], ['half']]
  ]
  for (const [glob, removed, kept] of cases) {
    const announced: string[] = []
    await fill(client, [...removed, ...kept].map((id) => `${prefix}:${id}`))
    t.equal(await sweepOf(client, prefix).deleteValues(glob, { onRemoved: async (ids) => { announced.push(...ids) } }), removed.length, glob)
    t.same(announced.sort(), [...removed].sort(), glob)
    t.same(await idsUnder(client, prefix), [...kept].sort(), glob)
    await sweepOf(client, prefix).deleteValues('*')
  }
})

t.test('stored responses, marks and whatever is no string stay, even when everything is deleted', async (t) => {
  const { client, prefix } = await useRedis(t)
  await fill(client, [`${prefix}:v`, `${prefix}:user:GET:/a:hash`, `${prefix}:post:POST:/a:hash`, `${prefix}:q:QUERY:/:h`, `${prefix}:events`, `${prefix}-2:v`, `x${prefix}:v`])
  await client.zAdd(`${prefix}:marks`, { score: 1, value: 'a' })
  await client.hSet(`${prefix}:hash`, 'a', 'b')
  t.equal(await sweepOf(client, prefix).deleteValues('*'), 1)
  t.same(await idsUnder(client, prefix), ['events', 'hash', 'marks', 'post:POST:/a:hash', 'q:QUERY:/:h', 'user:GET:/a:hash'])
  t.equal(await client.exists([`${prefix}-2:v`, `x${prefix}:v`]), 2)
})

t.test('a prefix with glob characters means only itself', async (t) => {
  const { client, prefix } = await useRedis(t)
  const odd = `${prefix}*[a]?\\`
  await fill(client, [`${odd}:v`, `${prefix}xa?\\:v`, `${prefix}*a1\\:v`])
  t.equal(await sweepOf(client, odd).deleteValues('*'), 1)
  await fill(client, [`${odd}:v`])
  t.same(await sweepOf(client, odd).sweep(isDead), { scanned: 1, removed: 1 })
  t.equal(await client.exists([`${prefix}xa?\\:v`, `${prefix}*a1\\:v`]), 2)
})

t.test('a sweep removes what is dead and nothing else', async (t) => {
  const { client, prefix } = await useRedis(t)
  const long = ['t:dead', ...Array.from({ length: 200 }, (_, i) => `t:long${i}`)]
  const oldVersion = Buffer.from(dead)
  oldVersion[3] = 1
  const endless = Buffer.from(dead)
  endless.writeUInt32BE(0xffffffff, 8)
  await fill(client, [`${prefix}:user:GET:/:hash`, `${prefix}:value`])
  await fill(client, [`${prefix}:long`], encodeEntry(value({ labels: long, body: Buffer.alloc(10_000) })))
  await fill(client, [`${prefix}:live`], live)
  await fill(client, [`${prefix}:old version`], oldVersion)
  await fill(client, [`${prefix}:endless`], endless)
  await fill(client, [`${prefix}:cut`], dead.subarray(0, 40))
  await client.set(`${prefix}:text`, 'FRC')
  await client.set(`${prefix}:empty`, '')
  await client.zAdd(`${prefix}:marks`, { score: 1, value: 'a' })
  const ids: string[] = []
  t.same(await sweepOf(client, prefix).sweep((entry, { id }) => ids.push(id) > 0 && isDead(entry)), { scanned: 4, removed: 3 })
  t.same(ids.sort(), ['live', 'long', 'user:GET:/:hash', 'value'])
  t.same(await idsUnder(client, prefix), ['cut', 'empty', 'endless', 'live', 'marks', 'old version', 'text'])
})

t.test('an entry that was replaced after it was judged stays, also when its new value is of another type', async (t) => {
  const { client, prefix } = await useRedis(t)
  await fill(client, [`${prefix}:a`, `${prefix}:b`, `${prefix}:c`])
  const replacing: Array<Promise<unknown>> = []
  const swept = await sweepOf(client, prefix).sweep((entry, { id }) => {
    // On the same connection: before the removal.
    if (id === 'a') replacing.push(client.set(`${prefix}:a`, encodeEntry(value({ labels: ['t:dead'], body: Buffer.from('new!') }))))
    if (id === 'b') replacing.push(client.multi().del(`${prefix}:b`).hSet(`${prefix}:b`, 'a', 'b').exec())
    return isDead(entry)
  })
  await Promise.all(replacing)
  t.same(swept, { scanned: 3, removed: 1 })
  t.same(await idsUnder(client, prefix), ['a', 'b'])
})

t.test(`among ${MANY} keys each is met, in short commands`, async (t) => {
  const server = await startRedisServer(t, { args: ['--slowlog-log-slower-than', '1000'] })
  const client = await createClient({ url: server.url }).connect()
  t.teardown(() => client.close())
  for (let i = 0; i < MANY; i += 2) await Promise.all([client.set(`cache:user:${i}`, dead), client.set(`cache:user:${i + 1}`, live)])
  await client.configResetStat()

  t.same(await sweepOf(client, 'cache').sweep(isDead), { scanned: MANY, removed: MANY / 2 })
  const announced: string[] = []
  t.equal(await sweepOf(client, 'cache').deleteValues('user:*5', { onRemoved: async (ids) => { announced.push(...ids) } }), MANY / 10)
  t.equal(new Set(announced).size, MANY / 10)
  t.equal(await client.dbSize(), MANY / 2 - MANY / 10)

  const stats = await client.info('commandstats')
  t.notMatch(stats, 'cmdstat_keys:')
  for (const command of ['scan', 'getrange', 'eval', 'unlink']) {
    const micros = Number(new RegExp(`cmdstat_${command}:.*usec_per_call=([\\d.]+)`).exec(stats)?.[1])
    t.ok(micros < 1000, `${command}: ${micros} µs on average`)
  }
  const slow = await client.sendCommand(['SLOWLOG', 'GET', '-1']) as unknown as Array<[number, number, number, string[]]>
  t.comment('slower than 1 ms:', slow.map(([, , micros, [name]]) => `${name} ${micros} µs`))
})

t.test('after each batch a walk rests three times as long as the batch took, and at most five seconds', async (t) => {
  const { client, prefix } = await useRedis(t)
  await fill(client, Array.from({ length: 1000 }, (_, i) => `${prefix}:${i}`))
  for (const [took, rest] of [[10, 30], [60_000, 5000]] as const) {
    let now = 0
    const rests: number[] = []
    const sweep = sweepOf(client, prefix, { now: () => { now += took; return now }, pause: async (ms) => { rests.push(ms) } })
    await sweep.sweep(() => false)
    t.ok(rests.length >= 10, `${rests.length} rests`)
    t.same(new Set(rests), new Set([rest]))
  }
})

t.test('an aborted walk stops where it is', async (t) => {
  const { client, prefix } = await useRedis(t)
  await fill(client, Array.from({ length: 1000 }, (_, i) => `${prefix}:${i}`))
  const closing = new AbortController()
  const reason = new Error('closed')
  const walk = sweepOf(client, prefix, { pause: async () => { closing.abort(reason) } })
  await t.rejects(walk.sweep(() => true, { signal: closing.signal }), reason)
  const left = (await idsUnder(client, prefix)).length
  t.ok(left > 0 && left < 1000, `${left} left`)
  await t.rejects(walk.deleteValues('*', { signal: closing.signal }), reason)
  t.equal((await idsUnder(client, prefix)).length, left)
})

t.test('a walk that rests for long is let go at once', async (t) => {
  const { client, prefix } = await useRedis(t)
  await fill(client, [`${prefix}:a`])
  const closing = new AbortController()
  const walk = sweepOf(client, prefix, { pause: () => { setImmediate(() => { closing.abort() }); return new Promise(() => {}) } })
  await t.rejects(walk.sweep(() => true, { signal: closing.signal }), { name: 'AbortError' })
})

t.test('while Redis is silent a walk ends with its signal, or after a time of its own', async (t) => {
  const server = await startRedisServer(t)
  const client = await createClient({ url: server.url, commandOptions: { timeout: 0 } }).connect()
  t.teardown(() => { client.destroy() })
  await fill(client, ['cache:a'])
  await server.pause()
  const closing = new AbortController()
  const aborted = t.rejects(sweepOf(client, 'cache').sweep(() => true, { signal: closing.signal }), { name: 'AbortError' })
  setImmediate(() => { closing.abort() })
  await aborted
  await t.rejects(sweepOf(client, 'cache', { answerMs: 20 }).deleteValues('*'), { message: 'Redis did not answer within 20 ms' })
  await server.resume()
})

t.test('a walk rejects with the fault of Redis', async (t) => {
  const server = await startRedisServer(t)
  const client = createClient({ url: server.url, disableOfflineQueue: true })
  client.on('error', () => {})
  await client.connect()
  t.teardown(() => { client.destroy() })
  await fill(client, ['cache:a'])
  const walk = sweepOf(client, 'cache', { pause: () => server.stop() })
  await fill(client, Array.from({ length: 500 }, (_, i) => `cache:${i}`))
  await t.rejects(walk.sweep(() => true), { message: /offline|closed|ECONN/i })
})

t.test('what was removed is announced, also when the answer for one key is missing; a failed announcement is told', async (t) => {
  // Of its own: among the keys of others these three may not be in one batch.
  const { url } = await startRedisServer(t)
  const prefix = 'p'
  const client = await createClient({ url }).connect()
  t.teardown(() => client.close())
  await fill(client, ['a', 'b', 'c'].map((id) => `${prefix}:${id}`))
  const lost = new Error('connection lost')
  const flaky = {
    withTypeMapping: (mapping: Record<number, unknown>) => Object.assign(client.withTypeMapping(mapping as never), {
      unlink: async (key: Buffer): Promise<unknown> => {
        const removed = await client.unlink(key)
        if (key.toString().endsWith('b')) throw lost
        return removed
      }
    })
  }
  const announced: string[] = []
  await t.rejects(sweepOf(flaky, prefix).deleteValues('*', { onRemoved: async (ids) => { announced.push(...ids) } }), lost)
  t.same(announced.sort(), ['a', 'b', 'c'])

  await fill(client, [`${prefix}:a`])
  await t.rejects(sweepOf(client, prefix).deleteValues('*', { onRemoved: () => Promise.reject(lost) }), lost)
})

t.test('clients that put a prefix of their own before every key, and those that give other types', async (t) => {
  const { client, url, prefix } = await useRedis(t)
  const keyPrefix = `${prefix}[*]`
  const prefixed = await createClient({ url, keyPrefix }).connect()
  const pool = await createClientPool({ url, keyPrefix }).connect()
  const old = await createClient({ url, RESP: 2, commandOptions: { typeMapping: { 58: String } } }).connect()
  t.teardown(() => Promise.all([prefixed, pool, old].map((one) => one!.close())))
  for (const [other, under] of [[prefixed, `${keyPrefix}cache`], [pool, `${keyPrefix}cache`], [old, 'cache']] as const) {
    const name = other === old ? `${prefix}-cache` : 'cache'
    const base = other === old ? name : under
    await fill(client, [`${base}:a`, `${base}:b`, `${base}:user:GET:/`, `${prefix}:apart`])
    t.equal(await sweepOf(other, name).deleteValues('a'), 1)
    t.same(await sweepOf(other, name).sweep(isDead), { scanned: 2, removed: 2 })
    t.equal(await client.exists(`${prefix}:apart`), 1)
  }
})

t.test('a walk takes one connection of a pool', async (t) => {
  const { client, url, prefix } = await useRedis(t)
  const pool = createClientPool({ url }, { minimum: 1, maximum: 20 })
  await pool.connect()
  t.teardown(() => pool.close())
  await fill(client, Array.from({ length: 500 }, (_, i) => `${prefix}:${i}`))
  t.same(await sweepOf(pool, prefix).sweep((_entry, { id }) => id.endsWith('1')), { scanned: 500, removed: 50 })
  t.equal(await sweepOf(pool, prefix).deleteValues('*'), 450)
  t.equal(pool.totalClients, 1)
})
