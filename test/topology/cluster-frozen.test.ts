import t from 'tap'
import { promises } from './judged.ts'

// Fleets of servers take their time to start and to fail over where the machine does something else as well.
t.setTimeout(300_000)

t.test('a master of a Cluster that is silent, and breaks no connection, is left for the replica that has its place', async (t) => {
  await promises(t, 'Cluster: the master of the marks is frozen')
})
