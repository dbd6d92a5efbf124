import { isValueId } from '../cache-key.ts'
import { globMatches } from '../marks/glob.ts'
import { literalHead } from '../marks/literal-head.ts'
import { isOwn, overKeys, readHeaders, throwFaultOf, WALK_DEFAULTS, type RedisWalkOptions } from './redis-walk.ts'
import type { DeleteValuesOptions, IsDead, Swept, WalkOptions } from './store.ts'

/*
 * Gives back the memory of what nobody needs any more, behind the traffic: every command is short (SCAN of a few keys, one key in
 * every other command), one master is walked at a time, and after each batch the walk rests three times as long as the batch took.
 *
 * It keeps the promise of SCAN: a key that is there from the beginning to the end is met, perhaps more than once. What moves to
 * another master of a Cluster meanwhile may be left to the next walk; so may anything, when another server takes over from the one
 * that is walked and the client hides it. A master of a Cluster that fails is walked again from its beginning, after the others.
 */

/** Rests and deadlines are those of the walk, unless a test has its own. */
export type RedisSweepOptions = Pick<RedisWalkOptions, 'open' | 'prefix'> & Partial<RedisWalkOptions>

/** The preamble holds a checksum of all that follows: with the same one it is the same entry. */
const REMOVE_SCRIPT = `
if redis.pcall('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) == ARGV[1] then return redis.call('UNLINK', KEYS[1]) end
return 0`

export class RedisSweep {
  readonly #options: RedisWalkOptions

  constructor (options: RedisSweepOptions) {
    this.#options = { ...WALK_DEFAULTS, ...options }
  }

  /**
   * Removes the values of the client whose keys match a glob; gives the number that Redis confirmed. Rejects with the fault of
   * Redis or of `onRemoved`, or the reason of the signal: what was removed until then is gone.
   */
  async deleteValues (glob: string, { signal, onRemoved }: DeleteValuesOptions = {}): Promise<number> {
    const wanted = glob.toWellFormed()
    let removed = 0
    await overKeys(this.#options, signal, (walk) => walk.allNodes(literalHead(wanted), async (keys) => {
      const named = keys.filter((key) => isValueId(walk.idOf(key)) && globMatches(wanted, walk.idOf(key)))
      const foreign = new Set((await readHeaders(walk, named)).filter((entry) => !isOwn(walk, entry)).map(({ key }) => key))
      const matching = named.filter((key) => !foreign.has(key))
      if (matching.length === 0) return
      const outcomes = await walk.each(matching, (redis, key) => redis.unlink(walk.nameOf(key)))
      removed += outcomes.filter(isRemoved).length
      const gone = matching.filter((_key, at) => isRemoved(outcomes[at]!) || outcomes[at]!.status === 'rejected')
      if (gone.length > 0) await onRemoved?.(gone.map((key) => walk.idOf(key)))
      throwFaultOf(outcomes)
    }))
    return removed
  }

  /**
   * Judges all entries by their headers and removes the dead ones. One that was replaced after it was judged stays, and so does
   * what is no entry. Rejects with the fault of Redis or the reason of the signal: what was removed until then is gone.
   */
  async sweep (isDead: IsDead, { signal }: WalkOptions = {}): Promise<Swept> {
    let scanned = 0
    let removed = 0
    await overKeys(this.#options, signal, (walk) => walk.allNodes('', async (keys) => {
      const entries = (await readHeaders(walk, keys)).filter((entry) => isOwn(walk, entry))
      scanned += entries.length
      const dead = entries.filter(({ key, header }) => isDead(header, { id: walk.idOf(key) }))
      if (dead.length === 0) return
      const outcomes = await walk.each(dead, (redis, { key, preamble }) => redis.eval(REMOVE_SCRIPT, { keys: [walk.nameOf(key)], arguments: [preamble] }))
      removed += outcomes.filter(isRemoved).length
      throwFaultOf(outcomes)
    }))
    return { scanned, removed }
  }
}

function isRemoved (outcome: PromiseSettledResult<unknown>): boolean {
  return outcome.status === 'fulfilled' && Number(outcome.value) > 0
}
