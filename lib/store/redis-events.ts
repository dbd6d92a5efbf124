import { randomBytes } from 'node:crypto'
import { backOff } from '../backoff.ts'
import { inTime } from '../deadline.ts'
import type { EventListener, EventLog, EventMessage, Following } from '../events/event-log.ts'
import type { ConnectedRedis } from './redis-client.ts'
import { destroy } from './kept-connection.ts'
import { duplicate, type EventsRedis, type StreamEntry } from './redis-events-client.ts'
import type { MaybePromise } from './store.ts'
import { withoutArguments } from './told-fault.ts'

/*
 * Events that all processes share: one stream, so that what was missed while disconnected can be read later. An entry has the field
 *
 *   json     {"event":"…","data":…}
 *   by       the process that has appended it and handled it already; services that publish leave it out
 *   anchor   in place of both: nothing but a place to follow on from, in a stream that was empty
 *
 * Whether something is missing is decided by one rule. The entry that was handled last must still be in the stream, with what it
 * said: entries are dropped from the front only, so then all later ones are there. A read therefore begins with that entry and checks
 * it; XREAD only says when to read. If it is gone, because it was trimmed, or the stream was deleted, evicted, flushed, or lost by a
 * restart or a failover, nobody knows what went with it: a gap.
 */

const MOST_ENTRIES = 10_000
const READ_AT_ONCE = 100
/** After this long without a new entry the last one is looked for: a stream made anew by a clock that is behind wakes nobody. */
const BLOCK_MS = 1000
/** A connection that is silent for longer than it should is given up. */
const ANSWER_MS = 5000

export interface RedisEventsOptions {
  readonly open: () => MaybePromise<ConnectedRedis>
  readonly prefix: string
  /** About how many entries the stream keeps. */
  readonly most?: number
}

export class RedisEvents implements EventLog {
  readonly #options: RedisEventsOptions
  readonly #by = randomBytes(9).toString('base64url')

  constructor (options: RedisEventsOptions) {
    this.#options = options
  }

  async append (json: string): Promise<void> {
    // The commands of streams, which those who do not use events need not know of.
    await this.#append(await this.#options.open() as unknown as EventsRedis, { json, by: this.#by })
  }

  follow (listener: EventListener): Following {
    const { open, prefix } = this.#options
    return new Follower({
      key: `${prefix}:events`,
      by: this.#by,
      connect: async () => await duplicate(await open()),
      anchor: async (redis) => await this.#append(redis, { anchor: '1' })
    }, listener)
  }

  async #append (redis: EventsRedis, message: Record<string, string>): Promise<string> {
    const { prefix, most = MOST_ENTRIES } = this.#options
    return await redis.xAdd(`${prefix}:events`, '*', message, { TRIM: { strategy: 'MAXLEN', strategyModifier: '~', threshold: most } })
  }
}

interface FollowedStream {
  readonly key: string
  /** Whose entries are left out. */
  readonly by: string
  /** A client of its own, that is not connected. */
  readonly connect: () => Promise<EventsRedis>
  readonly anchor: (redis: EventsRedis) => Promise<string>
}

/** Reads one stream, over one connection at a time, until it is closed. */
class Follower implements Following {
  readonly ready: Promise<void>
  readonly #stream: FollowedStream
  readonly #listener: EventListener
  readonly #closing = new AbortController()
  readonly #ended: Promise<void>
  #isReady = (): void => {}
  /** What was handled last. */
  #last: StreamEntry | undefined
  #atOnce = READ_AT_ONCE
  #state: 'new' | 'following' | 'lost' = 'new'

