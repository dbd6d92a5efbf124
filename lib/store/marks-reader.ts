import type { ConnectedRedis } from './redis-client.ts'
import { SUMMED, withoutSum } from './summed-reply.ts'

/** Marks in one read. */
export const PAGE = 1000

/** What `ZMSCORE` gives, of the master. */
const SCORES_SCRIPT = "return redis.call('ZMSCORE', KEYS[1], unpack(ARGV))"
export const PAGE_SCRIPT = `${SUMMED}
return summed(redis.call('ZRANGE', KEYS[1], ARGV[1], '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[2], 'WITHSCORES'))
`

export interface ScoredMember {
  readonly value: string
  readonly score: number
}

export async function scoresOf (redis: ConnectedRedis, key: string, members: string[]): Promise<Array<number | null>> {
  try {
    if (!mayReadReplicas(redis)) return await redis.zmScore(key, members) as Array<number | null>
    const scores = await redis.eval(SCORES_SCRIPT, { keys: [key], arguments: members }) as Array<string | null>
    return scores.map((score) => score === null ? null : Number(score))
  } catch (fault) {
    throw isForeign(fault) ? new Error(`"${key}" in Redis is not the set of marks: another program uses that key. Choose another prefix, or delete the key`, { cause: fault }) : fault
  }
}

/** The oldest members with a score above `above`, of the master. */
export async function pageOf (redis: ConnectedRedis, key: string, above: number): Promise<ScoredMember[]> {
  const flat = withoutSum(await redis.eval(PAGE_SCRIPT, { keys: [key], arguments: [`(${above}`, String(PAGE)] }))
  return Array.from({ length: flat.length / 2 }, (_, i) => ({ value: flat[2 * i]!, score: Number(flat[2 * i + 1]) }))
}

/** A Sentinel client of the user's may send reads to replicas, which may not have what was acknowledged, and does not say so. A script goes to the master. */
function mayReadReplicas (redis: ConnectedRedis): boolean {
  return redis.acquire !== undefined
}

/** It does not go by itself, and what is somebody else's is not deleted: who reads the log has to know what to do. */
function isForeign (fault: unknown): boolean {
  return fault instanceof Error && fault.message.startsWith('WRONGTYPE')
}
