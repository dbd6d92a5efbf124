import type { ConnectedRedis } from './redis-client.ts'

/** node-redis takes both wherever a key or an argument goes. */
export type Bytes = string | Buffer

/** What walking over the keys needs besides what the store needs. Some of it only some kinds of clients have. */
export interface WalkedRedis extends Omit<ConnectedRedis, 'unlink' | 'eval' | 'pTTL'> {
  unlink (key: Bytes): Promise<unknown>
  eval (script: string, options: { keys: Bytes[], arguments: Bytes[] }): Promise<unknown>
  pTTL (key: Bytes): Promise<unknown>
  getRange (key: Bytes, start: number, end: number): Promise<unknown>
  scan (cursor: Bytes, options: { MATCH: Bytes, COUNT: number, TYPE: 'string' }): Promise<unknown>
  dbSize (): Promise<unknown>
  /** Of clusters. */
  readonly masters?: ReadonlyArray<{ readonly address: string }>
}

/** A server whose keys can be walked. */
export interface RedisNode {
  readonly name: string
  /** Keys of strings, as they are in Redis: at most about `count`, perhaps none. The walk is over when the cursor is `'0'` again. */
  scan (cursor: string, match: Buffer, count: number): Promise<{ cursor: string, keys: Buffer[] }>
  /** How many keys it has. */
  size (): Promise<number>
}

/** RESP type of bulk strings, `$`: keys and values need not be text. */
const BUFFERS = { 36: Buffer }

/** A Sentinel sends a SCAN to any replica, where the cursor of another server means nothing. A script goes to the master. */
const SCAN_SCRIPT = "return redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3], 'TYPE', 'string')"

/** The servers behind a client of any kind, and a way to send many commands at once without taking more than one connection. */
export class RedisNodes {
  readonly #client: WalkedRedis

  constructor (client: WalkedRedis) {
    this.#client = withBuffers(client)
  }

  get isCluster (): boolean {
    return this.#client.masters !== undefined
  }

  /** As known now: a Cluster changes. */
  list (): RedisNode[] {
    const { masters } = this.#client
    if (masters === undefined) {
      return [{
        name: 'the server',
        scan: (cursor, match, count) => this.#scan(cursor, match, count),
        size: async () => Number(await this.use((redis) => redis.dbSize()))
      }]
    }
    return masters.map((master) => {
      const open = async (): Promise<WalkedRedis> => withBuffers(await this.#client.nodeClient!(master as never))
      return {
        name: master.address,
        scan: async (cursor, match, count) => await scanWith(await open(), { cursor, match, count }),
        size: async () => Number(await (await open()).dbSize())
      }
    })
  }

  /** The commands of `task` share a round trip. A pool would open a connection for each of them. */
  async use<T> (task: (redis: WalkedRedis) => Promise<T>): Promise<T> {
    const { execute } = this.#client
    if (execute === undefined) return await task(this.#client)
    return await this.#client.execute!((client) => task(withBuffers(client))) as T
  }

  /** A key as the store names it, and as it is in Redis: node-redis may put a `keyPrefix` of its own before it. */
  async fullName (key: string): Promise<Buffer> {
    return await echo(this.#client, key)
  }

  /** How many bytes the client that `use` gives puts before a key, such as this one. */
  async addedBytes (key: string): Promise<number> {
    return await this.use(async (redis) => (await echo(redis, key)).length - Buffer.byteLength(key))
  }

  async #scan (cursor: string, match: Buffer, count: number): Promise<{ cursor: string, keys: Buffer[] }> {
    if (this.#client.acquire === undefined) return await this.use((redis) => scanWith(redis, { cursor, match, count }))
    const [next, keys] = await this.#client.eval(SCAN_SCRIPT, { keys: [], arguments: [cursor, match, String(count)] }) as [Buffer, Buffer[]]
    return { cursor: String(next), keys }
  }
}

async function scanWith (redis: WalkedRedis, { cursor, match, count }: { cursor: string, match: Buffer, count: number }): Promise<{ cursor: string, keys: Buffer[] }> {
  const found = await redis.scan(cursor, { MATCH: match, COUNT: count, TYPE: 'string' }) as { cursor: Buffer, keys: Buffer[] }
  return { cursor: String(found.cursor), keys: found.keys }
}

async function echo (redis: WalkedRedis, key: string): Promise<Buffer> {
  return await redis.eval('return KEYS[1]', { keys: [key], arguments: [] }) as Buffer
}

function withBuffers (client: unknown): WalkedRedis {
  return (client as WalkedRedis).withTypeMapping(BUFFERS) as WalkedRedis
}
