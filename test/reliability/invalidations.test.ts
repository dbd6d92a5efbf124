import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { createCache } from '../../lib/index.ts'
import { silentLogger } from '../../lib/logger.ts'
import { tagLabel } from '../../lib/marks/labels.ts'
import { LocalMarks } from '../../lib/marks/marks.ts'
import { Invalidations, type InvalidationsOptions } from '../../lib/store/invalidations.ts'
import { freePort } from '../helpers/free-port.ts'
import { startRedisServer, useRedis } from '../helpers/redis.ts'
import { plainStore } from '../store/plain-store.ts'
import { alive } from './alive.ts'
import { soon, until } from '../helpers/until.ts'

const PENDING = { code: 'RESPONSE_CACHE_ERR_INVALIDATION_PENDING' }

/** Marks that are confirmed when `answer` says so. */
function scene (answer: (labels: readonly string[]) => Promise<void>, options: Partial<InvalidationsOptions> = {}): { invalidations: Invalidations, sent: string[][] } {
  const local = new LocalMarks({ clock: Date.now })
  const sent: string[][] = []
  const marks = {
    ledger: local.ledger,
    changed () {},
    refresh () {},
    mark: async (_kind: string, labels: readonly string[]) => {
      sent.push([...labels])
      await answer(labels)
    }
  }
  const invalidations = new Invalidations({
    marks, invalidateMs: 50, tryMs: 50, logger: silentLogger, isConnected: () => true, connect: async () => {}, admits: () => true, onAnswered () {}, onFault: (fault) => fault, ...options
  })
  all.push(invalidations)
  return { invalidations, sent }
}

const all: Invalidations[] = []
t.teardown(() => { for (const invalidations of all) void invalidations.close() }) // what fails must not go on for ever

t.test('whenever another one fails, what is invalidated is sent again until it is confirmed', async (t) => {
  // In each of the moments between the confirmation of the first one and the end of sending it again.
  await Promise.all(Array.from({ length: 40 }, async (_, ticks) => {
    let [admits, failures] = [true, 1]
    let second: Promise<unknown> | undefined
    const soon = async (): Promise<void> => {
      for (let i = 0; i < ticks; i++) await Promise.resolve()
      admits = false
      await t.rejects(invalidations.mark('hard', [tagLabel('b')]), PENDING)
    }
    const { invalidations } = scene(async () => {
      if (failures-- > 0) throw new Error('away')
      second ??= soon()
    }, { admits: () => admits, invalidateMs: 10_000 })
    await invalidations.mark('hard', [tagLabel('a')])
    await second
    await until(() => invalidations.size === 0)
    await invalidations.close()
  }))
})

t.test('a try that hangs does not go on beside the next one', async (t) => {
  const gates: Array<() => void> = []
  let isAway = true
  const { invalidations, sent } = scene(async () => {
    if (isAway) throw new Error('away')
    await new Promise<void>((resolve) => { gates.push(resolve) })
  }, { tryMs: 500 })
  const [a, b] = [tagLabel('a'), tagLabel('b')]
  const both = Promise.allSettled([invalidations.mark('hard', [a]), invalidations.mark('soft', [b])])
  isAway = false
  await both
  await until(() => gates.length === 2) // the second try, of the same
  const before = sent.length
  gates[0]!()
  for (let i = 0; i < 20; i++) await turn()
  t.strictSame([sent.slice(before), invalidations.size], [[], 1], 'what it has sent is confirmed, and no more is sent by it')
  gates[1]!()
  await until(() => gates.length === 3)
  gates[2]!()
  await until(() => invalidations.size === 0)
  t.strictSame(sent.at(-1), [b])
  await invalidations.close()
})

t.test('callers who do not wait any more are forgotten, however long the store is away', async (t) => {
  class Away extends Error {}
  const { invalidations } = scene(async () => { throw new Away() }, { invalidateMs: 10 })
  for (let i = 0; i < 20; i++) {
    const callers = await Promise.allSettled(Array.from({ length: 50 }, () => invalidations.mark('hard', [tagLabel('a')])))
    t.equal(callers.filter(({ status }) => status === 'rejected').length, 50)
  }
  t.equal(invalidations.size, 1)
  await until(() => alive(Away) < 200)
  await invalidations.close()
})

t.test('each time that the store does not confirm is told, and that it does', async (t) => {
  const states: unknown[] = []
  const note = (details: object): void => { states.push((details as { cache: { state: unknown } }).cache.state) }
  let isAway = true
  const { invalidations } = scene(async () => { if (isAway) throw new Error('away') }, { logger: { info: note, warn: note }, invalidateMs: 10 })
  for (let i = 0; i < 2; i++) {
    isAway = true
    for (let j = 0; j < 3; j++) await t.rejects(invalidations.mark('hard', [tagLabel(`${j}`)]), PENDING)
    isAway = false
    await until(() => states.length === 2 * (i + 1))
  }
  t.strictSame(states, ['invalidations-pending', 'invalidations-confirmed', 'invalidations-pending', 'invalidations-confirmed'])
  await invalidations.close()
})

t.test('to close waits a second at most for a store that hangs', async (t) => {
  const lines: string[] = []
  let isHung = false
  const answer = async (): Promise<void> => {
    if (isHung) await new Promise(() => {})
    throw new Error('away')
  }
  const { invalidations } = scene(answer, { tryMs: 60_000, logger: { info () {}, warn: (_details, text) => { lines.push(text ?? '') } } })
  await t.rejects(invalidations.mark('hard', [tagLabel('a')]), PENDING)
  isHung = true
  const startedAt = performance.now()
  await soon('the end', invalidations.close())
  t.ok(performance.now() - startedAt < 5000, `${performance.now() - startedAt} ms`)
  t.match(lines.at(-1), /closed before the store confirmed/)
})

