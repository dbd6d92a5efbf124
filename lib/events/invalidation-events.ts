import { inTime } from '../deadline.ts'
import { expectedGot, InvalidTargetError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { ALL } from '../marks/labels.ts'
import { labelsOf, mergeTargets, type InvalidationTargets } from '../marks/targets.ts'
import { backOff } from '../backoff.ts'
import { LocalEventLog, type EventListener, type EventLog, type EventMessage, type Following } from './event-log.ts'

type Nothing = undefined | null | void

/** What an event invalidates: targets, or nothing. `data` comes from outside: whoever may write to Redis may have written it. */
export type EventTargets<Data = unknown> = (data: Data) => InvalidationTargets | Nothing | Promise<InvalidationTargets | Nothing>

/** What an event, or that some may have been missed, has invalidated. */
export interface EventInvalidation {
  /** Its name; undefined where events may have been missed. */
  readonly event: string | undefined
  readonly targets: InvalidationTargets | 'all'
  /** How many. */
  readonly labels: number
  /** Whether the store has confirmed it. */
  readonly isConfirmed: boolean
  readonly ms: number
}

export interface InvalidationEventsOptions {
  /** Default: there are no other processes. */
  readonly log?: EventLog | undefined
  /** Marks labels hard. Rejects when that is not confirmed. */
  readonly mark: (labels: readonly string[]) => Promise<void>
  /** Hears what was invalidated, in one process of all that handle the event. Default: nobody does. */
  readonly onInvalidated?: (what: EventInvalidation) => void
  /** Whether this process is the first of all to ask this about a message. Default: it is. */
  readonly isFirst?: (id: string) => Promise<boolean>
  /** Without `error`, faults of handlers are warnings. */
  readonly logger: Logger & { error?: (details: object, message: string) => void }
  /** How long one handler may take, in milliseconds. */
  readonly handlerMs?: number
}

interface Event {
  readonly id?: string
  readonly name: string
  readonly data: unknown
  /** The process that has published it has counted what it invalidates. */
  readonly isCounted?: boolean
}

/** What the handlers of an event name. */
interface Named {
  readonly event: Event
  readonly targets: readonly InvalidationTargets[]
  readonly labels: readonly string[]
}

const HANDLER_MS = 10_000
const MOST_TRIES = 5
/** The member of a message that says that what it invalidates is counted. */
const COUNTED = ',"counted":true}'
/** Labels in one call, which has a deadline however many there are. */
const MARKED_AT_ONCE = 1000
const LONGEST_TEXT = 200

/**
 * Invalidates what events mean. Every process asks its own handlers about every event and marks what they say; marks are shared and
 * may be set twice, so processes need not agree on who does it, nor in which order.
 *
 * An event from the log is handled once its marks are confirmed. Until then it is tried again, for ever: nothing that was announced
 * is served as fresh because Redis was away for a moment.
 *
 * What an event invalidates is told once for all processes: by the one that publishes, if its own handlers name something, which its message
 * says; else by the first of those that have handled it.
 */
export class InvalidationEvents {
  readonly #log: EventLog
  readonly #options: InvalidationEventsOptions
  readonly #handlers = new Map<string, Set<EventTargets<never>>>()
  readonly #closing = new AbortController()
  #following: Following | undefined
  #isLost = false

  constructor (options: InvalidationEventsOptions) {
    this.#options = options
    this.#log = options.log ?? new LocalEventLog()
  }

  /** Asks `toTargets` about every such event from now on; gives back what ends that. Does not wait for Redis. */
  on<Data> (event: string, toTargets: EventTargets<Data>): () => void {
    checkName(event, 'invalidateOn()')
    if (typeof toTargets !== 'function') throw new InvalidTargetError('toTargets', 'invalidateOn()', expectedGot('a function that gives targets', toTargets))
    const handlers = this.#handlers.get(event) ?? new Set()
    this.#handlers.set(event, handlers)
    // A function that is registered twice is two handlers, each with an end of its own.
    const handler: EventTargets<never> = (data) => toTargets(data)
    handlers.add(handler)
    this.#following ??= this.#log.follow(this.#listener)
    return () => {
      handlers.delete(handler)
      if (handlers.size === 0 && this.#handlers.get(event) === handlers) this.#handlers.delete(event)
    }
  }

  /**
   * Tells an event. When it has resolved, what the handlers of this process name is invalidated, and the event is in the log for all
   * others. Rejects with `RESPONSE_CACHE_ERR_STORE_UNAVAILABLE` when the log has not confirmed it, so that it has to be told again, which is
   * harmless, and with `RESPONSE_CACHE_ERR_INVALIDATION_PENDING` when only the first is not confirmed yet.
   */
  async publish (event: string, data?: unknown): Promise<void> {
    checkName(event, 'publish()')
    const json = toJson(event, data)
    // What others will get: a Date is a text here as well.
    const { data: told } = JSON.parse(json) as { data: unknown }
    const named = await this.#namedFor({ name: event, data: told })
    // Marked first: the log leaves out what this process has appended, whether or not it learns that it was.
    const beganAt = performance.now()
    const marked = this.#mark(named.labels)
    // The others are to hear of the event all the same; a fault is thrown below.
    const isConfirmed = await marked.then(() => true, () => false)
    this.#told(named, { isConfirmed, ms: performance.now() - beganAt })
    await this.#log.append(named.labels.length === 0 ? json : `${json.slice(0, -1)}${COUNTED}`)
    await marked
  }

  /** Resolves once no event is missed any more, at once when nothing is to be heard. Never rejects. */
  async ready (): Promise<void> {
    await this.#following?.ready
  }

  async close (): Promise<void> {
    this.#closing.abort()
    await this.#following?.close()
  }

  readonly #listener: EventListener = {
    onMessages: async (messages) => {
      const all = (await Promise.all(messages.map(async (message) => await this.#namedByMessage(message)))).filter((named) => named !== undefined)
      const beganAt = performance.now()
      await this.#markAtLast(all.flatMap(({ labels }) => labels))
      const ms = performance.now() - beganAt
      // Later events do not wait for that.
      for (const named of all) if (named.labels.length > 0) void this.#tellIfFirst(named, ms)
    },
    onGap: async () => {
      this.#options.logger.warn({ cache: { state: 'events-missed' } }, 'events may have been lost: everything is invalidated')
      const beganAt = performance.now()
      await this.#markAtLast([ALL])
      // Each process that has missed events does this for itself.
      this.#options.onInvalidated?.({ event: undefined, targets: 'all', labels: 1, isConfirmed: true, ms: performance.now() - beganAt })
    },
    onLost: (fault) => {
      this.#isLost = true
      this.#options.logger.warn({ err: fault, cache: { state: 'events-error' } }, 'events cannot be read: what they invalidate waits until they can')
    },
    onFollowing: () => {
      if (this.#isLost) this.#options.logger.info({ cache: { state: 'events-available' } }, 'events are read again')
      this.#isLost = false
    }
  }

  /** Never rejects. A process that cannot find out whether it is the first does not tell. */
  async #tellIfFirst (named: Named, ms: number): Promise<void> {
    const { id = '', isCounted } = named.event
    const { isFirst = async () => true } = this.#options
    if (isCounted === true) return
    for (let tries = 0; tries < MOST_TRIES && !this.#closing.signal.aborted; tries++) {
      try {
        if (await isFirst(id)) this.#told(named, { isConfirmed: true, ms })
        return
      } catch {
        await backOff(tries, this.#closing.signal)
      }
    }
  }

  #told ({ event, targets, labels }: Named, done: Pick<EventInvalidation, 'isConfirmed' | 'ms'>): void {
    if (labels.length > 0) this.#options.onInvalidated?.({ event: event.name, targets: mergeTargets(targets), labels: labels.length, ...done })
  }

  async #namedByMessage (message: EventMessage): Promise<Named | undefined> {
    const event = parse(message)
    if (typeof event !== 'string') return await this.#namedFor(event)
    this.#options.logger.warn({ cache: { id: message.id, text: cut(message.json ?? '') } }, `an event was dropped: ${event}`)
    return undefined
  }

  /** What all handlers of an event name. One that fails takes nothing from the others. */
  async #namedFor (event: Event): Promise<Named> {
    const handlers = [...this.#handlers.get(event.name) ?? []]
    const named = await Promise.all(handlers.map(async (handler) => {
      try {
        // One handler that hangs must not keep all later events waiting. What it was registered for says what data it takes.
        const answer = Promise.resolve(handler(event.data as never))
        const targets = await inTime(this.#options.handlerMs ?? HANDLER_MS, answer, { idle: true })
        return targets === undefined || targets === null ? [] : [{ targets, labels: labelsOf(targets, `what the handler of event "${event.name}" gives`) }]
      } catch (fault) {
        this.#handlerFailed(event, fault)
        return []
      }
    }))
    return { event, targets: named.flat().map(({ targets }) => targets), labels: [...new Set(named.flat().flatMap(({ labels }) => labels))] }
  }

  #handlerFailed ({ id, name }: Event, fault: unknown): void {
    const { logger } = this.#options
    const details = { err: fault, cache: { ...(id === undefined ? {} : { id }), event: cut(name) } }
    const text = 'a handler of an event failed: what it would have invalidated may still be served from the cache'
    if (logger.error === undefined) logger.warn(details, text)
    else logger.error(details, text)
  }

  async #mark (labels: readonly string[]): Promise<void> {
    const left = [...new Set(labels)]
    const markNext = async (): Promise<void> => { await this.#options.mark(left.splice(0, MARKED_AT_ONCE)) }
    try {
      while (left.length > 0) await markNext()
    } catch (fault) {
      // What is not confirmed is marked later: all of it, and nobody waits for one part after the other.
      const rest: Array<Promise<void>> = []
      while (left.length > 0) rest.push(markNext())
      await Promise.allSettled(rest)
      throw fault
    }
  }

  /** Tries again until the marks are confirmed. Who sets them logs why they were not. */
  async #markAtLast (labels: readonly string[]): Promise<void> {
    const { signal } = this.#closing
    for (let retries = 0; ; retries++) {
      try {
        return await this.#mark(labels)
      } catch (fault) {
        if (signal.aborted) throw fault
        await backOff(retries, signal)
      }
    }
  }
}

function checkName (event: unknown, where: string): void {
  if (typeof event !== 'string' || event === '') throw new InvalidTargetError('event', where, expectedGot('a text of at least one character', event))
}

function toJson (event: string, data: unknown): string {
  const where = `publish() of "${event}"`
  if (typeof data === 'function' || typeof data === 'symbol') throw new InvalidTargetError('data', where, expectedGot('something that JSON can say', typeof data === 'symbol' ? 'a symbol' : data))
  try {
    return JSON.stringify({ event, data })
  } catch (fault) {
    throw new InvalidTargetError('data', where, `expected something that JSON can say; ${fault instanceof Error ? fault.message.split('\n', 1)[0]! : String(fault)}`)
  }
}

/** The event, or what is wrong with the message. */
function parse ({ id, json }: EventMessage): Event | string {
  if (json === undefined) return 'expected a field "json"'
  let message: { event?: unknown, data?: unknown, counted?: unknown } | null
  try {
    message = JSON.parse(json) as typeof message
  } catch {
    return 'expected JSON'
  }
  const name = message?.event
  if (typeof name !== 'string' || name === '') return 'expected an object with "event", a text of at least one character'
  return { id, name, data: message!.data, isCounted: message!.counted === true }
}

function cut (text: string): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text
}
