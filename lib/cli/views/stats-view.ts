import { hitRateOf, percentileOf, type Counts, type Latency } from '../../stats/counts.ts'
import type { FleetStats, FleetTime } from '../../stats/fleet-stats.ts'
import type { Contents, NamespaceContents } from '../../inspect/contents.ts'
import { right, type Output, type Row } from '../output.ts'
import { bytes, count, duration, NONE, percent } from '../units.ts'

export interface ShownStats {
  readonly source: string
  readonly last: FleetTime
  readonly fleet: FleetStats
  readonly contents: Contents
}

const TIMES = { '1h': 'the last hour', '24h': 'the last 24 hours' } as const

/** Numbers of all processes, as tables. */
export function showStats (output: Output, { source, last, fleet, contents }: ShownStats): void {
  output.heading(`${source}: ${TIMES[last]}, ${fleet.processes === 1 ? '1 process' : `${count(fleet.processes)} processes`}`)
  output.line()
  output.list(totals(fleet))
  output.line()
  output.table(['response times', right('requests'), right('mean'), right('p50'), right('p95'), right('p99')], [
    ['cached', ...latencyCells(fleet.cached)],
    ['uncached', ...latencyCells(fleet.uncached)]
  ])
  showReasons(output, fleet)
  showNamespaces(output, fleet, contents)
}

function totals (fleet: FleetStats): Row[] {
  const kinds = Object.entries(fleet.invalidations.byKind).map(([kind, value]) => `${kind} ${count(value)}`).join(', ')
  return [
    ['hit rate', percent(hitRateOf(fleet)), '(hits + stale) / (hits + stale + misses)'],
    ['hits', count(fleet.hits), fleet.collapsed === 0 ? '' : `${count(fleet.collapsed)} of them waited for another request`],
    ['stale', count(fleet.stale), ''],
    ['misses', count(fleet.misses), `${count(fleet.fills)} responses stored`],
    ['bypasses', count(fleet.bypasses), ''],
    ['refused', count(fleet.refused), ''],
    ['refreshes', count(fleet.refreshes), fleet.refreshErrors === 0 ? '' : `${count(fleet.refreshErrors)} brought nothing to store`],
    ['time saved', duration(fleet.savedMs), 'of handlers that did not run'],
    ['served', bytes(fleet.servedBytes), 'of bodies from the cache'],
    ['invalidations', count(fleet.invalidations.calls), kinds]
  ]
}

export function latencyCells (latency: Latency): string[] {
  const mean = latency.count === 0 ? undefined : latency.sumMs / latency.count
  return [count(latency.count), duration(mean), ...[0.5, 0.95, 0.99].map((share) => duration(percentileOf(latency, share)))]
}

const REASONS = [
  ['bypass', 'bypassReasons'], ['miss', 'missReasons'], ['stale', 'staleReasons'], ['not stored', 'notStoredReasons'], ['refused', 'refusalReasons']
] as const

function showReasons (output: Output, counts: Counts): void {
  const rows = REASONS.flatMap(([outcome, name]) => Object.entries(counts[name])
    .sort(([, a], [, b]) => b - a)
    .map(([reason, value]) => [outcome, reason, count(value)]))
  if (rows.length === 0) return
  output.line()
  output.table(['outcome', 'reason', right('requests')], rows)
}

const TTL_HEADS = ['< 1 min', '< 5 min', '< 1 h', '< 1 d', 'longer']

function showNamespaces (output: Output, { namespaces }: FleetStats, contents: Contents): void {
  const names = [...new Set([...Object.keys(namespaces), ...Object.keys(contents.namespaces)])].sort()
  if (names.length === 0) return
  output.line()
  const about = contents.isComplete ? '' : '~'
  output.table(['namespace', ...['requests', 'hit rate', 'time saved', 'entries', 'bytes', ...TTL_HEADS].map(right)], names.map((name) => {
    const counts = own(namespaces, name)
    const stored = own(contents.namespaces, name)
    return [
      name,
      count(counts === undefined ? undefined : requestsOf(counts)),
      percent(counts === undefined ? undefined : hitRateOf(counts)),
      duration(counts?.savedMs),
      ...storedCells(stored, about)
    ]
  }))
  if (!contents.isComplete) output.line(`~ estimated: ${count(contents.scanned)} entries were looked at${contents.share === undefined ? '' : `, about ${percent(contents.share)} of all`}`)
}

function storedCells (stored: NamespaceContents | undefined, about: string): string[] {
  if (stored === undefined) return [NONE, NONE, ...TTL_HEADS.map(() => NONE)]
  return [`${about}${count(stored.entries)}`, `${about}${bytes(stored.bytes)}`, ...TTL_HEADS.map((_, at) => count(stored.ttl.classes[at]))]
}

/** A namespace may have the name of what every object has. */
function own<T> (values: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined
}

/** Each request is one of these. */
export function requestsOf ({ hits, stale, misses, bypasses, refused }: Counts): number {
  return hits + stale + misses + bypasses + refused
}
