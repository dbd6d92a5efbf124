import { types } from 'node:util'
import { expectedGot, InvalidOptionError, UnknownOptionError } from '../errors.ts'
import { checkOptions, isPlainObject, saidOf, type Rules } from './check.ts'
import { DURATION_EXPECTED, durationToMs, type Duration } from './duration.ts'

/** The built-in names for lifetimes; the plugin option `ttls` changes them and adds more. */
export type NamedTtl = 'short' | 'medium' | 'long' | 'day'

/** Fresh until a moment: a Date, or the next time that the clocks of a place show a time of day. */
export interface UntilTtl {
  /**
   * `'midnight'`, a time from `'00:00'` to `'23:59'`, or a Date. A time that the clocks are put forward over is the moment they are; of one
   * that they show twice, the next to come counts.
   */
  until: 'midnight' | `${number}:${number}` | (string & {}) | Date

  /** Where a time of day is meant: an IANA name such as `'Europe/Berlin'`. Default: the time zone of the process. */
  timeZone?: string
}

/** How long something is fresh: a duration, a name from the plugin option `ttls`, or until a moment. */
export type Lifetime = NamedTtl | Duration | Date | UntilTtl

/** A lifetime for each status that is stored, such as `{ 200: '5m', 404: '10s' }`. */
export interface TtlByStatus {
  readonly [status: number]: Lifetime | 'http' | HttpTtl
  readonly until?: never
  readonly timeZone?: never
  readonly http?: never
  readonly heuristic?: never
}

/** What the header fields of the response say: a targeted field, `s-maxage`, `max-age` or `Expires` (RFC 9111 section 4.2.1). */
export interface HttpTtl {
  readonly http: true

  /**
   * Where they say nothing: a tenth of the time for which the response has not changed, by its `Last-Modified`, up to this. Default: such a
   * response is not stored.
   */
  readonly heuristic?: Duration
}

/** The lifetime of a response: one for all, one for each status that is stored, or `'http'`: what its header fields say. */
export type Ttl = Lifetime | TtlByStatus | 'http' | HttpTtl

/**
 * What a ttl says: fresh for so many milliseconds from when it is stored, or until a moment. Only the first may be shortened at random:
 * what ends at a wall-clock time is meant to end then.
 */
export type Planned = { readonly kind: 'for', readonly ms: number } | { readonly kind: 'until', readonly at: number }

/** The same of a response, whose header fields may decide. */
export type PlannedTtl = Planned | { readonly kind: 'http', readonly heuristicMaxMs: number | undefined }

/**
 * A lifetime that was understood. `begunAt` is when the work on the value began: what was read before midnight is not fresh until the
 * midnight of the next day, although it was ready a moment later.
 */
export type ParsedLifetime = (begunAt: number) => Planned

/** A ttl that was understood, for a response with this status; see `ParsedLifetime`. */
export type ParsedTtl = (begunAt: number, status: number) => PlannedTtl

type Named = ReadonlyMap<string, number>

/** How far the clocks of a place are ahead of UTC at a moment, in milliseconds. */
type OffsetAt = (at: number) => number

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const NOT_STORED: Planned = { kind: 'for', ms: 0 }
const NEVER_STORABLE = new Set([206, 304, 412, 416])
const TIME_OF_DAY = /^([01]\d|2[0-3]):([0-5]\d)$/
const TIME_ZONE_EXPECTED = 'the IANA name of a time zone such as \'Europe/Berlin\''

/** Which status codes may be stored, for error texts. */
export const STATUSES_EXPECTED = 'status codes from 200 to 599 but 206, 304, 412 and 416'

const UNTIL_RULES: Rules<UntilTtl> = {
  until: {
    expected: '\'midnight\', a time from \'00:00\' to \'23:59\', or a valid Date',
    accepts: (value) => typeof value === 'string' ? timeOfDayMs(value) !== undefined : isValidDate(value)
  },
  timeZone: { expected: TIME_ZONE_EXPECTED, accepts: (value) => typeof value === 'string' }
}

const HTTP_RULES: Rules<HttpTtl> = {
  http: { expected: 'true', accepts: (value) => value === true },
  heuristic: { expected: DURATION_EXPECTED, accepts: (value) => durationToMs(value) !== undefined }
}

/** Whether header fields alone decide how long a response is fresh. */
export function isHttpTtl (ttl: unknown): boolean {
  return ttl === 'http' || (isPlainObject(ttl) && Object.hasOwn(ttl, 'http'))
}

