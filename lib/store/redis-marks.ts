import { randomBytes, randomInt } from 'node:crypto'
import { bucketOf } from '../marks/labels.ts'
import { MarkLedger, type FillStamp, type Mark, type MarkKind } from '../marks/ledger.ts'
import { DROPPED_AT_ONCE, MOST_MARKS, type Marks } from '../marks/marks.ts'
import { ForeignLives } from './foreign-lives.ts'
import { CLOCK, COPIES, FLOOR, INCARNATION, isSoundHead, LEAST_INCARNATION, MARK, MARK_SCRIPT, markOf, memberOf, parseMarksMessage, type MarksMessage } from './mark-script.ts'
import { PAGE, pageOf, scoresOf } from './marks-reader.ts'
import type { ConnectedRedis } from './redis-client.ts'
import type { MaybePromise } from './store.ts'
import { withoutSum } from './summed-reply.ts'

/** Marks in one script: nobody who waits for Redis behind it should notice. */
const MARKED_AT_ONCE = 250
const MOST_LEFT = 100
/** Replication is behind by far less. */
const LOST_AT_MOST_MICROS = 60_000_000

/** What one read or script tells of the set. */
interface Head {
  readonly incarnation: string
  readonly clock: number
  readonly floor: number
}

/** What this process knew when it asked for what it then kept a copy of. */
export interface CopyStamp extends FillStamp {
  readonly copies: number
}

/** Marks labels; says that a process keeps copies; says that values were changed, if one does. */
type Occasion = 'mark' | 'copies' | 'change'

export interface RedisMarksOptions {
  readonly open: () => MaybePromise<ConnectedRedis>
  readonly prefix: string
  readonly most?: number
  readonly mostUnconfirmed?: number
  /** Hears why marks were set and cannot be told to other processes, until they can. Default: nobody does. */
  readonly onUntold?: ((fault: unknown) => void) | undefined
  /** Milliseconds that never go back. */
  readonly monotonic?: () => number
}

export class RedisMarks implements Marks {
  readonly ledger: MarkLedger
  readonly #open: () => MaybePromise<ConnectedRedis>
  readonly #key: string
  readonly #most: number
  readonly #own = `o${randomBytes(9).toString('base64url')}`
  /** The score of `#own`; 0 until this process has set a mark in this incarnation. */
  #ownStamp = 0
  /** The clock of the lives before, when this process saw it last. */
  readonly #left = new Map<string, number>()
  /** The read that is going to be sent: whoever asks before it is, shares it. */
  #next: Promise<void> | undefined
  /** The number of `m` in this incarnation, once this process has said that it keeps copies. */
  #copies: { readonly incarnation: string, readonly number: number } | undefined
  readonly #foreign = new ForeignLives()
  readonly #onUntold: (fault: unknown) => void
  #isUntold = false
  #confirmedAt = -Infinity
  #doubtedAt = -Infinity
  readonly #now: () => number

  constructor ({ open, prefix, most = MOST_MARKS, monotonic = () => performance.now(), onUntold = () => {}, ...rest }: RedisMarksOptions) {
    this.#onUntold = onUntold
    this.ledger = new MarkLedger(rest)
    this.#open = open
    this.#key = `${prefix}:marks`
    this.#most = most
    this.#now = monotonic
  }

  /** Where marks are told of. */
  get channel (): string {
    return this.#key
  }

  /** Milliseconds since all marks of the moment were known. */
  get blindMs (): number {
    return this.#now() - this.#confirmedAt
  }

  /** Marks may have been missed: nothing is confirmed until the next refresh. */
  doubt (): void {
    this.#doubtedAt = this.#now()
    this.#confirmedAt = -Infinity
  }

