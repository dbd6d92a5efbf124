import { randomBytes, randomInt } from 'node:crypto'
import { MarkLedger, type Mark, type MarkKind } from '../marks/ledger.ts'
import { DROPPED_AT_ONCE, MOST_MARKS, type Marks } from '../marks/marks.ts'
import type { ConnectedRedis } from './redis-client.ts'
import type { MaybePromise } from './store.ts'

/*
 * Marks that all processes share: one sorted set, so that it is there as a whole or not at all, whatever Redis evicts.
 *
 *   member       score
 *   i            the incarnation, a random negative number: a set that was lost and made anew has another one
 *   f            the floor: marks up to it have been dropped
 *   h<label>     the stamp of the newest hard mark of the label
 *   s<label>     … of the newest soft one
 *   o<process>   later than the newest mark that this process has set: when it is gone, so may be marks
 *   c            the clock: later than all of these
 *
 * All scores above the floor differ. They are microseconds, later than all that were given out before and later than the clock of
 * the Redis server, never that of an app. What is newer than a stamp is a range by score, and so is what the floor drops.
 */

const INCARNATION = 'i'
const FLOOR = 'f'
const CLOCK = 'c'

/** What the caller knows counts for the same incarnation only: after a failover or an old snapshot the server may know less. */
const MARK_SCRIPT = `
local key, most, dropped, fresh, own = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[7]
local known = { incarnation = tonumber(ARGV[4]), clock = tonumber(ARGV[5]), floor = tonumber(ARGV[6]) }
local function text (number) return string.format('%.0f', number) end
local function score (member) return tonumber(redis.call('ZSCORE', key, member) or nil) end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if not score('${INCARNATION}') then
  redis.call('ZADD', key, fresh, '${INCARNATION}', 0, '${FLOOR}', text(now), '${CLOCK}')
end
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
  if known.floor > score('${FLOOR}') then redis.call('ZADD', key, text(known.floor), '${FLOOR}') end
end
if #ARGV > 7 then
  local stamp = math.max(clock, now)
  for at = 8, #ARGV do
    stamp = stamp + 1
    redis.call('ZADD', key, text(stamp), ARGV[at])
  end
  clock = stamp + 2
  redis.call('ZADD', key, text(stamp + 1), own, text(clock), '${CLOCK}')
  if redis.call('ZCARD', key) - 3 > most then
    local last = redis.call('ZRANGE', key, 1 + dropped, 1 + dropped, 'WITHSCORES')
    redis.call('ZREMRANGEBYRANK', key, 2, 1 + dropped)
    redis.call('ZADD', key, last[2], '${FLOOR}')
  end
end
return { text(incarnation), text(before), text(clock), text(score('${FLOOR}')), text(ownBefore) }
`

const PAGE = 1000
/** Replication is behind by far less. */
const LOST_AT_MOST_MICROS = 60_000_000

/** What one read or script tells of the set. */
interface Head {
  readonly incarnation: string
  readonly clock: number
  readonly floor: number
}

export class RedisMarks implements Marks {
  readonly ledger = new MarkLedger()
  readonly #open: () => MaybePromise<ConnectedRedis>
  readonly #key: string
  readonly #most: number
  readonly #own = `o${randomBytes(9).toString('base64url')}`
  /** The score of `#own`; 0 until this process has set a mark in this incarnation. */
  #ownStamp = 0
  /** The read that is going to be sent: whoever asks before it is, shares it. */
  #next: Promise<void> | undefined

  constructor ({ open, prefix, most = MOST_MARKS }: { open: () => MaybePromise<ConnectedRedis>, prefix: string, most?: number }) {
    this.#open = open
    this.#key = `${prefix}:marks`
    this.#most = most
  }

