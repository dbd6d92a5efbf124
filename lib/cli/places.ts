import { durationToMs } from '../options/duration.ts'
import { optionsFromEnv } from '../options/environment.ts'
import { UsageError } from './exit.ts'
import type { Io } from './io.ts'
import { headerFields } from './header-fields.ts'
import { redisPlace, type RedisOptions, type RedisPlace } from './redis-place.ts'
import { basic, credentialsOf } from './secrets.ts'

/** The options that every command has. */
export interface CommonOptions extends RedisOptions {
  readonly admin?: string
  readonly adminHeader?: readonly string[]
  readonly timeout?: string
  readonly json?: boolean
}

export interface AdminPlace {
  readonly name: string
  /** Ends with a slash. */
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
}

/** Where the cache is. */
export interface Places {
  readonly redis?: RedisPlace
  readonly admin?: AdminPlace
}

const DEFAULT_TIMEOUT = '5s'

/** What the options and the environment say. Errors: `UsageError`, `RESPONSE_CACHE_ERR_ENV_INVALID`. */
export function placesOf (options: CommonOptions, env: Io['env']): Places {
  const timeoutMs = durationToMs(options.timeout ?? DEFAULT_TIMEOUT)
  if (timeoutMs === undefined || timeoutMs < 1 || timeoutMs > 600_000) throw new UsageError('--timeout: expected a duration from 1ms to 10m, such as 5s')
  const isAdminAsked = options.admin !== undefined
  const isRedisAsked = options.redis !== undefined
  // What was said on the command line counts before the environment.
  const redis = isAdminAsked && !isRedisAsked ? undefined : redisPlace(options, optionsFromEnv(env), timeoutMs)
  const admin = isRedisAsked && !isAdminAsked ? undefined : adminPlace(options, env, timeoutMs)
  return {
    ...redis === undefined ? {} : { redis },
    ...admin === undefined ? {} : { admin }
  }
}

function adminPlace ({ admin, adminHeader = [] }: CommonOptions, env: Io['env'], timeoutMs: number): AdminPlace | undefined {
  const text = admin ?? (env.CACHE_ADMIN_URL || undefined)
  if (text === undefined) return undefined
  const where = admin === undefined ? 'CACHE_ADMIN_URL' : '--admin'
  if (!/^https?:\/\/./i.test(text) || !URL.canParse(text)) throw new UsageError(`${where}: expected the URL of the admin routes, such as https://HOST/admin/cache`)
  const url = new URL(text)
  const { username = '', password = '' } = credentialsOf(url, where)
  // `fetch` takes no credentials in URLs, and the header says the same.
  const authorization: Record<string, string> = username === '' && password === '' ? {} : { authorization: `Basic ${basic(username, password)}` }
  Object.assign(url, { username: '', password: '', search: '', hash: '' })
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  const fields = env.CACHE_ADMIN_HEADER ? headerFields([env.CACHE_ADMIN_HEADER], 'CACHE_ADMIN_HEADER') : {}
  return { name: `admin routes at ${url.href}`, url, headers: { ...authorization, ...fields, ...headerFields(adminHeader, '--admin-header') }, timeoutMs }
}
