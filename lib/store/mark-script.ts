import type { Mark, StampKind } from '../marks/ledger.ts'
import type { ScoredMember } from './marks-reader.ts'
import { jsonOf, SUMMED } from './summed-reply.ts'

/*
 * Marks that all processes share: one sorted set, so that it is there as a whole or not at all, whatever Redis evicts.
 *
 *   member       score
 *   m            some process keeps copies of values in its memory, so that changes have to be announced; a random negative number:
 *                when it was lost and is there again it is another one, and changes have gone unannounced
 *   i            the incarnation, a random negative number: a set that was lost and made anew has another one
 *   f            the floor: marks up to it have been dropped
 *   h<label>     the stamp of the newest hard mark of the label
 *   s<label>     … of the newest soft one
 *   w<bucket>    … of the newest change of a value of the bucket
 *   o<process>   later than the newest mark that this process has set: when it is gone, so may be marks
 *   c            the clock: later than all of these
 *
 * All scores above the floor differ. They are microseconds, later than all that were given out before and later than the clock of
 * the Redis server, never that of an app. What is newer than a stamp is a range by score, and so is what the floor drops.
 *
 * Marks are told to all who listen to the channel of the same name when they are set, with the clock before and after, so that who has
 * missed something notices.
 */

export const INCARNATION = 'i'
export const FLOOR = 'f'
export const CLOCK = 'c'
export const COPIES = 'm'

const ONE_DAY_MS = 86_400_000

/** The incarnation is above this, and the number of `m` below. */
export const LEAST_INCARNATION = -(2 ** 48)

/**
 * What the caller knows counts for the same incarnation only: after a failover or an old snapshot the server may know less.
 * A message that Redis refuses to send, for an ACL, must not undo the mark: the caller hears that it was not told.
 *
 * It begins by removing nothing, with a command that Redis takes from a script also when its memory is full: a script that has begun to
 * write may go on, and an invalidation must not be refused for want of memory.
 *
 * A set whose clock is far ahead of its server's is made anew: that clock was wrong, is right again, and nobody believes what it gave out.
 */
export const MARK_SCRIPT = `${SUMMED}
local key, most, dropped, fresh, own = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[7]
local known = { incarnation = tonumber(ARGV[4]), clock = tonumber(ARGV[5]), floor = tonumber(ARGV[6]) }
local channel, occasion, first, told = ARGV[8], ARGV[9], 10
local function text (number) return string.format('%.0f', number) end
local function score (member) return tonumber(redis.call('ZSCORE', key, member) or nil) end
redis.call('ZREMRANGEBYRANK', key, 1, 0)
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if (score('${CLOCK}') or 0) > now + ${ONE_DAY_MS * 1000} then redis.call('DEL', key) end
if not (score('${INCARNATION}') and score('${FLOOR}') and score('${CLOCK}')) then
  redis.call('ZADD', key, fresh, '${INCARNATION}', 0, '${FLOOR}', text(now), '${CLOCK}')
end
if occasion == 'copies' then redis.call('ZADD', key, 'NX', ${LEAST_INCARNATION} + tonumber(fresh), '${COPIES}') end
local copies = score('${COPIES}')
local incarnation, before, ownBefore = score('${INCARNATION}'), score('${CLOCK}'), score(own) or -1
local clock = before
if incarnation == known.incarnation then
  if known.clock > clock then
    clock = known.clock
    if now <= clock then -- the clock of this server is behind: what was filled meanwhile may look newer than what was marked meanwhile
      redis.call('ZREMRANGEBYSCORE', key, '(0', text(clock))
      redis.call('ZADD', key, text(clock), '${FLOOR}')
      clock = clock + 1
    end
    redis.call('ZADD', key, text(clock), '${CLOCK}')
  end
  if known.floor > score('${FLOOR}') then
    redis.call('ZREMRANGEBYSCORE', key, '(0', text(known.floor))
    redis.call('ZADD', key, text(known.floor), '${FLOOR}', text(clock), '${CLOCK}')
  end
end
if #ARGV >= first and (copies or occasion ~= 'change') then
  local stamp, members = math.max(clock, now), {}
  for at = first, #ARGV do
    stamp = stamp + 1
    redis.call('ZADD', key, text(stamp), ARGV[at])
    members[#members + 1] = ARGV[at]
  end
  clock = stamp + 2
  redis.call('ZADD', key, text(stamp + 1), own, text(clock), '${CLOCK}')
  local heads = copies and 3 or 2
  local tooMany = redis.call('ZCARD', key) - heads - 1 - most
  if tooMany > 0 then
    local last = heads + tooMany + dropped - 2
    local floor = redis.call('ZRANGE', key, last, last, 'WITHSCORES')[2]
    redis.call('ZREMRANGEBYRANK', key, heads, last)
    redis.call('ZADD', key, floor, '${FLOOR}')
  end
  local message = cjson.encode({
    incarnation = text(incarnation), before = text(before), clock = text(clock), floor = text(score('${FLOOR}')), members = members
  })
  told = redis.pcall('PUBLISH', channel, sumOf({ message }) .. ' ' .. message)
end
return summed({ text(incarnation), text(before), text(clock), text(score('${FLOOR}')), text(ownBefore), text(copies or 0), type(told) == 'table' and told.err or '' })
`

/** A mark, and no other member of the set. */
export const MARK = /^[hsw]./s

const LETTERS: Record<StampKind, string> = { hard: 'h', soft: 's', changed: 'w' }
const KINDS: Record<string, StampKind> = { h: 'hard', s: 'soft', w: 'changed' }

/** Of a member that is a mark. */
export function markOf ({ value, score }: ScoredMember): Mark {
  return { kind: KINDS[value[0]!]!, label: value.slice(1), stamp: score }
}

export function memberOf ({ kind, label }: Pick<Mark, 'kind' | 'label'>): string {
  return `${LETTERS[kind]}${label}`
}

/** Marks were set, as those who listen hear it. */
export interface MarksMessage {
  readonly incarnation: string
  readonly before: number
  readonly clock: number
  readonly floor: number
  readonly members: readonly string[]
}

/** What is damaged on its way must not become the clock of the fleet, which never goes back. */
export function isSoundHead ({ clock, floor }: { readonly clock: number, readonly floor: number }, now: number): boolean {
  return Number.isSafeInteger(clock) && Number.isSafeInteger(floor) && floor <= clock && clock < (now + ONE_DAY_MS) * 1000
}

/**
 * Undefined when this is none: whoever may publish to the channel can say anything there. What has a clock that is far ahead would make
 * all that is filled look newer than any mark; who does not believe it reads the marks themselves.
 */
export function parseMarksMessage (text: string, now: number): MarksMessage | undefined {
  try {
    const { incarnation, before, clock, floor, members } = JSON.parse(jsonOf(text) ?? '{}') as Record<string, unknown>
    const message = { incarnation: String(incarnation), before: Number(before), clock: Number(clock), floor: Number(floor), members: members as string[] }
    const isSound = Number.isSafeInteger(message.before) && message.before < message.clock && isSoundHead(message, now) && Array.isArray(members) && members.every((member) => typeof member === 'string' && MARK.test(member))
    return isSound ? message : undefined
  } catch {
    return undefined // no JSON: not ours
  }
}
