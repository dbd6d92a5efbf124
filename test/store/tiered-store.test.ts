import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { RecentlyAsked } from '../../lib/store/recently-asked.ts'
import { decodeEntry, encodeEntry, entryBytes } from '../../lib/stored-entry.ts'
import { useRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'
import { atOnce, keyOf, Observer, responseOf, startTier, warm } from './tiers.ts'

t.test('what is asked for once is not kept, what is asked for twice is, and then Redis is not asked', async (t) => {
  const { url, prefix } = await useRedis(t)
  const tier = await startTier(t, { redis: url, prefix })
  const observer = await Observer.start(t, { url, prefix })
  const key = keyOf('page')
  await tier.store.set(key, responseOf(tier, key), 60_000)
  t.same(await observer.during(() => tier.store.get(key)), ['GET', 'ZMSCORE'], 'the first time')
  t.equal(tier.near.get(key), undefined)
  t.ok((await observer.during(() => tier.store.get(key))).includes('GET'), 'the second time')
  t.ok(tier.near.get(key))
  t.same(await observer.during(() => { for (let i = 0; i < 100; i++) t.equal(atOnce(tier, key)?.body.toString(), 'body') }), [], 'then')
})

t.test('a copy is the entry as it was stored, and is given at once', async (t) => {
  const { url, prefix } = await useRedis(t)
  const tier = await startTier(t, { redis: url, prefix })
  const key = keyOf('page')
  const entry = responseOf(tier, key, { headers: [['content-type', 'text/plain'], ['link', ['<a>', '<b>']]], vary: [['accept', null]], body: Buffer.from([0, 255, 13]) })
  const asStored = decodeEntry(encodeEntry(entry)) // without what only this process knows
  await tier.store.set(key, entry, 60_000)
  t.same(await tier.store.get(key), asStored)
  t.same(await tier.store.get(key), asStored)
  const found = tier.store.get(key)
  t.notOk(found instanceof Promise)
  t.same(found, asStored)
})

t.test('an entry that would take more than a sixteenth of the memory is not kept, and is found nevertheless', async (t) => {
  const { url, prefix } = await useRedis(t)
  const tier = await startTier(t, { redis: url, prefix, maxBytes: 160_000 })
  for (const [name, bytes, isKept] of [['small', 10_000, true], ['large', 10_001, false]] as const) {
    const key = keyOf(name)
    await tier.store.set(key, responseOf(tier, key, { body: Buffer.alloc(bytes) }), 60_000)
    for (let i = 0; i < 3; i++) t.equal((await tier.store.get(key))?.body.length, bytes)
    t.equal(tier.near.get(key) !== undefined, isKept, name)
  }
})

t.test('what is asked for once does not push out what is asked for all the time', async (t) => {
  const { url, prefix } = await useRedis(t)
  const tier = await startTier(t, { redis: url, prefix, maxBytes: 40_000 })
  const hot = await warm(tier, 'hot')
  const filler = await warm(tier, 'filler', { body: Buffer.alloc(2000) })
  const names = Array.from({ length: 200 }, (_, i) => keyOf(`once ${i}`))
  await Promise.all(names.map((key) => tier.store.set(key, responseOf(tier, key, { body: Buffer.alloc(2000) }), 60_000)))
  t.equal((await Promise.all(names.map((key) => tier.store.get(key)))).filter((entry) => entry !== undefined).length, 200)
  t.ok(atOnce(tier, hot))
  t.ok(atOnce(tier, filler), 'nor what was asked for long ago')
})

t.test('what was asked for is remembered for the next ten thousand others and forgotten after twenty thousand', async (t) => {
  const asked = new RecentlyAsked()
  t.equal(asked.note('page'), false)
  for (let i = 0; i < 9000; i++) asked.note(`other ${i}`)
  t.equal(asked.note('page'), true)
  for (let i = 0; i < 21_000; i++) asked.note(`another ${i}`)
  t.equal(asked.note('page'), false)
})

t.test('copies never take more than the bound', async (t) => {
  const { url, prefix } = await useRedis(t)
  const maxBytes = 100_000
  const tier = await startTier(t, { redis: url, prefix, maxBytes })
  const keys = Array.from({ length: 100 }, (_, i) => keyOf(`page ${i}`))
  await Promise.all(keys.map((key, i) => tier.store.set(key, responseOf(tier, key, { body: Buffer.alloc(1000 + 50 * i) }), 60_000)))
  for (let round = 0; round < 3; round++) await Promise.all(keys.map((key) => tier.store.get(key)))
  const copies = keys.flatMap((key) => tier.near.get(key) ?? [])
  const bytes = copies.reduce((sum, copy) => sum + entryBytes(copy), 0)
  t.ok(copies.length > 10 && bytes > maxBytes / 2 && bytes <= maxBytes, `${copies.length} copies of ${bytes} bytes`)
})

t.test('a copy does not keep the buffer alive that it was read from', async (t) => {
  const { url, prefix } = await useRedis(t)
  const tier = await startTier(t, { redis: url, prefix })
  for (const bytes of [0, 4, 50_000]) {
    const key = await warm(tier, `page ${bytes}`, { body: Buffer.alloc(bytes, 'x') })
    const { body } = tier.near.get(key)!
    t.equal(body.length, bytes)
    t.equal(body.buffer.byteLength, bytes)
  }
})

t.test('a copy is not used after its time', async (t) => {
  let now = Date.now()
  const { url, prefix } = await useRedis(t)
  const tier = await startTier(t, { redis: url, prefix, clock: () => now })
  const key = await warm(tier, 'page', { storedAt: now, staleAt: now + 10_000 })
  now += 9_000
  t.ok(atOnce(tier, key))
  now += 1_000
  t.equal(atOnce(tier, key), undefined)
})

t.test('a copy goes when the entry goes, also when the clock of the process that stored it is ahead', async (t) => {
  const { url, prefix } = await useRedis(t)
  const tier = await startTier(t, { redis: url, prefix })
  const key = keyOf('page')
  const ahead = Date.now() + 3_600_000
  const storedAt = performance.now()
  await tier.store.set(key, responseOf(tier, key, { storedAt: ahead, staleAt: ahead + 400 }), 400)
  const confirmedAt = performance.now()
  await until(() => performance.now() > confirmedAt + 200)
  for (let i = 0; i < 2; i++) await tier.store.get(key)
  if (performance.now() < storedAt + 300) t.ok(atOnce(tier, key))
  await until(() => performance.now() > confirmedAt + 410)
  t.equal(await tier.store.get(key), undefined)
})

t.test('what this process sets, deletes or gives another time is not answered from the copy before', async (t) => {
  const { url, prefix } = await useRedis(t)
  const tier = await startTier(t, { redis: url, prefix })
  const key = await warm(tier, 'page')
  await tier.store.set(key, responseOf(tier, key, { body: Buffer.from('new') }), 60_000)
  t.equal((await tier.store.get(key))?.body.toString(), 'new')
  await tier.store.get(key)
  t.ok(atOnce(tier, key))
  t.equal(await tier.store.expire(key, 1), true)
  await until(async () => await tier.store.get(key) === undefined)
  await warm(tier, 'page')
  t.equal(await tier.store.delete(key), true)
  t.equal(await tier.store.get(key), undefined)
  t.equal(await tier.store.ttlMs(key), undefined)
})

t.test('a mark of another process kills the copy, and what is filled afterwards is kept again', async (t) => {
  const { url, prefix } = await useRedis(t)
  const [tier, other] = [await startTier(t, { redis: url, prefix }), await startTier(t, { redis: url, prefix })]
  for (const kind of ['hard', 'soft'] as const) {
    const key = await warm(tier, 'page')
    const untouched = await warm(tier, 'untouched', { labels: ['t:other'] })
    await other.store.marks.mark(kind, ['t:label'])
    await until(() => atOnce(tier, key) === undefined)
    t.ok(atOnce(tier, untouched), 'a copy that was not meant')
    const entry = await tier.store.get(key)
    t.equal(tier.store.marks.ledger.verdict(entry!, key), kind === 'hard' ? 'dead' : 'stale')
    t.ok(atOnce(tier, await warm(tier, 'page')))
  }
})

t.test('a mark of this process kills its copy before it is confirmed to the caller', async (t) => {
  const { url, prefix } = await useRedis(t)
  const tier = await startTier(t, { redis: url, prefix })
  const key = await warm(tier, 'page')
  await tier.store.marks.mark('hard', ['t:label'])
  t.equal(atOnce(tier, key), undefined)
})

t.test('hits spread over a time ask Redis nothing as long as all marks were known lately', async (t) => {
  const { url, prefix } = await useRedis(t)
  const tier = await startTier(t, { redis: url, prefix })
  const observer = await Observer.start(t, { url, prefix })
  const keys = await Promise.all(Array.from({ length: 50 }, (_, i) => warm(tier, `page ${i}`)))
  const commands = await observer.during(async () => {
    for (let round = 0; round < 20; round++) {
      for (const key of keys) t.ok(tier.store.get(key) instanceof Promise === false)
      await setTimeout(1)
    }
  })
  t.same(commands, [])
})
