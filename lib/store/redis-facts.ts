import type { ConnectedRedis } from './redis-client.ts'
import { neededCommands, OF_CLUSTERS, OF_SENTINELS, type NeededCommand } from './redis-commands.ts'
import { inTime } from '../deadline.ts'
import type { ClusterFacts, Lacking, ServerFacts, StoreFacts } from './store-facts.ts'

/*
 * What Redis says of itself, in few questions. Nothing is asked that the user of the connection may not ask, because each refusal is a line in
 * ACL LOG: a script finds out (Redis 7 and newer), and asks itself. CONFIG is not for scripts, and has to be asked for.
 */

/** What the script has found, as JSON. */
interface Found {
  /** Seconds and microseconds. */
  readonly time: readonly [string, string]
  readonly info: Readonly<Record<string, string | false>>
  readonly version: string | false
  readonly mayConfig: boolean
  /** Places in the list that was given, separated by spaces; false: could not be found out. */
  readonly lacking: string | false
}

/** What is asked besides what the store needs. Some of it only some kinds of clients have. */
interface AskedRedis extends ConnectedRedis {
  configGet? (parameter: string): Promise<unknown>
  /** Of clusters. */
  readonly masters?: ReadonlyArray<{ readonly address: string }>
  readonly slots?: ReadonlyArray<{ readonly master?: unknown } | undefined>
  readonly _options?: { readonly defaults?: Credentials, readonly nodeClientOptions?: Credentials }
}

interface Credentials {
  readonly username?: unknown
  readonly credentialsProvider?: unknown
}

const FACTS_SCRIPT = `
local needed, mayAsk = cjson.decode(ARGV[1]), ARGV[2] == '1'
local function may (words)
  if not redis.acl_check_cmd then return mayAsk end
  local isKnown, isAllowed = pcall(redis.acl_check_cmd, unpack(words))
  return isKnown and isAllowed
end
local function info (section)
  local text = may({'INFO', section}) and redis.pcall('INFO', section)
  return type(text) == 'string' and text
end
local found = { time = redis.call('TIME'), version = redis.REDIS_VERSION or false, mayConfig = may({'CONFIG', 'GET', 'save'}), lacking = false, info = {} }
for _, section in ipairs({'server', 'memory', 'replication', 'persistence'}) do found.info[section] = info(section) end
if redis.acl_check_cmd then
  local lacking = {}
  for at, words in ipairs(needed) do
    if not may(words) then lacking[#lacking + 1] = at - 1 end
  end
  found.lacking = table.concat(lacking, ' ')
end
return cjson.encode(found)
`

const SLOTS = 16_384
/** The shortest of so many answers is how far away Redis is: the others waited, here or there. */
const PINGS = 5
/** A Cluster has seldom more. */
const MOST_SERVERS = 100
/** So long each server of a Cluster may take. */
const SERVER_MS = 2000

export interface RedisFactsOptions {
  readonly client: ConnectedRedis
  readonly prefix: string
}

/** Rejects when Redis cannot be asked. */
export async function redisFacts ({ client, prefix }: RedisFactsOptions): Promise<StoreFacts> {
  const redis = client as AskedRedis
  const mayAsk = !hasOwnUser(redis)
  if (redis.masters !== undefined) return await clusterFacts(redis, { prefix, mayAsk })
  const latencyMs = await latencyOf(redis, prefix)
  const needed = [...neededCommands({ key: await fullKey(redis, prefix), channels: prefix }), ...redis.acquire === undefined ? [] : OF_SENTINELS]
  return { latencyMs, servers: [await serverFacts(redis, { name: 'Redis', needed, mayAsk })] }
}

async function clusterFacts (redis: AskedRedis, { prefix, mayAsk }: { prefix: string, mayAsk: boolean }): Promise<StoreFacts> {
  if (redis.masters!.length === 0) throw new Error('no server of the Cluster is known')
  // Who has the slots of these keys may be what is wrong: the servers are asked all the same.
  const latencyMs = await latencyOf(redis, prefix).catch(() => undefined)
  const key = await fullKey(redis, prefix).catch(() => plainKey(prefix))
  const needed = [...neededCommands({ key, channels: prefix }), ...OF_CLUSTERS]
  return { ...latencyMs === undefined ? {} : { latencyMs }, ...await mastersFacts(redis, { needed, mayAsk }) }
}

function plainKey (prefix: string): string {
  return `${prefix}:advice`
}

/** As it is in Redis. */
async function fullKey (redis: ConnectedRedis, prefix: string): Promise<string> {
  return String(await redis.eval('return KEYS[1]', { keys: [plainKey(prefix)], arguments: [] }))
}

