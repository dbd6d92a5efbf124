import { setTimeout as sleep } from 'node:timers/promises'
import type { InvalidationPreview } from '../../admin/invalidation-preview.ts'
import type { SeenInvalidation } from '../../admin/recent-invalidations.ts'
import type { Advice } from '../../advice/advice.ts'
import type { CacheStats } from '../../client/cache.ts'
import type { ExplainedRequest, Explanation } from '../../client/explanation.ts'
import type { Health } from '../../client/health.ts'
import type { EntriesOptions } from '../../client/inspection.ts'
import type { Contents, NamespaceContents } from '../../inspect/contents.ts'
import type { FleetStats, FleetTime } from '../../stats/fleet-stats.ts'
import type { Outcome, WarmReport } from '../../warming/warming.ts'
import type { AdminPlace } from '../places.ts'
import { AdminClient } from './admin-client.ts'
import { Growth, type LiveEvent } from './live-event.ts'
import { faultText } from './redis-fault.ts'
import type { AppSource, Inspected, InspectedOptions, Invalidating, ListedPage, Source } from './source.ts'

/** Processes behind one address whose numbers are told apart. */
const MOST_PROCESSES = 100

/** A cache as the admin routes of its app show it. */
export class AdminSource implements Source, AppSource {
  readonly name: string
  readonly #client: AdminClient

  constructor (place: AdminPlace) {
    this.name = place.name
    this.#client = new AdminClient(place)
  }

  async fleet (last: FleetTime): Promise<FleetStats> {
    return await this.#client.get<FleetStats>('stats/fleet', 'processes', { last })
  }

  async sample (): Promise<Contents> {
    // Those that were only counted, and have nothing stored, are in the list as well.
    const { namespaces, ...rest } = await this.#client.get<Omit<Contents, 'namespaces'> & { namespaces: Array<NamespaceContents & { namespace: string }> }>('namespaces', 'namespaces')
    return { ...rest, namespaces: Object.fromEntries(namespaces.filter(({ ttl }) => ttl.classes.length > 0).map(({ namespace, entries, bytes, ttl }) => [namespace, { entries, bytes, ttl }])) }
  }

  async entries ({ namespace, match, cursor, limit }: EntriesOptions): Promise<ListedPage> {
    return await this.#client.get<ListedPage>('entries', 'entries', { namespace, match, cursor, limit: limit?.toString() })
  }

  async inspect (key: string, { body, isPerUserShown }: InspectedOptions): Promise<Inspected | undefined> {
    return await this.#client.find<Inspected>('entry', 'key', { key, body: String(body), perUser: String(isPerUserShown) })
  }

  async preview (targets: Invalidating): Promise<InvalidationPreview> {
    return (await this.#client.post<{ preview: InvalidationPreview }>('invalidate', 'preview', { ...targets, preview: true })).preview
  }

  async invalidate (targets: Invalidating, { soft }: { readonly soft: boolean }): Promise<void> {
    await this.#client.post<{ invalidated: unknown }>('invalidate', 'invalidated', { ...targets, soft })
  }

  async isInUse (): Promise<boolean> {
    return true // it answers
  }

  async explain (first: ExplainedRequest, second: ExplainedRequest | undefined): Promise<Explanation> {
    return await this.#client.post<Explanation>('explain', 'outcome', second === undefined ? { first } : { first, second })
  }

  async warm (url: string, headers: Readonly<Record<string, string>>): Promise<Outcome> {
    const report = await this.#client.postSlowly<WarmReport>('warm', 'filled', { urls: [url], ...Object.keys(headers).length === 0 ? {} : { headers } })
    if (report === undefined) return { outcome: 'failed', reason: 'its handler takes longer than the admin routes wait' }
    const { filled, fresh, failures: [failure] } = report
    if (filled + fresh > 0) return { outcome: filled > 0 ? 'filled' : 'fresh' }
    return { outcome: 'failed', reason: failure?.reason ?? 'the app does not say why' }
  }

  async health (): Promise<Health> {
    return await this.#client.get<Health>('health', 'status')
  }

  async advice (): Promise<readonly Advice[]> {
    return (await this.#client.get<{ advice: readonly Advice[] }>('advice', 'advice')).advice
  }

  async * live ({ signal, everyMs, onNote }: Parameters<Source['live']>[0]): AsyncGenerator<LiveEvent, void> {
    const seen = new Seen()
    let isFailing = false
    while (!signal.aborted) {
      try {
        const [stats, { events }] = await Promise.all([this.#client.get<CacheStats>('stats', 'routes'), this.#client.get<{ events: readonly SeenInvalidation[] }>('events', 'events')])
        isFailing = false
        yield * seen.news(stats, events)
      } catch (fault) {
        if (!isFailing) onNote(`the admin routes do not answer: ${faultText(fault)}`)
        isFailing = true
      }
      await sleep(everyMs, undefined, { signal }).catch(() => {}) // ended meanwhile
    }
  }

  async [Symbol.asyncDispose] (): Promise<void> {}
}

/** What was seen of each process that answers at the address, by when it began to count. */
class Seen {
  readonly #processes = new Map<number, { readonly growth: Growth, lastAt: number }>();

  * news (stats: CacheStats, events: readonly SeenInvalidation[]): Generator<LiveEvent, void> {
    const known = this.#processes.get(stats.since)
    // What a process has done before it was met is no news.
    const process = known ?? { growth: new Growth(), lastAt: events[0]?.at ?? 0 }
    this.#processes.set(stats.since, process)
    if (this.#processes.size > MOST_PROCESSES) this.#processes.delete(this.#processes.keys().next().value!)
    for (const { at, kinds, omitted, soft } of events.filter((event) => event.at > process.lastAt).toReversed()) {
      yield { kind: 'invalidation', at, soft, targets: [...Object.entries(kinds).flatMap(([kind, names]) => inWords(kind, names)), ...omitted === 0 ? [] : [`and ${omitted} more`]] }
    }
    process.lastAt = Math.max(process.lastAt, events[0]?.at ?? 0)
    yield * process.growth.added(stats.routes, { at: Date.now(), isFirst: known === undefined })
  }
}

function inWords (kind: string, names: readonly string[]): string[] {
  return kind === 'all' ? ['everything'] : names.map((name) => `${kind.replace(/s$/, '')} ${JSON.stringify(name)}`)
}
