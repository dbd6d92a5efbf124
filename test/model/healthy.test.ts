import t from 'tap'
import { runSchedule } from './schedule.ts'
import { runSchedules, sane } from './run-schedules.ts'

t.test('without faults no read is older than what was confirmed, and nothing is lost without cause', async (t) => {
  const counts = await runSchedules(t, 'none')
  sane(t, counts, { least: 0.5 })
})

t.test('the same seed gives the same schedule', async (t) => {
  for (const faults of ['none', 'feed', 'outages', 'losses'] as const) {
    for (let seed = 1; seed <= 5; seed++) {
      const runs = [await runSchedule(seed, { faults, isLogged: true }), await runSchedule(seed, { faults, isLogged: true })]
      t.ok(runs[0]!.log.length > 10)
      t.strictSame(runs[0], runs[1])
    }
  }
})
