import { previewOf } from '../../admin/body-preview.ts'
import { previewInvalidation, type InvalidationPreview } from '../../admin/invalidation-preview.ts'
import type { Cache } from '../../client/cache.ts'
import type { EntriesOptions } from '../../client/inspection.ts'
import { createCache } from '../../create-cache.ts'
import { inTime } from '../../deadline.ts'
import { InvalidationPendingError } from '../../errors.ts'
import type { Contents } from '../../inspect/contents.ts'
import type { Logger } from '../../logger.ts'
import type { FleetStats, FleetTime } from '../../stats/fleet-stats.ts'
import { CommandError } from '../exit.ts'
import type { RedisPlace } from '../redis-place.ts'
import { unlessAborted } from '../../warming/warming.ts'
import { closed } from './closing.ts'
import { whyUnusable } from './redis-fault.ts'
import { liveOfRedis } from './redis-live.ts'
import type { Inspected, InspectedOptions, Invalidating, ListedPage, Source } from './source.ts'
import type { LiveEvent } from './live-event.ts'

/** With half of the slots a server has all of these once in 65,536 times. */
export const KEYS_OF_MANY_SLOTS: readonly string[] = Array.from({ length: 16 }, (_, at) => `slot:${at}`)

/** A cache as its Redis shows it, with the same client that an app has. */
export class RedisSource implements Source {
  readonly name: string
  readonly #cache: Cache
  readonly #place: RedisPlace

  private constructor (cache: Cache, place: RedisPlace) {
    this.#cache = cache
    this.#place = place
    this.name = place.name
  }

  /** Errors: `CommandError` when Redis is not there in time, the reason of the signal. */
  static async open (place: RedisPlace, signal: AbortSignal): Promise<RedisSource> {
    const { redis, prefix, timeoutMs, secrets, kind } = place
    const faults = new Faults()
    const wait = `${timeoutMs}ms`
    const cache = createCache({
      redis,
      prefix,
      timeouts: { read: wait, write: wait, invalidate: wait },
      breaker: false,
      logger: faults,
      ...secrets.length === 0 ? {} : { integrity: { secret: secrets } }
    })
    try {
      // An app waits until its Redis is there; who sits at a terminal wants to know at once. Of several servers another one may answer.
      const connected = kind === 'server' ? Promise.race([cache.connect(), faults.first]) : cache.connect()
      await unlessAborted(signal, inTime(timeoutMs, connected))
      await unlessAborted(signal, inTime(timeoutMs, cache.ping()))
      if (kind === 'server') await unlessAborted(signal, inTime(timeoutMs, assertWhole(cache, faults)))
    } catch (fault) {
      await closed(cache)
      if (signal.aborted) throw fault
      throw new CommandError(whyUnusable(place.name, faults.last ?? fault))
    }
    return new RedisSource(cache, place)
  }

  async fleet (last: FleetTime): Promise<FleetStats> {
    return await this.#cache.stats({ fleet: true, last })
  }

  async sample (): Promise<Contents> {
    return await this.#cache.sample()
  }

  async entries (options: EntriesOptions): Promise<ListedPage> {
    const { entries, ...page } = await this.#cache.entries(options)
    return { ...page, entries: entries.map(({ labels, ...entry }) => entry) }
  }

  async inspect (key: string, { body: most, isPerUserShown }: InspectedOptions): Promise<Inspected | undefined> {
    const known = await this.#cache.inspect(key)
    if (known === undefined || most === 0) return known
    // Not even read before it is known whose it is.
    if (known.isPerUser && !isPerUserShown) return { ...known, isBodyWithheld: true }
    const { body, ...details } = await this.#cache.inspect(key, { body: most }) ?? known
    if (details.isPerUser && !isPerUserShown) return { ...details, isBodyWithheld: true } // another one by now
    return body === undefined ? details : { ...details, preview: previewOf(body) }
  }

  async preview (targets: Invalidating): Promise<InvalidationPreview> {
    return await previewInvalidation(this.#cache, targets)
  }

  async invalidate ({ all = false, ...targets }: Invalidating, { soft }: { readonly soft: boolean }): Promise<void> {
    try {
      await (all ? this.#cache.invalidateAll({ soft }) : this.#cache.invalidate(targets, { soft }))
    } catch (fault) {
      if (!(fault instanceof InvalidationPendingError)) throw fault
      // An app would send it again; this process ends.
      throw new CommandError(`Redis did not confirm the invalidation within ${this.#place.timeoutMs} ms: it may have happened, or not. Run the command again`)
    }
  }

  async isInUse (): Promise<boolean> {
    const { routes } = await this.fleet('24h')
    return routes.length > 0 || (await this.entries({})).entries.length > 0
  }

  live (options: Parameters<Source['live']>[0]): AsyncIterable<LiveEvent> {
    return liveOfRedis(this.#place, options)
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    await closed(this.#cache)
  }
}

/** A server of a Cluster may have the keys that were asked for until now and lack most others: what it shows would be a part. */
async function assertWhole (cache: Cache, faults: Faults): Promise<void> {
  await Promise.all(KEYS_OF_MANY_SLOTS.map((key) => cache.has(key)))
  if (faults.last !== undefined) throw faults.last
}

/** What the client logs is kept for the error text. */
class Faults implements Logger {
  last: unknown
  /** Rejects with the first one. */
  readonly first: Promise<never>
  #tell!: (fault: unknown) => void

  constructor () {
    this.first = new Promise((_resolve, reject) => { this.#tell = reject })
    this.first.catch(() => {}) // nobody waits for it any more once it is connected
  }

  info (): void {}

  warn (details: object): void {
    if (!('err' in details)) return
    this.last = details.err
    this.#tell(details.err)
  }
}
