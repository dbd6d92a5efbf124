import { Adviser } from './advice/adviser.ts'
import { Cache } from './client/cache.ts'
import { Fleet } from './client/fleet.ts'
import type { CacheOptions } from './options/plugin-options.ts'
import { cacheSettings, type CacheSettings } from './options/resolve.ts'
import { checkedStore } from './store/checked-store.ts'
import { GuardedStore } from './store/guarded-store.ts'
import { Integrity } from './store/integrity.ts'
import { MemoryStore } from './store/memory-store.ts'
import { RedisStore, type RedisStoreOptions, type Silenced } from './store/redis-store.ts'
import type { Store } from './store/store.ts'
import { StatsBook } from './stats/stats-book.ts'
import { Warmer } from './warming/warmer.ts'
import { TieredStore } from './store/tiered-store.ts'

/** A cache without Fastify: the same client as `fastify.cache`. Errors: every `RESPONSE_CACHE_ERR_OPTION_*`. */
export function createCache (options: CacheOptions = {}): Cache {
  const settings = cacheSettings(options)
  const store = openStore(settings)
  const warmer = new Warmer({ getOrSet: (...args) => cache.getOrSet(...args), has: (key) => cache.has(key), connected: () => store.connectedSoon(), leases: store.leases, logger: settings.logger })
  const adviser = new Adviser({ settings, store })
  const book = new StatsBook(settings.clock)
  const fleet = new Fleet(store, settings, () => book.snapshot())
  const cache: Cache = new Cache(store, settings, { warmer, adviser, fleet, book })
  adviser.start()
  fleet.start()
  return cache
}

/** The store that the settings ask for, guarded. */
export function openStore (settings: CacheSettings): GuardedStore {
  const store = chooseStore(settings, { onFault: (fault) => { guarded.failed(fault) }, onDamaged: () => { guarded.damaged() }, onReady: () => { guarded.ready() } })
  const guarded: GuardedStore = new GuardedStore(store, settings)
  return guarded
}

const SILENCED: Record<Silenced, string> = {
  marks: 'cache cannot tell of invalidations: processes with memory in front of Redis know of them later, after maxBlindMs at most',
  leases: 'cache cannot tell when a fill has ended: requests that wait for it in other processes wait longer',
  waits: 'cache does not hear when fills of other processes have ended: requests that wait for one ask Redis every few milliseconds'
}

/** A copy shares nothing with what it was made from, and says when that was. Bytes, measured. */
const COPY_OVERHEAD = 350

function chooseStore (settings: CacheSettings, heard: Pick<RedisStoreOptions, 'onFault' | 'onDamaged' | 'onReady'>): Store {
  const { store, redis, memory, prefix, clock, readMs, secrets, limits, logger } = settings
  if (store !== undefined) return checkedStore(store)
  const integrity = secrets === undefined ? undefined : new Integrity(secrets)
  const far = redis === undefined ? undefined : new RedisStore({ redis, prefix, commandMs: readMs, limits, integrity, ...heard, onSilenced: (what, fault) => { logger.warn({ err: fault, cache: { state: 'silenced', what } }, SILENCED[what]) } })
  if (memory === undefined) return far!
  const { maxBytes } = memory
  if (far === undefined) return new MemoryStore({ maxBytes, clock })
  // A clock of the system may go back; one that was passed in is that of a test.
  const monotonic = clock === Date.now ? () => performance.now() : clock
  const near = new MemoryStore({ maxBytes, clock: monotonic, overhead: COPY_OVERHEAD })
  return new TieredStore({ near, far, ...memory, clock, monotonic, logger, onFault: heard.onFault })
}