async function latencyOf (redis: ConnectedRedis, prefix: string): Promise<number> {
  let shortest = Infinity
  for (let i = 0; i < PINGS; i++) {
    const askedAt = performance.now()
    await redis.pTTL(`${prefix}:ping`)
    shortest = Math.min(shortest, performance.now() - askedAt)
  }
  return shortest
}

async function mastersFacts (redis: AskedRedis, how: { needed: readonly NeededCommand[], mayAsk: boolean }): Promise<{ servers: ServerFacts[], cluster: ClusterFacts }> {
  const masters = redis.masters!.slice(0, MOST_SERVERS)
  const silent: string[] = []
  const servers: ServerFacts[] = []
  await Promise.all(masters.map(async (master) => {
    const { address: name } = master
    const asked = async (): Promise<ServerFacts> => await serverFacts(await redis.nodeClient!(master as never) as AskedRedis, { name, ...how })
    await inTime(SERVER_MS, asked(), { idle: true }).then((facts) => { servers.push(facts) }, () => { silent.push(name) })
  }))
  const known = (redis.slots ?? []).filter((slot) => slot?.master !== undefined).length
  return { servers: servers.sort(byName), cluster: { slotsWithoutMaster: redis.slots === undefined ? 0 : SLOTS - known, silent: silent.sort() } }
}

async function serverFacts (redis: AskedRedis, { name, needed, mayAsk }: { name: string, needed: readonly NeededCommand[], mayAsk: boolean }): Promise<ServerFacts> {
  const askedAt = Date.now()
  const text = await redis.eval(FACTS_SCRIPT, { keys: [], arguments: [JSON.stringify(needed.map(({ words }) => words)), mayAsk ? '1' : '0'] })
  const answeredAt = Date.now()
  const found = JSON.parse(String(text)) as Found
  const info = new Map(Object.values(found.info).flatMap((section) => section === false ? [] : linesOf(section)))
  const [seconds, microseconds] = found.time
  return {
    name,
    clockAheadMs: aheadMs(Number(seconds) * 1000 + Number(microseconds) / 1000, { askedAt, answeredAt }),
    ...defined({
      version: info.get('valkey_version') ?? info.get('redis_version') ?? (found.version || undefined),
      role: roleOf(info.get('role')),
      maxMemory: numberOf(info.get('maxmemory')),
      usedMemory: numberOf(info.get('used_memory')),
      evictionPolicy: info.get('maxmemory_policy'),
      isAppendOnly: info.has('aof_enabled') ? info.get('aof_enabled') === '1' : undefined,
      lacking: found.lacking === false ? undefined : lackingOf(needed, found.lacking)
    }),
    ...found.mayConfig ? defined({ save: await configOf(redis, 'save'), appendFsync: await configOf(redis, 'appendfsync') }) : {}
  }
}

/** How far a clock that was read between two moments is ahead of ours, or behind, at least. */
function aheadMs (time: number, { askedAt, answeredAt }: { askedAt: number, answeredAt: number }): number {
  if (time > answeredAt) return time - answeredAt
  return Math.min(0, time - askedAt)
}

/** Undefined where it is refused, or there is no such command after all. */
async function configOf (redis: AskedRedis, parameter: string): Promise<string | undefined> {
  try {
    const value = (await redis.configGet?.(parameter) as Record<string, unknown> | undefined)?.[parameter]
    return value === undefined ? undefined : String(value)
  } catch {
    return undefined // many services have no CONFIG; what is not known is not judged
  }
}

/** Before Redis 7 nobody can tell what a user may do without being refused. A user that was made for the cache may not ask these questions. */
function hasOwnUser ({ options, _options }: AskedRedis): boolean {
  return [options, _options?.defaults, _options?.nodeClientOptions].some((given) => {
    const { username, credentialsProvider }: Credentials = given ?? {}
    return credentialsProvider !== undefined || (username !== undefined && username !== 'default')
  })
}

function lackingOf (needed: readonly NeededCommand[], places: string): Lacking[] {
  const lacking = places.split(' ').filter((place) => place !== '').map((place) => needed[Number(place)]!)
  return lacking.map(({ command, part }) => ({ command, part }))
}

function linesOf (section: string): Array<[name: string, value: string]> {
  return section.split('\n').flatMap((line) => {
    const at = line.indexOf(':')
    return at < 1 ? [] : [[line.slice(0, at), line.slice(at + 1).trim()] as [string, string]]
  })
}

function roleOf (text: string | undefined): 'master' | 'replica' | undefined {
  return text === undefined ? undefined : text === 'master' ? 'master' : 'replica'
}

function numberOf (text: string | undefined): number | undefined {
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text)
}

type Defined<T> = { [Name in keyof T]?: Exclude<T[Name], undefined> }

function defined<T extends object> (values: T): Defined<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<T>
}

function byName (a: ServerFacts, b: ServerFacts): number {
  return a.name < b.name ? -1 : 1
}
