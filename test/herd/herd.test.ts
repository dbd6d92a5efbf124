import t from 'tap'
import { roundsOf, type Variant } from '../../bench/herd/cold.ts'
import { brokenBy as brokenByExpiry, expiries } from '../../bench/herd/expiry.ts'
import { builtLibrary } from '../../bench/herd/figure.ts'
import { withFleet } from '../../bench/herd/fleet.ts'
import { herd } from '../../bench/herd/herd.ts'
import { killedRounds } from '../../bench/herd/killed.ts'
import { brokenBy as brokenByOutage, callsPerSecond, outage } from '../../bench/herd/outage.ts'
import { ratioOf, uncacheablePairs } from '../../bench/herd/uncacheable.ts'
import { useRedis } from '../helpers/redis.ts'

// The long form, with latencies: npx tsx bench/herd/run.ts
const { url: redisUrl } = await useRedis(t)
const ground = { redisUrl, library: await builtLibrary() }
const lock = { waitMs: 20_000, leaseMs: 2000 }

const answersTo: Record<Variant, number> = { 'one key': 1, 'two users': 2, 'two languages': 2 }

t.test('many who ask several processes at once make the handler run once for each answer', async (t) => {
  await withFleet({ ...ground, processes: 3, handlerMs: 200, cache: { ttl: '1h', lock } }, async (fleet, client) => {
    for (const [variant, answers] of Object.entries(answersTo) as Array<[Variant, number]>) {
      const { cold, hits } = await roundsOf(fleet, client, { requests: 150, rounds: 2, warmUpSeconds: 0, variant })
      t.strictSame(cold.map(({ runs }) => runs), [answers, answers], variant)
      // Of what only the response's own Vary tells apart, one representation is kept at a time.
      if (variant !== 'two languages') t.strictSame(hits.map(({ runs }) => runs), [0, 0], `${variant}: all hits`)
      t.strictSame([...cold, ...hits].flatMap(({ wrong }) => wrong), [], `${variant}: all got what is meant for them`)
    }
  })
})

t.test('the herd can be seen with protection and without', async (t) => {
  const size = { processes: 2, requests: 60, handlerMs: 100, redisUrl, warmUpSeconds: 0 }
  const [with_, without] = await Promise.all([herd({ ...size, protection: true }), herd({ ...size, protection: false })])
  t.match(with_, { handlerRuns: 1, errors: 0 })
  t.equal(with_.latencies.length, 60)
  t.equal(without.errors, 0)
  t.ok(without.handlerRuns > 10, `${without.handlerRuns} runs`)
})

t.test('who waits for a process that is killed gets an answer after its lease', async (t) => {
  const leaseMs = 1000
  const [round] = await killedRounds(ground, { processes: 3, requests: 90, handlerMs: 300, killAfterMs: 100, rounds: 1, cache: { ttl: '1h', lock: { ...lock, leaseMs } } })
  t.equal(round!.runs, 2)
  t.strictSame(round!.errors, [])
  t.equal(round!.ms.length, 60)
  // Far from waitMs, after which nobody waits any more.
  t.ok(Math.max(...round!.ms) < leaseMs + 300 + lock.waitMs / 2, `${Math.max(...round!.ms)} ms`)
})

for (const redis of [false, true]) {
  t.test(`nobody waits for others whose answers cannot be shared: ${redis ? 'Redis' : 'memory'}`, async (t) => {
    const handlerMs = 50
    const pairs = await uncacheablePairs(ground, { processes: 2, connections: 100, handlerMs, seconds: 0.7, warmUpSeconds: 0.3, pairs: 1, redis, cache: { ttl: '1h', lock } })
    const [{ cached, plain }] = pairs as [typeof pairs[number]]
    t.equal(cached.failures + plain.failures, 0)
    // One after another it would be one in `handlerMs`.
    t.ok(cached.requests / cached.seconds > 5 * 1000 / handlerMs, `${cached.requests} in ${cached.seconds} s, ${ratioOf(pairs).toFixed(2)} of those without the plugin`)
  })
}

for (const ahead of [false, true]) {
  t.test(ahead ? 'with refreshAhead hardly anybody gets a stale answer' : 'with staleWhileRevalidate nobody waits, and each expiry makes the handler run once', async (t) => {
    const cache = { ttl: '1s', jitter: 0, lock, staleWhileRevalidate: '30s', ...ahead ? { refreshAhead: true } : {} }
    const seen = await expiries(ground, { processes: 2, perSecond: 200, seconds: 3, warmUpSeconds: 0.5, handlerMs: 100, cache })
    t.comment(`${seen.stale} of ${seen.answers.length} stale; requests late by ${seen.lateness.toFixed(0)} ms at most`)
    // A machine on which the requests themselves are late is late with what is made ahead.
    const isBusy = seen.lateness > 20
    t.strictSame(brokenByExpiry(seen, { slow: 0, ahead }).filter((text) => !text.endsWith('answers were stale')), [])
    // None in the long form. Here an expiry may coincide with other tests; without refreshAhead 8 in 100 are stale.
    t.ok(!ahead || seen.stale < seen.answers.length * (isBusy ? 0.5 : 0.04), `${seen.stale} stale`)
    t.ok(ahead || seen.stale > 0, 'something has expired')
  })
}

t.test('an outage of the origin is not seen, and neither it nor the recovery makes a herd', async (t) => {
  const cache = { ttl: '500ms', jitter: 0, lock, staleIfError: '1h', refreshThrottle: '1s' }
  const seen = await outage(ground, { processes: 2, perSecond: 100, keys: 2, phases: [1, 3, 3], cache })
  t.comment(`calls per second: ${callsPerSecond(seen).join(' ')}`)
  t.strictSame(brokenByOutage(seen, { throttleMs: 1000, ttlMs: 500 }), [])
  t.ok(seen.answers.slice(-50).every(({ xCache }) => xCache !== 'STALE'), 'it ends with fresh answers')
})
