import { readFileSync } from 'node:fs'
import type { RedisOption } from '../store/redis-client.ts'
import { durationToMs } from '../options/duration.ts'
import { optionsFromEnv } from '../options/environment.ts'
import { UsageError } from './exit.ts'
import type { Io } from './io.ts'
import { headerFields } from './header-fields.ts'

/** The options that every command has. */
export interface CommonOptions {
  readonly redis?: string
  readonly prefix?: string
  readonly cluster?: boolean
  readonly secretFile?: string
  readonly admin?: string
  readonly adminHeader?: readonly string[]
  readonly timeout?: string
  readonly json?: boolean
}

export interface RedisPlace {
  readonly name: string
  readonly redis: RedisOption
  readonly isCluster: boolean
  readonly prefix: string
  /** What entries are signed with. */
  readonly secrets: readonly string[]
  readonly timeoutMs: number
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
  const admin = adminPlace(options, env, timeoutMs)
  // What was said on the command line counts before the environment.
  const redis = isAdminAsked && options.redis === undefined ? undefined : redisPlace(options, env, timeoutMs)
  const isRedisAsked = options.redis !== undefined && !isAdminAsked
  return {
    ...redis === undefined ? {} : { redis },
    ...admin === undefined || isRedisAsked ? {} : { admin }
  }
}

function redisPlace (options: CommonOptions, env: Io['env'], timeoutMs: number): RedisPlace | undefined {
  const fromEnv = optionsFromEnv(env)
  const given = options.redis === undefined ? fromEnv.redis : redisUrl(options.redis)
  if (given === undefined) return undefined
  const prefix = options.prefix ?? fromEnv.prefix ?? 'cache'
  const isCluster = options.cluster === true
  const address = typeof given === 'string' ? addressOf(given) : socketOf(given)
  return {
    name: `Redis at ${address}, prefix "${prefix}"`,
    redis: isCluster ? clusterOf(given, address) : given,
    isCluster,
    prefix,
    secrets: options.secretFile === undefined ? [] : secretsIn(options.secretFile),
    timeoutMs
  }
}

function redisUrl (text: string): string {
  if (/^rediss?:\/\/./.test(text) && URL.canParse(text)) return text
  throw new UsageError('--redis: expected a URL such as redis://HOST:6379/0, rediss:// for TLS, with USER:PASSWORD@ before the host where there is one')
}

function addressOf (url: string): string {
  const { hostname, port } = new URL(url)
  return `${hostname}:${port || '6379'}`
}

function socketOf (given: object): string {
  const { socket } = given as { socket?: { host?: string, port?: number } }
  return `${socket?.host ?? '127.0.0.1'}:${socket?.port ?? 6379}`
}

/** The other servers take the same user and TLS. */
function clusterOf (given: RedisOption, address: string): RedisOption {
  if (typeof given !== 'string') {
    const { socket, ...defaults } = given as { socket?: object, username?: string, password?: string }
    return { rootNodes: [{ socket: socket ?? {} }], defaults: { ...defaults, socket: 'tls' in (socket ?? {}) ? { tls: true } : {} } } as RedisOption
  }
  const { protocol, username, password } = new URL(given)
  return {
    rootNodes: [{ url: `${protocol}//${address}` }],
    defaults: {
      ...username === '' ? {} : { username: decodeURIComponent(username) },
      ...password === '' ? {} : { password: decodeURIComponent(password) },
      ...protocol === 'rediss:' ? { socket: { tls: true } } : {}
    }
  } as RedisOption
}

/** One a line, the first one signs: as in the option `integrity`. */
function secretsIn (file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/).filter((line) => line !== '')
  } catch (fault) {
    throw new UsageError(`--secret-file: expected a file that can be read: ${(fault as Error).message}`)
  }
}

function adminPlace ({ admin, adminHeader = [] }: CommonOptions, env: Io['env'], timeoutMs: number): AdminPlace | undefined {
  const text = admin ?? (env.CACHE_ADMIN_URL || undefined)
  if (text === undefined) return undefined
  if (!/^https?:\/\/./i.test(text) || !URL.canParse(text)) throw new UsageError(`${admin === undefined ? 'CACHE_ADMIN_URL' : '--admin'}: expected the URL of the admin routes, such as https://HOST/admin/cache`)
  const url = new URL(text)
  const { username, password } = url
  // `fetch` takes no credentials in URLs, and the header says the same.
  const basic: Record<string, string> = username === '' && password === '' ? {} : { authorization: `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}` }
  Object.assign(url, { username: '', password: '', search: '', hash: '' })
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  const fields = [...env.CACHE_ADMIN_HEADER ? [env.CACHE_ADMIN_HEADER] : [], ...adminHeader]
  return { name: `admin routes at ${url.href}`, url, headers: { ...basic, ...headerFields(fields, '--admin-header') }, timeoutMs }
}

/** What must never be shown: passwords, and header fields that are sent. */
export function secretsOf ({ redis, admin, adminHeader = [] }: CommonOptions, env: Io['env']): string[] {
  const urls = [redis, admin, env.REDIS_URL, env.CACHE_ADMIN_URL].filter((url) => url !== undefined && URL.canParse(url)).map((url) => new URL(url!))
  const passwords = urls.flatMap(({ password }) => password === '' ? [] : [password, decodeURIComponent(password)])
  const fields = [...adminHeader, env.CACHE_ADMIN_HEADER ?? ''].map((field) => field.slice(field.indexOf(':') + 1).trim())
  return [...passwords, ...fields, env.REDIS_PASSWORD ?? ''].filter((secret) => secret !== '')
}
