import type { Lacking, Part, ServerFacts, StoreFacts } from '../store/store-facts.ts'
import { named, note, risk, type Advice } from './advice.ts'

/** What is judged together with what the store says. */
export interface StoreContext {
  /** How long a look-up may take. */
  readonly readMs: number
  /** The clock of this process is the system's: one that was passed in shows another time on purpose. */
  readonly isSystemClock: boolean
}

type ServerRule = (server: ServerFacts) => Advice | undefined

/** Each server is held against these; what several have in common is said once. */
const SERVER_RULES: readonly ServerRule[] = [oldVersion, replica, bound, evictionPolicy, persistence]

/** A slower answer leaves little of the deadline to a busy moment. */
const SLOW_SHARE = 1 / 4
const SKEW_MS = 1000
const OLDEST = [6, 2] as const

/** Without these nothing is cached. */
const VITAL: readonly Part[] = ['entries', 'marks', 'cluster']

const WITHOUT: Readonly<Record<Part, string>> = {
  entries: 'nothing is cached',
  marks: 'nothing is cached',
  cluster: 'slots cannot be found, and nothing is cached',
  channels: 'processes do not hear of one another, or are not heard',
  events: 'publish() and invalidateOn() do not work',
  statistics: 'the statistics of all processes lack those of this one',
  walks: 'deletePattern(), sweep() and entries() do not work, and sample() does not estimate',
  connection: 'another database than 0 cannot be used, or a connection that has gone silent is noticed late'
}

export function storeAdvice (facts: StoreFacts, { readMs, isSystemClock }: StoreContext): Advice[] {
  const found = facts.servers.flatMap((server) => {
    const rules = isSystemClock ? [...SERVER_RULES, clockSkew] : SERVER_RULES
    return rules.map((rule) => rule(server)).filter((advice) => advice !== undefined)
  })
  return [...onceEach(found), ...[missingRights(facts), slow(facts, readMs), incompleteCluster(facts)].filter((advice) => advice !== undefined)]
}

/** Texts name their server, so that what is the same of two servers of a Cluster differs in nothing but the name. */
function onceEach (found: readonly Advice[]): Advice[] {
  const first = new Map<string, Advice>()
  for (const advice of found) if (!first.has(advice.word)) first.set(advice.word, advice)
  return [...first.values()]
}

function oldVersion ({ name, version }: ServerFacts): Advice | undefined {
  const [major, minor] = (version ?? '').split('.').map(Number)
  if (major === undefined || minor === undefined || major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return undefined
  return risk('old-redis', `${name} has version ${version}; commands that every look-up needs came with ${OLDEST.join('.')}: nothing is cached. Take Redis 6.2 or newer, or Valkey.`)
}

function replica ({ name, role }: ServerFacts): Advice | undefined {
  if (role !== 'replica') return undefined
  return risk('replica', `${name} is a replica: it takes no writes, so that nothing is stored or invalidated, and may still have what was invalidated at its master. Connect to the master.`)
}

function bound ({ name, maxMemory, evictionPolicy }: ServerFacts): Advice | undefined {
  if (maxMemory === 0) return risk('no-maxmemory', `${name} has no maxmemory: it grows until the system ends it. Set maxmemory, and maxmemory-policy allkeys-lru.`)
  if (evictionPolicy !== 'noeviction') return undefined
  return risk('noeviction', `${name} has maxmemory-policy noeviction: when it is full, responses are not stored until something expires. Set maxmemory-policy allkeys-lru.`)
}

function evictionPolicy ({ name, maxMemory, evictionPolicy: policy }: ServerFacts): Advice | undefined {
  if (maxMemory === 0 || policy === undefined) return undefined
  const told = (text: string): Advice => note('eviction-policy', `${name} has maxmemory-policy ${policy}: ${text}`)
  if (policy === 'allkeys-random') return told('the marks may go at any moment, then everything is a miss once. allkeys-lru keeps them.')
  if (policy === 'volatile-ttl') return told('leases go first, so that handlers may run twice; data without a time to live stays. Where Redis is for the cache alone, set allkeys-lru.')
  if (policy.startsWith('volatile-')) return told('only entries go, and data without a time to live stays. That fits a Redis that is shared with such data; else set allkeys-lru.')
  return undefined
}

function persistence ({ name, isAppendOnly, appendFsync, save }: ServerFacts): Advice | undefined {
  if (isAppendOnly === true && appendFsync === 'always') return risk('append-always', `${name} has appendfsync always: each response that is stored waits for its disk, and so does what is asked meanwhile. Set appendonly no.`)
  const kept = [...isAppendOnly === true ? ['appendonly yes'] : [], ...save === undefined || save === '' ? [] : [`save ${save}`]]
  if (kept.length === 0) return undefined
  return note('persistence', `${name} keeps its data on disk (${kept.join(', ')}): a restart may bring back what was invalidated since. Set appendonly no and save "", unless other data there needs it.`)
}

function clockSkew ({ name, clockAheadMs }: ServerFacts): Advice | undefined {
  if (Math.abs(clockAheadMs) <= SKEW_MS) return undefined
  const seconds = (Math.abs(clockAheadMs) / 1000).toFixed(1)
  return note('clock-skew', `The clock of ${name} is ${seconds} s ${clockAheadMs > 0 ? 'ahead of' : 'behind'} that of this process. Invalidations do not depend on it; Age and what is left of a lifetime are wrong by as much where a process has another time than the one that stored. Set the clocks by NTP.`)
}

function missingRights ({ servers }: StoreFacts): Advice | undefined {
  const lacking = servers.flatMap((server) => server.lacking ?? [])
  if (lacking.length === 0) return undefined
  const parts = [...new Set(lacking.map(({ part }) => part))]
  const told = parts.map((part) => `without ${commandsOf(lacking, part)} ${WITHOUT[part]}`).join('; ')
  const level = parts.some((part) => VITAL.includes(part)) ? risk : note
  return level('missing-rights', `The Redis user may not send all that the cache does, or not for the keys and channels of this prefix: ${told}. Grant it, or leave it at that where you need none of it.`)
}

function commandsOf (lacking: readonly Lacking[], part: Part): string {
  return [...new Set(lacking.filter((one) => one.part === part).map(({ command }) => command))].join(', ')
}

function slow ({ latencyMs }: StoreFacts, readMs: number): Advice | undefined {
  if (latencyMs === undefined || latencyMs <= readMs * SLOW_SHARE) return undefined
  return risk('slow-redis', `Redis answers after ${latencyMs.toFixed(1)} ms at best, which is more than a quarter of timeouts.read (${readMs} ms): in a busy moment look-ups will be late, and count as misses. Bring Redis closer, or raise timeouts.read.`)
}

function incompleteCluster ({ cluster }: StoreFacts): Advice | undefined {
  if (cluster === undefined || (cluster.slotsWithoutMaster === 0 && cluster.silent.length === 0)) return undefined
  const told = [
    ...cluster.slotsWithoutMaster === 0 ? [] : [`no master is known for ${cluster.slotsWithoutMaster} of 16384 slots`],
    ...cluster.silent.length === 0 ? [] : [`no answer from ${named(cluster.silent)}`]
  ]
  return risk('incomplete-cluster', `The Cluster is incomplete: ${told.join('; ')}. What belongs there is not cached, and if the marks do, nothing is. Look at CLUSTER NODES.`)
}
