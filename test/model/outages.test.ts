import t from 'tap'
import { runSchedules, sane } from './run-schedules.ts'

t.test('evictions, restarts, pauses and clocks that jump never bring back what was invalidated', async (t) => {
  const counts = await runSchedules(t, 'outages')
  t.ok(process.env.SEED !== undefined || counts.faults > 500)
  sane(t, counts, { least: 0.5 })
})
