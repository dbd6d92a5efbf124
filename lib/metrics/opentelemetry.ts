import { metrics, type Attributes, type BatchObservableCallback, type Histogram, type Meter, type Observable } from '@opentelemetry/api'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { responses, type ResponseMessage } from '../channels.ts'
import { LATENCY_BOUNDS_MS } from '../stats/counts.ts'
import { boundedRoutes, OTHER, type ObservedCache } from './observed.ts'
import { DURATION, labelsOf, METRICS, type Labels, type Source } from './readings.ts'

const NAME = 'response_cache'

/** What a response came from, for those that are timed. */
const SOURCE_OF: Readonly<Partial<Record<ResponseMessage['outcome'], Source>>> = { hit: 'cached', stale: 'cached', miss: 'uncached', revalidated: 'uncached' }

/**
 * Tells the numbers of a cache to OpenTelemetry: those of `cache.stats()` when they are collected, and how long each request took when it
 * is answered. `meter`: default that of the global meter provider for `fastify-response-cache`; set the provider before. Gives back what ends it.
 */
export function recordMetrics (cache: ObservedCache, meter: Meter = metrics.getMeter('fastify-response-cache')): () => void {
  const endNumbers = observeNumbers(cache, meter)
  const endDurations = recordDurations(cache, meter.createHistogram(`${NAME}.${DURATION.name}`, {
    description: DURATION.help,
    unit: DURATION.unit,
    advice: { explicitBucketBoundaries: LATENCY_BOUNDS_MS.map((bound) => bound / 1000) }
  }))
  return () => {
    endNumbers()
    endDurations()
  }
}

function observeNumbers (cache: ObservedCache, meter: Meter): () => void {
  const observed = METRICS.map((metric) => {
    const options = { description: metric.help, unit: metric.unit }
    const name = `${NAME}.${metric.name}`
    return { metric, instrument: metric.type === 'counter' ? meter.createObservableCounter(name, options) : meter.createObservableUpDownCounter(name, options) }
  })
  const collect: BatchObservableCallback = (result) => {
    const stats = cache.stats()
    const bounded = { ...stats, routes: boundedRoutes(stats.routes) }
    for (const { metric, instrument } of observed) for (const { labels, value } of metric.read(bounded)) if (isTold(labels, value)) result.observe(instrument, value, labels)
  }
  const instruments: Observable[] = observed.map(({ instrument }) => instrument)
  meter.addBatchObservableCallback(collect, instruments)
  return () => { meter.removeBatchObservableCallback(collect, instruments) }
}

/** The SDK takes 2,000 series of a metric by default, and knows by itself when each began. */
function isTold ({ route }: Labels, value: number): boolean {
  return value !== 0 || route === undefined
}

function recordDurations (cache: ObservedCache, histogram: Histogram): () => void {
  const known = new RouteAttributes(cache)
  const record = (message: unknown): void => {
    const { outcome, ms, ...about } = message as ResponseMessage // the channel has only these
    const source = SOURCE_OF[outcome]
    const attributes = source === undefined ? undefined : known.of(about)?.[source]
    if (attributes !== undefined) histogram.record(ms / 1000, attributes)
  }
  subscribe(responses.name, record)
  return () => { unsubscribe(responses.name, record) }
}

type BySource = Readonly<Record<Source, Attributes>>

/** The attributes of the routes of one cache. The channel tells of those of all caches in the process. */
class RouteAttributes {
  readonly #cache: ObservedCache
  /** `undefined`: a route of another cache. As many as the process has routes. */
  readonly #known = new Map<string, BySource | undefined>()

  constructor (cache: ObservedCache) {
    this.#cache = cache
  }

  of ({ route, namespace }: Pick<ResponseMessage, 'route' | 'namespace'>): BySource | undefined {
    const name = `${route}\n${namespace}`
    if (!this.#known.has(name)) this.#known.set(name, this.#find(route, namespace))
    return this.#known.get(name)
  }

  #find (route: string, namespace: string): BySource | undefined {
    const { routes } = this.#cache.stats()
    const isIt = (one: { route: string, namespace: string }): boolean => one.route === route && one.namespace === namespace
    if (!routes.some(isIt)) return undefined
    const labels = labelsOf(boundedRoutes(routes).find(isIt) ?? { route: OTHER, namespace: OTHER })
    return { cached: { ...labels, source: 'cached' }, uncached: { ...labels, source: 'uncached' } }
  }
}
