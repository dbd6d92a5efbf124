import Fastify, { type FastifyInstance } from 'fastify'
import { createClient } from 'redis'
import t, { type Test } from 'tap'
import responseCache, { type InvalidationTargets, type ResponseCacheOptions } from 'fastify-response-cache'
import { startRedisServer, useRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'
import { isListening, Observer, recorder, type Line } from '../store/tiers.ts'

t.test('the first hits come from Redis, the next from memory without any command', async (t) => {
  const { url, prefix } = await useRedis(t)
  const { app, handled } = await startApp(t, { redis: url, prefix, memory: {} })
  const observer = await Observer.start(t, { url, prefix })
  t.match(await request(app), { cache: 'MISS' })
  await hot(app, observer)
  const [before, { body }] = [handled(), await request(app)]
  t.same(await observer.during(async () => {
    for (let i = 0; i < 20; i++) t.match(await request(app), { cache: 'HIT', body, user: 'ada' })
    t.match(await app.inject({ method: 'HEAD', url: '/users/1?a=1', headers: { 'x-user': 'ada' } }), { headers: { 'x-cache': 'HIT' } })
  }), [])
  t.equal(handled(), before)
})

t.test('a hit from memory needs no Redis, not even one that answers', async (t) => {
  const server = await startRedisServer(t)
  const { app } = await startApp(t, { redis: server.url, memory: { maxBlindMs: 600_000 } })
  await hot(app, await Observer.start(t, { url: server.url, prefix: 'cache' }))
  await server.pause()
  t.teardown(() => server.resume())
  for (let i = 0; i < 20; i++) t.match(await request(app), { cache: 'HIT' })
  t.match(await request(app, 'eve'), { cache: 'MISS', status: 200 })
})

/** No two are the same, in whichever app they are made. */
let bodies = 0

const targets: Record<string, InvalidationTargets | 'all'> = {
  tags: { tags: ['user:1'] },
  users: { users: ['ada'] },
  namespaces: { namespaces: ['user'] },
  urls: { urls: ['/users/1'] },
  'urls with a query': { urls: ['/users/1?a=1'] },
  patterns: { patterns: ['user:GET:/users/*'] },
  all: 'all'
}

t.test('an invalidation by another process reaches the copies, in each form', async (t) => {
  const { url, prefix } = await useRedis(t)
  const [one, other] = [await startApp(t, { redis: url, prefix, memory: { maxBlindMs: 600_000 } }), await startApp(t, { redis: url, prefix })]
  const observer = await Observer.start(t, { url, prefix })
  for (const [form, target] of Object.entries(targets)) {
    for (const soft of [false, true]) {
      await hot(one.app, observer)
      const before = one.handled()
      await (target === 'all' ? other.app.cache.invalidateAll({ soft }) : other.app.cache.invalidate(target, { soft }))
      await until(async () => (await request(one.app)).cache === 'MISS')
      t.equal(one.handled(), before + 1, `${form}${soft ? ', soft' : ''}`)
    }
  }
  await hot(one.app, observer)
  await other.app.cache.invalidateKey((await request(one.app)).key.slice(prefix.length + 1))
  await until(async () => (await request(one.app)).cache === 'MISS')
})

t.test('a write that another process answers reaches the copies, and its own client sees it at once', async (t) => {
  const { url, prefix } = await useRedis(t)
  const [one, other] = [await startApp(t, { redis: url, prefix, memory: { maxBlindMs: 600_000 } }), await startApp(t, { redis: url, prefix, memory: { maxBlindMs: 600_000 } })]
  const observer = await Observer.start(t, { url, prefix })
  for (const { app } of [one, other]) await hot(app, observer)
  const { body } = await request(one.app)
  t.equal((await other.app.inject({ method: 'PUT', url: '/users/1' })).statusCode, 200)
  t.match(await request(other.app), { cache: 'MISS' })
  await until(async () => (await request(one.app)).body !== body)
})

t.test('without memory each hit asks Redis; without Redis there is no connection and no word of it in the log', async (t) => {
  const { url, prefix } = await useRedis(t)
  for (const memory of [undefined, false] as const) {
    const { app } = await startApp(t, { redis: url, prefix, ...(memory === undefined ? {} : { memory }) })
    const observer = await Observer.start(t, { url, prefix })
    await until(async () => (await request(app)).cache === 'HIT')
    for (let i = 0; i < 3; i++) t.same(await observer.during(() => request(app)), ['GET', 'ZMSCORE'])
  }
  const { app, lines } = await startApp(t, { memory: { maxBytes: 1_000_000 } })
  await request(app)
  t.match(await request(app), { cache: 'HIT' })
  t.same(lines, [])
})

t.test('responses for one user are not given to another from memory either', async (t) => {
  const { url, prefix } = await useRedis(t)
  const { app } = await startApp(t, { redis: url, prefix, memory: {} })
  const observer = await Observer.start(t, { url, prefix })
  for (const user of ['ada', 'eve']) await hot(app, observer, user)
  t.same(await observer.during(async () => {
    for (let i = 0; i < 10; i++) for (const user of ['ada', 'eve']) t.match(await request(app, user), { cache: 'HIT', user })
  }), [])
})

t.test('closing the app ends the connection that listens and logs nothing', async (t) => {
  const server = await startRedisServer(t)
  const admin = await createClient({ url: server.url, name: 'admin' }).connect()
  t.teardown(() => admin.close())
  const connections = async (): Promise<number> => (await admin.clientList()).filter(({ name }) => name === 'app').length
  const { app, lines } = await startApp(t, { redis: { url: server.url, name: 'app' }, memory: {} })
  await request(app)
  t.equal(await connections(), 2)
  await app.close()
  await until(async () => await connections() === 0)
  t.same(lines.map(({ level, state }) => [level, state]), [['info', 'listening']])
})

interface App {
  readonly app: FastifyInstance
  readonly lines: Line[]
  /** How often the handler of `GET /users/:id` has run here. */
  readonly handled: () => number
}

async function startApp (t: Test, options: ResponseCacheOptions): Promise<App> {
  const lines: Line[] = []
  let handled = 0
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache, {
    timeouts: { read: '2s', write: '10s' }, advice: false, logger: recorder(lines), user: (request) => request.headers['x-user'] as string, debugHeaders: true, ...options
  })
  app.get('/users/:id', { config: { cache: { ttl: '1h', namespace: 'user', varyByUser: true, tags: (request) => [`user:${request.params.id}`] } } }, async (request) => {
    handled++
    return `${String(request.headers['x-user'])} ${++bodies}`
  })
  app.put('/users/:id', { config: { cache: { invalidates: (request) => ({ tags: [`user:${request.params.id}`] }) } } }, async () => 'done')
  await app.ready()
  await app.cache.connect()
  if (options.redis !== undefined && options.memory) await until(() => isListening({ lines }))
  return { app, lines, handled: () => handled }
}

async function request (app: FastifyInstance, user = 'ada'): Promise<{ status: number, cache: unknown, body: string, user: string | undefined, key: string }> {
  const { statusCode, headers, body } = await app.inject({ url: '/users/1?a=1', headers: { 'x-user': user } })
  return { status: statusCode, cache: headers['x-cache'], body, user: body.split(' ')[0], key: String(headers['x-cache-key']) }
}

/** Asks until hits ask Redis no longer. */
async function hot (app: FastifyInstance, observer: Observer, user = 'ada'): Promise<void> {
  await until(async () => (await request(app, user)).cache === 'HIT' && (await observer.during(() => request(app, user))).length === 0)
}
