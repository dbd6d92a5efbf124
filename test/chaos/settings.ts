import type { CacheOptions } from '../../lib/index.ts'

/** What the cache does for a request or an app, each with routes and load of its own. */
export const OPERATIONS = ['look-up', 'store', 'invalidate', 'feed', 'lease', 'warm'] as const

export type Operation = typeof OPERATIONS[number]

/** What an app process is told when it starts. */
export interface AppSettings {
  /** Without it the plugin is not registered. */
  readonly cache?: Pick<CacheOptions, 'redis' | 'prefix' | 'memory' | 'timeouts'>
  /** The Redis of the versions, which nothing disturbs, or the address of an origin. */
  readonly versionsUrl: string
}

/** What an app process says. */
export type AppReport =
  | { readonly type: 'ready', readonly port: number }
  | ({ readonly type: 'measured' } & Measured)

/** What is left in a process when nobody asks it for anything. */
export interface Measured {
  /** What would keep the process alive, by type, without connections of clients. */
  readonly handles: Readonly<Record<string, number>>
  /** After a collection. */
  readonly heapBytes: number
  /** What nobody caught since the last time. */
  readonly uncaught: readonly string[]
}

/** What a load process is told when it starts. */
export interface LoadSettings {
  readonly operations: readonly Operation[]
  /** 1: about 250 requests a second. 3: a third of that. */
  readonly pace: number
  /** Ports of apps with Redis alone, of apps with memory in front of it, and of the app without a cache. */
  readonly ports: { readonly redis: readonly number[], readonly memory: readonly number[], readonly plain: number }
}

/** Requests without a cache are compared with those of the same kind. */
export type PlainKind = 'plain' | 'plain slow' | 'plain write'

/** One request of a client. */
export interface Sample {
  readonly of: Operation | PlainKind
  readonly method: 'GET' | 'PUT' | 'POST'
  /** Nanoseconds of CLOCK_MONOTONIC. */
  readonly at: number
  readonly ms: number
  readonly port: number
  /** The client got no answer, or a broken one. */
  readonly error?: string
  readonly thing?: number
  readonly version?: number
  readonly isHit?: boolean
  /** The cache did its part: a hit, one run of the handler, an acknowledgment. Undefined: that cannot be said of this request. */
  readonly isNormal?: boolean
}

/** An invalidation: acknowledged, or left pending. */
export interface Touch {
  readonly thing: number
  readonly version: number
  readonly at: number
  readonly port: number
  readonly isAcknowledged: boolean
}

export interface LoadReport {
  readonly samples: readonly Sample[]
  readonly touches: readonly Touch[]
}

export type LoadCommand = 'start' | 'stop' | 'take'

/** Of a route that is asked for many at once, so that leases matter. */
export const SLOW_MS = 30

export const PADDING = 'x'.repeat(500)

const IDS = 1_000_000

/** A number for what a path of an operation shows. */
export function thingOf (operation: Operation, id: number): number {
  return OPERATIONS.indexOf(operation) * IDS + id
}

export function pathOf (thing: number): string {
  return `/${operationOf(thing)}/${thing % IDS}`
}

export function operationOf (thing: number): Operation {
  return OPERATIONS[Math.floor(thing / IDS)]!
}
