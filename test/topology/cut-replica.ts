import { setTimeout } from 'node:timers/promises'
import { asked } from '../helpers/redis-admin.ts'
import type { RedisServer } from '../helpers/redis-process.ts'

/** What the master gets from now on does not reach this replica. Clients of both notice nothing. */
export async function cutReplica (master: RedisServer, replica: RedisServer): Promise<void> {
  await asked(replica, (client) => client.configSet({ masteruser: 'nobody', masterauth: 'wrong' }))
  await asked(master, (client) => client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'replica']))
  await asked(replica, async (client) => {
    while ((await client.info('replication')).includes('master_link_status:up')) await setTimeout(10)
  })
}
