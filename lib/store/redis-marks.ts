import { randomInt } from 'node:crypto'
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
 *   c            the clock: later than all stamps, so that it is the last of every range
 *
 * Every mark has a stamp of its own, in microseconds: later than all before it, and later than the clock of the Redis server, never
 * that of an app. What is newer than a stamp is a range by score, and so is what the floor drops.
 */

const INCARNATION = 'i'
const FLOOR = 'f'
const CLOCK = 'c'

const MARK_SCRIPT = `
local key, most, dropped = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local function text (number) return string.format('%.0f', number) end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if not redis.call('ZSCORE', key, '${INCARNATION}') then
  redis.call('ZADD', key, ARGV[3], '${INCARNATION}', 0, '${FLOOR}', text(now), '${CLOCK}')
end
local before = tonumber(redis.call('ZSCORE', key, '${CLOCK}'))
local stamp = before
if #ARGV > 3 then
  stamp = math.max(before, now)
  for at = 4, #ARGV do
    stamp = stamp + 1
    redis.call('ZADD', key, text(stamp), ARGV[at])
  end
  stamp = stamp + 1
  redis.call('ZADD', key, text(stamp), '${CLOCK}')
  if redis.call('ZCARD', key) - 3 > most then
    local last = redis.call('ZRANGE', key, 1 + dropped, 1 + dropped, 'WITHSCORES')
    redis.call('ZREMRANGEBYRANK', key, 2, 1 + dropped)
    redis.call('ZADD', key, last[2], '${FLOOR}')
  end
end
return { redis.call('ZSCORE', key, '${INCARNATION}'), text(before), text(stamp), redis.call('ZSCORE', key, '${FLOOR}') }
`

