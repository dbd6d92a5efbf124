import { hasZstd } from '../coding.ts'
import { LONGEST_TIMER_MS } from '../deadline.ts'
import { expectedGot, InvalidOptionError, OptionConflictError } from '../errors.ts'
import { labelsOf } from '../marks/targets.ts'
import { boolean, checkOptions, duration, either, fieldNames, func, isPlainObject, listOf, namespaceName, objectSuchAs, off, oneOf, positiveDuration, positiveInteger, saidOf, tagList, timerDuration, type Rule, type Rules } from './check.ts'
import { durationToMs } from './duration.ts'
import type { AdaptiveTtlOptions, DownstreamOptions, LockOptions, RouteCacheOptions } from './route-options.ts'
import { isStorableStatus, ownTtl, parseTtl, STATUSES_EXPECTED } from './ttl.ts'

// Which names there are is known to `checkRouteOptions`.
const ttl: Rule = { expected: '', accepts: () => true }

const ROUTE_RULES: Rules<RouteCacheOptions> = {
  namespace: namespaceName,
  ttl,
  varyByUser: either(boolean, func),
  varyByQuery: either(boolean, listOf('parameter names', (name) => typeof name === 'string')),
  varyByHeaders: fieldNames,
  varyByCookies: fieldNames,
  varyByBody: boolean,
  key: func,
  skip: func,
  shared: either(boolean, oneOf('http')),
  tags: either(tagList, func),
  invalidates: either({ expected: 'targets such as { tags: [\'user:1\'] }', accepts: isPlainObject }, func),
  storeIf: func,
  hook: oneOf('preHandler', 'onRequest'),
  unguarded: boolean,
  statusCodes: listOf(STATUSES_EXPECTED, isStorableStatus),
  maxBytes: positiveInteger,
  lock: either(off, objectSuchAs('{ waitMs: 10_000, leaseMs: 2000 }')),
  staleWhileRevalidate: duration,
  staleIfError: duration,
  refreshThrottle: duration,
  softTimeout: either(off, timerDuration),
  hardTimeout: either(off, timerDuration),
  refreshAhead: boolean,
  adaptiveTtl: either(off, objectSuchAs("{ min: '5s', max: '1h' }")),
  jitter: { expected: 'a number from 0 to 0.5', accepts: (value) => typeof value === 'number' && value >= 0 && value <= 0.5 },
  maxConcurrentFills: either(off, positiveInteger),
  revalidate: either(off, duration),
  obeyRequestDirectives: either(boolean, func),
  downstream: either(off, objectSuchAs("{ maxAge: '30s', cdnMaxAge: '1h', tags: 'surrogate-key' }")),
  compress: either(boolean, oneOf('br', 'gzip', 'zstd'))
}

const DOWNSTREAM_RULES: Rules<DownstreamOptions> = {
  maxAge: duration,
  cdnMaxAge: duration,
  tags: oneOf('surrogate-key', 'cache-tag')
}

const ADAPTIVE_RULES: Rules<AdaptiveTtlOptions> = {
  min: positiveDuration,
  max: positiveDuration,
  maxStaleFraction: { expected: 'a number above 0 and below 1', accepts: (value) => typeof value === 'number' && value > 0 && value < 1 }
}

function isMs (value: unknown, least: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= LONGEST_TIMER_MS
}

const LOCK_RULES: Rules<LockOptions> = {
  waitMs: { expected: `a whole number of milliseconds from 1 to ${LONGEST_TIMER_MS}`, accepts: (value) => isMs(value, 1) },
  leaseMs: { expected: `a whole number of milliseconds from 100 to ${LONGEST_TIMER_MS}`, accepts: (value) => isMs(value, 100) }
}

/** Throws unless these are valid options, and their ttl is one that `ttls` or a duration explains. */
export function checkRouteOptions (given: unknown, ttls: ReadonlyMap<string, number>, where: string): asserts given is RouteCacheOptions {
  checkOptions<RouteCacheOptions>(given, ROUTE_RULES, where)
  const { ttl, invalidates } = given
  if (typeof given.adaptiveTtl === 'object') checkAdaptive(given.adaptiveTtl, `adaptiveTtl in ${where}`)
  if (typeof given.downstream === 'object') checkOptions<DownstreamOptions>(given.downstream, DOWNSTREAM_RULES, `downstream in ${where}`)
  if (given.compress === 'zstd' && !hasZstd) throw new InvalidOptionError('compress', where, 'expected true, \'br\' or \'gzip\', got \'zstd\', which this version of Node does not have')
  if (typeof given.lock === 'object') checkOptions<LockOptions>(given.lock, LOCK_RULES, `lock in ${where}`)
  if (typeof invalidates === 'object') labelsOf(invalidates, `invalidates in ${where}`)
  if (ttl !== undefined && typeof ttl !== 'function') parseTtl(ttl, ttls, where)
}

function checkAdaptive (given: unknown, where: string): void {
  checkOptions<AdaptiveTtlOptions>(given, ADAPTIVE_RULES, where)
  for (const name of ['min', 'max'] as const) if (given[name] === undefined) throw new InvalidOptionError(name, where, expectedGot(positiveDuration.expected, undefined))
  if (durationToMs(given.min)! > durationToMs(given.max)!) throw new OptionConflictError(where, '"min" is longer than "max".')
}

/** Options that stay what they were when the caller changes its own, without those that it left undefined. */
export function ownCopy (options: RouteCacheOptions): RouteCacheOptions {
  return Object.fromEntries(saidOf(options).map(([name, value]) => [name, name === 'ttl' ? ownTtl(value) : Array.isArray(value) ? [...value] : isPlainObject(value) ? { ...value } : value]))
}
