import { storeAdvice } from '../../advice/store-rules.ts'
import { inTime } from '../../deadline.ts'
import { redisFacts } from '../../store/redis-facts.ts'
import { openRedis } from '../../store/redis-connection.ts'
import type { RedisPlace } from '../redis-place.ts'
import { closed } from '../sources/closing.ts'
import { whyUnusable } from '../sources/redis-fault.ts'
import { KEYS_OF_MANY_SLOTS } from '../sources/redis-source.ts'
import { duration } from '../units.ts'
import { redisChecks, type Check } from './checks.ts'

/** What a look-up may take, unless the app says otherwise. */
const USUAL_READ_MS = 50

/** Looks at Redis as an app with this address, user and prefix would find it. Never rejects. */
export async function examineRedis ({ name, redis: option, kind, prefix, timeoutMs }: RedisPlace): Promise<Check[]> {
  let lastFault: unknown
  let giveUp!: (fault: unknown) => void
  const failed = new Promise<never>((_resolve, reject) => { giveUp = reject })
  failed.catch(() => {}) // nobody waits for it any more once it is connected
  const beganAt = performance.now()
  const onFault = (fault: unknown): void => {
    lastFault = fault
    if (kind === 'server') giveUp(fault) // of several another one may answer
  }
  const redis = await openRedis(option, { onFault, onReady: () => {} })
  try {
    await inTime(timeoutMs, Promise.race([redis.connect(), failed]))
    const connected: Check = { name: 'connection', result: 'ok', text: `${name}, connected after ${duration(performance.now() - beganAt)}` }
    // Of a Cluster one server has a part of the keys only.
    if (kind === 'server') await inTime(timeoutMs, Promise.all(KEYS_OF_MANY_SLOTS.map((key) => redis.client.pTTL(`${prefix}:${key}`))))
    const facts = await inTime(timeoutMs, redisFacts({ client: redis.client, prefix }))
    return [connected, ...redisChecks(facts, storeAdvice(facts, { readMs: USUAL_READ_MS, isSystemClock: true }))]
  } catch (fault) {
    return [{ name: 'connection', result: 'failed', text: whyUnusable(name, lastFault ?? fault) }]
  } finally {
    await closed(redis)
  }
}
