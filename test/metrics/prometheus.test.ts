import { fills, lookups, marking, responses, stores } from '../../lib/channels.ts'
import Fastify from 'fastify'
import fastifyMetrics from 'fastify-metrics'
import { AggregatorRegistry, Counter, Registry } from 'prom-client'
import { test } from 'tap'
import { LATENCY_BOUNDS_MS, type CacheStats } from '../../lib/index.ts'
import { MOST_ROUTES, type ObservedStats } from '../../lib/metrics/observed.ts'
import { registerMetrics } from '../../lib/metrics/prometheus.ts'
import { nothingOf } from '../stats/fleet-scene.ts'
import { findOnPath } from '../helpers/find-on-path.ts'
import { median } from '../helpers/median.ts'
import { runWithInput } from './run-with-input.ts'
import { KNOWN, makeLoad, openApp } from './load.ts'
import { readMetrics } from './read-metrics.ts'

const thing = { route: 'GET /things/:id', namespace: 'thing' }
const page = { route: 'GET /welcome', namespace: 'page' }

test('numbers in Prometheus are those of a known load', async (t) => {
  const app = await openApp(t)
  const registry = new Registry()
  registerMetrics(app.cache, registry)
  await makeLoad(app)

  const read = readMetrics(await registry.metrics())
  const requests = (labels: Record<string, string>): number => read.sum('response_cache_requests_total', labels)
  t.equal(requests({ ...thing, outcome: 'hit' }), KNOWN.hits)
  t.equal(requests({ ...thing, outcome: 'miss', reason: 'uri-miss' }), KNOWN.misses)
  t.equal(requests({ ...thing, outcome: 'bypass', reason: 'credentials' }), KNOWN.bypasses)
  t.equal(requests({ ...thing, outcome: 'refused', reason: 'only-if-cached' }), KNOWN.refused)
  t.equal(requests({}), 15 + 4 + 2 + 1, 'each request is counted once')
  t.equal(read.sum('response_cache_fills_total', {}), KNOWN.misses)
  t.equal(read.sum('response_cache_not_stored_total', { ...page, reason: 'set-cookie' }), KNOWN.notStored)
  t.equal(read.sum('response_cache_served_bytes_total', thing), KNOWN.servedBytes)
  t.equal(read.sum('response_cache_invalidations_total', { kind: 'tags' }), KNOWN.invalidations)
  t.equal(read.sum('response_cache_invalidations_total', { kind: 'keys' }), 1)
  t.equal(read.sum('response_cache_invalidation_causes_total', { cause: 'call' }), KNOWN.invalidations)
  t.equal(read.sum('response_cache_invalidation_causes_total', {}), KNOWN.invalidations)
  for (const direction of ['read', 'write']) {
    t.equal(read.sum('response_cache_store_state', { direction, state: 'closed' }), 1)
    t.equal(read.sum('response_cache_store_state', { direction }), 1, 'one state at a time')
  }
})

test('durations are a histogram whose classes add up', async (t) => {
  const app = await openApp(t)
  const registry = new Registry()
  registerMetrics(app.cache, registry)
  await makeLoad(app)

  const read = readMetrics(await registry.metrics())
  const { cached } = app.cache.stats().routes.find(({ route }) => route === thing.route)!
  for (const [source, count] of [['cached', KNOWN.cached], ['uncached', KNOWN.uncached]] as const) {
    t.equal(read.sum('response_cache_duration_seconds_count', { source }), count)
    t.equal(read.sum('response_cache_duration_seconds_bucket', { source, le: '+Inf' }), count)
  }
  t.equal(read.sum('response_cache_duration_seconds_sum', { ...thing, source: 'cached' }), cached.sumMs / 1000)
  let below = 0
  for (const [at, bound] of LATENCY_BOUNDS_MS.entries()) {
    below += cached.classes[at]!
    t.equal(read.sum('response_cache_duration_seconds_bucket', { ...thing, source: 'cached', le: String(bound / 1000) }), below)
  }
})

test('every metric says what it is', async (t) => {
  const app = await openApp(t)
  const registry = new Registry()
  registerMetrics(withMemory(app.cache.stats()), registry)
  const { types, helps, names } = readMetrics(await registry.metrics())
  t.equal(types.get('response_cache_duration_seconds'), 'histogram')
  for (const [name, type] of types) {
    if (type !== 'histogram') t.equal(type, name.endsWith('_total') ? 'counter' : 'gauge', name)
    t.ok(helps.get(name), name)
    t.ok(names.has(name) || names.has(`${name}_bucket`) || /invalidations|not_stored/.test(name), `${name} has a value from the beginning`)
  }
})

