import type { RedisClientOptions, RedisClusterOptions, RedisSentinelOptions } from 'redis'
import { backOff, retryMs } from '../backoff.ts'
import type { ConnectedRedis, RedisOption } from './redis-client.ts'

/** A Redis client and what its owner may do with it. */
export interface OpenRedis {
  readonly client: ConnectedRedis
  /** Resolves once commands can be sent. */
  connect (): Promise<void>
  /** Ends what we opened; a client that the user made stays open. */
  close (): Promise<void>
}

/**
 * What all clients of node-redis have in common for those who open and close them. Their own types have type parameters for
 * modules and reply types that no common type fits, hence the casts below.
 */
export interface OwnedRedis extends ConnectedRedis {
  readonly isReady: boolean
  connect (): Promise<unknown>
  close (): Promise<unknown>
  destroy (): unknown
}

const CLOSE_MS = 1000
const MOST_COMMANDS = 20_000

/** Makes a client of what the option says, or takes the one it is. Loads node-redis only when a client has to be made. */
export async function openRedis (option: RedisOption, onFault: (fault: unknown) => void): Promise<OpenRedis> {
  if (isConnectedRedis(option)) {
    option.on('error', onFault)
    return {
      client: option,
      async connect () {}, // the user has connected it
      async close () { option.off('error', onFault) }
    }
  }
  const client = await makeClient(option)
  client.on('error', onFault)
  return ownedRedis(client, onFault)
}

export function isConnectedRedis (option: RedisOption): option is ConnectedRedis {
  return typeof option === 'object' && 'withTypeMapping' in option && typeof option.withTypeMapping === 'function'
}

async function makeClient (option: Exclude<RedisOption, ConnectedRedis>): Promise<OwnedRedis> {
  const { createClient, createCluster, createSentinel } = await import('redis')
  if (typeof option === 'string') return createClient(clientOptions({ url: option })) as unknown as OwnedRedis
  if ('rootNodes' in option) {
    return createCluster(withoutTimeout({ ...option, defaults: clientOptions(option.defaults ?? {}) }) as RedisClusterOptions) as unknown as OwnedRedis
  }
  if ('sentinelRootNodes' in option) {
    const nodeClientOptions = clientOptions(option.nodeClientOptions ?? {})
    return createSentinel(withoutTimeout({ ...option, nodeClientOptions }) as RedisSentinelOptions) as unknown as OwnedRedis
  }
  return createClient(clientOptions(option as RedisClientOptions)) as unknown as OwnedRedis
}

/**
 * While Redis is away commands fail at once instead of waiting in a queue, and the client tries to reconnect for ever. A Redis
 * that is there and silent cannot fill the memory with commands either.
 */
function clientOptions<Options extends Omit<RedisClientOptions, 'modules'>> (options: Options): Options {
  const reconnectStrategy = (retries: number): number => retryMs(retries)
  return withoutTimeout({
    disableOfflineQueue: true, commandsQueueMaxLength: MOST_COMMANDS, ...options, socket: { reconnectStrategy, ...options.socket }
  }) as Options
}

/** Every operation has a deadline of ours; the client's own costs an AbortSignal per command and ends at the socket. */
function withoutTimeout<Options extends { commandOptions?: object | undefined }> (options: Options): Options {
  return { ...options, commandOptions: { timeout: 0, ...options.commandOptions } }
}

function ownedRedis (client: OwnedRedis, onFault: (fault: unknown) => void): OpenRedis {
  const closing = new AbortController()
  const connected = connectAtLast(client, closing.signal, onFault)
  return {
    client,
    connect: () => connected,
    async close () {
      closing.abort()
      try {
        if (client.isReady) await withinMs(CLOSE_MS, client.close())
      } catch (fault) {
        onFault(fault)
      }
      await destroy(client)
    }
  }
}

/** A single client keeps trying by itself; a cluster or sentinel gives up when none of its nodes answers, so it is asked again. */
export async function connectAtLast (client: OwnedRedis, closed: AbortSignal, onFault: (fault: unknown) => void): Promise<void> {
  for (let retries = 0; !closed.aborted; retries++) {
    try {
      await client.connect()
      return
    } catch (fault) {
      if (closed.aborted) return
      onFault(fault)
      await backOff(retries, closed)
    }
  }
}

async function withinMs (ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([promise, new Promise((resolve) => { timer = setTimeout(resolve, ms) })])
  clearTimeout(timer)
}

interface Destroyable {
  destroy (): unknown
  on (event: 'connect', listener: () => void): unknown
}

/**
 * Ends a client whatever its state is; one that is closed already says so with an error. A socket that is being opened at the moment
 * is not ended by node-redis, so that is done when it is open.
 */
export async function destroy (client: Destroyable): Promise<void> {
  client.on('connect', () => { void destroyNow(client) })
  await destroyNow(client)
}

async function destroyNow (client: Destroyable): Promise<void> {
  try {
    await client.destroy()
  } catch (fault) {
    if ((fault as Error).name !== 'ClientClosedError' && (fault as Error).message !== 'The client is closed') throw fault
  }
}
