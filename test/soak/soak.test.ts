import t from 'tap'
import { chart } from './chart.ts'
import { soak } from './run.ts'
import { growth, leastSquares, type Sample } from './verdict.ts'

t.setTimeout(180_000)

t.test('20 seconds of faults at random cost no client an error, and nothing that was invalidated is served as fresh', async (t) => {
  const report = await soak({ seconds: 20, seed: 2, sampleMs: 2000, clients: 6, things: 8, pauseMs: 40, faultEveryMs: 2500 })
  const { counts, marks, samples, warnings, unhandled, exits } = report
  t.comment(JSON.stringify(counts))
  t.comment(marks.map(({ text }) => text).join('; '))
  t.same([counts.errors, counts.wrong, counts.staleAsFresh], [0, 0, 0], counts.details.join('\n'))
  t.ok((counts.outcomes['HIT'] ?? 0) > 0 && counts.confirmed > 0, 'the cache was used')
  t.same([warnings, unhandled, exits], [[], [], [0, 0, 0]])
  t.match(chart(samples, marks), /^<svg .*<polyline/s)
})

t.test('what grows is found, and what goes up and down is not', async (t) => {
  t.equal(leastSquares([[0, 1], [1, 3], [2, 5]]), 2)
  const sampleAt = (at: number, heap: number): Sample => ({ at, keys: 1, connections: 1, servers: { one: { rss: 1e8, heap, external: 0, timers: 3, sockets: 3, handles: 9, warnings: [], unhandled: [] } } })
  const samplesOf = (heapAt: (minute: number) => number): Sample[] => Array.from({ length: 16 }, (_, minute) => sampleAt(60_000 * minute, heapAt(minute)))
  const growing = (samples: Sample[]): string[] => growth(samples).filter(({ isFlat }) => !isFlat).map(({ name }) => name)
  t.same(growing(samplesOf((minute) => 3e7 + 1e6 * minute)), ['one: heap'])
  t.same(growing(samplesOf((minute) => 3e7 + 4e6 * (minute % 2))), [])
  t.same(growing(samplesOf((minute) => 3e7 + 2e7 * Math.min(minute, 3))), [], 'the first quarter is the warm-up')
})
