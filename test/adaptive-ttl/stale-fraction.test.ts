import t from 'tap'
import type { Lifetime } from '../../lib/adaptive-ttl.ts'
import {
  DAY, HOUR, MINUTE, SECOND, adaptive, bursts, dayAndNight, longestFixed, periodic, randomChanges, simulate, steady, steps,
  type Trace
} from './simulation.ts'

const LIMITS = { minMs: 100, maxMs: HOUR }
const FIRST_MS = 5 * SECOND
const FRACTIONS = [0.01, 0.05, 0.2]
const BUSY = { everyMs: 100 }

/** Not those where the best fixed ttl is `max`, as it is for a period that `max` happens to fit. */
const COMPARED = ['steady, 10 s', 'steady, 5 min', 'steady, 6 h', 'bursts after an hour', 'day and night', 'steps', 'every 5 min']

function traces (seed: number): Record<string, Trace> {
  return {
    'steady, 10 s': steady(10 * SECOND, 2 * HOUR, seed),
    'steady, 5 min': steady(5 * MINUTE, 2 * DAY, seed),
    'steady, 6 h': steady(6 * HOUR, 100 * DAY, seed),
    'bursts after an hour': bursts({ quietMs: HOUR, burstMs: MINUTE, count: 20, times: 48 }, seed),
    'bursts after a day': bursts({ quietMs: DAY, burstMs: HOUR, count: 500, times: 10 }, seed),
    pairs: bursts({ quietMs: 10 * MINUTE, burstMs: 20 * SECOND, count: 2, times: 200 }, seed),
    'day and night': dayAndNight(4, seed),
    steps: steps(6, seed),
    'every 5 min': periodic(5 * MINUTE, DAY),
    'every hour': periodic(HOUR, 30 * DAY),
    never: { lengthMs: 10 * DAY, changes: [] }
  }
}

t.test('outdated content is served for at most twice the asked fraction of the requests', (t) => {
  const ways = [BUSY, { everyMs: MINUTE }, { everyMs: SECOND, regular: true }]
  for (const seed of [1, 2]) {
    for (const [name, trace] of Object.entries(traces(seed))) {
      for (const maxStaleFraction of FRACTIONS) {
        for (const requests of ways) {
          const { stale } = simulate(trace, requests, adaptive({ ...LIMITS, maxStaleFraction }, FIRST_MS))
          t.ok(stale <= 2 * maxStaleFraction, `${name}, ${JSON.stringify(requests)}, seed ${seed}: ${stale} for ${maxStaleFraction}`)
        }
      }
    }
  }
  t.end()
})

t.test('a storm of changes after a day without any costs at most twice the asked fraction of that day', (t) => {
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const trace = randomChanges(DAY + HOUR, 0.1 / SECOND, (at) => at < DAY ? 0 : 0.1 / SECOND, seed)
    for (const maxStaleFraction of [0.01, 0.05]) {
      const { stale } = simulate(trace, BUSY, adaptive({ ...LIMITS, maxMs: DAY, maxStaleFraction }, FIRST_MS))
      t.ok(stale <= 2 * maxStaleFraction, `${stale} for ${maxStaleFraction}`)
    }
  }
  t.end()
})

t.test('the handler runs at most 1.35 times as often as with the best fixed ttl of each trace', (t) => {
  for (const maxStaleFraction of [0.01, 0.05]) {
    const options = { ...LIMITS, maxStaleFraction }
    for (const [name, trace] of Object.entries(traces(1))) {
      if (!COMPARED.includes(name)) continue
      const fixedMs = longestFixed(options, (ttlMs) => simulate(trace, BUSY, () => ttlMs).stale)
      const best = simulate(trace, BUSY, () => fixedMs).calls
      const { calls } = simulate(trace, BUSY, adaptive(options, FIRST_MS))
      t.ok(calls <= 1.35 * best, `${name}, ${maxStaleFraction}: ${calls} calls, ${best} with ${fixedMs} ms`)
    }
  }
  t.end()
})

t.test('the ttl follows a jump of the rate within minutes, and its end within the time that shows it', (t) => {
  const chosen: Array<Lifetime & { at: number }> = []
  const options = { ...LIMITS, maxStaleFraction: 0.05 }
  const trace = randomChanges(9 * HOUR, 0.1 / SECOND, (at) => at > 4 * HOUR && at < 5 * HOUR ? 0.1 / SECOND : 0, 4)
  simulate(trace, BUSY, adaptive(options, FIRST_MS, (at, lifetime) => { chosen.push({ at, ...lifetime }) }))
  const ttlAt = (at: number): number => chosen.findLast((lifetime) => lifetime.at <= at)!.ttlMs
  t.ok(ttlAt(4 * HOUR) > 10 * MINUTE, `${ttlAt(4 * HOUR)} ms after four quiet hours`)
  t.ok(ttlAt(4 * HOUR + 30 * MINUTE) < 4 * SECOND, `${ttlAt(4.5 * HOUR)} ms half an hour later`)
  t.ok(ttlAt(8 * HOUR) > 5 * MINUTE, `${ttlAt(8 * HOUR)} ms three hours after the last change`)
  t.end()
})

t.test('where min is too long for the asked fraction, min is the ttl and the reason says so', (t) => {
  const chosen: Lifetime[] = []
  const options = { ...LIMITS, minMs: 2 * SECOND, maxStaleFraction: 0.01 }
  simulate(traces(1)['steady, 10 s']!, BUSY, adaptive(options, FIRST_MS, (_, lifetime) => { chosen.push(lifetime) }))
  const settled = chosen.slice(100)
  t.ok(settled.filter(({ ttlMs }) => ttlMs === 2 * SECOND).length > 0.99 * settled.length)
  t.ok(settled.filter(({ why }) => why.includes('min is longer than the ')).length > 0.99 * settled.length)
  t.end()
})
