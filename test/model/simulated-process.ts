import { Adviser } from '../../lib/advice/adviser.ts'
import { Cache } from '../../lib/client/cache.ts'
import { Fleet } from '../../lib/client/fleet.ts'
import { StatsBook } from '../../lib/stats/stats-book.ts'
import { Warmer } from '../../lib/warming/warmer.ts'
import { cacheSettings, type CacheSettings } from '../../lib/options/resolve.ts'
import { ResponseCache } from '../../lib/response-cache.ts'
import { GuardedStore, UNAVAILABLE } from '../../lib/store/guarded-store.ts'
import { MemoryStore } from '../../lib/store/memory-store.ts'
import { RedisMarks } from '../../lib/store/redis-marks.ts'
import { RedisStore, type RedisStoreOptions } from '../../lib/store/redis-store.ts'
import { isPromise, type StoreKey } from '../../lib/store/store.ts'
import { TieredStore } from '../../lib/store/tiered-store.ts'
import { SimulatedConnection, type Line } from './simulated-connection.ts'
import { Feed } from './simulated-feed.ts'

export const PREFIX = 'model'

export interface ProcessOptions {
  readonly hasMemory: boolean
  readonly maxBlindMs: number
  /** The bound of the marks. */
  readonly most: number
  readonly isOrdered: boolean
  /** How long a command may take to arrive. */
  readonly mostMicros: number
  /** Milliseconds that the clock of this process is ahead. */
  readonly aheadMs: number
}

/** What a process is from its start to its end: its caches, and its connections. */
export interface Life {
  readonly owner: number
  readonly options: ProcessOptions
  readonly cache: Cache
  readonly engine: ResponseCache
  readonly connection: SimulatedConnection
  readonly feed: Feed
  /** Commands and reads that Redis did not answer, or too late, so far. */
  readonly faults: number
  isOver: boolean
}

/** The store for Redis with a bound of the marks and a clock of the test's. */
class ModelStore extends RedisStore {
  override readonly marks: RedisMarks

  constructor (options: RedisStoreOptions, { connection, most, monotonic }: { connection: SimulatedConnection, most: number, monotonic: () => number }) {
    super(options)
    this.marks = new RedisMarks({ open: () => connection, prefix: PREFIX, most, monotonic })
  }
}

class WatchedStore extends GuardedStore {
  unanswered = 0

  override get (key: StoreKey): ReturnType<GuardedStore['get']> {
    const found = super.get(key)
    return isPromise(found) ? found.then((entry) => this.#noted(entry)) : this.#noted(found)
  }

  #noted<T> (found: T): T {
    if (found === UNAVAILABLE) this.unanswered++
    return found
  }
}

export function startLife (line: Line, options: ProcessOptions): Life {
  const { time, owner } = line
  const feed = new Feed(line)
  const connection = new SimulatedConnection(line, { feed, ...options })
  const clock = (): number => 1_700_000_000_000 + time.now / 1000 + options.aheadMs
  const settings = cacheSettings({
    redis: connection,
    prefix: PREFIX,
    clock,
    memory: options.hasMemory ? { maxBytes: 1_000_000, maxBlindMs: options.maxBlindMs } : false
  })
  const onFault = (): void => {}
  const far = new ModelStore({ redis: connection, prefix: PREFIX, commandMs: 1000, onFault }, { connection, most: options.most, monotonic: () => time.now / 1000 })
  const near = new MemoryStore({ maxBytes: 1_000_000, clock })
  const store = options.hasMemory ? new TieredStore({ near, far, ...settings.memory!, clock, monotonic: clock, logger: settings.logger, onFault }) : far
  const guarded = new WatchedStore(store, settings)
  return {
    owner,
    options,
    feed,
    connection,
    cache: cacheOf(guarded, settings),
    engine: new ResponseCache({ store: guarded, clock }),
    get faults () { return connection.faults + guarded.unanswered },
    isOver: false
  }
}

function cacheOf (store: WatchedStore, settings: CacheSettings): Cache {
  const warmer = new Warmer({ getOrSet: (...args) => cache.getOrSet(...args), has: (key) => cache.has(key), leases: store.leases, logger: settings.logger })
  const book = new StatsBook(settings.clock)
  const cache: Cache = new Cache(store, settings, { warmer, adviser: new Adviser({ settings, store }), fleet: new Fleet(store, settings, () => book.snapshot()), book })
  return cache
}

/** It answers nobody any more. */
export function endLife (life: Life): void {
  life.isOver = true
  life.connection.break()
  void life.feed.destroy()
}
