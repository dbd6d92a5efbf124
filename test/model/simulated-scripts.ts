import { CLOCK, COPIES, FLOOR, INCARNATION, LEAST_INCARNATION } from '../../lib/store/mark-script.ts'
import { sumOf } from '../../lib/store/summed-reply.ts'
import { told } from '../marks/told.ts'
import type { SimulatedRedis } from './simulated-redis.ts'

/*
 * The scripts that the store sends, line by line in another language. `simulated-redis.test.ts` compares them with a real Redis.
 */

/** `MARK_SCRIPT` of `lib/store/mark-script.ts`. */
export function runMarkScript (redis: SimulatedRedis, key: string, args: readonly string[]): string[] {
  const [most, dropped] = [Number(args[0]), Number(args[1])]
  const [fresh, own, channel, occasion] = [args[2]!, args[6]!, args[7]!, args[8]!]
  const known = { incarnation: Number(args[3]), clock: Number(args[4]), floor: Number(args[5]) }
  const toMark = args.slice(9)
  const now = redis.timeMicros
  const score = (member: string): number | undefined => redis.scoreOf(key, member)
  if ((score(CLOCK) ?? 0) > now + 86_400_000_000) redis.zRemove(key, () => true)
  if ([INCARNATION, FLOOR, CLOCK].some((member) => score(member) === undefined)) redis.zAdd(key, { [INCARNATION]: Number(fresh), [FLOOR]: 0, [CLOCK]: now })
  if (occasion === 'copies' && score(COPIES) === undefined) redis.zAdd(key, { [COPIES]: LEAST_INCARNATION + Number(fresh) })
  const copies = score(COPIES)
  const [incarnation, before, ownBefore] = [score(INCARNATION)!, score(CLOCK)!, score(own) ?? -1]
  let clock = incarnation === known.incarnation ? takeOver(redis, key, known) : before
  if (toMark.length > 0 && (copies !== undefined || occasion !== 'change')) {
    let stamp = Math.max(clock, now)
    for (const member of toMark) redis.zAdd(key, { [member]: ++stamp })
    clock = stamp + 2
    redis.zAdd(key, { [own]: stamp + 1, [CLOCK]: clock })
    dropOldest(redis, key, { most, dropped, heads: copies === undefined ? 2 : 3 })
    const message = JSON.stringify({
      incarnation: String(incarnation), before: String(before), clock: String(clock), floor: String(score(FLOOR)), members: toMark
    })
    redis.publish(channel, told(message))
  }
  return summed([...[incarnation, before, clock, score(FLOOR)!, ownBefore, copies ?? 0].map(String), '']) // everybody may be told
}

/** `PAGE_SCRIPT` of `lib/store/marks-reader.ts`. */
export function runPageScript (redis: SimulatedRedis, key: string, [min, count]: readonly string[]): string[] {
  const above = Number(min!.slice(1))
  return summed(redis.sorted(key).filter(({ score }) => score > above).slice(0, Number(count)).flatMap(({ value, score }) => [value, String(score)]))
}

function summed (texts: readonly string[]): string[] {
  return [sumOf(texts), ...texts]
}

/** What the caller has seen and this server has not. Gives the clock from then on. */
function takeOver (redis: SimulatedRedis, key: string, known: { clock: number, floor: number }): number {
  let clock = redis.scoreOf(key, CLOCK)!
  if (known.clock > clock) {
    clock = known.clock
    if (redis.timeMicros <= clock) {
      redis.zRemove(key, (score) => score > 0 && score <= clock)
      redis.zAdd(key, { [FLOOR]: clock })
      clock++
    }
    redis.zAdd(key, { [CLOCK]: clock })
  }
  if (known.floor > redis.scoreOf(key, FLOOR)!) {
    redis.zRemove(key, (score) => score > 0 && score <= known.floor)
    redis.zAdd(key, { [FLOOR]: known.floor, [CLOCK]: clock })
  }
  return clock
}

function dropOldest (redis: SimulatedRedis, key: string, { most, dropped, heads }: { most: number, dropped: number, heads: number }): void {
  const members = redis.sorted(key)
  const tooMany = members.length - heads - 1 - most
  if (tooMany <= 0) return
  const end = heads + tooMany + dropped - 1
  const oldest = new Set(members.slice(heads, end).map(({ value }) => value))
  redis.zRemove(key, (_, member) => oldest.has(member))
  redis.zAdd(key, { [FLOOR]: members[end - 1]!.score })
}

/** The script for produced values of `lib/store/redis-store.ts`. */
export function runProducedScript (redis: SimulatedRedis, key: string, args: ReadonlyArray<string | Buffer>): number {
  const [frame, ttlMs, incarnation, stamp, begun] = args as [Buffer, string, string, string, string]
  const there = redis.get(key) ?? Buffer.alloc(0)
  if (there.length >= 12) {
    const { filled, origin, storedAt, costMs = NaN } = headerOf(there.toString('utf8', 16, 16 + there.readUInt32BE(8)))
    const own = Number(stamp)
    if (filled?.incarnation === incarnation && (filled.stamp > own || (filled.stamp === own && (origin === 'set' || (storedAt ?? NaN) - costMs > Number(begun.replace('inf', 'Infinity')))))) return 0
  }
  redis.set(key, frame, Number(ttlMs))
  return 1
}

function headerOf (json: string): { origin?: string, storedAt?: number, costMs?: number, filled?: { incarnation: string, stamp: number } } {
  try {
    return JSON.parse(json) as ReturnType<typeof headerOf>
  } catch {
    return {} // no frame of ours
  }
}
