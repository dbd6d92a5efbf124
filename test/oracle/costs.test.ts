import t, { type Test } from 'tap'
import { createCache } from '../../lib/index.ts'
import { MOST_MARKS } from '../../lib/marks/marks.ts'
import { median } from '../helpers/median.ts'
import { startRedisServer } from '../helpers/redis.ts'
import { adminOf, changesCost, commandsSince, fillNamespace, marksCost, marksOf, tags, timeInvalidations, watchCommands, type Admin, type Watched } from './costs.ts'

// The long form, with 1,000,000 entries: npx tsx bench/invalidation.ts
const ENTRIES = 20_000
const LONGEST_MICROS = 5000

async function privateRedis (t: Test): Promise<{ url: string, admin: Admin }> {
  const { url } = await startRedisServer(t)
  const admin = adminOf(url)
  await admin.connect()
  t.teardown(() => admin.close())
  return { url, admin }
}

/** A core that another program uses makes single commands look long. */
function isPolite ({ slow }: Watched, calls: number): boolean {
  return slow.filter(({ micros }) => micros > LONGEST_MICROS).length <= calls / 100
}

t.test(`invalidating a namespace of ${ENTRIES} entries is one round trip, and takes as long as one of 10`, async (t) => {
  const { url, admin } = await privateRedis(t)
  const marks = marksOf(admin, 'cache')
  await fillNamespace(admin, { prefix: 'cache', namespace: 'few', count: 10, marks })
  await fillNamespace(admin, { prefix: 'cache', namespace: 'many', count: ENTRIES, marks })
  const cache = createCache({ redis: url, timeouts: { read: '5s', write: '5s' } })
  t.teardown(() => cache.close())
  await cache.connect()
  for (const key of ['few:9', `many:${ENTRIES - 1}`]) t.ok(await cache.has(key), 'the entries are real')
  await timeInvalidations(cache, ['few', 'many'], 100) // warm up
  await watchCommands(admin)
  const rounds = 300
  const [few, many] = await timeInvalidations(cache, ['few', 'many'], rounds) as [number[], number[]]
  const watched = await commandsSince(admin)
  const ratio = median(many) / median(few)
  t.comment(`median of ${rounds}: 10 entries ${median(few).toFixed(3)} ms, ${ENTRIES} entries ${median(many).toFixed(3)} ms, ratio ${ratio.toFixed(3)}; ${JSON.stringify(watched)}`)
  const told = watched.calls.hset ?? 0 // numbers for the fleet, every few seconds
  t.equal(watched.calls.zcard, 2 * rounds)
  t.ok(watched.calls.eval! <= 2 * rounds + told, 'one command each')
  t.same(Object.keys(watched.calls).filter((name) => !IN_SCRIPT.has(name)), ['eval'])
  t.ok(ratio < 2)
  t.ok(isPolite(watched, 2 * rounds), 'Redis is not blocked')
  for (const key of ['few:9', `many:${ENTRIES - 1}`]) t.notOk(await cache.has(key))
})

/** What the script calls is counted as well. */
const IN_SCRIPT = new Set(['publish', 'time', 'zcard', 'zadd', 'zscore', 'zrange', 'zremrangebyrank', 'hget', 'hset', 'hlen', 'pexpire', 'del'])

t.test('100,000 marks fit into some megabytes, and more of them do not block Redis', async (t) => {
  const { admin } = await privateRedis(t)
  const marks = marksOf(admin, 'cache')
  const hard = await marksCost(admin, { prefix: 'cache', marks, count: MOST_MARKS - 10 })
  const changes = await changesCost(admin, { prefix: 'changes', marks: marksOf(admin, 'changes'), count: 50_000 })
  for (const [what, { marks, redisBytes, heapBytes }] of [['marks', hard], ['buckets of changes', changes]] as const) {
    t.comment(`${marks} ${what}: ${(redisBytes / 1e6).toFixed(2)} MB in Redis, ${(heapBytes / 1e6).toFixed(2)} MB of heap`)
  }
  t.ok(hard.marks > 0.99 * MOST_MARKS)
  t.ok(hard.redisBytes < 120 * hard.marks)
  t.ok(hard.heapBytes < 120 * hard.marks)
  t.ok(changes.marks <= 4096, 'changes are kept by bucket')

  await watchCommands(admin)
  for (let i = 0; i < 100; i++) await marks.mark('hard', tags(1, MOST_MARKS + i))
  const watched = await commandsSince(admin)
  t.ok(watched.calls.zremrangebyrank! >= 1, 'the bound was passed')
  t.comment(`beyond the bound: ${JSON.stringify(watched)}`)
  t.ok(isPolite(watched, 100))
  t.ok(marks.ledger.size <= MOST_MARKS)
})
