import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createCache, type CacheOptions, type InvalidationMessage } from 'fastify-response-cache'
import t, { type Test } from 'tap'
import { startFaultyProxy } from '../helpers/faulty-proxy.ts'
import { useRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'

interface Line {
  readonly outcome?: string
  readonly event?: string
  readonly cause?: string
  readonly targets?: unknown
}

type Counting = ReturnType<typeof createCache> & { readonly lines: Line[] }

/** A cache, with the lines it logs of invalidations. */
function cacheOf (t: Test, options: CacheOptions = {}): Counting {
  const lines: Line[] = []
  const note = (details: { cache?: Line }): void => { if (details.cache?.outcome === 'invalidated') lines.push(details.cache) }
  // A machine that is busy is not what is tested.
  const cache = createCache({ defaults: { ttl: '1h' }, advice: false, timeouts: { read: '5s', write: '5s', invalidate: '5s' }, logger: { info: note, warn () {} }, ...options })
  t.teardown(() => cache.close())
  return Object.assign(cache, { lines })
}

/** What the channel tells while `t` runs. */
function listen (t: Test): InvalidationMessage[] {
  const heard: InvalidationMessage[] = []
  const onMessage = (message: unknown): void => { heard.push(message as InvalidationMessage) }
  subscribe('fastify-response-cache:invalidation', onMessage)
  t.teardown(() => unsubscribe('fastify-response-cache:invalidation', onMessage))
  return heard
}

const moved = ({ id }: { id: number }) => ({ tags: [`place:${id}`] })
const callsOf = (caches: readonly Counting[]): number[] => caches.map((cache) => cache.stats().invalidations.calls)

t.test('what an event invalidates is counted, logged and told with its name, by the process that publishes it', async (t) => {
  const told = listen(t)
  const cache = cacheOf(t)
  cache.invalidateOn('moved', moved)
  cache.invalidateOn('moved', () => ({ tags: ['all-places'], keys: ['list:1'] }))
  await cache.publish('moved', { id: 7 })
  await cache.invalidateTags('other')
  t.strictSame(cache.stats().invalidations, { calls: 2, byKind: { tags: 2, keys: 1 }, byCause: { event: 1, call: 1 } })
  const targets = { tags: ['place:7', 'all-places'], keys: ['list:1'] }
  t.match(told, [{ cause: 'event', event: 'moved', targets, soft: false, isConfirmed: true, ms: Number }, { cause: 'call', event: undefined }])
  t.match(cache.lines, [{ cause: 'event', event: 'moved', targets }, { cause: 'call' }])
  t.strictSame([told.length, cache.lines.length], [2, 2])
})

t.test('an event that names nothing, whose handler fails, or that a cache does not mark is not counted', async (t) => {
  const [cache, off] = [cacheOf(t), cacheOf(t, { enabled: false })]
  cache.invalidateOn('moved', () => undefined)
  cache.invalidateOn('moved', () => ({ tags: [] }))
  cache.invalidateOn('moved', () => { throw new Error('no') })
  off.invalidateOn('moved', moved)
  for (const one of [cache, off]) await one.publish('moved', { id: 1 })
  t.strictSame(callsOf([cache, off]), [0, 0])
  t.strictSame([cache.lines, off.lines], [[], []])
})

t.test('of many processes that handle an event one counts it: the one that publishes, or else any', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const told = listen(t)
  const caches = Array.from({ length: 5 }, () => cacheOf(t, { redis: url, prefix }))
  const [first, , , , silent] = caches as [Counting, Counting, Counting, Counting, Counting]
  for (const cache of caches) if (cache !== silent) cache.invalidateOn('moved', moved)
  await Promise.all(caches.map((cache) => cache.connect()))
  const total = (): number => callsOf(caches).reduce((sum, calls) => sum + calls, 0)
  for (let id = 0; id < 20; id++) await first.publish('moved', { id })
  t.strictSame(callsOf(caches), [20, 0, 0, 0, 0])
  for (let id = 20; id < 40; id++) await silent.publish('moved', { id })
  for (let id = 40; id < 60; id++) await client.xAdd(`${prefix}:events`, '*', { json: JSON.stringify({ event: 'moved', data: { id } }) })
  await until(() => total() >= 60)
  // What comes after them is handled after them, and asked about after them.
  for (const cache of caches) {
    const handled = new Promise<void>((resolve) => cache.invalidateOn('last', () => { resolve() }))
    await cache.connect()
    await client.xAdd(`${prefix}:events`, '*', { json: '{"event":"last"}' })
    await handled
  }
  t.equal(total(), 60, 'once each')
  t.equal(callsOf([silent])[0], 0, 'who only publishes has invalidated nothing')
  t.strictSame(told.flatMap(({ targets }) => targets === 'all' ? [] : targets.tags ?? []).toSorted(), Array.from({ length: 60 }, (_, id) => `place:${id}`).toSorted())
  const fleet = async () => (await first.stats({ fleet: true })).invalidations
  await until(async () => (await fleet()).calls >= 60)
  t.strictSame(await fleet(), { calls: 60, byKind: { tags: 60 }, byCause: { event: 60 } })
})

t.test('an event that comes again, because its handling was cut off, is counted once', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const proxy = await startFaultyProxy({ port: Number(new URL(url).port || 6379) })
  t.teardown(() => proxy.close())
  const cache = cacheOf(t, { redis: `redis://127.0.0.1:${proxy.port}`, prefix })
  let asked = 0
  cache.invalidateOn('moved', (data: { id: number }) => {
    asked++
    return moved(data)
  })
  await cache.connect()
  await proxy.set({ kind: 'cut', afterBytes: 0 })
  await client.xAdd(`${prefix}:events`, '*', { json: '{"event":"moved","data":{"id":1}}' })
  await proxy.set({ kind: 'none' })
  await until(() => cache.stats().invalidations.calls > 0)
  await client.xAdd(`${prefix}:events`, '*', { json: '{"event":"moved","data":{"id":2}}' })
  await until(() => cache.stats().invalidations.calls > 1)
  t.strictSame(cache.stats().invalidations, { calls: 2, byKind: { tags: 2 }, byCause: { event: 2 } })
  t.comment(`handlers were asked ${asked} times`)
})

t.test('that everything was invalidated because events may have been missed is counted as that', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const told = listen(t)
  const cache = cacheOf(t, { redis: url, prefix })
  cache.invalidateOn('moved', moved)
  await cache.connect()
  await client.multi().xAdd(`${prefix}:events`, '*', { json: '{"event":"other"}' }).del(`${prefix}:events`).exec()
  await until(() => cache.stats().invalidations.calls > 0)
  t.strictSame(cache.stats().invalidations, { calls: 1, byKind: { all: 1 }, byCause: { 'missed-events': 1 } })
  t.match(told, [{ targets: 'all', cause: 'missed-events', isConfirmed: true }])
  t.match(cache.lines, [{ targets: 'all', cause: 'missed-events' }])
})
