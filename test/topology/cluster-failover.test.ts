import t from 'tap'
import { promises } from './judged.ts'

// Fleets of servers take their time to start and to fail over where the machine does something else as well.
t.setTimeout(300_000)

t.test('the cache works on while a master of a Cluster is replaced', async (t) => {
  await promises(t, 'Cluster: the master of the marks is killed')
  await promises(t, 'Cluster: another master is killed')
  await promises(t, 'Cluster: the master of the marks hands over')
})
