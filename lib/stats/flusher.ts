import { randomBytes } from 'node:crypto'
import { inTime } from '../deadline.ts'
import type { InvalidationCounts, RouteStats } from './counts.ts'
import { INVALIDATIONS, labelOf, OTHER_ROUTES, type FleetLog } from './fleet-log.ts'
import { addNumbers, numbersOf, numbersOfInvalidations, type Numbers } from './numbers.ts'
import { PendingNumbers, type GivenUp } from './pending-numbers.ts'

/** What this process has counted since it was started. */
export interface ProcessCounts {
  readonly routes: readonly RouteStats[]
  readonly invalidations: InvalidationCounts
}

export interface FlusherOptions {
  readonly log: FleetLog
  readonly counts: () => ProcessCounts
  /** Hears why nothing can be told, once until it can again. Default: nobody does. */
  readonly onFailing?: (fault: unknown) => void
  /** Milliseconds between two times that it tells. Default: 5 s, more or less by a fifth. */
  readonly everyMs?: number
  /** Numbers that are kept for a store that is away. Default: 50,000. */
  readonly mostPending?: number
  /** So long closing waits, in milliseconds. Default: 1 s. */
  readonly closeMs?: number
  /** So long it waits for an answer, in milliseconds. Default: 5 s. */
  readonly answerMs?: number
  /** From 0 to 1, for tests. */
  readonly random?: () => number
}

export interface FlusherStats {
  /** Numbers that wait to be told. */
  readonly pending: number
  readonly givenUp: GivenUp
}

const EVERY_MS = 5000
const MOST_PENDING = 50_000
const CLOSE_MS = 1000
const ANSWER_MS = 5000
/** A client that queues commands while it has no connection would be given the same ones again and again. */
const MOST_UNANSWERED = 3
/** A store that fails is asked less often: so many times as long between two tries, at most. */
const LONGEST_PAUSE = 6

/**
 * Tells the store every few seconds what this process has counted since it did last, so that the numbers of all processes can be read
 * from there. No request waits for it, and nothing it does throws or rejects.
 */
export class Flusher {
  readonly #log: FleetLog
  readonly #options: Required<FlusherOptions>
  readonly #pending: PendingNumbers
  readonly #labels = new Set<string>()
  /** What was counted of the labels when it was looked at last. */
  #counted = new Map<string, Numbers>()
  /** What the store's clock has more than that of this process; none until it has told, so that minutes are those of this process. */
  #ahead = 0
  #timer: NodeJS.Timeout | undefined
  #sending: Promise<void> | undefined
  /** The flush that waits for the one that is being sent: whoever asks meanwhile, shares it. */
  #next: Promise<void> | undefined
  #unanswered = 0
  #failures = 0
  #skipped = 0
  #closing: Promise<void> | undefined

  constructor ({ log, ...options }: FlusherOptions) {
    this.#log = log
    this.#options = { log, onFailing: () => {}, everyMs: EVERY_MS, mostPending: MOST_PENDING, closeMs: CLOSE_MS, answerMs: ANSWER_MS, random: Math.random, ...options }
    this.#pending = new PendingNumbers({ process: randomBytes(9).toString('base64url'), most: this.#options.mostPending })
  }

