import { setTimeout as sleep } from 'node:timers/promises'
import { PROXY_FAULTS, type Fault, type Network } from './faults.ts'
import type { OwnRedis } from './own-redis.ts'

const WORDS: Readonly<Record<string, string>> = {
  'delay-long': 'Redis is slow (each answer 200 ms later)',
  silence: 'Redis hangs (nothing comes, then all of it)',
  'lost-replies': 'The network loses answers, and open connections never speak again',
  cut: 'Connections break in the middle of an answer',
  refuse: 'Redis is down (connections refused)',
  garble: 'Answers are damaged on their way'
}

const KILL_EVERY_MS = 500

/** What the proxy can do, and its own connections killed, where Redis lets us see which they are. */
export async function ownFaults (redis: OwnRedis): Promise<{ readonly faults: ReadonlyArray<Fault<Network>>, readonly skipped: readonly string[] }> {
  const faults: Array<Fault<Network>> = PROXY_FAULTS.flatMap((fault) => {
    const description = WORDS[fault.name]
    return description === undefined ? [] : [{ ...fault, description }]
  })
  if (!redis.canKill) return { faults, skipped: ['killed connections, because CLIENT SETNAME or CLIENT LIST is not allowed here'] }
  return { faults: [...faults, killing(redis)], skipped: [] }
}

function killing ({ direct, prefix }: OwnRedis): Fault<Network> {
  return {
    name: 'client-kill',
    description: 'Redis ends connections (CLIENT KILL)',
    async run (_network, ms) {
      const until = performance.now() + ms
      while (performance.now() < until) {
        const own = (await direct.clientList()).filter(({ name }) => name === prefix)
        for (const { id } of own) await direct.sendCommand(['CLIENT', 'KILL', 'ID', String(id)])
        await sleep(Math.max(0, Math.min(KILL_EVERY_MS, until - performance.now())))
      }
    }
  }
}
