import { expectedGot, InvalidOptionError, OptionConflictError } from '../errors.ts'
import { checkOptions, func, isPlainObject } from '../options/check.ts'
import { LATENCY_BOUNDS_MS, type Latency } from '../stats/counts.ts'
import { boundedRoutes, type ObservedCache, type ObservedStats } from './observed.ts'
import { DURATION, durationsOf, METRICS, OWN_LABELS, type Labels } from './readings.ts'

/** What a registry is given for each name. */
export interface RegisteredMetric {
  get (): unknown
  /** Does nothing: the numbers are those of `cache.stats()`. */
  reset (): void
}

/** A `Registry` of prom-client, or of a package with the same interface. */
export interface MetricRegistry {
  registerMetric (metric: RegisteredMetric): void
  getSingleMetric (name: string): object | undefined
  removeSingleMetric (name: string): void
}

/** Options of `registerMetrics`. */
export interface RegisterMetricsOptions {
  /** Gives each metric the name that it has in the registry. Default: the name itself. */
  names?: (name: string) => string
  /** Labels of all metrics, such as `{ cache: 'public' }`. Default: none. */
  labels?: Readonly<Record<string, string>>
}

const WHERE = 'registerMetrics()'
const METRIC_NAME = /^[a-zA-Z_:][\w:]*$/
const LABEL_NAME = /^(?!__)[a-zA-Z_]\w*$/

/**
 * Puts the metrics of a cache into a registry of prom-client: the app's own, or that of fastify-metrics. Numbers are taken from
 * `cache.stats()` when the registry is read, and nothing is done for them while requests are answered. Gives back what takes them out again.
 * Errors: `RESPONSE_CACHE_ERR_OPTION_UNKNOWN`, `RESPONSE_CACHE_ERR_OPTION_INVALID`, and `RESPONSE_CACHE_ERR_OPTION_CONFLICT` when the registry has
 * a metric of one of the names.
 */
export function registerMetrics (cache: ObservedCache, registry: MetricRegistry, options: RegisterMetricsOptions = {}): () => void {
  checkOptions<RegisterMetricsOptions>(options, { names: func, labels: { expected: 'names with texts; not "le", nor those that metrics have of themselves', accepts: isLabels } }, WHERE)
  const metrics = metricsOf(cache, options)
  for (const { name } of metrics) checkName(registry, name)
  if (new Set(metrics.map(({ name }) => name)).size < metrics.length) throw new InvalidOptionError('names', WHERE, 'expected a name for each metric, got one twice')
  // A registry for OpenMetrics changes the names that it reads.
  const registered = metrics.map((metric) => ({ name: metric.name, metric }))
  for (const { metric } of registered) registry.registerMetric(metric)
  return () => {
    for (const { name, metric } of registered) if (registry.getSingleMetric(name) === metric) registry.removeSingleMetric(name)
  }
}

type Type = 'counter' | 'gauge' | 'histogram'

interface Value {
  readonly labels: Labels
  readonly value: number
  /** Where it is not that of the metric. */
  readonly metricName?: string
}

/** A metric of a registry whose values are read when they are asked for. */
class ReadMetric implements RegisteredMetric {
  /** Not for reading only: see above. */
  name: string
  readonly help: string
  readonly type: Type
  /** How prom-client joins the numbers of several processes. */
  readonly aggregator = 'sum'
  readonly #read: (name: string) => readonly Value[]

  constructor ({ name, help, type }: { name: string, help: string, type: Type }, read: (name: string) => readonly Value[]) {
    this.name = name
    this.help = help
    this.type = type
    this.#read = read
  }

  async get (): Promise<object> {
    const { name, help, type, aggregator } = this
    return { name, help, type, aggregator, values: this.#read(name) }
  }

  reset (): void {}
}

function metricsOf (cache: ObservedCache, { names = (name) => name, labels: own = {} }: RegisterMetricsOptions): ReadMetric[] {
  const read = readOnce(cache)
  const nameOf = (name: string, suffix: string): string => names(`response_cache_${name.replaceAll('.', '_')}${suffix}`)
  const simple = METRICS.map((metric) => new ReadMetric(
    { ...metric, name: nameOf(metric.name, metric.type === 'counter' ? '_total' : '') },
    () => metric.read(read()).map(({ labels, value }) => ({ labels: { ...own, ...labels }, value }))
  ))
  const durations = new ReadMetric({ ...DURATION, name: nameOf(DURATION.name, ''), type: 'histogram' },
    (name) => durationsOf(read()).flatMap(({ labels, latency }) => histogramOf(name, { ...own, ...labels }, latency)))
  return [...simple, durations]
}

/** A registry asks all of its metrics in one go: they share what is read, so that they fit together, and it is read once. */
function readOnce (cache: ObservedCache): () => ObservedStats {
  let current: ObservedStats | undefined
  return () => {
    if (current !== undefined) return current
    const stats = cache.stats()
    current = { ...stats, routes: boundedRoutes(stats.routes) }
    queueMicrotask(() => { current = undefined })
    return current
  }
}

function histogramOf (name: string, labels: Labels, { count, sumMs, classes }: Latency): Value[] {
  let below = 0
  const buckets = LATENCY_BOUNDS_MS.map((bound, at) => {
    below += classes[at] ?? 0
    return { metricName: `${name}_bucket`, labels: { ...labels, le: String(bound / 1000) }, value: below }
  })
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
    { metricName: `${name}_sum`, labels, value: sumMs / 1000 },
    { metricName: `${name}_count`, labels, value: count }
  ]
}

function checkName (registry: MetricRegistry, name: unknown): void {
  if (typeof name !== 'string' || !METRIC_NAME.test(name)) throw new InvalidOptionError('names', WHERE, expectedGot('names of letters, digits, "_" and ":"', name))
  if (registry.getSingleMetric(name) !== undefined) {
    throw new OptionConflictError(WHERE, `the registry has a metric "${name}" already. Register each cache once, and a second one in a registry of its own, or with the option "names".`)
  }
}

function isLabels (value: unknown): boolean {
  return isPlainObject(value) && Object.entries(value).every(([name, text]) => LABEL_NAME.test(name) && name !== 'le' && !OWN_LABELS.includes(name) && typeof text === 'string')
}