test('promtool has no complaint', { skip: findOnPath(['promtool']) === undefined && 'no promtool here: it comes with Prometheus' }, async (t) => {
  const app = await openApp(t)
  const registry = new Registry()
  registerMetrics(withMemory(app.cache.stats()), registry)
  await makeLoad(app)
  const { code, output } = await runWithInput(['promtool', 'check', 'metrics'], await registry.metrics())
  t.equal(code, 0, output)
  t.equal(output.trim(), '')
})

test('a registry for OpenMetrics, its JSON, its default labels and its reset work', async (t) => {
  const app = await openApp(t)
  const registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  registry.setDefaultLabels({ app: 'shop' })
  const unregister = registerMetrics(app.cache, registry, { labels: { cache: 'public' } })
  await makeLoad(app)
  registry.resetMetrics()
  for (const time of ['first', 'second']) {
    const read = readMetrics(await registry.metrics())
    t.equal(read.sum('response_cache_requests_total', { ...thing, app: 'shop', cache: 'public', outcome: 'hit' }), KNOWN.hits, time)
    t.equal(read.types.get('response_cache_requests'), 'counter', 'as OpenMetrics has it')
  }
  const json = await registry.getMetricsAsJSON()
  const requests = json.find(({ name }) => name === 'response_cache_requests')
  t.match(requests?.values.find(({ labels }) => labels.outcome === 'hit' && labels.reason === ''), { value: KNOWN.hits, labels: { app: 'shop', cache: 'public' } })
  unregister()
  t.strictSame(registry.getMetricsAsArray(), [], 'also under the names that such a registry has given them')
})

test('the processes of a cluster add up', async (t) => {
  const told = await Promise.all([1, 2].map(async () => {
    const app = await openApp(t)
    const registry = new Registry()
    registerMetrics(app.cache, registry)
    await makeLoad(app)
    return JSON.parse(JSON.stringify(await registry.getMetricsAsJSON())) as object[]
  }))
  const read = readMetrics(await AggregatorRegistry.aggregate(told).metrics())
  t.equal(read.sum('response_cache_requests_total', { ...thing, outcome: 'hit' }), 2 * KNOWN.hits)
  t.equal(read.sum('response_cache_duration_seconds_bucket', { source: 'uncached', le: '+Inf' }), 2 * KNOWN.uncached)
  t.equal(read.sum('response_cache_store_state', { direction: 'read', state: 'closed' }), 2)
})

test('a second registration is refused, and nothing of it stays', async (t) => {
  const [app, other] = [await openApp(t), await openApp(t)]
  const registry = new Registry()
  const unregister = registerMetrics(app.cache, registry)
  const before = registry.getMetricsAsArray().length
  t.throws(() => registerMetrics(other.cache, registry), { code: 'RESPONSE_CACHE_ERR_OPTION_CONFLICT', message: /"response_cache_requests_total" already/ })
  t.equal(registry.getMetricsAsArray().length, before)

  const unregisterOther = registerMetrics(other.cache, registry, { names: (name) => `other_${name}` })
  await makeLoad(other)
  const read = readMetrics(await registry.metrics())
  t.equal(read.sum('other_response_cache_requests_total', { ...thing, outcome: 'hit' }), KNOWN.hits)
  t.equal(read.sum('response_cache_requests_total', {}), 0)

  unregister()
  unregister()
  t.equal(registry.getMetricsAsArray().length, before)
  unregisterOther()
  t.equal(registry.getMetricsAsArray().length, 0)
})

test('where another metric has one of the names, all are refused; after clear() another is left alone', async (t) => {
  const app = await openApp(t)
  const registry = new Registry()
  const taken = { name: 'response_cache_store_state', help: 'of somebody else', registers: [registry] }
  const somebody = new Counter(taken)
  t.throws(() => registerMetrics(app.cache, registry), { code: 'RESPONSE_CACHE_ERR_OPTION_CONFLICT' })
  t.strictSame(registry.getMetricsAsArray(), [somebody])

  registry.clear()
  const unregister = registerMetrics(app.cache, registry)
  registry.clear()
  const another = new Counter(taken)
  unregister()
  t.strictSame(registry.getMetricsAsArray(), [another])
})