  constructor (stream: FollowedStream, listener: EventListener) {
    this.#stream = stream
    this.#listener = listener
    this.ready = new Promise((resolve) => { this.#isReady = resolve })
    this.#ended = this.#run()
  }

  async close (): Promise<void> {
    this.#closing.abort()
    this.#isReady()
    await this.#ended
  }

  async #run (): Promise<void> {
    const { signal } = this.#closing
    for (let retries = 0; !signal.aborted; retries++) {
      try {
        await this.#session(() => { retries = 0 })
      } catch (fault) {
        if (signal.aborted) return
        if (this.#state !== 'lost') this.#listener.onLost(withoutArguments(fault))
        this.#state = 'lost'
        await backOff(retries, signal)
      }
    }
  }

  /** One connection, from its beginning to its end, which is a fault or the close. */
  async #session (onFollowing: () => void): Promise<void> {
    const { signal } = this.#closing
    const redis = await this.#answer(this.#stream.connect())
    let problem: unknown
    redis.on('error', (fault) => { problem = fault }) // also rejects what waits, but not always with the cause
    try {
      await this.#answer(redis.connect())
      this.#last ??= await this.#newest(redis)
      while (!signal.aborted) {
        const entries = await this.#read(redis)
        this.#follows(onFollowing)
        if (entries === undefined) await this.#closeGap(redis)
        else if (entries.length > 0) await this.#handle(entries)
        else await this.#answer(redis.xRead({ key: this.#stream.key, id: this.#last.id }, { BLOCK: BLOCK_MS, COUNT: 1 }))
      }
    } catch (fault) {
      throw problem ?? fault
    } finally {
      // Nobody uses it any more: that it cannot be ended properly is of no consequence.
      destroy(redis).catch(() => {})
    }
  }

  #follows (onFollowing: () => void): void {
    if (this.#state === 'following') return
    this.#state = 'following'
    onFollowing()
    this.#isReady()
    this.#listener.onFollowing()
  }

  /** What comes after the entry that was handled last, or undefined when that one is not there any more. */
  async #read (redis: EventsRedis): Promise<StreamEntry[] | undefined> {
    const { id, message } = this.#last!
    const count = this.#atOnce + 1
    // What does not come in time is asked for in smaller parts: the same part would be late again, for ever.
    this.#atOnce = Math.max(1, Math.floor(this.#atOnce / 2))
    const [last, ...entries] = await this.#answer(redis.xRange(this.#stream.key, id, '+', { COUNT: count }))
    this.#atOnce = Math.min(READ_AT_ONCE, 2 * (count - 1))
    return last?.id === id && last.message.json === message.json && last.message.by === message.by ? entries : undefined
  }

  async #handle (entries: readonly StreamEntry[]): Promise<void> {
    const messages = entries.filter(({ message }) => message.by !== this.#stream.by && message.anchor === undefined)
      .map(({ id, message }): EventMessage => ({ id, json: message.json }))
    if (messages.length > 0) await this.#unlessClosed(this.#listener.onMessages(messages))
    this.#last = entries.at(-1)!
  }

  /** The new place is found before the listener hears of the gap: what comes after it is given, what came before is part of the gap. */
  async #closeGap (redis: EventsRedis): Promise<void> {
    const newest = await this.#newest(redis)
    await this.#unlessClosed(this.#listener.onGap())
    this.#last = newest
  }

  async #newest (redis: EventsRedis): Promise<StreamEntry> {
    const [newest] = await this.#answer(redis.xRevRange(this.#stream.key, '+', '-', { COUNT: 1 }))
    return newest ?? { id: await this.#answer(this.#stream.anchor(redis)), message: { anchor: '1' } }
  }

  /** Rejects when it takes too long, and as soon as this is closed. */
  async #answer<T> (reply: Promise<T>): Promise<T> {
    return await this.#unlessClosed(inTime(ANSWER_MS, reply))
  }

  async #unlessClosed<T> (result: Promise<T>): Promise<T> {
    const { signal } = this.#closing
    return await new Promise((resolve, reject) => {
      const close = (): void => { reject(new Error('closed')) }
      if (signal.aborted) close()
      signal.addEventListener('abort', close)
      result.then(resolve, reject).finally(() => { signal.removeEventListener('abort', close) })
    })
  }
}
