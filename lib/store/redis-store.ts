import type { EventLog } from '../events/event-log.ts'
import type { HotStore } from '../warming/hot-store.ts'
import { RedisFleetLog } from './redis-fleet-log.ts'
import { RedisHot } from './redis-hot.ts'
import { isOfLongerPrefix } from '../cache-key.ts'
import { begunAt, decodeEntry, encodeEntry, headerEnd, PREAMBLE_BYTES, type Entry } from '../stored-entry.ts'
import type { Integrity } from './integrity.ts'
import type { ConnectedRedis, RedisOption } from './redis-client.ts'
import { openRedis, type OpenRedis } from './redis-connection.ts'
import { RedisEvents } from './redis-events.ts'
import { redisFacts } from './redis-facts.ts'
import { RedisLeases } from './redis-leases.ts'
import { RedisMarks } from './redis-marks.ts'
import { echoes, isMaster, SilenceWatch } from './silence.ts'
import type { WalkedRedis } from './redis-nodes.ts'
import { listen, type Listener } from './redis-subscription.ts'
import { RedisPages } from './redis-pages.ts'
import { RedisSweep } from './redis-sweep.ts'
import type { StoreFacts } from './store-facts.ts'
import type { DeleteValuesOptions, IsDead, MaybePromise, Page, PageOptions, ReadEntry, Store, StoreKey, Swept, WalkOptions } from './store.ts'

/** RESP type of bulk strings, `$`: replies of this type come as Buffers, so that bodies are never text on their way. */
const BLOB_STRING = 36
/** RESP type of scores, `,`. */
const DOUBLE = 44

/** What says that its header is longer is replaced: it would take long to read. */
const LONGEST_HEADER = 1024 * 1024

/**
 * Stores what a handler or producer made, unless there is something newer: `isNewer` of `stored-entry.ts`, whose frame it reads, in whatever
 * version. Replaced is whatever is no such frame, is that of another key, or begins as `seen`: this process has read it, and it is damaged.
 */
const PRODUCED_SCRIPT = `
local frame, ttlMs, incarnation, stamp, begun, seen = unpack(ARGV)
local function there (from, to)
  local bytes = redis.pcall('GETRANGE', KEYS[1], from, to)
  return type(bytes) == 'string' and bytes or ''
end
local function coming (from, to) return string.sub(frame, from + 1, to + 1) end
local function headerOf (start, read)
  local a, b, c, d = string.byte(start, 9, 12)
  if not d or string.sub(start, 1, 3) ~= 'FRC' then return {} end
  local length = ((a * 256 + b) * 256 + c) * 256 + d
  local isJson, header = pcall(cjson.decode, length <= ${LONGEST_HEADER} and read(16, 15 + length) or '')
  return isJson and type(header) == 'table' and header or {}
end
local function begunAt (entry)
  return type(entry.storedAt) == 'number' and type(entry.costMs) == 'number' and entry.storedAt - entry.costMs or -1
end
local function isNewer (entry)
  if type(entry.filled) ~= 'table' or entry.filled.incarnation ~= incarnation or type(entry.filled.stamp) ~= 'number' then return false end
  if entry.filled.stamp ~= tonumber(stamp) then return entry.filled.stamp > tonumber(stamp) end
  return entry.origin == 'set' or begunAt(entry) > tonumber(begun)
end
local start = there(0, 15)
if start ~= seen then
  local entry = headerOf(start, there)
  if isNewer(entry) and entry.key == headerOf(coming(0, 15), coming).key then return 0 end
end
redis.call('SET', KEYS[1], frame, 'PX', ttlMs)
return 1
`

/** More keys with something damaged are not remembered at once. */
const MOST_DAMAGED = 1000
/** An address may lead to a replica for good. */
const REST_MS = 1000

/** What was found under a key and is nothing stored: no frame, or one without the signature that it should have; a value of another type; the entry of another key. */
export type Damage = 'frame' | 'type' | 'key'

/** Marks that cannot be told; ends of leases that cannot be told, or heard of. */
export type Silenced = 'marks' | 'leases' | 'waits'

