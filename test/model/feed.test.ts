import t from 'tap'
import { runSchedules, sane } from './run-schedules.ts'

t.test('when messages are lost or late, hits from memory are behind by maxBlindMs at most, and reads of Redis by nothing', async (t) => {
  const counts = await runSchedules(t, 'feed')
  t.ok(process.env.SEED !== undefined || counts.faults > 500)
  sane(t, counts, { least: 0.5 })
})
