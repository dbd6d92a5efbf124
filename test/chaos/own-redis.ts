import { randomUUID } from 'node:crypto'
import { isIP } from 'node:net'
import { createClient, type RedisClientOptions } from 'redis'
import { findOnPath } from '../helpers/find-on-path.ts'
import { startFaultyProxy, type FaultyProxy } from '../helpers/faulty-proxy.ts'
import { startProcess } from '../helpers/redis-process.ts'

/** The Redis of somebody's own, with a proxy in front of it. */
export interface OwnRedis {
  /** For people, without a password. */
  readonly origin: string
  readonly prefix: string
  readonly proxy: FaultyProxy
  /** How apps reach it: through the proxy. */
  readonly option: Pick<RedisClientOptions, 'url' | 'name' | 'socket'>
  /** A connection that does not go through the proxy. */
  readonly direct: ReturnType<typeof clientOf>
  /** Whether its connections can be told from those of others, by their name. */
  readonly canKill: boolean
  /** Removes the keys, and ends what was started. */
  close (): Promise<void>
}

const CONNECT_MS = 5000
const BINARIES = ['redis-server', 'valkey-server']

/** Rejects with what to do when there is none. */
export async function openOwnRedis (url: string | undefined): Promise<OwnRedis> {
  if (url !== undefined) return await behindProxy(url, async () => {})
  const binary = findOnPath(BINARIES)
  if (binary === undefined) throw new Error(`No Redis: give its address (--redis redis://… or REDIS_URL), or install one, so that ${BINARIES.join(' or ')} is on the PATH.`)
  const server = await startProcess(binary, {})
  try {
    return await behindProxy(server.url, () => server.dispose())
  } catch (fault) {
    await server.dispose()
    throw fault
  }
}

function clientOf (url: string) {
  return createClient({ url, socket: { connectTimeout: CONNECT_MS, reconnectStrategy: false } })
}

async function behindProxy (text: string, dispose: () => Promise<void>): Promise<OwnRedis> {
  const url = parsed(text)
  const direct = await connected(text, url)
  const prefix = `chaos-${randomUUID().slice(0, 8)}`
  try {
    await checkSingle(direct)
    const canKill = await isAllowed(direct, prefix)
    const proxy = await startFaultyProxy({ host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 6379) })
    return {
      origin: `${url.protocol}//${url.host}`,
      prefix,
      proxy,
      option: { ...proxied(url, proxy.port), ...canKill ? { name: prefix } : {} },
      direct,
      canKill,
      async close () {
        await proxy.close()
        await removeKeys(direct, prefix)
        await direct.close()
        await dispose()
      }
    }
  } catch (fault) {
    direct.destroy()
    throw fault
  }
}

function parsed (text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '') throw new Error('--redis or REDIS_URL: expected redis://… or rediss://…')
  return url
}

async function connected (text: string, { host, protocol }: URL): Promise<OwnRedis['direct']> {
  const client = clientOf(text)
  client.on('error', () => {}) // what is asked says so
  try {
    await client.connect()
    return client
  } catch (fault) {
    throw new Error(`No Redis answers at ${protocol}//${host}: ${(fault as Error).message}`, { cause: fault })
  }
}

/** The certificate is that of the server, not of the proxy. */
function proxied (url: URL, port: number): OwnRedis['option'] {
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String(port)
  if (url.protocol !== 'rediss:') return { url: through.href }
  return { url: through.href, socket: { tls: true, ...isIP(url.hostname) === 0 ? { servername: url.hostname } : {} } }
}

/** The nodes of a Cluster send their clients elsewhere, past the proxy. */
async function checkSingle (direct: OwnRedis['direct']): Promise<void> {
  const info = await direct.info('cluster').catch(() => '')
  if (/^cluster_enabled:1/m.test(info)) throw new Error('This is a node of a Redis Cluster, whose clients would go past the proxy: expected a single Redis.')
}

async function isAllowed (direct: OwnRedis['direct'], name: string): Promise<boolean> {
  try {
    await direct.clientSetName(name)
    const own = (await direct.clientList()).filter((client) => client.name === name)
    await direct.clientSetName(`${name}-direct`)
    return own.length === 1
  } catch {
    return false // a managed service, or an ACL
  }
}

async function removeKeys (direct: OwnRedis['direct'], prefix: string): Promise<void> {
  for await (const keys of direct.scanIterator({ MATCH: `${prefix}:*`, COUNT: 1000 })) {
    if (keys.length > 0) await direct.unlink(keys)
  }
}
