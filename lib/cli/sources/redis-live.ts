import { setTimeout as sleep } from 'node:timers/promises'
import { inTime } from '../../deadline.ts'
import { unlessAborted } from '../../warming/warming.ts'
import { causeInWords } from '../../inspect/label-words.ts'
import { parseMarksMessage } from '../../store/mark-script.ts'
import { openRedis } from '../../store/redis-connection.ts'
import { RedisFleetLog } from '../../store/redis-fleet-log.ts'
import { listen, type Listener } from '../../store/redis-subscription.ts'
import { addNumbers, countsOf } from '../../stats/numbers.ts'
import type { RouteStats } from '../../stats/counts.ts'
import { bucketAt, routeOf, UNIT_MS, type BucketNumbers } from '../../stats/fleet-log.ts'
import type { RedisPlace } from '../redis-place.ts'
import { Growth, type InvalidationEvent, type LiveEvent } from './live-event.ts'
import { faultText } from './redis-fault.ts'
import { closed } from './closing.ts'
import type { Source } from './source.ts'

/** Who invalidates faster than anybody reads does not fill the memory. */
const MOST_WAITING = 1000

/**
 * Requests by the numbers that processes tell every few seconds, of the minute and the one before; invalidations as they are told to all
 * processes. A Redis that is away for a while is asked again.
 */
export async function * liveOfRedis (place: RedisPlace, { signal, everyMs, onNote }: Parameters<Source['live']>[0]): AsyncGenerator<LiveEvent, void> {
  const { redis: option, prefix, timeoutMs } = place
  const closing = new AbortController()
  const redis = await openRedis(option, { onFault: () => {}, onReady: () => {} })
  const answer = async <T>(asked: Promise<T>): Promise<T> => await unlessAborted(signal, inTime(timeoutMs, asked))
  const heard = new Heard(onNote)
  const requests = new State((fault) => { onNote(`requests cannot be read: ${faultText(fault)}`) })
  try {
    await answer(redis.connect())
    // Where that is refused it goes on asking.
    listen(redis.client, `${prefix}:marks`, { closed: closing.signal, listener: heard }).catch(heard.onDown)
    await answer(heard.begun).catch(() => {}) // said then, if it is down
    const log = new RedisFleetLog({ open: () => redis.client, prefix })
    const minutes = new Minutes()
    while (!signal.aborted) {
      try {
        const now = await answer(log.now())
        const last = bucketAt('minute', now)
        for (const number of [last.number - 1, last.number]) {
          yield * minutes.grown(number, await answer(log.read({ unit: 'minute', number })), now)
        }
        requests.up()
      } catch (fault) {
        if (!signal.aborted) requests.down(fault)
      }
      yield * heard.take()
      await sleep(everyMs, undefined, { signal }).catch(() => {}) // ended meanwhile
      yield * heard.take()
    }
  } finally {
    closing.abort()
    await closed(redis)
  }
}

/** What each minute has by now. Sums of a minute only grow, while an hour loses its oldest minute. */
class Minutes {
  readonly #grown = new Map<number, Growth>()
  #isFirst = true

  grown (number: number, bucket: BucketNumbers, at: number): LiveEvent[] {
    const growth = this.#grown.get(number) ?? new Growth()
    this.#grown.set(number, growth)
    this.#grown.delete(number - 2)
    // What was told before is no news: of the two minutes that are read first.
    const isFirst = this.#isFirst
    if (number === Math.floor(at / UNIT_MS.minute)) this.#isFirst = false
    return growth.added(routesOf(bucket), { at, isFirst })
  }
}

function routesOf ({ numbers }: BucketNumbers): RouteStats[] {
  return [...numbers].flatMap(([label, own]) => {
    const named = routeOf(label)
    const sums = new Map<string, number>()
    addNumbers(sums, own)
    return named === undefined ? [] : [{ ...named, ...countsOf(sums) }]
  })
}

/** Says once that something is down, and again when it was up meanwhile. */
class State {
  readonly #onDown: (fault: unknown) => void
  #isDown = false

  constructor (onDown: (fault: unknown) => void) {
    this.#onDown = onDown
  }

  up (): void {
    this.#isDown = false
  }

  down (fault: unknown): void {
    if (!this.#isDown) this.#onDown(fault)
    this.#isDown = true
  }
}

/** Invalidations of all processes. */
class Heard implements Listener {
  readonly #waiting: InvalidationEvent[] = []
  readonly #state: State
  /** Resolves when it is known whether they are heard. */
  readonly begun: Promise<void>
  #begin!: () => void

  constructor (onNote: (text: string) => void) {
    this.begun = new Promise((resolve) => { this.#begin = resolve })
    this.#state = new State((fault) => { onNote(`invalidations are not heard: ${faultText(fault)}`) })
  }

  readonly onMessage = (text: string): void => { this.#hear(text) }

  readonly onUp = (): void => {
    this.#state.up()
    this.#begin()
  }

  readonly onDown = (fault: unknown): void => {
    this.#state.down(fault)
    this.#begin()
  }

  * take (): Generator<InvalidationEvent, void> {
    yield * this.#waiting.splice(0)
  }

  #hear (text: string): void {
    const marks = parseMarksMessage(text, Date.now())?.members ?? []
    for (const soft of [false, true]) {
      const labels = marks.filter((mark) => mark.startsWith(soft ? 's' : 'h')).map((mark) => mark.slice(1))
      if (labels.length === 0 || this.#waiting.length >= MOST_WAITING) continue
      this.#waiting.push({ kind: 'invalidation', at: Date.now(), targets: labels.map((label) => causeInWords({ label })), soft })
    }
  }
}
