import t from 'tap'
import { isAdaptiveState, nextLifetime, type AdaptiveState, type Lifetime } from '../../lib/adaptive-ttl.ts'
import { generator } from '../marks/seeded.ts'
import { HOUR, MINUTE, SECOND } from './simulation.ts'

const options = { minMs: SECOND, maxMs: HOUR, maxStaleFraction: 0.05 }
const firstMs = 10 * SECOND
const START = Date.UTC(2026, 0, 1)

/** Checks at the times that are given, whatever ttl was chosen. */
function check (checks: ReadonlyArray<readonly [at: number, digest: string]>, asked = options): Lifetime[] {
  let state: AdaptiveState | undefined
  return checks.map(([at, digest]) => {
    const lifetime = nextLifetime(state, { at, digest, firstMs }, asked)
    state = lifetime.state
    return lifetime
  })
}

/** Checks when the ttl is over. `changed` says of each whether the content is another than before. */
function follow (changed: readonly boolean[], asked = options): Lifetime[] {
  const lifetimes: Lifetime[] = []
  let at = START
  let version = 0
  for (const change of [false, ...changed]) {
    if (change) version++
    lifetimes.push(nextLifetime(lifetimes.at(-1)?.state, { at, digest: String(version), firstMs }, asked))
    at += lifetimes.at(-1)!.ttlMs
  }
  return lifetimes
}

function times<T> (count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i))
}

t.test('a response without a history gets the first ttl, within min and max', (t) => {
  const first = (ttlMs: number): number => nextLifetime(undefined, { at: START, digest: 'a', firstMs: ttlMs }, options).ttlMs
  t.strictSame([first(10_000), first(10), first(10 * HOUR)], [10_000, SECOND, HOUR])
  t.equal(follow([])[0]!.why, 'first check')
  t.end()
})

t.test('content that never changes reaches max, never more than doubling', (t) => {
  const ttls = follow(times(300, () => false)).map(({ ttlMs }) => ttlMs)
  t.equal(ttls.at(-1), HOUR)
  t.ok(ttls.every((ttlMs, i) => i === 0 || (ttlMs >= ttls[i - 1]! && ttlMs <= 2 * ttls[i - 1]!)))
  t.equal(follow(times(7, () => false)).at(-1)!.why, 'no change in 7 checks')
  t.end()
})

t.test('whatever is seen, a change halves the ttl at least, no change doubles it at most, and it stays from min to max', (t) => {
  const random = generator(3)
  for (let round = 0; round < 50; round++) {
    const changes = times(200, () => random() < round / 50)
    const lifetimes = follow(changes)
    for (const [i, changed] of changes.entries()) {
      const [before, after] = [lifetimes[i]!.ttlMs, lifetimes[i + 1]!.ttlMs]
      if (after < options.minMs || after > options.maxMs) t.fail(`${after} ms`)
      if (after > Math.max(options.minMs, Math.round(changed ? before / 2 : before * 2))) t.fail(`${before} ms, then ${after} ms`)
    }
  }
  t.end()
})

t.test('the rate is found whatever the intervals between the checks are', (t) => {
  for (const intervals of [[SECOND], [5 * SECOND, MINUTE], [SECOND, 40 * SECOND], [30 * SECOND, 90 * SECOND, 2 * SECOND]]) {
    const random = generator(11)
    let at = START
    let version = 0
    const checks = times(40_000, (i) => {
      const interval = intervals[i % intervals.length]!
      at += interval
      if (random() < -Math.expm1(-interval / MINUTE)) version++
      return [at, String(version)] as const
    })
    // The ttl is held back after a change, and grows with a long quiet time: only those in between tell the estimate.
    const chosen = check(checks, { ...options, minMs: 1 }).slice(1000).filter(({ state }) => state.caution === 1)
    const median = chosen.map(({ ttlMs }) => ttlMs).sort((a, b) => a - b)[chosen.length >> 1]!
    const ideal = 0.1035 * MINUTE
    t.ok(median > ideal * 0.75 && median < ideal * 1.25, `${intervals.join(', ')} ms: ${median} ms, ideal ${ideal} ms`)
  }
  t.end()
})

