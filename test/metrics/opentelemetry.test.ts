import { metrics } from '@opentelemetry/api'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader, type DataPoint, type Histogram, type MetricData } from '@opentelemetry/sdk-metrics'
import { test, type Test } from 'tap'
import { responses } from '../../lib/channels.ts'
import { LATENCY_BOUNDS_MS } from '../../lib/index.ts'
import { MOST_ROUTES } from '../../lib/metrics/observed.ts'
import { recordMetrics } from '../../lib/metrics/opentelemetry.ts'
import { kTime, type Timed } from '../../lib/stats/route-counters.ts'
import { nothingOf } from '../stats/fleet-scene.ts'
import { KNOWN, makeLoad, openApp } from './load.ts'

const thing = { route: 'GET /things/:id', namespace: 'thing' }

test('numbers in OpenTelemetry are those of a known load', async (t) => {
  const { provider, collect } = openProvider(t)
  const app = await openApp(t)
  t.teardown(recordMetrics(app.cache, provider.getMeter('test')))
  await makeLoad(app)

  const read = await collect()
  t.equal(read.sum('response_cache.requests', { ...thing, outcome: 'hit' }), KNOWN.hits)
  t.equal(read.sum('response_cache.requests', { ...thing, outcome: 'miss', reason: 'uri-miss' }), KNOWN.misses)
  t.equal(read.sum('response_cache.requests', { ...thing, outcome: 'bypass', reason: 'credentials' }), KNOWN.bypasses)
  t.equal(read.sum('response_cache.requests', { ...thing, outcome: 'refused', reason: 'only-if-cached' }), KNOWN.refused)
  t.equal(read.sum('response_cache.not_stored', { reason: 'set-cookie' }), KNOWN.notStored)
  t.equal(read.sum('response_cache.served_bytes', thing), KNOWN.servedBytes)
  t.equal(read.sum('response_cache.invalidations', { kind: 'tags' }), KNOWN.invalidations)
  t.equal(read.sum('response_cache.store.state', { direction: 'read', state: 'closed' }), 1)
  t.equal(read.sum('response_cache.memory.entries', {}), app.cache.stats().memory?.entries)
  t.equal(read.sum('response_cache.requests', {}), 15 + 4 + 2 + 1, 'each request is counted once')
})

test('durations are a histogram of the same classes and numbers as in stats()', async (t) => {
  const { provider, collect } = openProvider(t)
  const app = await openApp(t)
  t.teardown(recordMetrics(app.cache, provider.getMeter('test')))
  await makeLoad(app)

  const read = await collect()
  const [cached, uncached] = (['cached', 'uncached'] as const).map((source) => read.histogramOf('response_cache.duration_seconds', { ...thing, source }))
  t.equal(cached?.count, KNOWN.cached)
  t.equal(uncached?.count, KNOWN.misses)
  t.strictSame(cached?.buckets.boundaries, LATENCY_BOUNDS_MS.map((bound) => bound / 1000))
  const { sumMs } = app.cache.stats().routes.find(({ route }) => route === thing.route)!.cached
  t.ok(Math.abs(cached!.sum! - sumMs / 1000) < 0.001 * KNOWN.cached, `${cached!.sum} s, ${sumMs} ms`)
})

test('each of two caches in a process has its own numbers, also of routes that are called the same', async (t) => {
  const [first, second] = [openProvider(t), openProvider(t)]
  const [app, other] = [await openApp(t), await openApp(t)]
  t.teardown(recordMetrics(app.cache, first.provider.getMeter('test')))
  t.teardown(recordMetrics(other.cache, second.provider.getMeter('test')))
  await makeLoad(app)
  await other.inject('/things/1')
  const [one, two] = [await first.collect(), await second.collect()]
  t.equal(one.histogramOf('response_cache.duration_seconds', { ...thing, source: 'cached' })?.count, KNOWN.cached)
  t.equal(one.histogramOf('response_cache.duration_seconds', { ...thing, source: 'uncached' })?.count, KNOWN.misses)
  t.equal(two.histogramOf('response_cache.duration_seconds', { ...thing, source: 'uncached' })?.count, 1)
  t.equal(two.histogramOf('response_cache.duration_seconds', { source: 'cached' }), undefined)
})

