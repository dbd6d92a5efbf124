import { createClient, createClientPool, createCluster } from 'redis'
import t, { type Test } from 'tap'
import type { RedisOption } from '../../lib/store/redis-client.ts'
import { startRedisCluster } from '../helpers/redis-cluster.ts'
import { startRedisServer, useRedis, type RedisTestClient } from '../helpers/redis.ts'
import { startFollower, until, type Follower } from './scene.ts'

const KEY = 'cache:events'

/** What any service does. */
async function add (client: Pick<RedisTestClient, 'xAdd'>, json: string, key = KEY): Promise<string> {
  return await client.xAdd(key, '*', { json })
}

async function hears (one: Follower, ...expected: string[]): Promise<void> {
  await until(`${expected.join()} in ${one.heard.join()}`, () => one.heard.length >= expected.length)
}

async function newest (client: RedisTestClient): Promise<Array<{ id: string }>> {
  return await client.xRevRange(KEY, '+', '-', { COUNT: 1 }) ?? []
}

interface Alone {
  readonly server: Awaited<ReturnType<typeof startRedisServer>>
  readonly client: RedisTestClient
  readonly one: Follower
}

/** A server with one follower, and a client of a service. */
async function alone (t: Test, { most }: { most?: number } = {}): Promise<Alone> {
  const server = await startRedisServer(t)
  const client = createClient({ url: server.url })
  client.on('error', () => {}) // some tests stop the server
  await client.connect()
  t.teardown(() => { client.destroy() })
  const one = await startFollower(t, { redis: server.url, prefix: 'cache', ...(most === undefined ? {} : { most }) })
  await one.following.ready
  return { server, client, one }
}

/** Ends the connections of everyone but the one who asks. */
async function killOthers (client: RedisTestClient): Promise<void> {
  await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'])
}

t.test('what another client appends is given in its order, and nothing from before', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  await add(client, 'before', `${prefix}:events`)
  const one = await startFollower(t, { redis: url, prefix })
  await one.following.ready
  for (const json of ['1', '2', '3']) await add(client, json, `${prefix}:events`)
  await hears(one, '1', '2', '3')
  t.strictSame(one.heard, ['1', '2', '3'])
})

t.test('an entry without the field json is given as undefined', async (t) => {
  const { client, one } = await alone(t)
  await client.xAdd(KEY, '*', { text: 'x' })
  await until('given', () => one.heard.length > 0)
  t.strictSame(one.heard, [undefined])
})

t.test('a process gets what others append, and not what it appends itself', async (t) => {
  const { url, prefix } = await useRedis(t)
  const [a, b] = await Promise.all([startFollower(t, { redis: url, prefix }), startFollower(t, { redis: url, prefix })])
  await Promise.all([a.following.ready, b.following.ready])
  await a.events.append('of a')
  await b.events.append('of b')
  await hears(a, 'of b')
  await hears(b, 'of a')
  await a.events.append('last')
  await hears(b, 'of a', 'last')
  t.strictSame([a.heard, b.heard], [['of b'], ['of a', 'last']])
})

t.test('more messages than one read takes are all given, together where possible', async (t) => {
  const { client, one } = await alone(t)
  const expected = Array.from({ length: 1050 }, (_, at) => String(at))
  await Promise.all(expected.map((json) => add(client, json)))
  await hears(one, ...expected)
  t.strictSame(one.heard, expected)
})

t.test('what is appended while the connection is broken is given afterwards', async (t) => {
  const { client, one } = await alone(t)
  await add(client, '1')
  await hears(one, '1')
  for (let round = 0; round < 5; round++) {
    await killOthers(client)
    await add(client, `killed ${round}`)
  }
  await hears(one, '1', ...Array(5).fill('killed') as string[])
  t.strictSame(one.heard, ['1', ...[0, 1, 2, 3, 4].map((round) => `killed ${round}`)])
  t.strictSame(one.states.slice(0, 3), ['following', 'lost', 'following'])
})

t.test('messages that could not be handled come again', async (t) => {
  const { client, one } = await alone(t)
  let refused = 0
  one.refuse = async () => { if (++refused < 3) throw new Error('not now') }
  await add(client, '1')
  await hears(one, '1')
  t.equal(refused, 3)
  t.strictSame(one.heard, ['1'])
})

