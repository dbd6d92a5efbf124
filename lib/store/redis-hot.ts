import { FORGOTTEN_HALF_LIVES, HALF_LIFE_MS, MOST_HOT, type HotStore } from '../warming/hot-store.ts'
import type { ConnectedRedis } from './redis-client.ts'
import type { MaybePromise } from './store.ts'

/*
 * What all processes have most hits of: one sorted set, `<prefix>:hot`. Members are targets, scores those of `warming/hot-store.ts`, by
 * the clock of the Redis server. It goes by itself when nothing is added for so long that all would be forgotten.
 */

const NOW = `
local time = redis.call('TIME')
local now = (time[1] * 1000 + time[2] / 1000) / ${HALF_LIFE_MS}
local function text (number) return string.format('%.17g', number) end
`

/** Scores that no count explains come from a clock that was ahead; they would stay on top. */
const ADD_SCRIPT = `${NOW}
local key, most = KEYS[1], tonumber(ARGV[1])
local function log2 (number) return math.log(number) / math.log(2) end
redis.call('ZREMRANGEBYSCORE', key, text(now + 64), '+inf')
for at = 2, #ARGV, 2 do
  local high, low = now + log2(tonumber(ARGV[at + 1])), tonumber(redis.call('ZSCORE', key, ARGV[at]) or nil)
  if low and low > high then high, low = low, high end
  redis.call('ZADD', key, text(low and high + log2(1 + 2 ^ (low - high)) or high), ARGV[at])
end
redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now - ${FORGOTTEN_HALF_LIVES}))
redis.call('ZREMRANGEBYRANK', key, 0, -most - 1)
redis.call('PEXPIRE', key, ${FORGOTTEN_HALF_LIVES * HALF_LIFE_MS})
`

/** A script, because a Sentinel would send the read to any replica. */
const TOP_SCRIPT = `${NOW}
return redis.call('ZRANGE', KEYS[1], text(now + 64), text(now - ${FORGOTTEN_HALF_LIVES}), 'BYSCORE', 'REV', 'LIMIT', 0, ARGV[1])
`

export interface RedisHotOptions {
  readonly open: () => MaybePromise<ConnectedRedis>
  readonly prefix: string
  readonly most?: number
}

export class RedisHot implements HotStore {
  readonly #open: () => MaybePromise<ConnectedRedis>
  readonly #key: string
  readonly #most: number

  constructor ({ open, prefix, most = MOST_HOT }: RedisHotOptions) {
    this.#open = open
    this.#key = `${prefix}:hot`
    this.#most = most
  }

  async add (counts: ReadonlyMap<string, number>): Promise<void> {
    if (counts.size === 0) return
    const pairs = [...counts].flatMap(([target, count]) => [target, String(count)])
    await (await this.#open()).eval(ADD_SCRIPT, { keys: [this.#key], arguments: [String(this.#most), ...pairs] })
  }

  async top (count: number): Promise<string[]> {
    const found = await (await this.#open()).eval(TOP_SCRIPT, { keys: [this.#key], arguments: [String(count)] })
    return (found as unknown[]).map(String)
  }
}
