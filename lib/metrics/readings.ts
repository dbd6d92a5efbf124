import type { ByWord, InvalidationCause, Latency, RouteStats } from '../stats/counts.ts'
import type { Source } from '../stats/route-counters.ts'
import type { BreakerState } from '../store/breaker.ts'
import type { ObservedStats } from './observed.ts'

export type Labels = Readonly<Record<string, string>>

/** A number with what it is of. */
export interface Reading {
  readonly labels: Labels
  readonly value: number
}

/** Something that is told to whoever watches: the same for Prometheus and OpenTelemetry. */
export interface Metric {
  /** Without what all names begin with; parts are separated by dots. */
  readonly name: string
  readonly help: string
  /** In the words of UCUM. */
  readonly unit: string
  /** A counter goes up only, as long as the process lives. */
  readonly type: 'counter' | 'gauge'
  read (stats: ObservedStats): readonly Reading[]
}

/** How long requests took. */
export const DURATION = { name: 'duration_seconds', unit: 's', help: 'From the look-up until the response was given to be sent, of responses from the cache and of those of handlers' } as const

export const SOURCES: readonly Source[] = ['cached', 'uncached']

/** The durations of each route, by where the response came from. */
export function durationsOf ({ routes }: ObservedStats): ReadonlyArray<{ readonly labels: Labels, readonly latency: Latency }> {
  return routes.flatMap((route) => SOURCES.map((source) => ({ labels: { ...labelsOf(route), source }, latency: route[source] })))
}

const STATES: readonly BreakerState[] = ['closed', 'half-open', 'open']

const ofRoutes: readonly Metric[] = [
  { name: 'requests', unit: '{request}', type: 'counter', help: 'Requests of cached routes, by what they came to and why', read: ({ routes }) => routes.flatMap(requestsOf) },
  routeCounter('fills', '{response}', 'Responses that became what is stored', ({ fills }) => fills),
  routeCounter('refreshes', '{request}', 'Requests repeated in the background', ({ refreshes }) => refreshes),
  routeCounter('refresh_errors', '{request}', 'Requests repeated in the background that brought nothing to store', ({ refreshErrors }) => refreshErrors),
  { name: 'not_stored', unit: '{response}', type: 'counter', help: 'Responses that were not stored, by why', read: ({ routes }) => routes.flatMap((route) => byReason(route.notStoredReasons, labelsOf(route))) },
  routeCounter('saved_seconds', 's', 'How long the handlers of the responses that were served had taken, less what serving them took', ({ savedMs }) => savedMs / 1000),
  routeCounter('served_bytes', 'By', 'Bytes of bodies that were served from the cache', ({ servedBytes }) => servedBytes)
]

const ofMemory: readonly Metric[] = [
  memoryMetric('entries', { unit: '{entry}', type: 'gauge', help: 'Entries in the memory of this process' }, ({ entries }) => entries),
  memoryMetric('bytes', { unit: 'By', type: 'gauge', help: 'Bytes of entries in the memory of this process' }, ({ bytes }) => bytes),
  memoryMetric('max_bytes', { unit: 'By', type: 'gauge', help: 'Bytes of entries that the memory of this process takes' }, ({ maxBytes }) => maxBytes),
  memoryMetric('evictions', { unit: '{entry}', type: 'counter', help: 'Entries that had to go for others from the memory of this process' }, ({ evictions }) => evictions)
]

