import { setTimeout } from 'node:timers/promises'
import { createClient } from 'redis'

/** A client that fails where the server does, and does not try again. */
export type Admin = ReturnType<typeof clientOf>

function clientOf (url: string) {
  return createClient({ url, socket: { reconnectStrategy: false } })
}

/** Asks a server something over a connection of its own. Rejects when it is not there. */
export async function asked<T> ({ url }: { readonly url: string }, ask: (client: Admin) => Promise<T>): Promise<T> {
  const client = clientOf(url)
  client.on('error', () => {}) // what is asked fails as well
  await client.connect()
  try {
    return await ask(client)
  } finally {
    client.destroy()
  }
}

/** Until a replica has what its master has. Servers announce no such thing. */
export async function untilReplicating (client: Admin): Promise<void> {
  while (!(await client.info('replication')).includes('master_link_status:up')) await setTimeout(10)
}