t.test('a connection that cannot be made is tried again', async (t) => {
  let tries = 0
  const connect = async (): Promise<void> => { if (++tries < 3) throw new Error('refused') }
  const { invalidations } = scene(async () => {}, { isConnected: () => tries >= 3, connect })
  await t.rejects(invalidations.mark('hard', [tagLabel('a')]), PENDING)
  await until(() => invalidations.size === 0)
})

t.test('a caller who waits when the cache is closed hears at once that it is not sent again', async (t) => {
  const { invalidations } = scene(async () => { throw new Error('away') }, { invalidateMs: 60_000 })
  const waiting = invalidations.mark('hard', [tagLabel('a')])
  await turn()
  const closed = invalidations.close()
  const hears = waiting.catch((fault: unknown) => fault)
  t.match(await soon('an answer', hears), { code: 'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE', message: /closed/ })
  await closed
})

t.test('what waits when it is closed is sent once more, and nothing is lost if that is confirmed', async (t) => {
  const lines: unknown[] = []
  let isAway = true
  const answer = async (): Promise<void> => { if (isAway) throw new Error('away') }
  const { invalidations, sent } = scene(answer, { invalidateMs: 10, logger: { info () {}, warn: (_details, text) => { lines.push(text) } } })
  await t.rejects(invalidations.mark('hard', [tagLabel('a'), tagLabel('b')]), PENDING)
  isAway = false
  const before = sent.length
  await invalidations.close()
  t.strictSame([sent.slice(before), invalidations.size], [[[tagLabel('a'), tagLabel('b')]], 0])
  t.match(lines, { length: 1, 0: /does not confirm/ })
})

t.test('more labels on their way than may wait invalidate those and no others', async (t) => {
  const { url, prefix } = await useRedis(t)
  for (const options of [{}, { redis: url, prefix, timeouts: { read: '5s', write: '5s', invalidate: '60s' } }]) {
    const cache = createCache({ ...options, defaults: { ttl: '1m' }, limits: { pendingInvalidations: 100 } })
    t.teardown(() => cache.close())
    await cache.connect()
    await cache.set('unrelated', 1)
    await cache.invalidateTags(Array.from({ length: 1000 }, (_, i) => `tag ${i}`))
    t.equal(await cache.get('unrelated'), 1)
  }
})

t.test('to invalidate nothing needs no store', async (t) => {
  const cache = createCache({ redis: `redis://127.0.0.1:${await freePort()}`, timeouts: { invalidate: '100ms' } })
  t.teardown(() => cache.close())
  t.strictSame(await cache.invalidate({ tags: [] }), { tags: [], soft: false })
})

t.test('a process that only invalidates finds out that Redis answers again', async (t) => {
  const server = await startRedisServer(t)
  const cache = createCache({ redis: server.url, timeouts: { invalidate: '5s', read: '50ms' }, breaker: { openFor: '100ms' } })
  t.teardown(() => cache.close())
  await cache.connect()
  await server.pause()
  while (cache.stats().store.read === 'closed') await cache.get('a')
  await server.resume()
  await until(() => cache.invalidateTags('a').then(() => true, () => false))
})

t.test('a value that was being made before an invalidation is not given to those who ask after it, also when Redis was never there', async (t) => {
  const cache = createCache({ redis: `redis://127.0.0.1:${await freePort()}`, defaults: { ttl: '1m' }, timeouts: { invalidate: '50ms' } })
  t.teardown(() => cache.close())
  const state = { value: 'old' }
  let open = (): void => {}
  const gate = new Promise<void>((resolve) => { open = resolve })
  const first = cache.getOrSet('a', async () => {
    const { value } = state
    await gate
    return value
  })
  await until(() => cache.stats().store.errors > 0)
  state.value = 'new'
  await t.rejects(cache.invalidateKey('a'), PENDING)
  t.equal(await cache.getOrSet('a', () => state.value), 'new')
  open()
  t.equal(await first, 'old')
})

t.test('all that an event means is kept when Redis is away, however much that is', async (t) => {
  const server = await startRedisServer(t)
  const cache = createCache({ redis: server.url, timeouts: { invalidate: '100ms', write: '100ms' }, limits: { pendingInvalidations: 5000 } })
  t.teardown(() => cache.close())
  cache.invalidateOn('all', () => ({ tags: Array.from({ length: 2500 }, (_, i) => `tag ${i}`) }))
  await cache.connect()
  await server.stop()
  await t.rejects(cache.publish('all'))
  t.equal(cache.stats().store.pendingInvalidations, 2500)
})

t.test('whatever a store of the user throws where nobody waits for it, requests are answered', async (t) => {
  const throws = (): never => { throw new Error('of the store') }
  for (const broken of [{ getCopy: throws }, { suspect: throws }, { getCopy: async () => undefined }, { getCopy: throws, suspect: throws }]) {
    const cache = createCache({ store: { ...plainStore(), get: async () => await new Promise(() => {}), ...broken } as never, defaults: { ttl: '1m' }, timeouts: { read: '10ms' } })
    t.teardown(() => cache.close())
    for (let i = 0; i < 8; i++) t.equal(await cache.get('a'), undefined)
  }
})

t.test('a store without marks whose connection hangs keeps no invalidation waiting', async (t) => {
  const cache = createCache({ store: { ...plainStore(), connect: async () => { await new Promise(() => {}) } }, defaults: { ttl: '1m' } })
  t.teardown(() => cache.close())
  t.strictSame(await cache.invalidateTags('a'), { tags: ['a'], soft: false })
})
