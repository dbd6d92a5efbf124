import type { Marks } from '../marks/marks.ts'
import { decodeEntry, encodeEntry, type Entry } from '../stored-entry.ts'
import type { ConnectedRedis, RedisOption } from './redis-client.ts'
import { openRedis, type OpenRedis } from './redis-connection.ts'
import { RedisMarks } from './redis-marks.ts'
import type { Store, StoreKey } from './store.ts'

/** RESP type of bulk strings, `$`: replies of this type come as Buffers, so that bodies are never text on their way. */
const BLOB_STRING = 36
/** RESP type of scores, `,`. */
const DOUBLE = 44

export interface RedisStoreOptions {
  readonly redis: RedisOption
  readonly prefix: string
  /** Hears of faults of the connection. */
  readonly onFault: (fault: unknown) => void
}

/** The same connection twice: the reader gives Buffers. */
interface Clients {
  readonly client: ConnectedRedis
  readonly reader: ConnectedRedis
}

/**
 * Entries in Redis: one string per entry under `<prefix>:<id>`, with a time to live. Commands of one tick share a round trip,
 * and every command has one key, so that a Cluster needs nothing special.
 */
export class RedisStore implements Store {
  readonly #prefix: string
  readonly marks: Marks
  readonly #opening: Promise<OpenRedis>
  #clients: Clients | undefined

  constructor ({ redis, prefix, onFault }: RedisStoreOptions) {
    this.#prefix = prefix
    this.marks = new RedisMarks({ prefix, open: () => this.#clients?.client ?? this.#open().then(({ client }) => client) })
    this.#opening = openRedis(redis, onFault).then((open) => {
      // Whatever types a client of the user's gives.
      this.#clients = {
        client: open.client.withTypeMapping({ [BLOB_STRING]: String, [DOUBLE]: Number }) as ConnectedRedis,
        reader: open.client.withTypeMapping({ [BLOB_STRING]: Buffer }) as ConnectedRedis
      }
      return open
    })
    this.#opening.catch(onFault)
  }

  /** Not an async function: this is the way of every hit. */
  get (key: StoreKey): Promise<Entry | undefined> {
    if (this.#clients === undefined) return this.#opening.then(() => this.get(key))
    // Both leave in one round trip, whatever else is asked in this turn of the event loop.
    const refreshed = this.marks.refresh()
    return Promise.all([this.#clients.reader.get(this.#name(key)).then(entryOf, nothingForeign), refreshed]).then(first)
  }

  async set (key: StoreKey, entry: Entry, ttlMs: number): Promise<void> {
    await (await this.#open()).client.set(this.#name(key), encodeEntry(entry), { expiration: { type: 'PX', value: ttlMs } })
  }

  async delete (key: StoreKey): Promise<boolean> {
    return Number(await (await this.#open()).client.unlink(this.#name(key))) > 0
  }

  async expire (key: StoreKey, ttlMs: number): Promise<boolean> {
    return Number(await (await this.#open()).client.pExpire(this.#name(key), ttlMs)) > 0
  }

  async ttlMs (key: StoreKey): Promise<number | undefined> {
    const ttlMs = Number(await (await this.#open()).client.pTTL(this.#name(key)))
    return ttlMs < 0 ? undefined : ttlMs
  }

  /** Reads a key that is never written: unlike `PING` it is the same on a single server and a Cluster. */
  async ping (): Promise<void> {
    await (await this.#open()).client.pTTL(`${this.#prefix}:ping`)
  }

  async connect (): Promise<void> {
    await (await this.#opening).connect()
  }

  async close (): Promise<void> {
    await (await this.#opening.catch(() => undefined))?.close()
  }

  #name (key: StoreKey): string {
    return `${this.#prefix}:${key.id}`
  }

  /** Only the first operations wait, until node-redis is loaded. */
  async #open (): Promise<Clients> {
    return this.#clients ?? await this.#opening.then(() => this.#clients!)
  }
}

function first<T> (pair: readonly [T, unknown]): T {
  return pair[0]
}

function entryOf (frame: unknown): Entry | undefined {
  return Buffer.isBuffer(frame) ? decodeEntry(frame) : undefined
}

/** A foreign type under our key is nothing we stored; the next store replaces it. */
function nothingForeign (fault: unknown): undefined {
  if (fault instanceof Error && fault.message.startsWith('WRONGTYPE')) return undefined
  throw fault
}
