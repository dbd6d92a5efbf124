import { previewOf } from '../../admin/body-preview.ts'
import { previewInvalidation, type InvalidationPreview } from '../../admin/invalidation-preview.ts'
import type { Cache } from '../../client/cache.ts'
import type { EntriesOptions, EntriesPage } from '../../client/inspection.ts'
import { createCache } from '../../create-cache.ts'
import { inTime } from '../../deadline.ts'
import type { Contents } from '../../inspect/contents.ts'
import type { Logger } from '../../logger.ts'
import type { FleetStats, FleetTime } from '../../stats/fleet-stats.ts'
import { CommandError } from '../exit.ts'
import type { RedisPlace } from '../places.ts'
import { faultText, redisFaultMeans } from './redis-fault.ts'
import { liveOfRedis } from './redis-live.ts'
import type { Inspected, InspectedOptions, Invalidating, Source } from './source.ts'
import type { LiveEvent } from './live-event.ts'

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

  /** Errors: `CommandError` when Redis is not there in time. */
  static async open (place: RedisPlace): Promise<RedisSource> {
    const { redis, prefix, timeoutMs, secrets, isCluster } = place
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
      // An app waits until its Redis is there; who sits at a terminal wants to know at once. Of a Cluster another server may answer.
      await inTime(timeoutMs, isCluster ? cache.connect() : Promise.race([cache.connect(), faults.first]))
      await inTime(timeoutMs, cache.ping())
    } catch (fault) {
      await cache.close()
      throw unreachable(place, faults.last ?? fault)
    }
    return new RedisSource(cache, place)
  }

  async fleet (last: FleetTime): Promise<FleetStats> {
    return await this.#cache.stats({ fleet: true, last })
  }

  async sample (): Promise<Contents> {
    return await this.#cache.sample()
  }

  async entries (options: EntriesOptions): Promise<EntriesPage> {
    return await this.#cache.entries(options)
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
    await (all ? this.#cache.invalidateAll({ soft }) : this.#cache.invalidate(targets, { soft }))
  }

  live (options: Parameters<Source['live']>[0]): AsyncIterable<LiveEvent> {
    return liveOfRedis(this.#place, options)
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    await this.#cache.close()
  }
}

export function unreachable ({ name, timeoutMs }: Pick<RedisPlace, 'name' | 'timeoutMs'>, fault: unknown): CommandError {
  const text = faultText(fault)
  return new CommandError(`cannot use ${name} (waited ${timeoutMs} ms): ${text}. ${redisFaultMeans(text)}`.trim())
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
