import type { RedisClientOptions, RedisClusterOptions, RedisSentinelOptions } from 'redis'

/**
 * What the cache needs of a connected node-redis (6) client, cluster, sentinel or client pool. A structural type, so that
 * any of them fits whatever modules it was made with.
 */
export interface ConnectedRedis {
  get (key: string): Promise<unknown>
  set (key: string, value: Buffer, options: { expiration: { type: 'PX', value: number } }): Promise<unknown>
  unlink (key: string): Promise<unknown>
  pExpire (key: string, ms: number): Promise<unknown>
  pTTL (key: string): Promise<unknown>
  zmScore (key: string, members: string[]): Promise<unknown>
  eval (script: string, options: { keys: string[], arguments: Array<string | Buffer> }): Promise<unknown>
  withTypeMapping (mapping: Record<number, unknown>): unknown
  /** Gives the message back. Of single clients. */
  ping? (message: string): Promise<unknown>
  readonly options?: { readonly credentialsProvider?: unknown, readonly username?: unknown, readonly password?: unknown }
  /** Of single clients; pools lend one. */
  duplicate? (): unknown
  execute? (task: (client: unknown) => unknown): Promise<unknown>
  /** Of all but pools. */
  subscribe? (channel: string, listener: (message: unknown) => void): Promise<unknown>
  unsubscribe? (channel: string, listener: (message: unknown) => void): Promise<unknown>
  /** Of clusters. */
  nodeClient? (node: never): unknown
  /** Of Sentinels. */
  acquire? (): unknown
  on (event: string, listener: (error: Error) => void): unknown
  off (event: string, listener: (error: Error) => void): unknown
}

/** How to reach Redis: see the plugin option `redis`. */
export type RedisOption = string | (Omit<RedisClientOptions, 'RESP'> & { RESP?: 2 | 3 }) | RedisClusterOptions | RedisSentinelOptions | ConnectedRedis