/** Puts marks back that a failover has lost; each only grows, so that doing it twice, or from many processes, changes nothing. */
const RESTORE_SCRIPT = `
local key = KEYS[1]
if redis.call('ZSCORE', key, '${INCARNATION}') ~= ARGV[1] then return 0 end
redis.call('ZADD', key, 'GT', ARGV[2], '${CLOCK}')
for at = 3, #ARGV, 2 do redis.call('ZADD', key, 'GT', ARGV[at], ARGV[at + 1]) end
return 1
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
  /** The read that is going to be sent: whoever asks before it is, shares it. */
  #next: Promise<void> | undefined
  /** Asked for with every read: when it is gone, so may be others. */
  #newestOwn: { readonly member: string, readonly stamp: number } | undefined

  constructor ({ open, prefix, most = MOST_MARKS }: { open: () => MaybePromise<ConnectedRedis>, prefix: string, most?: number }) {
    this.#open = open
    this.#key = `${prefix}:marks`
    this.#most = most
  }

  /** Commands leave at the end of a turn of the event loop, so that one read serves all requests of the turn. */
  refresh (): Promise<void> {
    if (this.#next === undefined) {
      this.#next = this.#refresh()
      setImmediate(() => { this.#next = undefined })
    }
    return this.#next
  }

  async mark (kind: MarkKind, labels: readonly string[]): Promise<void> {
    const members = labels.map((label) => `${kind === 'hard' ? 'h' : 's'}${label}`)
    for (let at = 0; at < members.length; at += PAGE) await this.#mark(members.slice(at, at + PAGE))
  }

  async #mark (members: readonly string[]): Promise<void> {
    const { head, before } = await this.#run(members)
    const { ledger } = this
    this.#newestOwn = { member: members.at(-1)!, stamp: head.clock - 1 }
    if (ledger.incarnation === head.incarnation && ledger.clock === before) {
      ledger.learn(members.map((member, at) => markOf({ value: member, score: head.clock - members.length + at })), head.clock)
      ledger.raiseFloor(head.floor)
    } else {
      await this.#catchUp(head)
    }
  }

  async #refresh (): Promise<void> {
    const own = this.#newestOwn
    const members = own === undefined ? [INCARNATION, CLOCK, FLOOR] : [INCARNATION, CLOCK, FLOOR, own.member]
    const [incarnation, clock, floor, ownStamp] = await (await this.#open()).zmScore(this.#key, members) as Array<number | null>
    if (incarnation == null || clock == null || floor == null) {
      await this.#catchUp((await this.#run([])).head)
      return
    }
    const head = { incarnation: String(incarnation), clock, floor }
    if (head.incarnation === this.ledger.incarnation) {
      const isOwnLost = own !== undefined && (ownStamp ?? floor) < own.stamp
      if (clock < this.ledger.clock || isOwnLost) return await this.#heal(head)
    }
    await this.#catchUp(head)
  }

  /** Reads what is newer than the ledger. */
  async #catchUp (head: Head): Promise<void> {
    const { ledger } = this
    if (head.incarnation !== ledger.incarnation) {
      await this.#readAll(head)
    } else if (ledger.clock < head.clock) {
      await this.#read(head, ledger.clock, (page, clock) => { ledger.learn(page, clock) })
    }
    ledger.raiseFloor(head.floor)
  }

  /** Begins the ledger anew, at once: nothing is judged by marks that are only half there. */
  async #readAll (head: Head): Promise<void> {
    const marks: Mark[] = []
    const clock = await this.#read(head, 0, (page) => { marks.push(...page) })
    this.ledger.restart(head.incarnation, clock)
    this.ledger.learn(marks, clock)
    this.ledger.raiseFloor(head.floor)
  }

  /** Reads marks newer than `stamp`, page by page and oldest first; gives the stamp up to which all are read. */
  async #read (head: Head, stamp: number, take: (marks: Mark[], clock: number) => void): Promise<number> {
    let known = stamp
    for (;;) {
      const page = await this.#newerThan(known)
      const marks = page.filter(({ value }) => value.length > 1).map(markOf)
      known = page.length < PAGE ? head.clock : page.at(-1)!.score
      take(marks, known)
      if (page.length < PAGE) break
    }
    // What was lost meanwhile and made anew is another set: its range says nothing about the one that was asked for.
    const [incarnation] = await (await this.#open()).zmScore(this.#key, [INCARNATION]) as Array<number | null>
    if (String(incarnation) !== head.incarnation) throw new Error('the marks were lost while they were read')
    return known
  }

  async #newerThan (stamp: number): Promise<Array<{ value: string, score: number }>> {
    return await (await this.#open()).zRangeWithScores(this.#key, `(${stamp}`, '+inf', { BY: 'SCORE', LIMIT: { offset: 0, count: PAGE } }) as Array<{ value: string, score: number }>
  }

  /**
   * The server's clock is behind what it told before, or the newest mark of this process is gone: a failover has lost its last
   * writes. Marks of the last while are put back, and all are read again, because new ones may have got stamps that were used.
   */
  async #heal ({ incarnation }: Head): Promise<void> {
    const { ledger } = this
    const recent = ledger.newerThan(ledger.clock - LOST_AT_MOST_MICROS)
    const pairs = recent.flatMap(({ kind, label, stamp }) => [String(stamp), `${kind === 'hard' ? 'h' : 's'}${label}`])
    for (let at = 0; at === 0 || at < pairs.length; at += 2 * PAGE) {
      const page = pairs.slice(at, at + 2 * PAGE)
      await (await this.#open()).eval(RESTORE_SCRIPT, { keys: [this.#key], arguments: [incarnation, String(ledger.clock), ...page] })
    }
    this.#newestOwn = undefined
    await this.#readAll((await this.#run([])).head)
  }

  async #run (members: readonly string[]): Promise<{ head: Head, before: number }> {
    const dropped = Math.ceil(this.#most * DROPPED_AT_ONCE)
    const fresh = String(-randomInt(1, 2 ** 48 - 1))
    const [incarnation, before, clock, floor] = await (await this.#open()).eval(MARK_SCRIPT, {
      keys: [this.#key], arguments: [String(this.#most), String(dropped), fresh, ...members]
    }) as string[]
    return { head: { incarnation: String(Number(incarnation)), clock: Number(clock), floor: Number(floor) }, before: Number(before) }
  }
}

function markOf ({ value, score }: { value: string, score: number }): Mark {
  return { kind: value.startsWith('h') ? 'hard' : 'soft', label: value.slice(1), stamp: score }
}
