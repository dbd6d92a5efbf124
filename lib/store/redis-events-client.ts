import type { ConnectedRedis } from './redis-client.ts'

export interface StreamEntry {
  readonly id: string
  readonly message: Readonly<Record<string, string>>
}

/** What following a stream needs of a client, cluster or sentinel. */
export interface EventsRedis {
  xAdd (key: string, id: string, message: Record<string, string>, options: { TRIM: { strategy: 'MAXLEN', strategyModifier: '~', threshold: number } }): Promise<string>
  xRange (key: string, from: string, to: string, options: { COUNT: number }): Promise<StreamEntry[]>
  xRevRange (key: string, from: string, to: string, options: { COUNT: number }): Promise<StreamEntry[]>
  xRead (stream: { key: string, id: string }, options: { BLOCK: number, COUNT: number }): Promise<unknown>
  on (event: 'error' | 'connect', listener: (fault: Error) => void): unknown
  connect (): Promise<unknown>
  destroy (): unknown
}

/** A client, cluster or sentinel can be duplicated; the clients of a pool can. */
interface Duplicable {
  duplicate? (overrides: object): EventsRedis
  execute? (task: (client: Duplicable) => EventsRedis): Promise<EventsRedis>
  /** Of a single client. */
  readonly options?: { readonly socket?: object }
  /** Of a pool: its clients do not have it, because the pool puts it before their keys. */
  readonly _keyPrefix?: unknown
}

/** Another client for the same Redis, not connected: reading blocks the connection it is done on. */
export async function duplicate (client: ConnectedRedis): Promise<EventsRedis> {
  const origin = client as unknown as Duplicable
  if (origin.duplicate !== undefined) return duplicateOf(origin)
  if (origin.execute === undefined) throw new Error('expected a Redis client with the method duplicate() or execute()')
  const { _keyPrefix: keyPrefix } = origin
  return await origin.execute((one) => duplicateOf(one, keyPrefix === undefined ? {} : { keyPrefix }))
}

/** Whether to connect again is decided by who reads, who has to be able to end at once. */
function duplicateOf (origin: Duplicable, overrides: object = {}): EventsRedis {
  const socket = { socket: { ...origin.options?.socket, reconnectStrategy: false, socketTimeout: undefined } }
  return origin.duplicate!({
    ...overrides,
    ...(origin.options === undefined ? {} : socket),
    clientSideCache: undefined,
    // A cluster connects to the one node that has the stream. Replicas are behind.
    minimizeConnections: true,
    useReplicas: false,
    replicaPoolSize: 0
  })
}
