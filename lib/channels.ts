import { channel, tracingChannel } from 'node:diagnostics_channel'
import type { BypassReason, MissReason, NotStoredReason, RefusalReason, StaleReason } from './http/cache-status.ts'
import type { InvalidationTargets } from './marks/targets.ts'
import type { InvalidationCause } from './stats/counts.ts'

/*
 * What the cache tells whoever subscribes with `node:diagnostics_channel`. Without a subscriber nothing is built. The channels are those
 * of the process: all caches in it tell there.
 */

/** One request of a cached route was answered. */
export interface ResponseMessage {
  readonly outcome: 'hit' | 'stale' | 'miss' | 'revalidated' | 'bypass' | 'refused'
  /** Why it was no plain hit. */
  readonly reason?: MissReason | StaleReason | BypassReason | RefusalReason
  /** Of a miss: whether the response is stored, or why not. Left out while a stream goes on. */
  readonly stored?: true | NotStoredReason
  /** Methods and pattern. */
  readonly route: string
  readonly namespace: string
  /** What `X-Cache-Key` shows behind the prefix. */
  readonly key?: string
  /** From the look-up until the answer was given to be sent, in milliseconds. */
  readonly ms: number
  /** Of the body, where it came from the cache. */
  readonly bytes?: number
}

/** Something was invalidated, or waits to be. */
export interface InvalidationMessage {
  /** The client that was asked, such as `app.cache`: a process may have several. */
  readonly cache: object
  readonly targets: InvalidationTargets | 'all'
  readonly soft: boolean
  readonly cause: InvalidationCause
  /** The name of the event, where one has caused it. */
  readonly event?: string
  /** Whether the store has confirmed it. */
  readonly isConfirmed: boolean
  readonly ms: number
}

/** What a fill, a look-up or a store is about. */
export interface TracedKey {
  readonly route?: string
  readonly key: string
}

/** Every answered request: `ResponseMessage`. */
export const responses = channel('fastify-response-cache:response')
/** Every invalidation: `InvalidationMessage`. */
export const invalidations = channel('fastify-response-cache:invalidation')

/** Around what takes time, for tracers. */
export const lookups = tracingChannel<TracedKey>('fastify-response-cache:lookup')
export const fills = tracingChannel<TracedKey>('fastify-response-cache:fill')
export const stores = tracingChannel<TracedKey>('fastify-response-cache:store')
export const marking = tracingChannel<Pick<InvalidationMessage, 'targets' | 'soft'>>('fastify-response-cache:invalidate')
