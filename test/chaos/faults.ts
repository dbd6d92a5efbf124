import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultyProxy, ProxyFault } from '../helpers/faulty-proxy.ts'
import { asked } from '../helpers/redis-admin.ts'
import type { RedisServer } from '../helpers/redis-process.ts'

/** What some faults have to break: the network. */
export interface Network {
  readonly proxy: FaultyProxy
}

/** What faults have to break. */
export interface Ground extends Network {
  readonly redis: RedisServer
}

export interface Fault<On extends Network = Ground> {
  /** For the command line. */
  readonly name: string
  readonly description: string
  /** Breaks something for so many milliseconds, and mends it. */
  run (ground: On, ms: number): Promise<void>
}

/** With a connection of its own, which does not go through the proxy. */
async function administer ({ redis }: Pick<Ground, 'redis'>, task: (send: Send) => Promise<unknown>): Promise<void> {
  await asked(redis, async (client) => { await task(async (...words) => await client.sendCommand(words)) })
}

type Send = (...words: string[]) => Promise<unknown>

interface Broken<On extends Network> {
  readonly begin?: (ground: On, ms: number) => Promise<unknown>
  readonly end?: (ground: On) => Promise<unknown>
}

/** Broken at one moment, mended at another one. */
function broken<On extends Network = Ground> (name: string, description: string, { begin = async () => {}, end = async () => {} }: Broken<On>): Fault<On> {
  return {
    name,
    description,
    async run (ground, ms) {
      await begin(ground, ms)
      await sleep(ms)
      await end(ground)
    }
  }
}

interface Repetition {
  readonly everyMs: number
  readonly once: (send: Send) => Promise<unknown>
}

async function repeat (send: Send, ms: number, { everyMs, once }: Repetition): Promise<void> {
  for (const until = performance.now() + ms; performance.now() < until;) {
    await once(send)
    await sleep(Math.max(0, Math.min(everyMs, until - performance.now())))
  }
}

/** Again and again, with a rest. */
function repeated (name: string, description: string, repetition: Repetition): Fault {
  return {
    name,
    description,
    run: async (ground, ms) => { await administer(ground, (send) => repeat(send, ms, repetition)) }
  }
}

/** Settings while it lasts, and what is done with them. */
function configured (name: string, description: string, { set, meanwhile = async () => {} }: { set: (send: Send) => Promise<string[]>, meanwhile?: (send: Send) => Promise<unknown> }): Fault {
  return {
    name,
    description,
    async run (ground, ms) {
      await administer(ground, async (send) => {
        await send('CONFIG', 'SET', ...await set(send))
        try {
          await repeat(send, ms, { everyMs: 10, once: meanwhile })
        } finally {
          await send('CONFIG', 'SET', 'maxmemory', '0', 'maxmemory-policy', 'noeviction')
          await send('UNLINK', ...JUNK)
        }
      })
    }
  }
}

const JUNK = Array.from({ length: 100 }, (_, at) => `junk:${at}`)
const JUNK_TEXT = 'x'.repeat(10_000)
let junk = 0

function proxied (name: string, description: string, fault: ProxyFault): Fault<Network> {
  return broken<Network>(name, description, { begin: ({ proxy }) => proxy.set(fault), end: ({ proxy }) => proxy.set({ kind: 'none' }) })
}

export const SERVER_FAULTS: readonly Fault[] = [
  broken('kill', 'server killed, started again empty', { begin: ({ redis }) => redis.stop(), end: ({ redis }) => redis.start() }),
  broken('freeze', 'server stopped (SIGSTOP), continued (SIGCONT)', { begin: ({ redis }) => redis.pause(), end: ({ redis }) => redis.resume() }),
  ...(['ALL', 'WRITE'] as const).map((what): Fault => broken(`pause-${what.toLowerCase()}`, `CLIENT PAUSE ${what}`, {
    begin: (ground, ms) => administer(ground, (send) => send('CLIENT', 'PAUSE', String(ms), what))
  })),
  repeated('client-kill', 'CLIENT KILL of all, every 500 ms', {
    everyMs: 500, async once (send) { for (const type of ['normal', 'pubsub']) await send('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes') }
  }),
  configured('oom', 'maxmemory reached, noeviction (OOM)', { set: async () => ['maxmemory', '1', 'maxmemory-policy', 'noeviction'] }),
  configured('lru', 'allkeys-lru under pressure', {
    async set (send) {
      const used = Number(/used_memory:(\d+)/.exec(String(await send('INFO', 'memory')))![1])
      return ['maxmemory', String(used), 'maxmemory-policy', 'allkeys-lru']
    },
    meanwhile: async (send) => { await send('SET', JUNK[junk++ % JUNK.length]!, JUNK_TEXT) }
  }),
  repeated('flush', 'FLUSHALL every 500 ms', { everyMs: 500, once: (send) => send('FLUSHALL') }),
  repeated('sleep', 'DEBUG SLEEP 0.5 every second', { everyMs: 500, once: (send) => send('DEBUG', 'SLEEP', '0.5') }),
  repeated('script-flush', 'SCRIPT FLUSH every 50 ms', { everyMs: 50, once: (send) => send('SCRIPT', 'FLUSH') })
]

export const PROXY_FAULTS: ReadonlyArray<Fault<Network>> = [
  proxied('delay', 'network: answers 20 ms later', { kind: 'delay', ms: 20, direction: 'replies' }),
  proxied('delay-long', 'network: answers 200 ms later', { kind: 'delay', ms: 200, direction: 'replies' }),
  proxied('silence', 'network: nothing arrives, then all of it', { kind: 'silence' }),
  proxied('lost-requests', 'network: requests are lost, open connections stay mute', { kind: 'blackhole', direction: 'requests' }),
  proxied('lost-replies', 'network: replies are lost, open connections stay mute', { kind: 'blackhole', direction: 'replies' }),
  proxied('refuse', 'network: connections ended and refused', { kind: 'refuse' }),
  proxied('hang-up', 'network: connections accepted and closed at once', { kind: 'hang-up' }),
  proxied('cut', 'network: connections cut in the middle of a reply', { kind: 'cut', afterBytes: 3000 }),
  proxied('garble', 'network: one bit in 1000 bytes of replies flipped', { kind: 'garble', every: 1000 }),
  proxied('throttle', 'network: 20 kB/s per connection', { kind: 'throttle', bytesPerSecond: 20_000 }),
  proxied('half-close', 'network: connections half-closed', { kind: 'half-close' })
]

/** What everything else is compared with. */
const NOTHING: Fault = broken('nothing', 'none', {})

export const FAULTS: readonly Fault[] = [NOTHING, ...SERVER_FAULTS, ...PROXY_FAULTS]
