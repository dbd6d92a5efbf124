import { asked, untilReplicating, type Admin } from './redis-admin.ts'
import type { RedisServer } from './redis-process.ts'
import { startServers } from './redis-server.ts'
import { until } from './until.ts'

const SLOTS = 16384
/** In seconds. Six servers on a machine that does something else as well take their time to find each other, and to agree on a new master. */
const AGREED_WITHIN = 60

/** A test, or whatever else ends and takes what it has started with it. */
export interface Ending {
  teardown (end: () => Promise<void>): void
}

/** A Redis Cluster of masters without replicas, each with its share of the slots. */
export async function startRedisCluster (t: Ending, size = 3): Promise<{ rootNodes: Array<{ url: string }> }> {
  const servers = await startServers(size, { args: ['--cluster-enabled', 'yes'] })
  for (const server of servers) t.teardown(() => server.dispose())
  await formCluster(servers)
  return { rootNodes: servers.map(({ url }) => ({ url })) }
}

export interface ReplicatedClusterOptions {
  /** How long a node is silent before it is taken for gone, in milliseconds. Default 1000. */
  readonly nodeTimeoutMs?: number
}

/** A Redis Cluster in which every master has a replica, and what can happen to it. */
export interface ReplicatedCluster {
  readonly rootNodes: Array<{ url: string }>
  readonly servers: readonly RedisServer[]
  masterOf (key: string): Promise<RedisServer>
  replicaOf (key: string): Promise<RedisServer>
  /** Another master than that of the key. */
  otherMaster (key: string): Promise<RedisServer>
  /** Kills the master of a key. Settles when a replica has its place and the whole cluster knows. `onGone`: before that. */
  killMaster (key: string, onGone?: () => void): Promise<void>
  /** Freezes the master of a key, settles like `killMaster` and gives the frozen server. */
  freezeMaster (key: string, onGone?: () => void): Promise<RedisServer>
  /** The replica of the key takes the place of its master, which hands over to it. */
  failOver (key: string): Promise<void>
  /** Moves the slot of a key with all that is in it. `halfway` runs while nobody owns it alone, with half of its keys moved. */
  moveSlot (key: string, to: RedisServer, halfway: () => Promise<void>): Promise<void>
}

/** A Cluster of `masters` masters with a replica each, which ends with `t`. */
export async function startReplicatedCluster (t: Ending, { nodeTimeoutMs = 1000 }: ReplicatedClusterOptions = {}, masters = 3): Promise<ReplicatedCluster> {
  const servers = await startServers(2 * masters, {
    args: [
      '--cluster-enabled', 'yes', '--cluster-node-timeout', String(nodeTimeoutMs), '--cluster-replica-validity-factor', '0',
      '--cluster-allow-replica-migration', 'no', '--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'
    ]
  })
  for (const server of servers) t.teardown(() => server.dispose())
  await formCluster(servers.slice(0, masters))
  await introduce(servers)
  for (const [i, replica] of servers.slice(masters).entries()) await replicate(replica, servers[i]!)
  const fleet = new ClusterFleet(servers)
  await fleet.untilHealthy()
  return fleet
}

async function formCluster (servers: readonly RedisServer[]): Promise<void> {
  await introduce(servers)
  for (const [i, server] of servers.entries()) {
    const [start, end] = [i, i + 1].map((at) => Math.floor(at * SLOTS / servers.length)) as [number, number]
    await asked(server, (client) => client.clusterAddSlotsRange({ start, end: end - 1 }))
  }
  // Cluster nodes announce no event; asking is how its own tools wait too.
  for (const server of servers) {
    await asked(server, (client) => until(async () => (await client.clusterInfo()).includes('cluster_state:ok'), AGREED_WITHIN))
  }
}

/** Settles when every node knows every other. One that is late for the answer to a MEET forgets it, and may then be one that nobody hears. */
async function introduce (servers: readonly RedisServer[]): Promise<void> {
  const nodes = await Promise.all(servers.map(async (server) => ({ server, id: await asked(server, (client) => client.clusterMyId()) })))
  const meetOthers = async ({ server }: { server: RedisServer }): Promise<boolean> => await asked(server, async (client) => {
    const known = await client.clusterNodes()
    const strangers = nodes.filter(({ id }) => !known.includes(id))
    for (const stranger of strangers) await client.clusterMeet('127.0.0.1', stranger.server.port)
    return strangers.length === 0
  })
  await until(async () => (await Promise.all(nodes.map(meetOthers))).every(Boolean), AGREED_WITHIN)
}

async function replicate (replica: RedisServer, master: RedisServer): Promise<void> {
  const id = await asked(master, (client) => client.clusterMyId())
  await asked(replica, async (client) => {
    await client.clusterReplicate(id)
    await untilReplicating(client)
  })
}

interface Shard {
  readonly from: number
  readonly to: number
  readonly master: { readonly port: number, readonly id: string }
  readonly replicas: ReadonlyArray<{ readonly port: number }>
}