  get stats (): FlusherStats {
    return { pending: this.#pending.size, givenUp: this.#pending.givenUp }
  }

  /** Begins. The timer does not keep the process alive. */
  start (): void {
    if (this.#timer !== undefined || this.#closing !== undefined) return
    const { everyMs, random } = this.#options
    // Processes that are started together do not tell together.
    const tick = (): void => {
      this.#timer = setTimeout(tick, everyMs * (0.8 + 0.4 * random())).unref()
      this.#tick()
    }
    this.#timer = setTimeout(tick, everyMs * random()).unref()
  }

  /** Tells all that was counted before this call, or as much as can be told now. Never rejects. */
  async flush (): Promise<void> {
    if (this.#sending === undefined && this.#next === undefined) return await this.#send()
    this.#next ??= (this.#sending ?? Promise.resolve()).then(() => {
      this.#next = undefined
      return this.#send()
    })
    await this.#next
  }

  /** Tells the rest, for a second at most. Never rejects. */
  async close (): Promise<void> {
    this.#closing ??= this.#close()
    await this.#closing
  }

  async #close (): Promise<void> {
    clearTimeout(this.#timer)
    await inTime(this.#options.closeMs, this.flush()).catch(() => { /* late: what is told afterwards counts as well */ })
  }

  #tick (): void {
    const isPause = this.#failures > 0 && ++this.#skipped < Math.min(this.#failures, LONGEST_PAUSE)
    if (this.#sending === undefined && !isPause) void this.#send()
    else this.#take()
  }

  /** Moves what was counted to what is to be told. */
  #take (): void {
    try {
      this.#pending.add(ownNow() + this.#ahead, this.#more())
    } catch (fault) {
      this.#options.onFailing(fault) // nobody would catch what a timer throws
    }
  }

  /** What was counted since this was asked last. */
  #more (): Map<string, Numbers> {
    const counted = this.#flat()
    const more = new Map([...counted].flatMap(([label, numbers]) => {
      const added = subtract(numbers, this.#counted.get(label))
      return added.size === 0 ? [] : [[label, added] as const]
    }))
    this.#counted = counted
    return more
  }

  /** By label; what has none of its own, because there are too many, together. */
  #flat (): Map<string, Map<string, number>> {
    const { routes, invalidations } = this.#options.counts()
    const flat = new Map([[INVALIDATIONS, numbersOfInvalidations(invalidations)]])
    for (const route of routes) {
      const label = this.#known(labelOf(route))
      const numbers = numbersOf(route)
      const others = flat.get(label)
      if (others === undefined) flat.set(label, numbers)
      else addNumbers(others, numbers)
    }
    return flat
  }

  #known (label: string): string {
    if (!this.#labels.has(label) && this.#labels.size < this.#log.mostLabels) this.#labels.add(label)
    return this.#labels.has(label) ? label : OTHER_ROUTES
  }

  async #send (): Promise<void> {
    this.#skipped = 0
    this.#sending = this.#sendAll().then(() => { this.#failures = 0 }, (fault: unknown) => {
      if (this.#failures++ === 0 && this.#closing === undefined) this.#options.onFailing(fault)
    }).finally(() => { this.#sending = undefined })
    await this.#sending
  }

  async #sendAll (): Promise<void> {
    const more = this.#more()
    if (more.size === 0 && this.#pending.size === 0) return
    try {
      const ahead = await this.#answered(() => this.#log.now()) - ownNow()
      if (!Number.isFinite(ahead)) throw new TypeError('the store answered with something else than the time')
      this.#ahead = ahead
    } finally {
      this.#pending.add(ownNow() + this.#ahead, more)
    }
    for (let next = this.#pending.next(); next !== undefined; next = this.#pending.next()) {
      const { bucket, told } = next
      const outcome = await this.#answered(() => this.#log.add(bucket, told))
      this.#pending.done(bucket, told, { isLost: outcome === 'late' || outcome === 'full' })
    }
  }

  async #answered<T> (ask: () => Promise<T>): Promise<T> {
    if (this.#unanswered >= MOST_UNANSWERED) throw new Error('the store has not answered yet')
    this.#unanswered++
    const asked = ask().finally(() => { this.#unanswered-- })
    return await inTime(this.#options.answerMs, asked, { idle: true })
  }
}

/** Milliseconds since the epoch, which never go back. */
function ownNow (): number {
  return performance.timeOrigin + performance.now()
}

/** What has become less was begun anew. */
function subtract (numbers: Numbers, before: Numbers | undefined): Map<string, number> {
  const added = new Map<string, number>()
  for (const [name, value] of numbers) {
    const known = before?.get(name) ?? 0
    const more = value < known ? value : value - known
    if (more !== 0) added.set(name, more)
  }
  return added
}
