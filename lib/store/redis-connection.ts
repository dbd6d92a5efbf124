import type { RedisClientOptions, RedisClusterOptions, RedisSentinelOptions } from 'redis'
import { retryMs } from '../backoff.ts'
import { inTime } from '../deadline.ts'
import { watchCluster, type WatchedCluster } from './cluster-watch.ts'
import { destroy, isSingle, KeptConnection, type OwnedRedis } from './kept-connection.ts'
import type { ConnectedRedis, RedisOption } from './redis-client.ts'
import { withoutArguments } from './told-fault.ts'

/** A Redis client and what its owner may do with it. */
export interface OpenRedis {
  readonly client: ConnectedRedis
  /** Resolves once commands can be sent. */
  connect (): Promise<void>
  /** Gives up the connection, on which nothing comes back, for a new one. Not there where that is not ours, or is done by the client itself. */
  renew? (): Promise<void>
  /** Ends what we opened; a client that the user made stays open. */
  close (): Promise<void>
}

export interface RedisListeners {
  onFault (fault: unknown): void
  /** Commands can be sent again, to a server at least. */
  onReady (): void
}

const CLOSE_MS = 1000
const MOST_COMMANDS = 20_000
/** Servers of a Cluster are asked for a sign of life more often, see `watchCluster`. */
const SOCKET_SILENT_MS = 5000
/** A Sentinel that nobody has asked for so long is asked for a sign of life. */
const SENTINEL_ASKED_MS = 2000

/** Makes a client of what the option says, or takes the one it is. Loads node-redis only when a client has to be made. */
export async function openRedis (option: RedisOption, { onFault, onReady }: RedisListeners): Promise<OpenRedis> {
  const tell = (fault: unknown): void => { onFault(withoutArguments(fault)) }
  const heard = [['error', tell], ['ready', onReady], ['node-ready', onReady]] as const
  if (isConnectedRedis(option)) {
    for (const [event, listener] of heard) option.on(event, listener)
    return {
      client: option,
      async connect () {}, // the user has connected it
      async close () { for (const [event, listener] of heard) option.off(event, listener) }
    }
  }
  const client = await makeClient(option)
  for (const [event, listener] of heard) client.on(event, listener)
  return ownedRedis(client, tell)
}

export function isConnectedRedis (option: RedisOption): option is ConnectedRedis {
  return typeof option === 'object' && 'withTypeMapping' in option && typeof option.withTypeMapping === 'function'
}

/** The types of node-redis have parameters for modules and replies that no common type fits, hence the casts. */
async function makeClient (option: Exclude<RedisOption, ConnectedRedis>): Promise<OwnedRedis> {
  const { createClient, createCluster, createSentinel } = await import('redis')
  if (typeof option === 'string') return createClient(clientOptions({ url: option })) as unknown as OwnedRedis
  if ('rootNodes' in option) {
    return createCluster(withoutTimeout({ ...option, defaults: nodeOptions(option.defaults ?? {}) }) as RedisClusterOptions) as unknown as OwnedRedis
  }
  if ('sentinelRootNodes' in option) {
    const nodeClientOptions = clientOptions(option.nodeClientOptions ?? {})
    // Without a connection of their own commands of one turn take turns: each waits for the answer of the one before.
    const sentinelClientOptions = sentinelOptions(option.sentinelClientOptions ?? {})
    return createSentinel(withoutTimeout({ reserveClient: true, ...option, nodeClientOptions, sentinelClientOptions }) as RedisSentinelOptions) as unknown as OwnedRedis
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

/** A server that is silent when it is asked who has which slots would be waited for by everybody, for ever. */
function nodeOptions<Options extends Omit<RedisClientOptions, 'modules'>> (options: Options): Options {
  return clientOptions({ ...options, socket: { socketTimeout: SOCKET_SILENT_MS, ...options.socket } }) as Options
}

/** A Sentinel that is silent would be waited for by everybody, for ever, although others know as much. */
function sentinelOptions<Options extends Omit<RedisClientOptions, 'modules'>> (options: Options): Options {
  return { pingInterval: SENTINEL_ASKED_MS, ...options, socket: { socketTimeout: SOCKET_SILENT_MS, ...options.socket } } as Options
}

/** Every operation has a deadline of ours; the client's own costs an AbortSignal per command and ends at the socket. */
function withoutTimeout<Options extends { commandOptions?: object | undefined }> (options: Options): Options {
  return { ...options, commandOptions: { timeout: 0, ...options.commandOptions } }
}

function ownedRedis (client: OwnedRedis, onFault: (fault: unknown) => void): OpenRedis {
  const closing = new AbortController()
  if (isCluster(client)) watchCluster(client, { closed: closing.signal, onFault })
  const kept = new KeptConnection(client, { closed: closing.signal, onFault })
  const connected = kept.connect()
  return {
    client,
    connect: () => connected,
    ...isSingle(client) ? { renew: () => kept.renew() } : {},
    async close () {
      closing.abort()
      try {
        if (client.isReady) await inTime(CLOSE_MS, client.close())
      } catch (fault) {
        onFault(fault)
      }
      // A client of Sentinels waits for the one that it asks at the moment.
      await inTime(CLOSE_MS, destroy(client)).catch(onFault)
    }
  }
}

function isCluster (client: OwnedRedis): client is OwnedRedis & WatchedCluster {
  return '_slots' in client
}
