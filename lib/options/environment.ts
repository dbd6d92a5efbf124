import { expectedGot, InvalidEnvironmentError } from '../errors.ts'
import { isRedisUrl, prefixName } from './check.ts'
import { DURATION_EXPECTED, durationToMs } from './duration.ts'
import type { CacheOptions } from './plugin-options.ts'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Plugin options from environment variables, for `app.register(responseCache, optionsFromEnv(process.env))`; docs/environment.md
 * lists them. Variables that are absent or empty set nothing. Throws `RESPONSE_CACHE_ERR_ENV_INVALID`, naming the variable.
 */
export function optionsFromEnv (env: Environment): CacheOptions {
  const options: CacheOptions = {}
  const redis = redisFromEnv(env)
  if (redis !== undefined) options.redis = redis
  const enabled = read(env, ['CACHE_ENABLED', 'REDIS_CACHE_ENABLED', 'REDIS_ENABLED'], truth)
  if (enabled !== undefined) options.enabled = enabled
  const ownPrefix = read(env, ['CACHE_PREFIX', 'REDIS_CACHE_KEY_PREFIX'], prefix)
  if (ownPrefix !== undefined) options.prefix = ownPrefix
  const ttls = ['short', 'medium', 'long', 'day']
    .map((name) => [name, read(env, [`CACHE_TTL_${name.toUpperCase()}`], seconds)] as const)
    .filter((ttl): ttl is readonly [string, number] => ttl[1] !== undefined)
  if (ttls.length > 0) options.ttls = Object.fromEntries(ttls)
  return options
}

/** `REDIS_URL`, or a client's options from the single variables when there is at least a host. */
function redisFromEnv (env: Environment): CacheOptions['redis'] {
  const url = read(env, ['REDIS_URL'], redisUrl)
  const host = read(env, ['REDIS_HOST'], anyText)
  const port = read(env, ['REDIS_PORT'], (text) => wholeNumber(text, 65_535))
  const database = read(env, ['REDIS_DB'], (text) => wholeNumber(text, 65_535))
  const tls = read(env, ['REDIS_TLS'], truth)
  const username = read(env, ['REDIS_USERNAME'], anyText)
  const password = read(env, ['REDIS_PASSWORD'], anyText)
  if (url !== undefined) return url
  if (host === undefined) return undefined
  return {
    socket: tls === true ? { host, port: port ?? 6379, tls } : { host, port: port ?? 6379 },
    ...(database === undefined ? {} : { database }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password })
  }
}

/** How one variable is understood: a value, or what was expected. */
type Reading<T> = { readonly value: T } | { readonly expected: string }

/** The value of the first of these variables that is set. */
function read<T> (env: Environment, names: readonly string[], understand: (text: string) => Reading<T>): T | undefined {
  const name = names.find((candidate) => env[candidate] !== undefined && env[candidate] !== '')
  if (name === undefined) return undefined
  const text = env[name]!
  const reading = understand(text.trim())
  if ('value' in reading) return reading.value
  throw new InvalidEnvironmentError(name, name.endsWith('PASSWORD') || name === 'REDIS_URL' ? `expected ${reading.expected}` : expectedGot(reading.expected, text))
}

function truth (text: string): Reading<boolean> {
  if (/^(?:true|1|yes|on)$/i.test(text)) return { value: true }
  if (/^(?:false|0|no|off)$/i.test(text)) return { value: false }
  return { expected: 'true or false (also 1 or 0, yes or no, on or off)' }
}

function wholeNumber (text: string, most: number): Reading<number> {
  const number = Number(text)
  return /^\d+$/.test(text) && number <= most ? { value: number } : { expected: `a whole number from 0 to ${most}` }
}

function seconds (text: string): Reading<number> {
  const ms = durationToMs(/^\d+$/.test(text) ? Number(text) : text)
  return ms === undefined ? { expected: DURATION_EXPECTED } : { value: ms / 1000 }
}

function redisUrl (text: string): Reading<string> {
  return isRedisUrl(text) ? { value: text } : { expected: 'a URL such as redis://user:password@host:6379/0' }
}

function prefix (text: string): Reading<string> {
  return prefixName.accepts(text) ? { value: text } : prefixName
}

function anyText (text: string): Reading<string> {
  return { value: text }
}