const ofStore: readonly Metric[] = [
  storeMetric('errors', { unit: '{operation}', type: 'counter', help: 'Operations of the store that failed, those that took too long among them' }, ({ errors }) => errors),
  storeMetric('timeouts', { unit: '{operation}', type: 'counter', help: 'Operations of the store that took too long' }, ({ timeouts }) => timeouts),
  storeMetric('damaged', { unit: '{entry}', type: 'counter', help: 'Entries that were read and are nothing that was stored under their key' }, ({ damaged }) => damaged),
  storeMetric('dropped_writes', { unit: '{entry}', type: 'counter', help: 'Entries that were not stored because the store was left alone, or too much was on its way' }, ({ droppedWrites }) => droppedWrites),
  storeMetric('pending_writes', { unit: '{entry}', type: 'gauge', help: 'Writes on their way to the store' }, ({ pendingWrites }) => pendingWrites),
  storeMetric('pending_invalidations', { unit: '{label}', type: 'gauge', help: 'Labels that are invalidated and that the store has not confirmed yet' }, ({ pendingInvalidations }) => pendingInvalidations),
  { name: 'store.state', unit: '{process}', type: 'gauge', help: 'Whether the store is asked: 1 for the state of the moment, open while it is left alone because it fails', read: ({ store }) => [...statesOf('read', store.read), ...statesOf('write', store.write)] }
]

/** There from the beginning, like hits and misses. */
const NO_CAUSES: Readonly<Record<InvalidationCause, number>> = { call: 0, event: 0, 'missed-events': 0 }

/** Everything but the durations. */
export const METRICS: readonly Metric[] = [
  ...ofRoutes,
  { name: 'invalidations', unit: '{call}', type: 'counter', help: 'Invalidations by this process, by what they name; one that names things of two kinds counts for both', read: ({ invalidations }) => Object.entries(invalidations.byKind).map(([kind, value]) => ({ labels: { kind }, value })) },
  { name: 'invalidation_causes', unit: '{call}', type: 'counter', help: 'Invalidations by this process, by what made them; what an event invalidates is counted by one process of all that handle it', read: ({ invalidations }) => Object.entries({ ...NO_CAUSES, ...invalidations.byCause }).map(([cause, value]) => ({ labels: { cause }, value })) },
  ...ofMemory,
  ...ofStore
]

/** The labels that metrics have of themselves. */
export const OWN_LABELS: readonly string[] = ['route', 'namespace', 'outcome', 'reason', 'source', 'kind', 'cause', 'direction', 'state']

export function labelsOf ({ route, namespace }: Pick<RouteStats, 'route' | 'namespace'>): { readonly route: string, readonly namespace: string } {
  return { route, namespace }
}

/** Hits and misses are there from the beginning, or the first of each would not be seen as a rise. */
function requestsOf (route: RouteStats): Reading[] {
  const { hits, collapsed, missReasons, staleReasons, bypassReasons, refusalReasons } = route
  const of = (outcome: string): Labels => ({ ...labelsOf(route), outcome })
  return [
    { labels: { ...of('hit'), reason: '' }, value: hits - collapsed },
    { labels: { ...of('hit'), reason: 'collapsed' }, value: collapsed },
    ...byReason({ 'uri-miss': 0, ...missReasons }, of('miss')),
    ...byReason(staleReasons, of('stale')),
    ...byReason(bypassReasons, of('bypass')),
    ...byReason(refusalReasons, of('refused'))
  ]
}

function byReason (counts: ByWord<string>, labels: Labels): Reading[] {
  return Object.entries(counts).map(([reason, value = 0]) => ({ labels: { ...labels, reason }, value }))
}

function routeCounter (name: string, unit: string, help: string, valueOf: (route: RouteStats) => number): Metric {
  return { name, unit, help, type: 'counter', read: ({ routes }) => routes.map((route) => ({ labels: labelsOf(route), value: valueOf(route) })) }
}

type Described = Pick<Metric, 'unit' | 'type' | 'help'>

/** Nothing where there is no memory. */
function memoryMetric (name: string, described: Described, valueOf: (memory: NonNullable<ObservedStats['memory']>) => number): Metric {
  return { name: `memory.${name}`, ...described, read: ({ memory }) => memory === undefined ? [] : [{ labels: {}, value: valueOf(memory) }] }
}

function storeMetric (name: string, described: Described, valueOf: (store: ObservedStats['store']) => number): Metric {
  return { name: `store.${name}`, ...described, read: ({ store }) => [{ labels: {}, value: valueOf(store) }] }
}

function statesOf (direction: string, current: BreakerState): Reading[] {
  return STATES.map((state) => ({ labels: { direction, state }, value: state === current ? 1 : 0 }))
}
