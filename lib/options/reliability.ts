import { expectedGot, InvalidOptionError, OptionConflictError } from '../errors.ts'
import { checkOptions, positiveInteger, timerDuration, type Rule } from './check.ts'
import { durationToMs, type Duration } from './duration.ts'
import type { BreakerOptions, CacheOptions, IntegrityOptions, TimeoutOptions } from './plugin-options.ts'

/** When a store that fails is left alone, and for how long. */
export interface BreakerSettings {
  readonly failures: number
  readonly openMs: number
}

/** What the options say of a store that is slow, fails or cannot be trusted. */
export interface ReliabilitySettings {
  readonly readMs: number
  readonly writeMs: number
  readonly invalidateMs: number
  readonly breaker: BreakerSettings | undefined
  /** The first one signs. */
  readonly secrets: readonly string[] | undefined
}

/** Shorter ones can be guessed. */
const SHORTEST_SECRET = 32

const secret: Rule = {
  expected: `a text of at least ${SHORTEST_SECRET} characters, or a list of such, the one that signs first`,
  secret: true,
  accepts: (value) => Array.isArray(value) ? value.length > 0 && value.every(isSecret) : isSecret(value)
}

function isSecret (value: unknown): value is string {
  return typeof value === 'string' && value.length >= SHORTEST_SECRET
}

/** Throws `RESPONSE_CACHE_ERR_OPTION_*`. */
export function reliabilityOf (options: CacheOptions, where: string): ReliabilitySettings {
  const timeouts = options.timeouts ?? {}
  checkOptions<TimeoutOptions>(timeouts, { read: timerDuration, write: timerDuration, invalidate: timerDuration }, `timeouts in ${where}`)
  return {
    readMs: msOf(timeouts.read ?? '50ms'),
    writeMs: msOf(timeouts.write ?? '1s'),
    invalidateMs: msOf(timeouts.invalidate ?? '1s'),
    breaker: breakerOf(options.breaker ?? {}, where),
    secrets: secretsOf(options, where)
  }
}

function breakerOf (breaker: BreakerOptions | false, where: string): BreakerSettings | undefined {
  if (breaker === false) return undefined
  checkOptions<BreakerOptions>(breaker, { failures: positiveInteger, openFor: timerDuration }, `breaker in ${where}`)
  return { failures: breaker.failures ?? 5, openMs: msOf(breaker.openFor ?? '1s') }
}

function secretsOf ({ integrity, redis }: CacheOptions, where: string): readonly string[] | undefined {
  if (integrity === undefined) return undefined
  checkOptions<IntegrityOptions>(integrity, { secret }, `integrity in ${where}`)
  if (integrity.secret === undefined) throw new InvalidOptionError('secret', `integrity in ${where}`, expectedGot(secret.expected, undefined))
  if (redis === undefined) throw new OptionConflictError(where, '"integrity" is about entries in "redis": add it, or leave "integrity" out.')
  return [integrity.secret].flat()
}

/** Of what was checked. */
function msOf (duration: Duration): number {
  return durationToMs(duration)!
}