test('what is collected has every duration, however many there were', async (t) => {
  const { provider, collect } = openProvider(t)
  const app = await openApp(t)
  const stop = recordMetrics(app.cache, provider.getMeter('test'))
  const cached = async () => (await collect()).histogramOf('response_cache.duration_seconds', { ...thing, source: 'cached' })
  await app.inject('/things/1')
  let hits = 0
  for (const more of [1, 254, 1, 1, 300, 7]) {
    for (let left = more; left > 0; left--) await app.inject('/things/1')
    const told = await cached()
    t.equal(told?.count, hits += more)
    t.strictSame(told?.buckets.counts, app.cache.stats().routes.find(({ route }) => route === thing.route)!.cached.classes, 'each in its class')
  }
  await app.inject('/things/1')
  stop()
  t.equal((await cached())?.count, hits + 1, 'also what had waited when it ended')
})

test('no message is made of a request for metrics', async (t) => {
  const { provider } = openProvider(t)
  const app = await openApp(t)
  t.teardown(recordMetrics(app.cache, provider.getMeter('test')))
  t.notOk(responses.hasSubscribers)
})

test('stop() ends it: nothing is told', async (t) => {
  const { provider, collect } = openProvider(t)
  const app = await openApp(t)
  const stop = recordMetrics(app.cache, provider.getMeter('test'))
  stop()
  stop()
  await makeLoad(app)
  const read = await collect()
  t.equal(read.sum('response_cache.requests', {}), 0)
  t.equal(read.histogramOf('response_cache.duration_seconds', {}), undefined)
})

test('without a meter it is that of the global provider', async (t) => {
  const { provider, collect } = openProvider(t)
  metrics.setGlobalMeterProvider(provider)
  t.teardown(() => { metrics.disable() })
  const app = await openApp(t)
  t.teardown(recordMetrics(app.cache))
  await makeLoad(app)
  t.equal((await collect()).sum('response_cache.requests', { ...thing, outcome: 'hit' }), KNOWN.hits)
})

test('a thousand routes have names, all others are told together', async (t) => {
  const { provider, collect } = openProvider(t)
  const app = await openApp(t)
  const routes = Array.from({ length: MOST_ROUTES + 5 }, (_, at) => ({ ...nothingOf(`GET /${at}`, 'n'), hits: 1 }))
  const heard: Timed[] = []
  t.teardown(recordMetrics({
    stats: () => ({ ...app.cache.stats(), routes }),
    [kTime]: (hear) => {
      heard.push(hear)
      return () => {}
    }
  }, provider.getMeter('test')))
  for (const route of routes) for (const hear of heard) hear(route, 'cached', 1)
  const read = await collect()
  t.equal(read.sum('response_cache.fills', {}), 0)
  t.equal(read.sum('response_cache.requests', { route: 'other', outcome: 'hit' }), 5)
  t.equal(read.histogramOf('response_cache.duration_seconds', { route: 'other', source: 'cached' })?.count, 5)
  t.equal(read.histogramOf('response_cache.duration_seconds', { route: 'GET /0', source: 'cached' })?.count, 1)
})

interface Collected {
  sum (name: string, attributes: Readonly<Record<string, string>>): number
  histogramOf (name: string, attributes: Readonly<Record<string, string>>): Histogram | undefined
}

/** The real SDK, which keeps what it exports in memory. */
function openProvider (t: Test): { provider: MeterProvider, collect: () => Promise<Collected> } {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 600_000 })] })
  t.teardown(() => provider.shutdown())
  return {
    provider,
    collect: async () => {
      exporter.reset()
      await provider.forceFlush()
      const all = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
      const pointsOf = (name: string, attributes: Readonly<Record<string, string>>): Array<DataPoint<number | Histogram>> => all.filter(({ descriptor }) => descriptor.name === name).flatMap(allPoints)
        .filter((point) => Object.entries(attributes).every(([label, value]) => point.attributes[label] === value))
      return {
        sum: (name, attributes) => pointsOf(name, attributes).reduce((sum, { value }) => sum + (typeof value === 'number' ? value : 0), 0),
        histogramOf: (name, attributes) => pointsOf(name, attributes).map(({ value }) => value).find((value) => typeof value !== 'number')
      }
    }
  }
}

function allPoints ({ dataPoints }: MetricData): Array<DataPoint<number | Histogram>> {
  return dataPoints as Array<DataPoint<number | Histogram>> // of which kind is known by the name
}
