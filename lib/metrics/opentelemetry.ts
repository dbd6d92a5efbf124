import { metrics, type Attributes, type BatchObservableCallback, type Histogram, type Meter, type Observable } from '@opentelemetry/api'
import { LATENCY_BOUNDS_MS } from '../stats/counts.ts'
import { kTime, type Source, type Timed } from '../stats/route-counters.ts'
import { boundedRoutes, OTHER, type ObservedCache } from './observed.ts'
import { DURATION, labelsOf, METRICS, type Labels } from './readings.ts'

const NAME = 'response_cache'

/**
 * Tells the numbers of a cache to OpenTelemetry: those of `cache.stats()` when they are collected, and how long each request took when it
 * is answered. `meter`: default that of the global meter provider for `fastify-response-cache`; set the provider before. Gives back what ends it.
 */
export function recordMetrics (cache: ObservedCache, meter: Meter = metrics.getMeter('fastify-response-cache')): () => void {
  const durations = new RecordedDurations(cache, meter.createHistogram(`${NAME}.${DURATION.name}`, {
    description: DURATION.help,
    unit: DURATION.unit,
    advice: { explicitBucketBoundaries: LATENCY_BOUNDS_MS.map((bound) => bound / 1000) }
  }))
  const endNumbers = observeNumbers(cache, meter, () => { durations.record() })
  return () => {
    endNumbers()
    durations.end()
  }
}

/** `onCollect`: callbacks come before what is recorded is collected. */
function observeNumbers (cache: ObservedCache, meter: Meter, onCollect: () => void): () => void {
  const observed = METRICS.map((metric) => {
    const options = { description: metric.help, unit: metric.unit }
    const name = `${NAME}.${metric.name}`
    return { metric, instrument: metric.type === 'counter' ? meter.createObservableCounter(name, options) : meter.createObservableUpDownCounter(name, options) }
  })
  const collect: BatchObservableCallback = (result) => {
    onCollect()
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

/** So many durations are recorded in one go: the SDK takes several times as long for one that comes between other work. */
const AT_ONCE = 256

/** Records the durations of a cache, those of some requests at a time. What is collected has all of them. */
class RecordedDurations {
  readonly #histogram: Histogram
  readonly #attributes: RouteAttributes
  readonly #stopHearing: (() => void) | undefined
  #waiting: Array<{ readonly seconds: number, readonly attributes: Attributes }> = []

  constructor (cache: ObservedCache, histogram: Histogram) {
    this.#histogram = histogram
    this.#attributes = new RouteAttributes(cache)
    this.#stopHearing = cache[kTime]?.((route, source, ms) => {
      this.#waiting.push({ seconds: ms / 1000, attributes: this.#attributes.of(route)[source] })
      // Not while a request is answered.
      if (this.#waiting.length === AT_ONCE) setImmediate(() => { this.record() })
    })
  }

  record (): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { seconds, attributes } of waiting) this.#histogram.record(seconds, attributes)
  }

  end (): void {
    this.#stopHearing?.()
    this.record()
  }
}

type BySource = Readonly<Record<Source, Attributes>>
type Route = Parameters<Timed>[0]

/** The attributes of the routes of a cache, made once. */
class RouteAttributes {
  readonly #cache: ObservedCache
  readonly #known = new Map<Route, BySource>()

  constructor (cache: ObservedCache) {
    this.#cache = cache
  }

  of (route: Route): BySource {
    let known = this.#known.get(route)
    if (known === undefined) this.#known.set(route, known = this.#make(route))
    return known
  }

  #make ({ route, namespace }: Route): BySource {
    const isIt = (one: Route): boolean => one.route === route && one.namespace === namespace
    const labels = labelsOf(boundedRoutes(this.#cache.stats().routes).find(isIt) ?? { route: OTHER, namespace: OTHER })
    return { cached: { ...labels, source: 'cached' }, uncached: { ...labels, source: 'uncached' } }
  }
}
