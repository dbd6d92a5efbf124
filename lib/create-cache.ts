import { Cache } from './client/cache.ts'
import type { CacheOptions } from './options/plugin-options.ts'
import { cacheSettings, type CacheSettings } from './options/resolve.ts'
import { checkedStore } from './store/checked-store.ts'
import { GuardedStore } from './store/guarded-store.ts'
import { MemoryStore } from './store/memory-store.ts'
import { RedisStore } from './store/redis-store.ts'
import type { Store } from './store/store.ts'
import { Warmer } from './warming/warmer.ts'
import { TieredStore } from './store/tiered-store.ts'

/** A cache without Fastify: the same client as `fastify.cache`. Errors: every `RESPONSE_CACHE_ERR_OPTION_*`. */
export function createCache (options: CacheOptions = {}): Cache {
  const settings = cacheSettings(options)
  const store = openStore(settings)
  const warmer = new Warmer({ getOrSet: (...args) => cache.getOrSet(...args), has: (key) => cache.has(key), connected: () => store.connectedSoon(), leases: store.leases, logger: settings.logger })
  const cache: Cache = new Cache(store, settings, { warmer })
  return cache
}

/** The store that the settings ask for, guarded. */
export function openStore (settings: CacheSettings): GuardedStore {
  const store = chooseStore(settings, (fault) => guarded.failed(fault))
  const guarded: GuardedStore = new GuardedStore(store, settings)
  return guarded
}

/** A copy shares nothing with what it was made from, and says when that was. Bytes, measured. */
const COPY_OVERHEAD = 350

function chooseStore ({ store, redis, memory, prefix, clock, readMs, logger }: CacheSettings, onFault: (fault: unknown) => void): Store {
  if (store !== undefined) return checkedStore(store)
  const far = redis === undefined ? undefined : new RedisStore({ redis, prefix, commandMs: readMs, onFault })
  if (memory === undefined) return far!
  const { maxBytes } = memory
  if (far === undefined) return new MemoryStore({ maxBytes, clock })
  // A clock of the system may go back; one that was passed in is that of a test.
  const monotonic = clock === Date.now ? () => performance.now() : clock
  const near = new MemoryStore({ maxBytes, clock: monotonic, overhead: COPY_OVERHEAD })
  return new TieredStore({ near, far, ...memory, clock, monotonic, logger, onFault })
}
