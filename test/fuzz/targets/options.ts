import { durationToMs } from '../../../lib/options/duration.ts'
import { optionsFromEnv } from '../../../lib/options/environment.ts'
import { jittered, parseTtl, plannedMs, statusesOf, type ParsedTtl } from '../../../lib/options/ttl.ts'
import { holds, same, type Target } from '../target.ts'

const LONGEST_MS = 10 * 365.25 * 86_400_000
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** A duration. */
export const duration: Target = {
  name: 'duration',
  corpus: ['5m', '1.5h', '500ms', '0s', '10 days', '1w', '00.50 h', '300', '-5m', '5M', '1y', '.5h', '1e3s', '5m5s'],
  tokens: ['ms', 's', 'm', 'h', 'd', 'w', 'y', 'minutes', 'weeks', ' ', '.', '0', '1', '999999999999', '-', '+', 'e', 'é'],
  check (input) {
    const text = input.toString()
    const ms = durationToMs(text)
    holds(ms === undefined || (Number.isInteger(ms) && ms >= 0 && ms <= LONGEST_MS), 'a duration is whole milliseconds up to ten years')
    const [, number, unit] = /^(\d{1,20}(?:\.\d{1,20})?) ?(ms|s|m|h|d|w)$/.exec(text) ?? []
    const expected = number === undefined ? NaN : Number(number) * UNITS[unit!]!
    if (!Number.isNaN(expected)) holds(ms === undefined ? expected > LONGEST_MS : Math.abs(ms - expected) <= 1 + expected * 1e-9, `it is what it says: ${ms} is not ${expected}`)
    const asNumber = durationToMs(Number(text))
    holds(asNumber === undefined || asNumber >= 0, 'a number is seconds')
    return ms === undefined ? 'nothing' : `${ms === 0} ${text.replaceAll(/[^a-z ]/gi, '').slice(0, 8)}`
  }
}

const NAMED = new Map([['short', 60_000], ['__proto__', 1]])
const MOMENTS = [0, Date.UTC(2026, 2, 29, 0, 59, 59), Date.UTC(2026, 9, 25, 1), Date.UTC(2026, 11, 31, 23, 59)]

/** A ttl as JSON or text. */
export const ttl: Target = {
  name: 'ttl',
  corpus: ['"5m"', '300', '"short"', '"http"', '{"http":true,"heuristic":"1d"}', '{"200":"5m","404":10}', '{"until":"midnight"}', '{"until":"09:30","timeZone":"Europe/Berlin"}', '{"until":"02:30","timeZone":"America/St_Johns"}', '{"200":{"until":"23:59","timeZone":"Asia/Kathmandu"}}'],
  tokens: ['"', '{', '}', ',', ':', '"until":', '"timeZone":', '"UTC"', '"Etc/GMT+12"', '"Pacific/Kiritimati"', '"Africa/Monrovia"', '"+01:00"', '"http":', 'true', 'null', '"200":', '"304":', '"2e2":', '"00:00"', '"24:00"', '"__proto__":', '1e400', '-1', '0'],
  weight: 0.2,
  check (input) {
    const given = parsed(input.toString())
    const understood = ttlOrError(given)
    if (understood === undefined) return 'no ttl'
    statusesOf(given)
    const kinds = MOMENTS.map((begunAt) => {
      const planned = understood(begunAt, 200)
      if (planned.kind === 'http') return 'http'
      const ms = plannedMs(planned, begunAt)
      holds(Number.isInteger(ms) && ms >= 0, 'a ttl is whole milliseconds')
      holds(planned.kind === 'for' || (planned.at > begunAt && planned.at <= begunAt + 50 * 3_600_000), `the next moment is not far away: ${JSON.stringify(planned)}`)
      const shorter = jittered(ms, 0.1, () => 0.999)
      holds(shorter <= ms && shorter >= ms * 0.9 - 1, 'jitter only shortens')
      return planned.kind
    })
    return kinds.join(' ')
  }
}

function parsed (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Undefined with one of the errors that are promised. */
function ttlOrError (given: unknown): ParsedTtl | undefined {
  try {
    return parseTtl(given, NAMED, 'a test')
  } catch (fault) {
    if (String((fault as { code?: unknown }).code).startsWith('RESPONSE_CACHE_ERR_OPTION_')) return undefined
    throw fault
  }
}

const VARIABLES = ['REDIS_URL', 'REDIS_HOST', 'REDIS_PORT', 'REDIS_DB', 'REDIS_TLS', 'CACHE_ENABLED', 'CACHE_PREFIX', 'CACHE_TTL_SHORT']

/** Environment variables, one line each in this order. */
export const environment: Target = {
  name: 'environment',
  corpus: ['redis://a:6379/0', '\nlocalhost\n6379\n1\ntrue\nfalse\ncache\n5m', '\n\n\n\nyes\nno\n{a}:b\n300', 'rediss://:p@[::1]:1'],
  tokens: ['\n', 'redis://', 'rediss://', 'true', '0', '65536', ':', '@', '{', '}', '%', ' ', 'on', '5m', '-1'],
  weight: 0.3,
  check (input) {
    const lines = input.toString().split('\n')
    const variables = Object.fromEntries(VARIABLES.map((name, at) => [name, lines[at]]))
    try {
      const options = optionsFromEnv(variables)
      holds(Object.values(options.ttls ?? {}).every((ms) => durationToMs(ms) !== undefined), 'lifetimes are durations')
      return Object.keys(options).join(' ')
    } catch (fault) {
      same((fault as { code?: unknown }).code, 'RESPONSE_CACHE_ERR_ENV_INVALID', `the error of ${String(fault)}`)
      return 'refused'
    }
  }
}