  /** One read serves all requests of a turn of the event loop. It is sent when nobody can join it any more. */
  refresh (): Promise<void> {
    this.#next ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#next = undefined
        this.#refresh().then(resolve, reject)
      })
    })
    return this.#next
  }

  async mark (kind: MarkKind, labels: readonly string[]): Promise<void> {
    const members = labels.map((label) => memberOf({ kind, label }))
    for (let at = 0; at < members.length; at += PAGE) await this.#mark(members.slice(at, at + PAGE))
  }

  async #mark (members: readonly string[]): Promise<void> {
    const { ledger } = this
    const { head, before, isLost } = await this.#run(members)
    if (isLost) return await this.#heal(before)
    if (ledger.incarnation === head.incarnation && ledger.clock === before) {
      ledger.learn(members.map((member, at) => markOf({ value: member, score: head.clock - members.length - 1 + at })), head.clock)
      ledger.raiseFloor(head.floor)
    } else {
      await this.#catchUp(head)
    }
  }

  async #refresh (): Promise<void> {
    const { ledger } = this
    const known = { incarnation: ledger.incarnation, clock: ledger.clock, ownStamp: this.#ownStamp }
    const asked = known.ownStamp === 0 ? [INCARNATION, CLOCK, FLOOR] : [INCARNATION, CLOCK, FLOOR, this.#own]
    const [incarnation, clock, floor, ownStamp] = await this.#scores(asked)
    if (incarnation === null || clock == null || floor == null) return await this.#catchUp((await this.#run([])).head)
    const head = { incarnation: String(incarnation), clock, floor }
    const isLost = head.incarnation === known.incarnation && (clock < known.clock || (ownStamp ?? floor) < known.ownStamp)
    await (isLost ? this.#heal(clock) : this.#catchUp(head))
  }

  /** Reads what is newer than the ledger. */
  async #catchUp (head: Head): Promise<void> {
    const { ledger } = this
    if (head.incarnation !== ledger.incarnation) return await this.#readAll(head)
    if (ledger.clock < head.clock) await this.#read(head, ledger.clock, (marks, clock) => { ledger.learn(marks, clock) })
    ledger.raiseFloor(head.floor)
  }

  /** Begins the ledger anew, at once: nothing is judged by marks that are only half there. */
  async #readAll (head: Head): Promise<void> {
    const { ledger } = this
    const marks: Mark[] = []
    const clock = await this.#read(head, 0, (page) => { marks.push(...page) })
    if (ledger.incarnation !== head.incarnation) {
      this.#ownStamp = 0
      ledger.restart(head.incarnation)
    }
    ledger.learn(marks, clock)
    ledger.raiseFloor(head.floor)
  }

  /** Reads marks newer than `stamp`, page by page and oldest first; gives the stamp up to which all are read. */
  async #read (head: Head, stamp: number, take: (marks: Mark[], clock: number) => void): Promise<number> {
    let known = stamp
    for (let isLast = false; !isLast;) {
      const page = await (await this.#open()).zRangeWithScores(this.#key, `(${known}`, '+inf', { BY: 'SCORE', LIMIT: { offset: 0, count: PAGE } }) as ScoredMember[]
      isLast = page.length < PAGE
      known = isLast ? head.clock : page.at(-1)!.score
      take(page.filter(({ value }) => /^[hs]./s.test(value)).map(markOf), known)
    }
    // What was lost meanwhile and made anew is another set, and what was dropped meanwhile was not read.
    const [incarnation, floor] = await this.#scores([INCARNATION, FLOOR])
    if (String(incarnation) !== head.incarnation) throw new Error('the marks were lost while they were read')
    if (this.ledger.incarnation === head.incarnation) this.ledger.raiseFloor(floor ?? 0)
    else if ((floor ?? 0) > head.floor) throw new Error('marks were dropped while they were read')
    return known
  }

  /**
   * Something that this process has seen in the set is gone: a failover has lost the last writes, or an old snapshot was loaded. All
   * that may be missing is marked again, with new stamps, so that every process reads it, whatever it has read before.
   */
  async #heal (clock: number): Promise<void> {
    const { ledger } = this
    const lost = ledger.newerThan(Math.min(clock, ledger.clock - LOST_AT_MOST_MICROS)).map(memberOf)
    this.#ownStamp = 0
    let { head } = await this.#run(lost.slice(0, PAGE), Math.max(clock, ledger.clock) + 1)
    for (let at = PAGE; at < lost.length; at += PAGE) head = (await this.#run(lost.slice(at, at + PAGE))).head
    await this.#readAll(head)
  }

  /** `leastClock`: what the server's clock is to be at least. */
  async #run (members: readonly string[], leastClock = this.ledger.clock): Promise<{ head: Head, before: number, isLost: boolean }> {
    const { ledger } = this
    const known = { incarnation: ledger.incarnation ?? '0', clock: ledger.clock, ownStamp: this.#ownStamp }
    const [incarnation, before, clock, floor, ownBefore] = await (await this.#open()).eval(MARK_SCRIPT, {
      keys: [this.#key],
      arguments: [
        String(this.#most), String(Math.ceil(this.#most * DROPPED_AT_ONCE)), String(-randomInt(1, 2 ** 48 - 1)),
        known.incarnation, String(leastClock), String(ledger.floor), this.#own, ...members
      ]
    }) as [string, string, string, string, string]
    const head = { incarnation, clock: Number(clock), floor: Number(floor) }
    const isLost = incarnation === known.incarnation && (Number(before) < known.clock || (Number(ownBefore) < known.ownStamp && head.floor < known.ownStamp))
    if (members.length > 0) this.#ownStamp = head.clock - 1
    return { head, before: Number(before), isLost }
  }

  async #scores (members: string[]): Promise<Array<number | null>> {
    return await (await this.#open()).zmScore(this.#key, members) as Array<number | null>
  }
}

interface ScoredMember {
  readonly value: string
  readonly score: number
}

function markOf ({ value, score }: ScoredMember): Mark {
  return { kind: value.startsWith('h') ? 'hard' : 'soft', label: value.slice(1), stamp: score }
}

function memberOf ({ kind, label }: Pick<Mark, 'kind' | 'label'>): string {
  return `${kind === 'hard' ? 'h' : 's'}${label}`
}