export function isStorableStatus (status: unknown): status is number {
  return Number.isInteger(status) && (status as number) >= 200 && (status as number) <= 599 && !NEVER_STORABLE.has(status as number)
}

/** Understands a ttl as users write it, but for functions. Errors, in the name of `where`: `RESPONSE_CACHE_ERR_OPTION_*`. */
export function parseTtl (given: unknown, ttls: Named, where: string): ParsedTtl {
  const byFields = parseHttpTtl(given, `ttl in ${where}`)
  if (byFields !== undefined) return () => byFields
  const statuses = statusesOf(given)
  if (statuses === undefined || statuses.size === 0) return parsed(given, ttls, { name: 'ttl', where, expected: ttlExpected(ttls) })
  const lifetimes = new Map<number, (begunAt: number) => PlannedTtl>()
  for (const [name, lifetime] of saidOf(given as object)) {
    const status = Number(name)
    // Other ways to write a number, such as '2e2', name no status.
    if (!isStorableStatus(status) || String(status) !== name) throw new UnknownOptionError(name, `ttl in ${where}`, `Expected "until" and "timeZone", or ${STATUSES_EXPECTED}.`)
    const itsFields = parseHttpTtl(lifetime, `${name} of ttl in ${where}`)
    lifetimes.set(status, itsFields === undefined ? parsed(lifetime, ttls, { name, where: `ttl in ${where}`, expected: lifetimeExpected(ttls) }) : () => itsFields)
  }
  return (begunAt, status) => lifetimes.get(status)?.(begunAt) ?? NOT_STORED
}

function parseHttpTtl (given: unknown, where: string): PlannedTtl | undefined {
  if (given === 'http') return { kind: 'http', heuristicMaxMs: undefined }
  if (!isPlainObject(given) || !Object.hasOwn(given, 'http')) return undefined
  checkOptions<HttpTtl>(given, HTTP_RULES, where)
  // Left out, it is no word of the response's fields.
  if (given.http === undefined) throw new InvalidOptionError('http', where, expectedGot(HTTP_RULES.http.expected, undefined))
  return { kind: 'http', heuristicMaxMs: durationToMs(given.heuristic) }
}

/** Understands a ttl of what has no status: values of the client. Errors, in the name of `where`: `RESPONSE_CACHE_ERR_OPTION_*`. */
export function parseLifetime (given: unknown, ttls: Named, where: string): ParsedLifetime {
  return parsed(given, ttls, { name: 'ttl', where, expected: lifetimeExpected(ttls) })
}

/** The status codes that a ttl names, or `undefined` for one that is for all. */
export function statusesOf (ttl: unknown): ReadonlySet<number> | undefined {
  if (!isPlainObject(ttl) || types.isDate(ttl) || isUntil(ttl) || isHttpTtl(ttl)) return undefined
  return new Set(saidOf(ttl).map(([status]) => Number(status)))
}

/** A ttl that stays what it is when the caller changes its own. */
export function ownTtl<T> (ttl: T): T {
  return typeof ttl === 'function' ? ttl : structuredClone(ttl)
}

/** How long from `now` that is, in whole milliseconds; 0: not stored. */
export function plannedMs (planned: Planned, now: number): number {
  return planned.kind === 'for' ? planned.ms : Math.max(0, Math.floor(planned.at - now))
}

/**
 * Shortens by up to `fraction` at random, so that what was filled at once does not expire at once. Never lengthens: a ttl is a bound that
 * users count with. `random` gives 0 or more and less than 1.
 */
export function jittered (ms: number, fraction: number, random: () => number): number {
  return ms - Math.floor(ms * fraction * random())
}

/** What a ttl has to look like, for error texts. */
export function ttlExpected (ttls: Named): string {
  return `${lifetimeExpected(ttls)}, or 'http', or { http: true, heuristic: '1d' }, or one of these by status such as { 200: '5m', 404: '10s' }`
}

function lifetimeExpected (ttls: Named): string {
  const names = [...ttls.keys()].map((name) => `'${name}'`).join(', ')
  return `${DURATION_EXPECTED}, or one of ${names}, or a valid Date, or { until: 'midnight' } or { until: '09:30', timeZone: 'Europe/Berlin' }`
}