  /** One read serves all requests of a turn of the event loop. It is sent when nobody can join it any more. */
  refresh (): Promise<void> {
    this.#next ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#next = undefined
        const sentAt = this.#now()
        const { heard } = this.#foreign
        this.#refresh().then(() => {
          this.#foreign.learn(heard, this.ledger.incarnation)
          if (sentAt >= this.#doubtedAt && sentAt > this.#confirmedAt) this.#confirmedAt = sentAt
          resolve()
        }, reject)
      })
    })
    return this.#next
  }

  async mark (kind: MarkKind, labels: readonly string[]): Promise<void> {
    await this.#markAll(labels.map((label) => memberOf({ kind, label })), 'mark')
  }

  async changed (ids: readonly string[]): Promise<void> {
    const buckets = new Set(ids.map(bucketOf))
    await this.#markAll([...buckets].map((label) => memberOf({ kind: 'changed', label })), 'change')
  }

  async #markAll (members: readonly string[], occasion: Occasion): Promise<void> {
    for (let at = 0; at < members.length; at += MARKED_AT_ONCE) await this.#mark(members.slice(at, at + MARKED_AT_ONCE), occasion)
  }

  async #mark (members: readonly string[], occasion: Occasion): Promise<void> {
    const { head, before, isLost, copies } = await this.#run(members, occasion)
    if (isLost) return await this.#heal(before)
    const isMarked = occasion === 'mark' || copies !== 0
    if (!isMarked || !this.#learn({ ...head, before, members })) await this.#catchUp(head)
  }

  /** What is told of marks that were set. Whether nothing is missing between them and what was known. */
  #learn ({ incarnation, before, clock, floor, members }: MarksMessage): boolean {
    const { ledger } = this
    if (ledger.incarnation !== incarnation || ledger.clock < before) return false
    // Also when a time that was told before is later than this: whoever may publish could keep marks from being heard by it.
    ledger.learn(members.map((member, at) => markOf({ value: member, score: clock - members.length - 1 + at })), clock)
    ledger.raiseFloor(floor)
    return true
  }

  /** Learns from a message of the channel; false when it says too little, or some before it was missed. */
  hear (text: string): boolean {
    const message = parseMarksMessage(text, Date.now())
    if (message === undefined) return false
    const { incarnation } = message
    if (incarnation !== this.ledger.incarnation) {
      if (this.#foreign.has(incarnation)) return true
      this.#foreign.note(incarnation)
    }
    return this.#learn(message)
  }

  /** What a copy that is asked for now is to be kept with; undefined while changes may not be announced to this process. */
  get copyStamp (): CopyStamp | undefined {
    const { stamp } = this.ledger
    if (stamp === undefined || this.#copies?.incarnation !== stamp.incarnation) return undefined
    return { ...stamp, copies: this.#copies.number }
  }

  /** Whether a copy of a value is still what is stored. */
  isCurrent (copied: CopyStamp, key: { readonly id: string }): boolean {
    return copied.copies === this.#copies?.number && this.ledger.isCurrent(copied, key)
  }

  /** Says that this process keeps copies of values. */
  async keepCopies (): Promise<void> {
    const { head, copies } = await this.#run([], 'copies')
    await this.#catchUp(head)
    this.#copies = { incarnation: head.incarnation, number: copies }
  }

  async #refresh (): Promise<void> {
    const { ledger } = this
    const known = { incarnation: ledger.incarnation, clock: ledger.clock, ownStamp: this.#ownStamp, copies: this.#copies }
    const asked = [INCARNATION, CLOCK, FLOOR]
    if (known.ownStamp !== 0) asked.push(this.#own)
    if (known.copies !== undefined) asked.push(COPIES)
    const scores = await this.#scores(asked)
    const [incarnation, clock, floor] = scores
    // The script makes a set whole of which a part is missing, and one anew whose clock cannot be right.
    if (incarnation == null || clock == null || floor == null || !isSoundHead({ clock, floor }, Date.now())) return await this.#catchUp((await this.#run([])).head)
    if (known.copies !== undefined && this.#copies === known.copies && scores.at(-1) !== known.copies.number) this.#copies = undefined
    const head = { incarnation: String(incarnation), clock, floor }
    const ownStamp = known.ownStamp === 0 ? null : scores[3]
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
  async #readAll (found: Head): Promise<void> {
    const { ledger } = this
    const left = this.#left.get(found.incarnation) ?? 0
    // A life that was over has come back, from a snapshot: entries of it may be newer than what is marked next.
    const head = left <= found.clock ? found : (await this.#run([], 'mark', { incarnation: found.incarnation, clock: left + 1 })).head
    const marks: Mark[] = []
    const clock = await this.#read(head, 0, (page) => { marks.push(...page) })
    if (ledger.incarnation !== head.incarnation) {
      this.#ownStamp = 0
      if (ledger.incarnation !== undefined) this.#leave(ledger.incarnation, ledger.clock)
      this.#foreign.clear()
      ledger.restart(head.incarnation)
    }
    ledger.learn(marks, clock)
    ledger.raiseFloor(head.floor)
  }

  #leave (incarnation: string, clock: number): void {
    this.#left.delete(incarnation)
    this.#left.set(incarnation, clock)
    if (this.#left.size > MOST_LEFT) this.#left.delete(this.#left.keys().next().value!)
  }

  /** Reads marks newer than `stamp`, page by page and oldest first; gives the stamp up to which all are read. */
  async #read (head: Head, stamp: number, take: (marks: Mark[], clock: number) => void): Promise<number> {
    let known = stamp
    for (let isLast = false; !isLast;) {
      const page = await pageOf(await this.#open(), this.#key, known)
      isLast = page.length < PAGE
      known = isLast ? head.clock : page.at(-1)!.score
      take(page.filter(({ value }) => MARK.test(value)).map(markOf), known)
    }
    // What was lost meanwhile and made anew is another set, and what was dropped meanwhile was not read.
    const [incarnation, clock, floor] = await this.#scores([INCARNATION, CLOCK, FLOOR])
    // A clock that is behind the one that was told: what is marked until it is reached would be taken for known.
    if (String(incarnation) !== head.incarnation || (clock ?? 0) < head.clock) throw new Error('the marks were lost while they were read')
    soundHead({ incarnation: head.incarnation, clock: Math.max(head.clock, floor ?? 0), floor: floor ?? 0 })
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
    let { head } = await this.#run(lost.slice(0, MARKED_AT_ONCE), 'mark', { incarnation: ledger.incarnation, clock: Math.max(clock, ledger.clock) + 1 })
    for (let at = MARKED_AT_ONCE; at < lost.length; at += MARKED_AT_ONCE) head = (await this.#run(lost.slice(at, at + MARKED_AT_ONCE))).head
    await this.#readAll(head)
  }

  /** `least`: what the clock is to be at least, if this is the incarnation. */
  async #run (members: readonly string[], occasion: Occasion = 'mark', least: { incarnation: string | undefined, clock: number } = this.ledger): Promise<Ran> {
    const { ledger } = this
    const known = { incarnation: least.incarnation ?? '0', clock: ledger.clock, ownStamp: this.#ownStamp }
    const [incarnation, before, clock, floor, ownBefore, copies, untold] = withoutSum(await (await this.#open()).eval(MARK_SCRIPT, {
      keys: [this.#key],
      arguments: [
        String(this.#most), String(Math.ceil(this.#most * DROPPED_AT_ONCE)), String(randomInt(LEAST_INCARNATION + 1, 0)),
        known.incarnation, String(least.clock), String(ledger.incarnation === known.incarnation ? ledger.floor : 0), this.#own, this.channel, occasion, ...members
      ]
    })) as [string, string, string, string, string, string, string]
    const head = soundHead({ incarnation, clock: Number(clock), floor: Number(floor) })
    const isLost = incarnation === known.incarnation && (Number(before) < known.clock || (Number(ownBefore) < known.ownStamp && head.floor < known.ownStamp))
    if (members.length > 0 && (occasion !== 'change' || copies !== '0')) {
      this.#ownStamp = head.clock - 1
      this.#noteUntold(untold)
    }
    return { head, before: Number(before), isLost, copies: Number(copies) }
  }

  #noteUntold (fault: string): void {
    if (fault !== '' && !this.#isUntold) this.#onUntold(new Error(fault))
    this.#isUntold = fault !== ''
  }

  async #scores (members: string[]): Promise<Array<number | null>> {
    return await scoresOf(await this.#open(), this.#key, members)
  }
}

interface Ran {
  readonly head: Head
  readonly before: number
  readonly isLost: boolean
  /** The number of `m`; 0 when no process keeps copies. */
  readonly copies: number
}

function soundHead (head: Head): Head {
  if (!isSoundHead(head, Date.now())) throw new TypeError('Redis answered with something else than the clock of the marks')
  return head
}