test('wrong options are refused', async (t) => {
  const app = await openApp(t)
  const register = (options: object) => () => registerMetrics(app.cache, new Registry(), options)
  t.throws(register({ label: {} }), { code: 'RESPONSE_CACHE_ERR_OPTION_UNKNOWN', message: /"labels"/ })
  for (const labels of [{ route: 'x' }, { le: 'x' }, { 'a-b': 'x' }, { __a: 'x' }, { a: 1 }, []]) t.throws(register({ labels }), { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID' })
  for (const names of ['x', () => 'a b', () => 'same', () => undefined]) t.throws(register({ names }), { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID' })
})

test('fastify-metrics shows the cache at its route', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyMetrics.default, { endpoint: '/metrics', clearRegisterOnInit: true })
  const cached = await openApp(t)
  t.teardown(registerMetrics(cached.cache, app.metrics.client.register))
  await makeLoad(cached)
  const { body } = await app.inject('/metrics')
  const read = readMetrics(body)
  t.equal(read.sum('response_cache_requests_total', { ...thing, outcome: 'hit' }), KNOWN.hits)
  t.ok(read.names.has('process_cpu_seconds_total'), 'with its own metrics')
})

test('a thousand routes have names, all others count together', async (t) => {
  const stats = withMemory((await openApp(t)).cache.stats()).stats()
  const routes = Array.from({ length: MOST_ROUTES + 5 }, (_, at) => ({ ...nothingOf(`GET /${at}`, 'n'), hits: 1 }))
  const registry = new Registry()
  registerMetrics({ stats: () => ({ ...stats, routes }) }, registry)
  const read = readMetrics(await registry.metrics())
  t.equal(read.sum('response_cache_requests_total', { outcome: 'hit' }), MOST_ROUTES + 5)
  t.equal(read.sum('response_cache_requests_total', { route: 'other', namespace: 'other', outcome: 'hit' }), 5)
  t.equal(read.valuesOf('response_cache_requests_total', 'route').size, MOST_ROUTES + 1)
})

test('a hit that had waited is told apart, and counted once', async (t) => {
  const stats = withMemory((await openApp(t)).cache.stats()).stats()
  const registry = new Registry()
  registerMetrics({ stats: () => ({ ...stats, routes: [{ ...nothingOf('GET /', 'n'), hits: 5, collapsed: 2 }] }) }, registry)
  const read = readMetrics(await registry.metrics())
  t.equal(read.sum('response_cache_requests_total', { outcome: 'hit', reason: 'collapsed' }), 2)
  t.equal(read.sum('response_cache_requests_total', { outcome: 'hit' }), 5)
})

test('what a route is called cannot forge a line', async (t) => {
  const stats = withMemory((await openApp(t)).cache.stats()).stats()
  const route = 'GET /a"} 9\nresponse_cache_forged 1 #\\'
  const registry = new Registry()
  registerMetrics({ stats: () => ({ ...stats, routes: [nothingOf(route, 'n')] }) }, registry)
  const read = readMetrics(await registry.metrics())
  t.notOk(read.names.has('response_cache_forged'))
  t.strictSame([...read.valuesOf('response_cache_fills_total', 'route')], [route])
})

test('nothing is done for it while requests are answered, and one reading reads once', async (t) => {
  const app = await openApp(t)
  let reads = 0
  const registry = new Registry()
  registerMetrics({ stats: () => { reads++; return app.cache.stats() } }, registry)
  await makeLoad(app)
  t.equal(reads, 0)
  for (const channel of [responses, ...[lookups, fills, stores, marking].flatMap(({ start, end, asyncStart, asyncEnd, error }) => [start, end, asyncStart, asyncEnd, error])]) t.notOk(channel.hasSubscribers, String(channel.name))
  await registry.metrics()
  t.equal(reads, 1)
  await registry.getMetricsAsJSON()
  t.equal(reads, 2)
})

test('to be registered costs requests nothing that can be measured', async (t) => {
  const app = await openApp(t)
  const times = { without: [] as number[], with: [] as number[] }
  const ratio = (): number => median(times.without) / median(times.with)
  // Noise passes, and a cost stays.
  for (let round = 0; round < 5 || (round < 80 && ratio() < 0.9); round++) {
    const ways = ['without', 'with'] as const
    for (const way of round % 2 === 0 ? ways : ways.toReversed()) {
      const unregister = way === 'with' ? registerMetrics(app.cache, new Registry()) : () => {}
      const before = process.cpuUsage()
      for (let request = 0; request < 200; request++) await app.inject('/things/1')
      const { user, system } = process.cpuUsage(before)
      times[way].push(user + system)
      unregister()
    }
  }
  t.ok(ratio() >= 0.9, `ratio ${ratio().toFixed(2)}`)
})

function withMemory (stats: CacheStats): { stats: () => ObservedStats } {
  return { stats: () => ({ ...stats, memory: { entries: 1, bytes: 2, maxBytes: 3, evictions: 4 } }) }
}
