import t, { type Test } from 'tap'
import type { ConnectedRedis } from '../../lib/store/redis-client.ts'
import { RedisHot } from '../../lib/store/redis-hot.ts'
import { LocalHot, type HotStore } from '../../lib/warming/hot-store.ts'
import type { UrlTarget } from '../../lib/warming/hot-target.ts'
import { HotTracker } from '../../lib/warming/hot-tracker.ts'
import { useRedis } from '../helpers/redis.ts'
import { recordingHot, recordingLogger, Timeline } from './doubles.ts'

function track (t: Test, store: HotStore) {
  const time = new Timeline()
  const logger = recordingLogger()
  let asked = 0
  const tracker = new HotTracker<string>({
    store,
    logger,
    later: time.later,
    random: () => 0, // every hit is counted
    toTarget (hit): UrlTarget | undefined {
      asked++
      return hit === 'private' ? undefined : { url: hit, headers: { host: 'example.com' } }
    }
  })
  t.teardown(() => { tracker.close() })
  return { time, logger, tracker, asked: () => asked }
}

t.test('hits are told every ten seconds, and only when there are any', async (t) => {
  const store = recordingHot()
  const { time, tracker } = track(t, store)
  t.equal(time.waiting, 0)
  for (const hit of ['/a', '/b', '/a', 'private']) tracker.note(hit)
  await time.pass(9_999)
  t.equal(store.added.length, 0)
  await time.pass(1)
  t.strictSame(store.added.map((counts) => [...counts.values()]), [[2, 1]])
  t.equal(time.waiting, 0, 'nothing waits while there are no hits')
  await time.pass(60_000)
  t.equal(store.added.length, 1)
  tracker.note('/c')
  await time.pass(10_000)
  t.strictSame([...store.added[1]!.keys()], ['["/c",["host","example.com"]]'])
})

t.test('a hit that cannot be repeated is not counted', async (t) => {
  const store = recordingHot()
  const { time, tracker } = track(t, store)
  tracker.note('private')
  tracker.note('//evil.example')
  tracker.note(`/${'long'.repeat(1000)}`)
  t.equal(time.waiting, 0)
})

t.test('about one hit in eight is looked at', async (t) => {
  let asked = 0
  const tracker = new HotTracker<undefined>({ store: recordingHot(), logger: recordingLogger(), later: new Timeline().later, toTarget () { asked++; return undefined } })
  for (let i = 0; i < 80_000; i++) tracker.note(undefined)
  t.ok(asked > 8_000 && asked < 12_000, `${asked} of 80000`)
})

t.test('the counts of this process are among the hottest at once', async (t) => {
  const { tracker } = track(t, new LocalHot())
  for (const hit of ['/a', '/b', '/b']) tracker.note(hit)
  t.strictSame(await tracker.top(1), [{ url: '/b', headers: { host: 'example.com' } }])
  t.strictSame((await tracker.top(5)).map(({ url }) => url), ['/b', '/a'])
})

t.test('two processes with one Redis know the hottest of both, and believe nothing that is no path', async (t) => {
  const { client, prefix } = await useRedis(t)
  const open = () => client as unknown as ConnectedRedis
  const [a, b] = [track(t, new RedisHot({ open, prefix })), track(t, new RedisHot({ open, prefix }))]
  for (const hit of ['/a', '/a', '/x', '/x']) a.tracker.note(hit)
  for (const hit of ['/b', '/x']) b.tracker.note(hit)
  await b.time.pass(10_000)
  await b.tracker.top(1) // the timer does not wait for Redis
  t.strictSame((await a.tracker.top(5)).map(({ url }) => url), ['/x', '/a', '/b'])
  const [{ score }] = await client.zRangeWithScores(`${prefix}:hot`, -1, -1) as unknown as [{ score: number }]
  for (const value of ['["http://evil.example/"]', '["//evil.example/"]', 'nonsense', '["/a",["authorization","x"]]', '\u0000\ufffd']) {
    await client.zAdd(`${prefix}:hot`, { value, score: score + 1 })
  }
  t.strictSame((await a.tracker.top(20)).map(({ url }) => url), ['/x', '/a', '/b'])
})

t.test('a store that fails is logged once until it works again, and keeps nobody waiting', async (t) => {
  const store = recordingHot()
  const { logger, time, tracker } = track(t, store)
  for (const fault of [new Error('away'), new Error('away'), undefined, new Error('away')]) {
    store.fault = fault
    tracker.note('/a')
    await time.pass(10_000)
  }
  t.equal(store.added.length, 1)
  t.equal(logger.lines.length, 2)
  t.match(logger.lines[0], 'hits could not be counted')
})

t.test('nothing is counted or told after close()', async (t) => {
  const store = recordingHot()
  const { time, tracker } = track(t, store)
  tracker.note('/a')
  tracker.close()
  tracker.note('/b')
  await time.pass(60_000)
  t.equal(store.added.length, 0)
  t.equal(time.waiting, 0)
})

t.test('a tracker that was closed before its first hit starts no timer', async (t) => {
  const { time, tracker } = track(t, recordingHot())
  tracker.close()
  tracker.note('/a')
  t.equal(time.waiting, 0)
})
