import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'redis'
import type { FaultyProxy } from '../helpers/faulty-proxy.ts'
import type { RedisServer } from '../helpers/redis-process.ts'

/** What faults are done to. `admin` is not connected through the proxy. */
export interface Victims {
  readonly server: RedisServer
  readonly proxy: FaultyProxy
  readonly admin: ReturnType<typeof adminOf>
}

/** A client that is told at once that Redis is away. */
export function adminOf (url: string) {
  return createClient({ url, name: 'admin', disableOfflineQueue: true })
}

/** Does something to Redis for so many milliseconds, and takes it back. */
export type Fault = (victims: Victims, ms: number, ended: AbortSignal) => Promise<void>

/** What a server without memory left says, as `maxmemory` is nothing at all. */
const LITTLE = '1'
export const MAX_MEMORY = '256mb'

export const faults: Readonly<Record<string, Fault>> = {
  async 'killed and started again, empty' ({ server }, ms, ended) {
    await server.stop()
    await pause(ms, ended)
    await server.start()
  },

  async hangs ({ server }, ms, ended) {
    await server.pause()
    await pause(ms, ended)
    await server.resume()
  },

  async 'CLIENT KILL' ({ admin }) {
    for (const TYPE of ['normal', 'pubsub']) await admin.sendCommand(['CLIENT', 'KILL', 'TYPE', TYPE, 'SKIPME', 'yes'])
  },

  async 'CLIENT PAUSE' ({ admin }, ms, ended) {
    await admin.sendCommand(['CLIENT', 'PAUSE', String(ms), 'ALL'])
    await pause(ms, ended)
  },

  async 'out of memory' ({ admin }, ms, ended) {
    await admin.configSet('maxmemory', LITTLE)
    await pause(ms, ended)
    await admin.configSet('maxmemory', MAX_MEMORY)
  },

  async 'evicts everything' ({ admin }, ms, ended) {
    await admin.configSet('maxmemory-policy', 'allkeys-lru')
    await admin.configSet('maxmemory', LITTLE)
    await pause(ms, ended)
    await admin.configSet('maxmemory', MAX_MEMORY)
    await admin.configSet('maxmemory-policy', 'noeviction')
  },

  async FLUSHALL ({ admin }) {
    await admin.flushAll()
  },

  async 'all connections cut' ({ proxy }) {
    proxy.cut()
  },

  async 'replies late' ({ proxy }, ms, ended) {
    await proxy.set({ kind: 'delay', ms: 200 })
    await pause(ms, ended)
    await proxy.set({ kind: 'none' })
  },

  async 'network silent' ({ proxy }, ms, ended) {
    await proxy.set({ kind: 'silence' })
    await pause(ms, ended)
    await proxy.set({ kind: 'none' })
  },

  async 'nobody listens' ({ proxy }, ms, ended) {
    await proxy.set({ kind: 'refuse' })
    await pause(ms, ended)
    await proxy.set({ kind: 'none' })
  },

  async 'connections cut in the middle of replies' ({ proxy }, ms, ended) {
    await proxy.set({ kind: 'cut', afterBytes: 20_000 })
    await pause(ms, ended)
    await proxy.set({ kind: 'none' })
  }
}

/** So long, or until the end: what a fault has done is taken back in any case. */
export async function pause (ms: number, ended: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: ended }).catch(() => { /* the end */ })
}
