import t from 'tap'
import { promises } from './judged.ts'

// Fleets of servers take their time to start and to fail over where the machine does something else as well.
t.setTimeout(300_000)

t.test('the cache works on while Sentinels replace the master', async (t) => {
  await promises(t, 'Sentinel')
})
