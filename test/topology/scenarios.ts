import type { RedisOption } from '../../lib/store/redis-client.ts'
import { startReplicatedCluster, type Ending, type ReplicatedCluster } from '../helpers/redis-cluster.ts'
import { startSentinelFleet, type SentinelFleet } from '../helpers/redis-sentinel.ts'
import type { Scene } from './scene.ts'

/** A fleet of Redis servers with something that happens to it. */
export interface Scenario {
  readonly name: string
  start (t: Ending): Promise<{ readonly redis: RedisOption, readonly prefix?: string, happen (scene: Scene): Promise<void> }>
}

export const SCENARIOS: readonly Scenario[] = [
  onCluster('Cluster: the master of the marks is killed', (cluster, scene) => cluster.killMaster(marksOf(scene))),
  onCluster('Cluster: another master is killed', async (cluster, scene) => await cluster.killMaster(await keyAwayFromMarks(cluster, scene))),
  onCluster('Cluster: the master of the marks hands over to its replica', (cluster, scene) => cluster.failOver(marksOf(scene))),
  onCluster('Cluster: the master of the marks is frozen', async (cluster, scene) => { await cluster.freezeMaster(marksOf(scene)) }),
  onCluster('Cluster: the slot of the marks moves', moveMarks),
  onSentinel('Sentinel: the master is killed', (fleet) => fleet.killMaster()),
  onSentinel('Sentinel: the master is frozen', async (fleet) => { await fleet.freezeMaster() }),
  onSentinel('Sentinel: a planned failover', (fleet) => fleet.failOver())
]

function onCluster (name: string, happen: (cluster: ReplicatedCluster, scene: Scene) => Promise<void>): Scenario {
  return {
    name,
    async start (t) {
      const cluster = await startReplicatedCluster(t)
      return { redis: { rootNodes: cluster.rootNodes }, happen: (scene) => happen(cluster, scene) }
    }
  }
}

function onSentinel (name: string, happen: (fleet: SentinelFleet) => Promise<void>): Scenario {
  return {
    name,
    async start (t) {
      const fleet = await startSentinelFleet(t)
      const { name, sentinelRootNodes } = fleet.options
      return { redis: { name, sentinelRootNodes: [...sentinelRootNodes] }, happen: () => happen(fleet) }
    }
  }
}

export function marksOf ({ prefix }: Scene): string {
  return `${prefix}:marks`
}

async function keyAwayFromMarks (cluster: ReplicatedCluster, scene: Scene): Promise<string> {
  const master = await cluster.masterOf(marksOf(scene))
  for (let i = 0; ; i++) if (await cluster.masterOf(`key-${i}`) !== master) return `key-${i}`
}

/** There and back again, and for a while between the two: clients are asked to ask elsewhere, then sent there for good. */
async function moveMarks (cluster: ReplicatedCluster, scene: Scene): Promise<void> {
  const key = marksOf(scene)
  for (let i = 0; i < 2; i++) {
    await cluster.moveSlot(key, await cluster.otherMaster(key), async () => {
      for (let thing = 0; thing < scene.versions.count; thing++) for (const app of scene.apps) await scene.request(app, thing)
    })
  }
}
