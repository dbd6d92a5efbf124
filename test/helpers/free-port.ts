import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'

// A Redis Cluster node also listens 10,000 above its port.
const highest = 65_535 - 10_000

/** A port of 127.0.0.1 on which nobody listens at the moment, low enough for a Redis Cluster node. */
export async function freePort (): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    if (port <= highest) return port
  }
}
