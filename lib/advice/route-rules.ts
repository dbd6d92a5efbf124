import type { RoutePolicy } from '../options/policy.ts'
import { parseTtl, plannedMs, statusesOf } from '../options/ttl.ts'
import { named, note, risk, type Advice } from './advice.ts'
import type { AdvisedSettings } from './settings-rules.ts'

/** What is judged of a route. */
export type AdvisedRoute = Pick<RoutePolicy, 'adaptive' | 'jitter' | 'route' | 'ttl'>

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

export interface RouteContext {
  readonly settings: AdvisedSettings
  /** Routes of which responses for one user said that they are for all. */
  readonly publicRoutes: readonly string[]
}

export function routeAdvice (routes: readonly AdvisedRoute[], { settings, publicRoutes }: RouteContext): Advice[] {
  const lifetimes = routes.map((route) => ({ ...route, ms: Math.max(longestMs(route.ttl, settings) ?? 0, route.adaptive?.maxMs ?? 0) }))
  return [publicPerUser(publicRoutes), longTtl([...lifetimes.filter(({ ms }) => ms > DAY_MS).map(({ route }) => route), ...longNames(settings)]), noJitter(lifetimes, settings)].filter((advice) => advice !== undefined)
}

export function publicPerUser (routes: readonly string[]): Advice | undefined {
  if (routes.length === 0) return undefined
  return risk('public-per-user', `${named(routes)}: responses for one user say Cache-Control: public, or s-maxage. This cache keeps them apart by user; a CDN or proxy in front does not know users, and may give them to others. Say private.`)
}

function longTtl (names: readonly string[]): Advice | undefined {
  if (names.length === 0) return undefined
  return note('long-ttl', `${named(names)}: the ttl is above a day. What nobody invalidates is served for so long after it has changed; a shorter one with staleWhileRevalidate is as fast.`)
}

/** A clock that was passed in turns it off: who brings one wants to know what happens when. */
function noJitter (routes: ReadonlyArray<AdvisedRoute & { ms: number }>, { clock }: AdvisedSettings): Advice | undefined {
  const names = routes.filter(({ jitter, ms }) => jitter === 0 && ms >= HOUR_MS && clock === Date.now).map(({ route }) => route)
  if (names.length === 0) return undefined
  return note('no-jitter', `${named(names)}: jitter is 0 and the ttl an hour or more. What was stored together, such as after a deployment, ends together, and all handlers run at once. Leave jitter out: 0.1 is the default.`)
}

/** Options that keys have in common: values have no route. */
function longNames ({ defaults, namespaces, ...settings }: AdvisedSettings): string[] {
  const given: Array<[name: string, ttl: unknown]> = [['defaults', defaults.ttl], ...Object.entries(namespaces).map(([name, { ttl }]): [string, unknown] => [`namespaces.${name}`, ttl])]
  return given.filter(([, ttl]) => ttl !== undefined && (longestMs(ttl, settings) ?? 0) > DAY_MS).map(([name]) => name)
}

/** The longest lifetime that a ttl gives now; undefined where a function or header fields decide. It was checked before. */
function longestMs (ttl: unknown, { clock, ttls }: Pick<AdvisedSettings, 'clock' | 'ttls'>): number | undefined {
  if (typeof ttl === 'function') return undefined
  const now = clock()
  const plans = [...statusesOf(ttl) ?? [200]].map((status) => parseTtl(ttl, ttls, 'ttl')(now, status))
  const lifetimes = plans.flatMap((plan) => plan.kind === 'http' ? [] : [plannedMs(plan, now)])
  return lifetimes.length === 0 ? undefined : Math.max(...lifetimes)
}