t.test('a clock that goes back leaves a usable state, and counts as no time', (t) => {
  const usual = follow(times(40, (i) => i % 10 === 9))
  const former = usual.at(-1)!.state
  for (const digest of [former.digest, 'other']) {
    const { ttlMs, state } = nextLifetime(former, { at: former.at - HOUR, digest, firstMs }, options)
    t.ok(isAdaptiveState(state), digest)
    t.equal(state.quietMs, former.digest === digest ? former.quietMs : 0)
    t.ok(ttlMs >= options.minMs && ttlMs <= former.ttlMs * 2, `${ttlMs} ms`)
    if (digest === 'other') t.equal(state.changes.at(-1)![1], former.ttlMs)
    t.equal(state.at, former.at - HOUR)
  }
  t.end()
})

t.test('a clock that jumps a year ahead at most doubles the ttl and what is known', (t) => {
  const former = follow(times(40, (i) => i % 10 === 9)).at(-1)!.state
  const known = former.changes.reduce((sum, [quiet, interval]) => sum + quiet + interval, former.quietMs)
  const { ttlMs, state } = nextLifetime(former, { at: former.at + 8760 * HOUR, digest: former.digest, firstMs }, options)
  t.ok(ttlMs <= former.ttlMs * 2)
  t.ok(state.quietMs <= former.quietMs + known)
  t.end()
})

t.test('the reason says what was seen, and that min is too long where it is', (t) => {
  t.match(follow(times(20, (i) => i % 7 === 6), { ...options, minMs: 1 }).at(-1)!.why, /^2 changes in 20 checks, \d+(\.\d)? (s|min) apart$/)
  const tooLong = { ...options, minMs: 10 * MINUTE }
  t.match(follow(times(30, (i) => i % 2 === 1), tooLong).at(-1)!.why,
    /^12 changes in 24 checks, 1\d min apart: min is longer than the \d+(\.\d)? (s|min) that maxStaleFraction allows$/)
  t.equal(follow(times(4, () => true), tooLong).at(-1)!.why, '4 changes in 4 checks: min is longer than maxStaleFraction allows')
  t.equal(follow([true], tooLong).at(-1)!.why, '1 change in 1 check')
  t.end()
})

t.test('the state is small, and is the same after a way through JSON', (t) => {
  const random = generator(5)
  for (const lifetime of follow(times(2000, () => random() < 0.1), { ...options, maxMs: 240 * HOUR })) {
    const text = JSON.stringify({ ...lifetime.state, digest: 'x'.repeat(32) })
    if (text.length > 500) t.fail(`${text.length} characters`)
    const read: unknown = JSON.parse(JSON.stringify(lifetime.state))
    if (!isAdaptiveState(read)) t.fail(text)
    t.strictSame(read, lifetime.state)
  }
  t.end()
})

t.test('what is no state is not taken for one', (t) => {
  const state = follow(times(40, (i) => i % 4 === 3)).at(-1)!.state
  t.ok(isAdaptiveState(state))
  const wrong: unknown[] = [undefined, null, 1, 'state', [], {}]
  for (const name of Object.keys(state)) {
    for (const value of [undefined, null, -1, Number.NaN, Infinity, 1e300, {}, [1], [[1, 2]], [[1, 0, 1]], 'x'.repeat(65), times(13, () => [1, 1, 1])]) {
      wrong.push({ ...state, [name]: value })
    }
  }
  t.strictSame(wrong.filter(isAdaptiveState), [])
  t.end()
})

t.test('any state that is accepted leads to a ttl from min to max, at once', (t) => {
  const random = generator(9)
  const amount = (): number => [0, 1, 1000, 1e9, Number.MAX_SAFE_INTEGER][Math.floor(random() * 5)]!
  for (let round = 0; round < 5000; round++) {
    const state: unknown = {
      digest: 'a',
      at: amount(),
      ttlMs: amount(),
      quietMs: amount(),
      quietChecks: amount(),
      caution: 1 + Math.floor(random() * 64),
      changes: times(Math.floor(random() * 13), () => [amount(), Math.max(1, amount()), Math.max(1, amount())])
    }
    if (!isAdaptiveState(state)) return t.fail(JSON.stringify(state))
    const { ttlMs } = nextLifetime(state, { at: amount(), digest: random() < 0.5 ? 'a' : 'b', firstMs }, options)
    if (!(ttlMs >= options.minMs && ttlMs <= options.maxMs)) t.fail(`${ttlMs} ms after ${JSON.stringify(state)}`)
  }
  t.end()
})