class ClusterFleet implements ReplicatedCluster {
  readonly servers: readonly RedisServer[]
  /** Killed or frozen. */
  readonly #gone = new Set<RedisServer>()

  constructor (servers: readonly RedisServer[]) {
    this.servers = servers
  }

  get rootNodes (): Array<{ url: string }> {
    return this.servers.map(({ url }) => ({ url }))
  }

  async masterOf (key: string): Promise<RedisServer> {
    return this.#byPort((await this.#shardOf(key)).master.port)
  }

  async replicaOf (key: string): Promise<RedisServer> {
    const replicas = (await this.#shardOf(key)).replicas.map(({ port }) => this.#byPort(port))
    return replicas.find((replica) => !this.#gone.has(replica))!
  }

  async otherMaster (key: string): Promise<RedisServer> {
    const [master, shards] = [await this.masterOf(key), await this.#shards()]
    return this.#byPort(shards.find(({ master: { port } }) => port !== master.port)!.master.port)
  }

  async killMaster (key: string, onGone?: () => void): Promise<void> {
    await this.#lose(key, (master) => master.stop(), onGone)
  }

  async freezeMaster (key: string, onGone?: () => void): Promise<RedisServer> {
    return await this.#lose(key, (master) => master.pause(), onGone)
  }

  async failOver (key: string): Promise<void> {
    const [master, replica] = [await this.masterOf(key), await this.replicaOf(key)]
    await asked(replica, (client) => client.clusterFailover())
    await this.#untilReplaced(key, master)
  }

  async moveSlot (key: string, to: RedisServer, halfway: () => Promise<void>): Promise<void> {
    const from = await this.masterOf(key)
    await asked(from, async (source) => await asked(to, async (target) => {
      const slot = await source.clusterKeySlot(key)
      const [sourceId, targetId] = [await source.clusterMyId(), await target.clusterMyId()]
      await target.clusterSetSlot(slot, 'IMPORTING', sourceId)
      await source.clusterSetSlot(slot, 'MIGRATING', targetId)
      const first = await keysIn(source, slot)
      // The key itself is in the half that goes first: it is the one that clients are sent after.
      first.sort((a, b) => Number(b === key) - Number(a === key))
      for (const [i, one] of first.entries()) {
        if (i === Math.ceil(first.length / 2)) await halfway()
        await migrate(source, one, to.port)
      }
      if (first.length < 2) await halfway()
      for (let rest = await keysIn(source, slot); rest.length > 0; rest = await keysIn(source, slot)) for (const one of rest) await migrate(source, one, to.port)
      for (const node of [target, source]) await node.clusterSetSlot(slot, 'NODE', targetId)
    }))
    await this.untilHealthy()
  }

  /** All who are there agree on who has which slots, and every slot is served. */
  async untilHealthy (): Promise<void> {
    await until(async () => {
      const views = await Promise.all(this.#there().map((server) => asked(server, async (client) => ({ info: await client.clusterInfo(), shards: await mastersBySlot(client) }))))
      return views.every(({ info, shards }) => info.includes('cluster_state:ok') && shards === views[0]!.shards)
    }, AGREED_WITHIN)
  }

  async #lose (key: string, end: (master: RedisServer) => Promise<void>, onGone?: () => void): Promise<RedisServer> {
    const master = await this.masterOf(key)
    this.#gone.add(master)
    await end(master)
    onGone?.()
    await this.#untilReplaced(key, master)
    return master
  }

  async #untilReplaced (key: string, master: RedisServer): Promise<void> {
    await until(async () => (await this.masterOf(key)) !== master, AGREED_WITHIN)
    await this.untilHealthy()
  }

  #there (): RedisServer[] {
    return this.servers.filter((server) => !this.#gone.has(server))
  }

  #byPort (port: number): RedisServer {
    return this.servers.find((server) => server.port === port)!
  }

  async #shardOf (key: string): Promise<Shard> {
    const slot = await asked(this.#there()[0]!, (client) => client.clusterKeySlot(key))
    return (await this.#shards()).find(({ from, to }) => from <= slot && slot <= to)!
  }

  async #shards (): Promise<Shard[]> {
    return await asked(this.#there()[0]!, (client) => client.clusterSlots())
  }
}

async function mastersBySlot (client: Admin): Promise<string> {
  const shards = await client.clusterSlots()
  return shards.map(({ from, to, master }) => `${from}-${to} ${master.port}`).sort().join()
}

async function keysIn (client: Admin, slot: number): Promise<string[]> {
  return await client.clusterGetKeysInSlot(slot, 1000)
}

async function migrate (source: Admin, key: string, port: number): Promise<void> {
  // A key that is gone meanwhile is no fault: the answer is NOKEY.
  await source.sendCommand(['MIGRATE', '127.0.0.1', String(port), key, '0', '5000'])
}
