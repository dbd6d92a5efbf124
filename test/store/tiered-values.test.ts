import t, { type Test } from 'tap'
import { createCache, type Cache, type CacheOptions } from '../../lib/index.ts'
import { useRedis, type TestRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'
import { isListening, Observer, recorder, type Line } from './tiers.ts'

t.test('values that are asked for again and again do not ask Redis', async (t) => {
  const { redis, near } = await scene(t)
  const observer = await Observer.start(t, redis)
  const values: Record<string, unknown> = { text: 'Ada', bytes: Buffer.from([0, 255]), object: { born: new Date(0), tags: new Set(['a']) }, nothing: null }
  for (const [key, value] of Object.entries(values)) {
    await near.set(key, value)
    await copied(near, observer, key)
    t.same(await observer.during(async () => { for (let i = 0; i < 20; i++) t.same(await near.get(key), value) }), [], key)
  }
})

t.test('what a process without memory sets, deletes or gives another time is seen by those with copies', async (t) => {
  const { redis, near, far } = await scene(t)
  const observer = await Observer.start(t, redis)
  const changes: Record<string, [change: () => Promise<unknown>, after: unknown]> = {
    set: [() => far.set('key', 'new'), 'new'],
    setMany: [() => far.setMany({ other: 1, key: 'newer' }), 'newer'],
    'set with ttl 0': [() => far.set('key', 'kept by nobody', { ttl: 0 }), undefined],
    delete: [() => far.delete('key'), undefined],
    deleteMany: [() => far.deleteMany(['other', 'key']), undefined],
    expire: [() => far.expire('key', '1ms'), undefined],
    'expire with 0': [() => far.expire('key', 0), undefined],
    invalidateKey: [() => far.invalidateKey('key'), undefined],
    invalidateTags: [() => far.invalidateTags('tag'), undefined],
    invalidatePattern: [() => far.invalidatePattern('k*'), undefined]
  }
  for (const [name, [change, after]] of Object.entries(changes)) {
    await far.set('key', `before ${name}`, { tags: ['tag'] })
    await until(async () => await near.get('key') === `before ${name}`)
    await copied(near, observer, 'key')
    await change()
    await until(async () => await near.get('key') === after)
    t.equal(await near.get('key'), after, name)
  }
})

t.test('the process that changes a value sees it at once', async (t) => {
  const { redis, near } = await scene(t)
  const observer = await Observer.start(t, redis)
  for (let i = 0; i < 5; i++) {
    await near.set('key', i)
    t.equal(await near.get('key'), i)
    await copied(near, observer, 'key')
  }
  await near.delete('key')
  t.equal(await near.get('key'), undefined)
})

t.test('a copy goes when the time that expire gave is over', async (t) => {
  const { redis, near, far } = await scene(t)
  const observer = await Observer.start(t, redis)
  await far.set('key', 'value', { ttl: '1h' })
  await copied(near, observer, 'key')
  await far.expire('key', '600ms')
  const shortenedAt = performance.now()
  await until(async () => await near.ttl('key') === undefined || (await near.ttl('key'))! < 1)
  await until(async () => { await near.get('key'); return performance.now() > shortenedAt + 605 })
  t.equal(await near.get('key'), undefined)
})

t.test('a value that was set is not replaced by what a getOrSet of another process began to produce before', async (t) => {
  const { near, far } = await scene(t)
  for (const [one, other] of [[near, far], [far, near]] as const) {
    await far.delete('key')
    const [began, mayEnd] = [gate(), gate()]
    const producing = one.getOrSet('key', async () => { began.open(); await mayEnd.opened; return 'read before' })
    await began.opened
    await other.set('key', 'set since')
    mayEnd.open()
    t.equal(await producing, 'read before', 'its caller gets what it produced')
    for (const cache of [near, far]) await until(async () => await cache.get('key') === 'set since')
    t.equal(await other.getOrSet('key', () => 'produced later'), 'set since')
  }
})

t.test('what is produced replaces a value that was deleted, has died or was produced, and bytes that are none of ours', async (t) => {
  const { redis: { client, prefix }, far } = await scene(t)
  await far.set('key', 'set', { tags: ['tag'] })
  await far.invalidateTags('tag')
  t.equal(await far.getOrSet('key', () => 'first'), 'first')
  t.equal(await far.get('key'), 'first', 'invalidated')
  await far.delete('key')
  await far.getOrSet('key', () => 'second')
  t.equal(await far.get('key'), 'second', 'deleted')
  const [began, mayEnd] = [gate(), gate()]
  const producing = far.getOrSet('other', async () => { began.open(); await mayEnd.opened; return 'third' })
  await began.opened
  for (const foreign of ['', 'short', 'FRC\u0002 and more than sixteen bytes', 'x'.repeat(200)]) {
    await client.set(`${prefix}:key`, foreign)
    await far.getOrSet('key', () => `over ${foreign.length}`)
    t.equal(await far.get('key'), `over ${foreign.length}`)
  }
  await client.del(`${prefix}:key`)
  await client.lPush(`${prefix}:key`, 'item')
  await far.getOrSet('key', () => 'over a list')
  t.equal(await far.get('key'), 'over a list')
  mayEnd.open()
  await producing
  t.equal(await far.get('other'), 'third')
})

t.test('changes are announced only where some process has said that it keeps copies, by bucket', async (t) => {
  const redis = await useRedis(t)
  const far = await open(t, redis)
  await far.set('key', 1)
  await far.delete('key')
  t.same((await members(redis)).filter((member) => /^[mw]/.test(member)), [])
  const near = await open(t, redis, { memory: {} })
  await far.set('key', 1)
  await until(async () => { await near.get('key'); return (await members(redis)).includes('m') })
  for (let i = 0; i < 20; i++) await far.set('key', i)
  const announced = (await members(redis)).filter((member) => member.startsWith('w'))
  t.equal(announced.length, 1)
  t.match(announced[0], /^w[0-9a-z]{1,3}$/)
})

t.test('copies of before are not used any longer when changes went unannounced because `m` was lost and set again', async (t) => {
  const { redis, near, far } = await scene(t)
  const observer = await Observer.start(t, redis)
  await far.set('key', 'old')
  await copied(near, observer, 'key')
  const before = await redis.client.zScore(`${redis.prefix}:marks`, 'm')
  await redis.client.zRem(`${redis.prefix}:marks`, 'm')
  await far.set('key', 'new') // announced to nobody
  const third = await open(t, redis, { memory: {} })
  await until(async () => { await third.get('key'); return (await members(redis)).includes('m') })
  t.not(await redis.client.zScore(`${redis.prefix}:marks`, 'm'), before)
  t.equal(await near.get('another'), undefined, 'a look-up in Redis reads the marks')
  t.equal(await near.get('key'), 'new')
  await copied(near, observer, 'key')
  await far.set('key', 'newest')
  await until(async () => await near.get('key') === 'newest')
})

t.test('when `m` was lost and is not set again, copies of before are used for maxBlindMs at most', async (t) => {
  const maxBlindMs = 300
  const redis = await useRedis(t)
  const [near, far] = [await open(t, redis, { memory: { maxBlindMs } }), await open(t, redis)]
  const observer = await Observer.start(t, redis)
  await far.set('key', 'old')
  await copied(near, observer, 'key')
  await redis.client.zRem(`${redis.prefix}:marks`, 'm')
  await far.set('key', 'new')
  const setAt = performance.now()
  let lastUsedAt = 0
  await until(async () => {
    const askedAt = performance.now()
    const isOld = await near.get('key') === 'old'
    if (isOld) lastUsedAt = askedAt
    return !isOld
  })
  t.ok(lastUsedAt < setAt + maxBlindMs)
})

interface Scene {
  readonly redis: TestRedis
  /** With copies in memory. It is never blind for long enough to ask by itself, so that what it knows it has heard. */
  readonly near: Cache
  /** Without. */
  readonly far: Cache
}

async function scene (t: Test): Promise<Scene> {
  const redis = await useRedis(t)
  return { redis, near: await open(t, redis, { memory: { maxBlindMs: 600_000 } }), far: await open(t, redis) }
}

async function open (t: Test, { url, prefix }: TestRedis, options: CacheOptions = {}): Promise<Cache> {
  const lines: Line[] = []
  const cache = createCache({ redis: url, prefix, defaults: { ttl: '1h' }, timeouts: { read: '10s', write: '10s' }, logger: recorder(lines), ...options })
  t.teardown(() => cache.close())
  await cache.connect()
  if (options.memory !== undefined) await until(() => isListening({ lines }))
  return cache
}

/** Asks for the value until that asks Redis no longer. */
async function copied (cache: Cache, observer: Observer, key: string): Promise<void> {
  await until(async () => (await observer.during(() => cache.get(key))).length === 0)
}

async function members ({ client, prefix }: TestRedis): Promise<string[]> {
  return await client.zRange(`${prefix}:marks`, 0, -1)
}

function gate (): { opened: Promise<void>, open: () => void } {
  let open!: () => void
  return { opened: new Promise((resolve) => { open = resolve }), open: () => { open() } }
}
