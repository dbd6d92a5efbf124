import { setTimeout } from 'node:timers/promises'
import { createClient } from 'redis'
import type { Test } from 'tap'
import { startRedisServers } from './redis.ts'

const SLOTS = 16384

/** A Redis Cluster of masters without replicas, each with its share of the slots. */
export async function startRedisCluster (t: Test, size = 3): Promise<{ rootNodes: Array<{ url: string }> }> {
  const servers = await startRedisServers(t, size, { args: ['--cluster-enabled', 'yes'] })
  const clients = await Promise.all(servers.map(({ url }) => createClient({ url }).connect()))
  for (const [i, client] of clients.entries()) {
    await client.clusterAddSlotsRange({ start: Math.floor(i * SLOTS / size), end: Math.floor((i + 1) * SLOTS / size) - 1 })
    await client.clusterMeet('127.0.0.1', servers[0]!.port)
  }
  for (const client of clients) {
    // Cluster nodes announce no event; asking is how its own tools wait too.
    while (!(await client.clusterInfo()).includes('cluster_state:ok')) await setTimeout(10)
    await client.close()
  }
  return { rootNodes: servers.map(({ url }) => ({ url })) }
}
