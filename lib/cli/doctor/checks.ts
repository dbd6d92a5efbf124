import type { Advice, AdviceWord } from '../../advice/advice.ts'
import type { ServerFacts, StoreFacts } from '../../store/store-facts.ts'
import { bytes, duration, percent } from '../units.ts'

/** One thing that was looked at. */
export interface Check {
  readonly name: string
  /** `unknown`: it could not be found out. */
  readonly result: 'ok' | 'note' | 'risk' | 'failed' | 'unknown'
  /** What was found, and what to do about it. */
  readonly text: string
  readonly docs?: string
}

interface Rule {
  readonly name: string
  readonly words: readonly AdviceWord[]
  /** What is fine, or nothing when it is not known. */
  readonly fine: (facts: StoreFacts, server: ServerFacts) => string | undefined
}

const UNTOLD = 'not known: the Redis user may not ask (+info and +config|get), or the service does not say'

/** What is looked at of Redis, and what `cache.advice()` says about each. */
const RULES: readonly Rule[] = [
  { name: 'latency', words: ['slow-redis'], fine: ({ latencyMs }) => latencyMs === undefined ? undefined : `${duration(latencyMs)}, the shortest of 5 answers` },
  { name: 'version', words: ['old-redis'], fine: (_facts, { version }) => version },
  { name: 'memory', words: ['no-maxmemory'], fine: (_facts, server) => memoryOf(server) },
  { name: 'eviction', words: ['noeviction', 'eviction-policy'], fine: (_facts, { evictionPolicy, maxMemory }) => evictionPolicy === undefined || maxMemory !== 0 ? evictionPolicy : `${evictionPolicy}, without effect as long as there is no maxmemory` },
  { name: 'persistence', words: ['append-always', 'persistence'], fine: (_facts, { isAppendOnly, save }) => isAppendOnly === false && save === '' ? 'none' : undefined },
  { name: 'rights', words: ['missing-rights'], fine: (_facts, { lacking }) => lacking?.length === 0 ? 'every command, key and channel that the cache uses' : undefined },
  { name: 'clock', words: ['clock-skew'], fine: (_facts, { clockAheadMs }) => clockAheadMs === 0 ? 'the same as here' : `${duration(Math.abs(clockAheadMs))} ${clockAheadMs > 0 ? 'ahead' : 'behind'}` },
  { name: 'topology', words: ['replica', 'incomplete-cluster'], fine: topologyOf }
]

/** Checks in the order of the rules; advice that none of them knows comes last. */
export function redisChecks (facts: StoreFacts, advice: readonly Advice[]): Check[] {
  const checks = RULES.flatMap(({ name, words, fine }): Check[] => {
    const told = advice.filter(({ word }) => words.includes(word))
    if (told.length > 0) return told.map((one) => adviceCheck(name, one))
    const texts = facts.servers.map((server) => fine(facts, server))
    const [text] = texts
    return texts.includes(undefined) || text === undefined ? [{ name, result: 'unknown', text: UNTOLD }] : [{ name, result: 'ok', text: [...new Set(texts)].join('; ') }]
  })
  const known = new Set(RULES.flatMap(({ words }) => words))
  return [...checks, ...advice.filter(({ word }) => !known.has(word)).map((one) => adviceCheck('advice', one))]
}

export function adviceCheck (name: string, { level, text, docs }: Advice): Check {
  return { name, result: level, text, docs }
}

function memoryOf ({ usedMemory, maxMemory }: ServerFacts): string | undefined {
  if (usedMemory === undefined || maxMemory === undefined) return undefined
  return `${bytes(usedMemory)} of ${bytes(maxMemory)} used (${percent(usedMemory / maxMemory)})`
}

function topologyOf ({ cluster, servers }: StoreFacts, { role }: ServerFacts): string | undefined {
  if (cluster !== undefined) return `a Cluster of ${servers.length} masters with all slots`
  return role === undefined ? undefined : 'a master'
}
