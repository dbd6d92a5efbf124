import { readFileSync } from 'node:fs'
import { isRedisUrl } from '../options/check.ts'
import type { CacheOptions } from '../options/plugin-options.ts'
import type { RedisOption } from '../store/redis-client.ts'
import { UsageError } from './exit.ts'
import { credentialsOf, type Credentials } from './secrets.ts'

/** What stands at the address: the server itself, one of a Cluster, or a Sentinel, which knows where the server is. */
export type RedisKind = 'server' | 'cluster' | 'sentinel'

export interface RedisPlace {
  readonly name: string
  readonly redis: RedisOption
  readonly kind: RedisKind
  readonly prefix: string
  /** What entries are signed with. */
  readonly secrets: readonly string[]
  readonly timeoutMs: number
}

type ClusterOption = Extract<RedisOption, { rootNodes: unknown }>
type SentinelOption = Extract<RedisOption, { sentinelRootNodes: unknown }>

/** The options that say where Redis is. */
export interface RedisOptions {
  readonly redis?: string
  readonly prefix?: string
  readonly cluster?: boolean
  readonly sentinel?: string
  readonly secretFile?: string
}

interface Address {
  readonly host: string
  readonly port: number
  readonly isTls: boolean
  readonly database?: number
  readonly credentials: Credentials
}

const DEFAULT_PREFIX = 'cache'
const DEFAULT_PORTS = { server: 6379, cluster: 6379, sentinel: 26_379 } as const satisfies Record<RedisKind, number>

/** Undefined where neither the options nor the environment name one. Errors: `UsageError`. */
export function redisPlace (options: RedisOptions, fromEnv: Pick<CacheOptions, 'redis' | 'prefix'>, timeoutMs: number): RedisPlace | undefined {
  const kind = kindOf(options)
  const given = options.redis === undefined ? fromEnv.redis : redisUrl(options.redis)
  if (given === undefined) return undefined
  const prefix = options.prefix ?? fromEnv.prefix ?? DEFAULT_PREFIX
  const address = addressOf(given, { kind, where: options.redis === undefined ? 'REDIS_URL' : '--redis' })
  const at = `${address.host}:${address.port}`
  return {
    name: `${kind === 'sentinel' ? `Redis "${options.sentinel}" of the Sentinel` : 'Redis'} at ${at}, prefix "${prefix}"`,
    redis: kind === 'cluster' ? clusterOf(address) : kind === 'sentinel' ? sentinelOf(address, options.sentinel!) : given,
    kind,
    prefix,
    secrets: options.secretFile === undefined ? [] : secretsIn(options.secretFile),
    timeoutMs
  }
}

function kindOf ({ cluster = false, sentinel }: RedisOptions): RedisKind {
  if (cluster && sentinel !== undefined) throw new UsageError('expected --cluster or --sentinel, not both')
  if (sentinel === '') throw new UsageError('--sentinel: expected the name that Sentinels have for the master, such as mymaster')
  return cluster ? 'cluster' : sentinel === undefined ? 'server' : 'sentinel'
}

function redisUrl (text: string): string {
  if (isRedisUrl(text)) return text
  throw new UsageError('--redis: expected a URL such as redis://HOST:6379/0, rediss:// for TLS, with USER:PASSWORD@ before the host where there is one')
}

/** The single variables of the environment come as options of a client. */
interface SingleVariables extends Credentials {
  readonly socket: { readonly host: string, readonly port: number, readonly tls?: boolean }
  readonly database?: number
}

function addressOf (given: RedisOption, { kind, where }: { readonly kind: RedisKind, readonly where: string }): Address {
  if (typeof given !== 'string') {
    const { socket: { host, port, tls = false }, database, ...credentials } = given as SingleVariables // as optionsFromEnv() makes it
    return { host, port, isTls: tls, credentials, ...database === undefined ? {} : { database } }
  }
  const url = new URL(given)
  const { hostname, port, protocol, pathname } = url
  if (!/^\/?\d{0,5}$/.test(pathname)) throw new UsageError(`${where}: expected the number of a database behind the host, such as redis://HOST:6379/0`)
  const database = Number(pathname.slice(1))
  return {
    host: hostname,
    port: port === '' ? DEFAULT_PORTS[kind] : Number(port),
    isTls: protocol === 'rediss:',
    credentials: credentialsOf(url, where),
    ...database === 0 ? {} : { database }
  }
}

/** In brackets a URL has what a socket wants without. */
function hostOf ({ host }: Address): string {
  return host.replace(/^\[(.*)\]$/, '$1')
}

/** The other servers take the same user and TLS. There is only one database. */
function clusterOf (address: Address): ClusterOption {
  const { port, isTls, credentials } = address
  const tls = isTls ? { tls: true } as const : {}
  return { rootNodes: [{ socket: { host: hostOf(address), port, ...tls } }], defaults: { ...credentials, socket: tls } }
}

/** User and database are those of Redis. A Sentinel without a password takes any, and one that has one usually has the same. */
function sentinelOf (address: Address, name: string): SentinelOption {
  const { port, isTls, credentials, database } = address
  const socket = isTls ? { tls: true } as const : {}
  return {
    name,
    sentinelRootNodes: [{ host: hostOf(address), port }],
    nodeClientOptions: { ...credentials, ...database === undefined ? {} : { database }, socket },
    sentinelClientOptions: { ...credentials.password === undefined ? {} : { password: credentials.password }, socket },
    // Or nobody would hear why there is no connection.
    passthroughClientErrorEvents: true
  }
}

/** One a line, the first one signs: as in the option `integrity`. */
function secretsIn (file: string): string[] {
  const secrets = linesOf(file)
  if (secrets.length === 0) throw new UsageError(`--secret-file: expected a secret in each line of "${file}", which is empty`)
  return secrets
}

function linesOf (file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/).filter((line) => line !== '')
  } catch (fault) {
    throw new UsageError(`--secret-file: expected a file that can be read: ${(fault as Error).message}`)
  }
}