export interface RedisStoreOptions {
  readonly redis: RedisOption
  readonly prefix: string
  /** How long one command of a lease may take, in milliseconds. */
  readonly commandMs: number
  readonly limits?: { readonly marks: number, readonly pendingInvalidations: number }
  /** Commands can be sent, again. */
  readonly onReady?: () => void
  /** Hears of faults of the connection. */
  readonly onFault: (fault: unknown) => void
  /** Signs all that is written, and what it has not signed is not read. Default: nothing is signed. */
  readonly integrity?: Integrity | undefined
  /** Hears why something works without being told to other processes, or without hearing of them, once. */
  readonly onSilenced?: (what: Silenced, fault: unknown) => void
  /** Hears of each look-up that found something else than an entry of its key. */
  readonly onDamaged?: (what: Damage) => void
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
  readonly fleet: RedisFleetLog
  readonly leases: RedisLeases
  readonly #opening: Promise<OpenRedis>
  readonly #closed = new AbortController()
  readonly #sweep: RedisSweep
  readonly #pages: RedisPages
  readonly #silence: SilenceWatch
  /** The other connections of this store. */
  readonly #renewals = new Set<() => Promise<void>>()
  /** Until then it is not asked again whether the server is a master. */
  #restUntil = -Infinity
  readonly #integrity: Integrity | undefined
  readonly #onDamaged: (what: Damage) => void
  /** How that begins which this process has read and which is damaged, by its name in Redis; the oldest first. */
  readonly #damaged = new Map<string, string>()
  #clients: Clients | undefined

