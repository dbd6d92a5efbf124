import type { RouteCacheOptions } from '../../lib/index.ts'

/** What a server of the herd is told when it starts. */
export interface ServerSettings {
  /** Without it entries are kept in the process. */
  readonly redisUrl?: string
  readonly prefix: string
  /** Copies in memory in front of Redis. */
  readonly memory?: boolean
  /** `config.cache` of all routes. Without it the plugin is not registered. */
  readonly cache?: RouteCacheOptions
  /** How long a handler waits, in milliseconds. `0`: it answers at once. */
  readonly handlerMs: number
  /** URL of the library, as JavaScript. */
  readonly library: string
}

/** A run of a handler. `version` is in the response it gave, `at` is the time of its start, by `now`. */
export interface Run {
  readonly key: string
  readonly version: string
  readonly at: number
}

/** What a server says. */
export type ServerReport =
  | { readonly type: 'ready', readonly port: number }
  | { readonly type: 'run', readonly run: Run }
  | { readonly type: 'cpu', readonly micros: number }

/** What a server is told later: where the origin is, or to say how much CPU time it has used. */
export type ServerCommand =
  | { readonly type: 'origin', readonly port: number }
  | { readonly type: 'cpu' }

/** Milliseconds of CLOCK_MONOTONIC, which all processes of a machine share. */
export function now (): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Says something to the parent. Throws when there is none any more, which ends a process that was starting. */
export function tell (report: object): void {
  if (process.send === undefined || !process.connected) throw new Error('the parent has ended')
  process.send(report)
}

/** Ends this process with its parent, also when the parent has ended while this one was loading its code. */
export function endWithParent (): void {
  process.once('disconnect', () => { process.exit() })
  if (!process.connected) process.exit()
}
