import { setTimeout as sleep } from 'node:timers/promises'
import { inTime } from '../../deadline.ts'
import { causeInWords } from '../../inspect/label-words.ts'
import { parseMarksMessage } from '../../store/mark-script.ts'
import { openRedis } from '../../store/redis-connection.ts'
import { RedisFleetLog } from '../../store/redis-fleet-log.ts'
import { listen } from '../../store/redis-subscription.ts'
import { addNumbers, countsOf } from '../../stats/numbers.ts'
import type { RouteStats } from '../../stats/counts.ts'
import { bucketAt, routeOf, UNIT_MS, type BucketNumbers } from '../../stats/fleet-log.ts'
import type { RedisPlace } from '../places.ts'
import { Growth, type InvalidationEvent, type LiveEvent } from './live-event.ts'
import { faultText } from './redis-fault.ts'
import type { Source } from './source.ts'

/** Who invalidates faster than anybody reads does not fill the memory. */
const MOST_WAITING = 1000

/**
 * Requests by the numbers that processes tell every few seconds, of the minute and the one before; invalidations as they are told to all
 * processes.
 */
export async function * liveOfRedis (place: RedisPlace, { signal, everyMs, onNote }: Parameters<Source['live']>[0]): AsyncGenerator<LiveEvent, void> {
  const { redis: option, prefix, timeoutMs } = place
  const closing = new AbortController()
  const redis = await openRedis(option, { onFault: () => {}, onReady: () => {} })
  const heard = new Heard()
  try {
    await inTime(timeoutMs, redis.connect())
    await listen(redis.client, `${prefix}:marks`, { closed: closing.signal, listener: heard.listener(onNote) })
    const log = new RedisFleetLog({ open: () => redis.client, prefix })
    const minutes = new Minutes()
    while (!signal.aborted) {
      const now = await inTime(timeoutMs, log.now())
      const last = bucketAt('minute', now)
      for (const number of [last.number - 1, last.number]) {
        yield * minutes.grown(number, await inTime(timeoutMs, log.read({ unit: 'minute', number })), now)
      }
      yield * heard.take()
      await sleep(everyMs, undefined, { signal }).catch(() => {}) // ended meanwhile
      yield * heard.take()
    }
  } finally {
    closing.abort()
    await redis.close()
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

/** Invalidations of all processes. */
class Heard {
  readonly #waiting: InvalidationEvent[] = []

  listener (onNote: (text: string) => void) {
    let isDown = false
    return {
      onMessage: (text: string) => { this.#hear(text) },
      onUp: () => { isDown = false },
      onDown: (fault: unknown) => {
        if (!isDown) onNote(`invalidations are not heard: ${faultText(fault)}`)
        isDown = true
      }
    }
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