function parsed (given: unknown, ttls: Named, { name, where, expected }: { name: string, where: string, expected: string }): ParsedLifetime {
  const ms = typeof given === 'string' && ttls.has(given) ? ttls.get(given) : durationToMs(given)
  if (ms !== undefined) return always({ kind: 'for', ms })
  if (isValidDate(given)) return always({ kind: 'until', at: given.getTime() })
  if (isPlainObject(given) && isUntil(given)) return parseUntil(given, `${name} in ${where}`)
  throw new InvalidOptionError(name, where, expectedGot(expected, given))
}

function always (planned: Planned): ParsedLifetime {
  return () => planned
}

function isUntil (given: object): boolean {
  return Object.hasOwn(given, 'until') || Object.hasOwn(given, 'timeZone')
}

function isValidDate (value: unknown): value is Date {
  return types.isDate(value) && !Number.isNaN(value.getTime())
}

function parseUntil (given: object, where: string): ParsedLifetime {
  checkOptions<UntilTtl>(given, UNTIL_RULES, where)
  const { until, timeZone } = given
  if (until === undefined) throw new InvalidOptionError('until', where, expectedGot(UNTIL_RULES.until.expected, until))
  const offsetAt = timeZone === undefined ? processOffsetAt : offsetIn(timeZone, where)
  if (typeof until !== 'string') return always({ kind: 'until', at: until.getTime() })
  const timeMs = timeOfDayMs(until)!
  return (begunAt) => ({ kind: 'until', at: nextMoment(timeMs, begunAt, offsetAt) })
}

/** Milliseconds from the beginning of a day without changes of the clocks. */
function timeOfDayMs (text: string): number | undefined {
  const [, hours, minutes] = TIME_OF_DAY.exec(text === 'midnight' ? '00:00' : text) ?? []
  return hours === undefined ? undefined : Number(hours) * HOUR_MS + Number(minutes) * 60_000
}

function processOffsetAt (at: number): number {
  return -new Date(at).getTimezoneOffset() * 60_000
}

function offsetIn (timeZone: string, where: string): OffsetAt {
  const format = offsetFormat(timeZone)
  if (format === undefined) throw new InvalidOptionError('timeZone', where, expectedGot(TIME_ZONE_EXPECTED, timeZone))
  return (at) => {
    // '3/29/2026, GMT+02:00', in former times with seconds; without figures where it is the time of UTC.
    const [, sign, hours, minutes, seconds] = /([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(format.format(at)) ?? []
    const ms = Number(hours ?? 0) * HOUR_MS + Number(minutes ?? 0) * 60_000 + Number(seconds ?? 0) * 1000
    return sign === '-' ? -ms : ms
  }
}

/** `undefined` for a time zone that Intl does not know, which it says by throwing. */
function offsetFormat (timeZone: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
  } catch {
    return undefined
  }
}

/** The first moment after `begunAt` at which the clocks show this time of day, or are put forward over it. */
function nextMoment (timeMs: number, begunAt: number, offsetAt: OffsetAt): number {
  const today = Math.floor((begunAt + offsetAt(begunAt)) / DAY_MS) * DAY_MS
  // Yesterday comes once more where clocks are put back over midnight.
  const moments = [-1, 0, 1].flatMap((days) => momentsOf(today + days * DAY_MS + timeMs, offsetAt))
  return Math.min(...moments.filter((at) => at > begunAt))
}

/** When the clocks show this date and time, written as if it were UTC: once, twice, or when they are put forward over it. */
function momentsOf (shown: number, offsetAt: OffsetAt): number[] {
  // No place is more than 14 hours ahead of UTC or 12 behind, so that it is not earlier than the first and not later than the second.
  const before = offsetAt(shown - 14 * HOUR_MS)
  const after = offsetAt(shown + 12 * HOUR_MS)
  if (before === after) return [shown - before]
  const moments = [shown - before, shown - after].filter((at) => at + offsetAt(at) === shown)
  return moments.length > 0 ? moments : [changeBetween(shown - after, shown - before, offsetAt)]
}

/** When the clocks change after `from` and not after `to`, by halving. */
function changeBetween (from: number, to: number, offsetAt: OffsetAt): number {
  const offset = offsetAt(from)
  let unchanged = from
  let changed = to
  while (changed - unchanged > 1) {
    const middle = Math.floor((unchanged + changed) / 2)
    if (offsetAt(middle) === offset) unchanged = middle
    else changed = middle
  }
  return changed
}
