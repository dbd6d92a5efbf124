import type { InvalidationTargets } from '../../lib/marks/targets.ts'

/** What a server is told when it starts. */
export interface ServerSettings {
  readonly name: string
  readonly redis: string
  readonly prefix: string
  /** Copies in memory in front of Redis. */
  readonly memory: boolean
  /** Where handlers ask how things are. */
  readonly originPort: number
}

/** How a thing is, and what was asked for. */
export interface Answer {
  readonly path: string
  readonly revision: number
  readonly user: string | null
  readonly language: string | null
}

/** What a server looks like from inside, after its garbage is collected. Bytes and numbers. */
export interface ServerSample {
  readonly rss: number
  readonly heap: number
  readonly external: number
  readonly timers: number
  readonly sockets: number
  /** All that keeps the process alive. */
  readonly handles: number
  readonly warnings: readonly string[]
  readonly unhandled: readonly string[]
}

export type ServerReport = { readonly port: number } | ServerSample

/** Copies are used for so long without a word from Redis. */
export const MAX_BLIND_MS = 1000

export const THINGS = 100

/** What names a thing, whichever way it is invalidated. */
export function targetsOf (id: string): InvalidationTargets {
  return { tags: [`thing:${id}`] }
}
