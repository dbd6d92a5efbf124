import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { findOnPath } from './find-on-path.ts'
import { freePort } from './free-port.ts'
import { asked, untilReplicating } from './redis-admin.ts'
import type { Ending } from './redis-cluster.ts'
import type { RedisServer } from './redis-process.ts'
import { startServers } from './redis-server.ts'
import { spawnWatched } from './watchdog.ts'

const NAME = 'fleet'

/** What Sentinels watch over, and what can happen to it. */
export interface SentinelFleet {
  /** Options for a node-redis Sentinel client. */
  readonly options: { readonly name: string, readonly sentinelRootNodes: ReadonlyArray<{ readonly host: string, readonly port: number }> }
  readonly servers: readonly RedisServer[]
  master (): Promise<RedisServer>
  /** Kills the master. Settles when the Sentinels agree on another one, and it is one. */
  killMaster (): Promise<void>
  /** Freezes the master, settles like `killMaster` and gives the frozen server. */
  freezeMaster (): Promise<RedisServer>
  /** A replica takes the place of the master because it is told to. */
  failOver (): Promise<void>
}

/** A master, two replicas and three Sentinels, which end with `t`. Needs redis-server or valkey-server on the PATH. */
export async function startSentinelFleet (t: Ending, { downAfterMs = 1000 }: { readonly downAfterMs?: number } = {}): Promise<SentinelFleet> {
  const servers = await startServers(3, { args: ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'] })
  for (const server of servers) t.teardown(() => server.dispose())
  const [master, ...replicas] = servers as [RedisServer, ...RedisServer[]]
  for (const replica of replicas) {
    await asked(replica, async (client) => {
      await client.replicaOf('127.0.0.1', master.port)
      await untilReplicating(client)
    })
  }
  const ports = await Promise.all([1, 2, 3].map(() => startSentinel(t, configOf(master.port, downAfterMs))))
  const fleet = new Fleet(servers, ports)
  await fleet.untilWatched()
  return fleet
}

function configOf (masterPort: number, downAfterMs: number): string {
  return [
    `sentinel monitor ${NAME} 127.0.0.1 ${masterPort} 2`,
    `sentinel down-after-milliseconds ${NAME} ${downAfterMs}`,
    `sentinel failover-timeout ${NAME} 5000`,
    `sentinel parallel-syncs ${NAME} 2`
  ].join('\n')
}

/** A Sentinel writes to its configuration, so each has a file of its own. */
async function startSentinel (t: Ending, config: string): Promise<number> {
  const binary = findOnPath(['redis-server', 'valkey-server'])
  if (binary === undefined) throw new Error('a Sentinel needs redis-server or valkey-server on the PATH')
  const [port, folder] = [await freePort(), await mkdtemp(join(tmpdir(), 'sentinel-for-tests-'))]
  const file = join(folder, 'sentinel.conf')
  await writeFile(file, `port ${port}\nbind 127.0.0.1\ndir ${folder}\n${config}\n`)
  const shell = spawnWatched(folder, [binary, file, '--sentinel'])
  shell.stdout.resume()
  t.teardown(async () => {
    const ended = once(shell, 'exit')
    shell.stdin.end()
    await ended
    await rm(folder, { recursive: true, force: true })
  })
  return port
}

class Fleet implements SentinelFleet {
  readonly servers: readonly RedisServer[]
  readonly #ports: readonly number[]

  constructor (servers: readonly RedisServer[], ports: readonly number[]) {
    this.servers = servers
    this.#ports = ports
  }

  get options (): SentinelFleet['options'] {
    return { name: NAME, sentinelRootNodes: this.#ports.map((port) => ({ host: '127.0.0.1', port })) }
  }

  async master (): Promise<RedisServer> {
    const masters = await this.#ask(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME]) as string[][]
    return this.servers.find(({ port }) => String(port) === masters[0]![1])!
  }

  async killMaster (): Promise<void> {
    await this.#lose((master) => master.stop())
  }

  async freezeMaster (): Promise<RedisServer> {
    return await this.#lose((master) => master.pause())
  }

  async failOver (): Promise<void> {
    const master = await this.master()
    await this.#askOne(this.#ports[0]!, ['SENTINEL', 'FAILOVER', NAME])
    await this.#untilReplaced(master)
  }

  /** Each Sentinel knows the others and both replicas: before that none of them starts a failover. */
  async untilWatched (): Promise<void> {
    for (const port of this.#ports) {
      while (!await this.#knowsAll(port)) await setTimeout(20)
    }
  }

  async #knowsAll (port: number): Promise<boolean> {
    const isStarted = await this.#askOne(port, ['PING']).then(() => true, () => false)
    if (!isStarted) return false
    const fields = await this.#askOne(port, ['SENTINEL', 'MASTER', NAME]) as string[] | Record<string, string>
    const master = Array.isArray(fields) ? Object.fromEntries(fields.flatMap((field, i) => i % 2 === 0 ? [[field, fields[i + 1]]] : [])) : fields
    return master['num-other-sentinels'] === '2' && master['num-slaves'] === '2'
  }

  async #lose (end: (master: RedisServer) => Promise<void>): Promise<RedisServer> {
    const master = await this.master()
    await end(master)
    await this.#untilReplaced(master)
    return master
  }

  async #untilReplaced (master: RedisServer): Promise<void> {
    for (;;) {
      const masters = await this.#ask(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME]) as string[][]
      const [port] = masters.map((address) => address[1])
      const isAgreed = port !== String(master.port) && masters.every((address) => address[1] === port)
      const next = this.servers.find((server) => String(server.port) === port)
      if (isAgreed && next !== undefined && (await asked(next, (client) => client.info('replication'))).includes('role:master')) return
      await setTimeout(20)
    }
  }

  async #ask (command: string[]): Promise<unknown[]> {
    return await Promise.all(this.#ports.map((port) => this.#askOne(port, command)))
  }

  async #askOne (port: number, command: string[]): Promise<unknown> {
    return await asked({ url: `redis://127.0.0.1:${port}` }, (client) => client.sendCommand(command))
  }
}
