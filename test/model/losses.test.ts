import t from 'tap'
import { runSchedules, sane } from './run-schedules.ts'

t.test('what a failover or an old snapshot has lost is invalidated again by the process that did it', async (t) => {
  const counts = await runSchedules(t, 'losses')
  t.ok(process.env.SEED !== undefined || counts.faults > 500)
  sane(t, counts, { least: 0.4 })
})
