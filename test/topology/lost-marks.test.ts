import t, { type Test } from 'tap'
import { setTimeout } from 'node:timers/promises'
import { startReplicatedCluster, type ReplicatedCluster } from '../helpers/redis-cluster.ts'
import { until } from '../helpers/until.ts'
import { asked } from '../helpers/redis-admin.ts'
import { cutReplica } from './cut-replica.ts'
import { Scene } from './scene.ts'
import { marksOf } from './scenarios.ts'

// Fleets of servers take their time to start and to fail over where the machine does something else as well.
t.setTimeout(300_000)

const TIMEOUTS = { read: '5s', write: '5s' } as const
const THING = 3

// Redis replicates behind its answers: what a master has acknowledged last may be lost with it. The master of the marks here has lost its
// replica without knowing when it acknowledges an invalidation, and then it is killed.

t.test('an invalidation that was lost with its master is made good by the first look of a process that has seen it; from then on it holds for all', async (t) => {
  const { cluster, scene } = await openScene(t)
  const [writer, other] = scene.apps as [Scene['apps'][0], Scene['apps'][0]]
  await cutReplica(await cluster.masterOf(marksOf(scene)), await cluster.replicaOf(marksOf(scene)))
  t.ok(await scene.change(writer, THING), 'acknowledged by the master')
  await cluster.killMaster(marksOf(scene))
  await until(async () => /HIT/.test(String((await scene.request(writer, 0)).cache)))
  scene.takeCounts()
  for (const app of [other, writer]) t.equal((await scene.request(app, THING)).version, scene.versions.read(THING), `${app.name} has the new version`)
  await setTimeout(scene.apps[2]!.blindMs)
  for (const app of scene.apps) t.equal((await scene.request(app, THING)).version, scene.versions.read(THING), `${app.name} has the new version`)
  t.equal(scene.takeCounts().staleAsFresh, 0)
})

t.test('an invalidation that was lost with its master and that no living process has seen is lost: this is what asynchronous replication costs', async (t) => {
  const { cluster, scene } = await openScene(t)
  const [writer, other] = scene.apps as [Scene['apps'][0], Scene['apps'][0]]
  const before = scene.versions.read(THING)
  await cutReplica(await cluster.masterOf(marksOf(scene)), await cluster.replicaOf(marksOf(scene)))
  t.ok(await scene.change(writer, THING))
  await writer.app.close()
  await cluster.killMaster(marksOf(scene))
  await until(async () => /HIT/.test(String((await scene.request(other, 0)).cache)))
  t.equal((await scene.request(other, THING)).version, before, 'the old version: nobody knows better')
})

t.test('with min-replicas-to-write a master that has lost its replicas acknowledges no invalidation', async (t) => {
  const { cluster, scene } = await openScene(t)
  const master = await cluster.masterOf(marksOf(scene))
  await asked(master, (client) => client.configSet({ 'min-replicas-to-write': '1', 'min-replicas-max-lag': '1' }))
  t.ok(await scene.change(scene.apps[0]!, THING), 'with its replica it does')
  await cutReplica(await cluster.masterOf(marksOf(scene)), await cluster.replicaOf(marksOf(scene)))
  await until(async () => !await scene.change(scene.apps[0]!, THING))
  t.pass('without it does not')
})

async function openScene (t: Test): Promise<{ cluster: ReplicatedCluster, scene: Scene }> {
  const cluster = await startReplicatedCluster(t)
  const scene = await Scene.open(t, { redis: { rootNodes: cluster.rootNodes }, timeouts: TIMEOUTS })
  return { cluster, scene }
}