  constructor ({ redis, prefix, commandMs, limits, onFault, integrity, onSilenced, onDamaged = () => {}, onReady = () => {} }: RedisStoreOptions) {
    this.#prefix = prefix
    this.#integrity = integrity
    this.#onDamaged = onDamaged
    const open = (): MaybePromise<ConnectedRedis> => this.#clients?.client ?? this.#open().then(({ client }) => client)
    this.marks = new RedisMarks({ prefix, open, onUntold: (fault) => { onSilenced?.('marks', fault) }, ...limits === undefined ? {} : { most: limits.marks, mostUnconfirmed: limits.pendingInvalidations } })
    this.events = new RedisEvents({ prefix, open })
    this.hot = new RedisHot({ prefix, open })
    this.fleet = new RedisFleetLog({ prefix, open })
    this.leases = new RedisLeases({ prefix, open, commandMs, closed: this.#closed.signal, renewals: this.#renewals, onRefused: (what, fault) => { onSilenced?.(what === 'tell' ? 'leases' : 'waits', fault) } })
    // The commands of walks, which a client of the user's has as well.
    const openWalked = async (): Promise<WalkedRedis> => await open() as unknown as WalkedRedis
    this.#sweep = new RedisSweep({ prefix, open: openWalked })
    this.#pages = new RedisPages({ prefix, open: openWalked })
    this.#opening = openRedis(redis, { onFault, onReady }).then((open) => {
      // Whatever types a client of the user's gives.
      this.#clients = {
        client: open.client.withTypeMapping({ [BLOB_STRING]: String, [DOUBLE]: Number }) as ConnectedRedis,
        reader: open.client.withTypeMapping({ [BLOB_STRING]: Buffer }) as ConnectedRedis
      }
      return open
    })
    this.#opening.catch(onFault)
    this.#silence = new SilenceWatch({ ask: () => this.#isSane(), renew: () => this.#renew(), onFault })
  }

  /** Not an async function: this is the way of every hit. */
  get (key: StoreKey): Promise<Entry | undefined> {
    if (this.#clients === undefined) return this.#opening.then(() => this.get(key))
    // Both leave in one round trip, whatever else is asked in this turn of the event loop.
    const refreshed = this.marks.refresh()
    const name = this.#name(key)
    return Promise.all([this.#clients.reader.get(name).then((bytes) => this.#entryOf(bytes, name, key), this.#nothingForeign), refreshed]).then(first)
  }

  async set (key: StoreKey, entry: Entry, ttlMs: number): Promise<void> {
    const { client } = await this.#open()
    const name = this.#name(key)
    const frame = this.#integrity === undefined ? encodeEntry(entry) : this.#integrity.sign(name, encodeEntry(entry))
    if (entry.kind === 'value' && entry.origin === 'set') {
      await client.set(name, frame, { expiration: { type: 'PX', value: ttlMs } })
    } else {
      const { incarnation, stamp } = entry.filled
      const begun = entry.kind === 'value' ? 'inf' : String(begunAt(entry))
      const seen = Buffer.from(this.#damaged.get(name) ?? '', 'latin1')
      await client.eval(PRODUCED_SCRIPT, { keys: [name], arguments: [frame, String(ttlMs), incarnation, String(stamp), begun, seen] })
    }
    this.#damaged.delete(name)
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

  page (options: PageOptions): Promise<Page> {
    return this.#pages.page(options, this.#untilClosed(options))
  }

  async read (id: string): Promise<ReadEntry | undefined> {
    const { client, reader } = await this.#open()
    const name = `${this.#prefix}:${id}`
    const [bytes, ttlMs] = await Promise.all([reader.get(name).catch(nothingForeign), client.pTTL(name).then(Number)])
    const entry = Buffer.isBuffer(bytes) ? this.#decoded(bytes, name) : undefined
    if (entry === undefined || ttlMs === -2 || isOfLongerPrefix(id, entry.key)) return undefined
    return { entry, ttlMs: ttlMs < 0 ? undefined : ttlMs }
  }

  #untilClosed ({ signal }: WalkOptions): AbortSignal {
    return signal === undefined ? this.#closed.signal : AbortSignal.any([signal, this.#closed.signal])
  }

  /** Reads a key that is never written: unlike `PING` it is the same on a single server and a Cluster. */
  async ping (): Promise<void> {
    await (await this.#open()).client.pTTL(`${this.#prefix}:ping`)
  }

  async facts (): Promise<StoreFacts> {
    return await redisFacts({ client: (await this.#open()).client, prefix: this.#prefix })
  }

  suspect (): void {
    this.#silence.suspect()
  }

  async connect (): Promise<void> {
    await (await this.#opening).connect()
  }

  /** Hears of the marks that any process sets, until the store is closed. */
  listen (listener: Listener): void {
    const { channel } = this.marks
    this.#opening.then(({ client }) => listen(client, channel, { listener, closed: this.#closed.signal, renewals: this.#renewals })).catch(listener.onDown)
  }

  async close (): Promise<void> {
    this.#closed.abort()
    await (await this.#opening.catch(() => undefined))?.close()
  }

  async #isSane (): Promise<boolean> {
    const { client } = await this.#open()
    return await echoes(client) && (performance.now() < this.#restUntil || await isMaster(client, `${this.#prefix}:ping`))
  }

  /** The others lead where this one leads: where that is a replica still, there is no use. */
  async #renew (): Promise<void> {
    const { client, renew } = await this.#opening
    if (renew === undefined) return
    await renew()
    if (await isMaster(client, `${this.#prefix}:ping`)) await Promise.all([...this.#renewals].map((renewOther) => renewOther()))
    else this.#restUntil = performance.now() + REST_MS
  }

  #entryOf (bytes: unknown, name: string, key: StoreKey): Entry | undefined {
    if (!Buffer.isBuffer(bytes)) return undefined
    const entry = this.#decoded(bytes, name)
    if (entry !== undefined && entry.key === key.text) return entry
    // A frame of another version is not damaged: how old it is, the script reads.
    if (headerEnd(bytes) !== undefined) this.#remember(name, bytes.toString('latin1', 0, PREAMBLE_BYTES))
    this.suspect() // it may be the answer to something else
    this.#onDamaged(entry === undefined ? 'frame' : 'key')
    return undefined
  }

  #decoded (bytes: Buffer, name: string): Entry | undefined {
    const frame = this.#integrity === undefined ? bytes : this.#integrity.open(name, bytes)
    return frame === undefined ? undefined : decodeEntry(frame)
  }

  #remember (name: string, start: string): void {
    this.#damaged.delete(name)
    this.#damaged.set(name, start)
    if (this.#damaged.size > MOST_DAMAGED) this.#damaged.delete(this.#damaged.keys().next().value!)
  }

  /** A foreign type under our key is nothing we stored; the next store replaces it. */
  readonly #nothingForeign = (fault: unknown): undefined => {
    nothingForeign(fault)
    this.#onDamaged('type')
  }

  #name (key: StoreKey): string {
    return `${this.#prefix}:${key.id}`
  }

  /** Only the first operations wait, until node-redis is loaded. */
  async #open (): Promise<Clients> {
    return this.#clients ?? await this.#opening.then(() => this.#clients!)
  }
}

function nothingForeign (fault: unknown): undefined {
  if (!(fault instanceof Error && fault.message.startsWith('WRONGTYPE'))) throw fault
}

function first<T> (pair: readonly [T, unknown]): T {
  return pair[0]
}
