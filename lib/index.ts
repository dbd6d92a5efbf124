import { responseCache } from './plugin.ts'

export default responseCache
export { responseCache }
export { createCache } from './create-cache.ts'
export { optionsFromEnv } from './options/environment.ts'
export { decodeEntry, encodeEntry } from './stored-entry.ts'

export type { Cache, SetOptions } from './client/cache.ts'
export type { EventListener, EventLog, EventMessage, Following } from './events/event-log.ts'
export type { EventTargets } from './events/invalidation-events.ts'
export type { WrapOptions, WrappedFunction } from './functions/wrap.ts'
export type { Logger } from './logger.ts'
export type { FillStamp, Labelled, MarkKind } from './marks/ledger.ts'
export type { Marks } from './marks/marks.ts'
export type { Invalidated, InvalidateOptions, InvalidationTargets } from './marks/targets.ts'
export type { CacheReply, CacheRequest } from './options/cache-request.ts'
export type { Duration } from './options/duration.ts'
export type { CacheOptions, ResponseCacheOptions } from './options/plugin-options.ts'
export type { NamedTtl, RouteCacheConfig, RouteCacheOptions, StoredPayload, Ttl } from './options/route-options.ts'
export type { ConnectedRedis, RedisOption } from './store/redis-client.ts'
export type { MaybePromise, Store, StoreKey } from './store/store.ts'
export type { Entry, StoredResponse, StoredValue } from './stored-entry.ts'
