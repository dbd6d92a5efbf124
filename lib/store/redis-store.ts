import type { EventLog } from '../events/event-log.ts'
import type { HotStore } from '../warming/hot-store.ts'
import { RedisHot } from './redis-hot.ts'
import { begunAt, decodeEntry, encodeEntry, type Entry } from '../stored-entry.ts'
import type { ConnectedRedis, RedisOption } from './redis-client.ts'
import { openRedis, type OpenRedis } from './redis-connection.ts'
import { RedisEvents } from './redis-events.ts'
import { RedisLeases } from './redis-leases.ts'
import { RedisMarks } from './redis-marks.ts'
import type { WalkedRedis } from './redis-nodes.ts'
import { listen, type Listener } from './redis-subscription.ts'
import { RedisSweep } from './redis-sweep.ts'
import type { DeleteValuesOptions, IsDead, MaybePromise, Store, StoreKey, Swept, WalkOptions } from './store.ts'

/** RESP type of bulk strings, `$`: replies of this type come as Buffers, so that bodies are never text on their way. */
const BLOB_STRING = 36
/** RESP type of scores, `,`. */
const DOUBLE = 44

/**
 * Stores what a handler or producer made, unless there is something newer: `isNewer` of `stored-entry.ts`, whose frame it reads. Whatever
 * is no such frame is replaced.
 */
const PRODUCED_SCRIPT = `
local function read (from, to)
  local bytes = redis.pcall('GETRANGE', KEYS[1], from, to)
  return type(bytes) == 'string' and bytes or ''
end
local function begunAt (entry)
  return type(entry.storedAt) == 'number' and type(entry.costMs) == 'number' and entry.storedAt - entry.costMs or -1
end
local a, b, c, d = string.byte(read(8, 11), 1, 4)
if d then
  local isEntry, entry = pcall(cjson.decode, read(16, 15 + ((a * 256 + b) * 256 + c) * 256 + d))
  if isEntry and type(entry) == 'table' and type(entry.filled) == 'table' and entry.filled.incarnation == ARGV[3] then
    local there, stamp = entry.filled.stamp, tonumber(ARGV[4])
    if type(there) == 'number' and there > stamp then return 0 end
    if there == stamp and (entry.origin == 'set' or begunAt(entry) > tonumber(ARGV[5])) then return 0 end
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`

export interface RedisStoreOptions {
  readonly redis: RedisOption
  readonly prefix: string
  /** How long one command of a lease may take, in milliseconds. */
  readonly commandMs: number
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
  readonly marks: RedisMarks
  readonly events: EventLog
  readonly hot: HotStore
  readonly leases: RedisLeases
  readonly #opening: Promise<OpenRedis>
  readonly #closed = new AbortController()
  readonly #sweep: RedisSweep
  #clients: Clients | undefined

  constructor ({ redis, prefix, commandMs, onFault }: RedisStoreOptions) {
    this.#prefix = prefix
    const open = (): MaybePromise<ConnectedRedis> => this.#clients?.client ?? this.#open().then(({ client }) => client)
    this.marks = new RedisMarks({ prefix, open })
    this.events = new RedisEvents({ prefix, open })
    this.hot = new RedisHot({ prefix, open })
    this.leases = new RedisLeases({ prefix, open, commandMs, closed: this.#closed.signal })
    // The commands of walks, which a client of the user's has as well.
    this.#sweep = new RedisSweep({ prefix, open: async () => await open() as unknown as WalkedRedis })
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
    const { client } = await this.#open()
    const [name, frame] = [this.#name(key), encodeEntry(entry)]
    if (entry.kind === 'value' && entry.origin === 'set') {
      await client.set(name, frame, { expiration: { type: 'PX', value: ttlMs } })
    } else {
      const { incarnation, stamp } = entry.filled
      const begun = entry.kind === 'value' ? 'inf' : String(begunAt(entry))
      await client.eval(PRODUCED_SCRIPT, { keys: [name], arguments: [frame, String(ttlMs), incarnation, String(stamp), begun] })
    }
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

  deleteValues (glob: string, options: DeleteValuesOptions): Promise<number> {
    return this.#sweep.deleteValues(glob, { ...options, signal: this.#untilClosed(options) })
  }

  sweep (isDead: IsDead, options: WalkOptions): Promise<Swept> {
    return this.#sweep.sweep(isDead, { signal: this.#untilClosed(options) })
  }

  #untilClosed ({ signal }: WalkOptions): AbortSignal {
    return signal === undefined ? this.#closed.signal : AbortSignal.any([signal, this.#closed.signal])
  }

  /** Reads a key that is never written: unlike `PING` it is the same on a single server and a Cluster. */
  async ping (): Promise<void> {
    await (await this.#open()).client.pTTL(`${this.#prefix}:ping`)
  }

  async connect (): Promise<void> {
    await (await this.#opening).connect()
  }

  /** Hears of the marks that any process sets, until the store is closed. */
  listen (listener: Listener): void {
    const { channel } = this.marks
    this.#opening.then(({ client }) => listen(client, channel, { listener, closed: this.#closed.signal })).catch(listener.onDown)
  }

  async close (): Promise<void> {
    this.#closed.abort()
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
