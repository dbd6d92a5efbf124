/** Compiled by `npm run typecheck`, never run. */
import { parseLifetime, parseTtl, plannedMs, type Lifetime, type HttpTtl, type NamedTtl, type Planned, type PlannedTtl, type Ttl, type UntilTtl } from '../../lib/options/ttl.ts'

const ttls = new Map<string, number>()

// The forms of a ttl.
export const forms: Ttl[] = [
  300, '5m', 'long', 'own', new Date(), { until: 'midnight' }, { until: '09:30' }, { until: '09:30', timeZone: 'Europe/Berlin' }, { until: new Date() },
  { 200: '5m', 404: '10s' }, { 200: 300, 301: 'long', 404: new Date(), 410: { until: 'midnight', timeZone: 'UTC' } },
  'http', { http: true }, { http: true, heuristic: '1d' } satisfies HttpTtl, { 200: 'http', 404: '10s', 410: { http: true, heuristic: 60 } }
]

// Options from a variable, whose texts have lost their form, and constants.
const wide = { until: '09:30', timeZone: 'UTC' }
const byStatus = { 200: '5m', 404: wide } as const
export const fromVariables: Ttl[] = [wide, byStatus, Object.freeze({ until: 'midnight' } satisfies UntilTtl)]
export const record: Ttl = {} as Record<number, number>

// Which a lifetime, of what has no status, is too, but for the last.
export const lifetimes: Lifetime[] = [300, '5m', 'long' satisfies NamedTtl, new Date(), { until: 'midnight' }, wide]
// @ts-expect-error a value has no status
export const noStatus: Lifetime = { 200: '5m' }
// @ts-expect-error a value has no header fields
export const noFields: Lifetime = { http: true }

// @ts-expect-error either its header fields, or none
export const noHttp: Ttl = { http: false }
// @ts-expect-error a heuristic is for a response that says nothing itself
export const guessed: Ttl = { heuristic: '1d' }
// @ts-expect-error either its header fields, or by status
export const fieldsOrStatus: Ttl = { http: true, 200: '5m' }

// @ts-expect-error not one of its forms
export const truth: Ttl = true
// @ts-expect-error not one of its forms
export const nothing: Ttl = null
// @ts-expect-error a time of day has a text
export const time: Ttl = { until: 930 }
// @ts-expect-error the name of the time zone
export const zone: Ttl = { until: 'midnight', timezone: 'UTC' }
// @ts-expect-error the time is missing
export const zoneOnly: Ttl = { timeZone: 'UTC' }
// @ts-expect-error either until a moment, or by status
export const both: Ttl = { until: 'midnight', 200: '5m' }
// @ts-expect-error a status is a number
export const named: Ttl = { ok: '5m' }
// @ts-expect-error no statuses inside of statuses
export const nested: Ttl = { 200: { 200: '5m' } }
// @ts-expect-error no functions by status
export const asked: Ttl = { 200: () => '5m' }

// What was understood says which kind it is.
const plannedTtl: PlannedTtl = parseTtl({ 200: 5 }, ttls, 'here')(0, 200)
export const heuristicMaxMs: number | undefined = plannedTtl.kind === 'http' ? plannedTtl.heuristicMaxMs : undefined
// @ts-expect-error what its header fields decide is not known before the response is
export const early: number = plannedMs(plannedTtl, 0)
const planned: Planned = parseLifetime(5, ttls, 'here')(0)
export const at: number = planned.kind === 'until' ? planned.at : planned.ms
export const ms: number = plannedMs(parseLifetime(5, ttls, 'here')(0), 0)
// @ts-expect-error only a ttl that lasts for a time has one
export const unknownKind: number = planned.ms