t.test('a Redis that comes back empty is a gap, and what comes afterwards is given', async (t) => {
  const { server, client, one } = await alone(t)
  await add(client, '1')
  await hears(one, '1')
  await server.stop()
  await until('it is known', () => one.states.includes('lost'))
  await server.start()
  await hears(one, '1', 'gap')
  await until('connected', () => client.isReady)
  await add(client, '2')
  await hears(one, '1', 'gap', '2')
  t.strictSame(one.heard, ['1', 'gap', '2'])
  t.strictSame(one.states, ['following', 'lost', 'following'], 'said once for each change')
})

t.test('a gap that could not be handled comes again', async (t) => {
  const { client, one } = await alone(t)
  let refused = 0
  one.refuse = async () => { if (++refused < 3) throw new Error('not now') }
  await client.del(KEY)
  await hears(one, 'gap')
  t.equal(refused, 3)
})

const LOSSES: Record<string, (client: RedisTestClient) => Promise<unknown>> = {
  'the stream is deleted': (client) => client.del(KEY),
  'the stream is deleted and made anew': async (client) => { await client.multi().del(KEY).xAdd(KEY, '*', { json: 'lost' }).exec() },
  'the stream is made anew by a clock that is behind': async (client) => { await client.multi().del(KEY).xAdd(KEY, '1-1', { json: 'lost' }).exec() },
  'all is flushed': (client) => client.flushAll(),
  'the last message is trimmed': async (client) => { await client.multi().xAdd(KEY, '*', { json: 'lost' }).xAdd(KEY, '*', { json: 'lost' }).xTrim(KEY, 'MAXLEN', 1).exec() },
  'everything is trimmed': (client) => client.xTrim(KEY, 'MAXLEN', 0),
  'another message has the place of the last one': async (client) => {
    await client.multi().del(KEY).xAdd(KEY, (await newest(client))[0]!.id, { json: 'another' }).exec()
  }
}

for (const [title, lose] of Object.entries(LOSSES)) {
  t.test(`it is a gap when ${title}, while connected`, async (t) => {
    const { client, one } = await alone(t)
    await add(client, '1')
    await hears(one, '1')
    await lose(client)
    await hears(one, '1', 'gap')
    const last = await newest(client)
    t.equal(last.length, 1, 'there is something to follow on from')
    await client.xAdd(KEY, `${Number(last[0]!.id.split('-')[0]) + 1}-0`, { json: '2' })
    await hears(one, '1', 'gap', '2')
    t.strictSame(one.heard, ['1', 'gap', '2'])
  })
}

t.test('more messages than the stream keeps, while disconnected, are a gap', async (t) => {
  const { client, one } = await alone(t, { most: 100 })
  await add(client, '1')
  await hears(one, '1')
  let letGo = (): void => {}
  const held = new Promise<void>((resolve) => { letGo = resolve })
  one.refuse = async () => { await held }
  await add(client, '2')
  for (let i = 0; i < 500; i++) await client.xAdd(KEY, '*', { json: 'many' }, { TRIM: { strategy: 'MAXLEN', strategyModifier: '~', threshold: 100 } })
  t.ok(await client.xLen(KEY) < 400, 'it is trimmed')
  letGo()
  await hears(one, '1', '2', 'gap')
  t.strictSame(one.heard.slice(0, 3), ['1', '2', 'gap'])
})

t.test('own messages keep the stream at about its length', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const { events, following } = await startFollower(t, { redis: url, prefix, most: 100 })
  await following.ready
  for (let i = 0; i < 1000; i++) await events.append('x')
  t.ok(await client.xLen(`${prefix}:events`) <= 300)
})

t.test('following begins when Redis comes, if it was away at first', async (t) => {
  const server = await startRedisServer(t)
  await server.stop()
  const one = await startFollower(t, { redis: server.url, prefix: 'cache' })
  await until('it is known', () => one.states.length > 0)
  await server.start()
  await one.following.ready
  const client = await createClient({ url: server.url }).connect()
  t.teardown(() => client.close())
  await add(client, '1')
  await hears(one, '1')
  t.strictSame(one.heard, ['1'])
  t.strictSame(one.states, ['lost', 'following'])
})

