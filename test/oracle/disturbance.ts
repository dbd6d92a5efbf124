import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'redis'
import type { RedisServer } from '../helpers/redis-process.ts'

/**
 * restart: Redis is killed and started again, empty. kill: the connections on which processes hear of marks are cut. mute: marks are
 * set and nobody is told, while all connections stay.
 */
export type Disturbance = 'restart' | 'kill' | 'mute'

export interface Disturbing {
  /** How writers reach Redis. */
  readonly writerUrl: string
  /** Disturbs until the function that it gives is called, which tells how often. */
  begin (): () => Promise<number>
}

const REST_MS = { restart: 1000, kill: 300 }

export async function disturb (redis: RedisServer, disturbances: readonly Disturbance[]): Promise<Disturbing> {
  const isMute = disturbances.includes('mute')
  if (isMute) await withClient(redis, (client) => client.sendCommand(['ACL', 'SETUSER', 'mute', 'on', '>mute', '~*', 'resetchannels', '+@all']))
  const writerUrl = isMute ? redis.url.replace('redis://', 'redis://mute:mute@') : redis.url
  return {
    writerUrl,
    begin () {
      const stopping = new AbortController()
      const counting = repeat(redis, disturbances.filter((one) => one !== 'mute'), stopping.signal)
      return async () => {
        stopping.abort()
        return await counting
      }
    }
  }
}

async function repeat (redis: RedisServer, disturbances: ReadonlyArray<'restart' | 'kill'>, stopped: AbortSignal): Promise<number> {
  let times = 0
  while (!stopped.aborted && disturbances.length > 0) {
    const disturbance = disturbances[times % disturbances.length]!
    await sleep(REST_MS[disturbance], undefined, { signal: stopped }).catch(() => {})
    if (stopped.aborted) break
    if (disturbance === 'restart') {
      await redis.stop()
      await redis.start()
    } else {
      await withClient(redis, (client) => client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']))
    }
    times++
  }
  return times
}

async function withClient (redis: RedisServer, task: (client: ReturnType<typeof createClient>) => Promise<unknown>): Promise<void> {
  const client = createClient({ url: redis.url })
  await client.connect()
  await task(client as ReturnType<typeof createClient>)
  await client.close()
}