t.test('a Redis that is silent is given up, and read again when it speaks', { timeout: 60_000 }, async (t) => {
  const { server, client, one } = await alone(t)
  await server.pause()
  await until('it is known', () => one.states.includes('lost'), 15_000)
  await server.resume()
  await add(client, '1')
  await hears(one, '1')
  t.strictSame(one.heard, ['1'])
})

t.test('closing takes less than a second in the middle of a blocked read, and leaves no connection', async (t) => {
  const { client, one } = await alone(t)
  await until('it blocks', async () => (await client.info('clients')).includes('blocked_clients:1'))
  const before = (await client.clientList()).length
  const start = performance.now()
  await one.following.close()
  t.ok(performance.now() - start < 1000)
  await until('one connection less', async () => (await client.clientList()).length === before - 1, 1000)
})

t.test('closing takes less than a second while Redis is away, silent, or a message is being handled', async (t) => {
  const away = await alone(t)
  await away.server.stop()
  await until('it is known', () => away.one.states.includes('lost'))
  const silent = await alone(t)
  await silent.server.pause()
  const busy = await alone(t)
  const waiting = new Promise<void>((resolve) => { busy.one.refuse = () => { resolve(); return new Promise(() => {}) } })
  await add(busy.client, '1')
  await waiting
  for (const { one } of [away, silent, busy]) {
    const start = performance.now()
    await one.following.close()
    await one.following.ready
    t.ok(performance.now() - start < 1000)
  }
  await silent.server.resume()
})

t.test('a client of the user is duplicated, whatever its own is doing', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const own = await createClient({ url, keyPrefix: 'own:' }).connect()
  t.teardown(() => own.close())
  const one = await startFollower(t, { redis: own, prefix })
  await one.following.ready
  await add(client, '1', `own:${prefix}:events`)
  await hears(one, '1')
  t.strictSame(one.heard, ['1'])
  await one.following.close()
  t.ok(own.isReady, 'it stays open')
})

t.test('with a pool, it has a connection that is not of the pool', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const pool = createClientPool({ url, keyPrefix: 'own:' }, { minimum: 1, maximum: 1 })
  await pool.connect()
  t.teardown(() => pool.close())
  const [a, b] = await Promise.all([startFollower(t, { redis: pool, prefix }), startFollower(t, { redis: pool, prefix })])
  await Promise.all([a.following.ready, b.following.ready])
  await a.events.append('1')
  await add(client, '2', `own:${prefix}:events`)
  await hears(b, '1', '2')
  await hears(a, '2')
  t.strictSame([a.heard, b.heard], [['2'], ['1', '2']])
})

t.test('a pool that is not connected yet is waited for', async (t) => {
  const { url, prefix } = await useRedis(t)
  const pool = createClientPool({ url })
  const one = await startFollower(t, { redis: pool, prefix })
  await until('it is known', () => one.states.includes('lost'))
  await pool.connect()
  t.teardown(() => pool.close())
  await one.following.ready
  t.strictSame(one.states, ['lost', 'following'])
})

t.test('a Redis that stays away is told of once, however often it is tried', async (t) => {
  let tries = 0
  const execute = async (): Promise<never> => { throw new Error(`away, ${++tries}`) }
  const away = { execute, withTypeMapping () {}, on () {}, off () {} } as unknown as RedisOption
  const one = await startFollower(t, { redis: away, prefix: 'cache' })
  await until('it was tried several times', () => tries >= 4)
  t.strictSame(one.states, ['lost'])
})

t.test('in a Cluster, messages are given, also those of a time without connections', async (t) => {
  const { rootNodes } = await startRedisCluster(t)
  const cluster = createCluster({ rootNodes })
  await cluster.connect()
  t.teardown(() => cluster.close())
  const one = await startFollower(t, { redis: { rootNodes }, prefix: 'cache' })
  await one.following.ready
  await cluster.xAdd(KEY, '*', { json: '1' })
  await hears(one, '1')
  for (const { url } of rootNodes) {
    const client = await createClient({ url }).connect()
    await killOthers(client)
    await client.close()
  }
  await until('the service is connected again', () => cluster.xAdd(KEY, '*', { json: '2' }).then(() => true, () => false))
  await hears(one, '1', '2')
  t.strictSame(one.heard, ['1', '2'])
})
