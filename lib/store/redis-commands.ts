import type { Part } from './store-facts.ts'

/** A command that the cache sends, with arguments of the kind that it has. */
export interface NeededCommand {
  readonly part: Part
  /** As in an ACL: `get`, `cluster|slots`. */
  readonly command: string
  readonly words: readonly string[]
}

export interface Names {
  /** A key under the prefix, as it is in Redis: node-redis may put a `keyPrefix` of its own before it. */
  readonly key: string
  /** What channels begin with. */
  readonly channels: string
}

/** Every command, by what it is for: what a Redis user has to be allowed to do, see docs/production.md. */
export function neededCommands ({ key, channels }: Names): NeededCommand[] {
  return [
    ...of('entries', [['GET', key], ['SET', key, ''], ['DEL', key], ['UNLINK', key], ['PEXPIRE', key, '1'], ['PTTL', key], ['GETRANGE', key, '0', '1'], ['EVAL', '', '1', key]]),
    ...of('marks', [
      ['ZMSCORE', key, ''], ['ZRANGE', key, '0', '1'], ['TIME'], ['ZSCORE', key, ''], ['ZADD', key, '1', ''], ['ZCARD', key],
      ['ZREMRANGEBYRANK', key, '0', '1'], ['ZREMRANGEBYSCORE', key, '0', '1']
    ]),
    ...of('channels', ['marks', 'leases'].flatMap((name) => [['PUBLISH', `${channels}:${name}`, ''], ['SUBSCRIBE', `${channels}:${name}`]])),
    ...of('events', [['XADD', key, '*', '', ''], ['XREAD', 'STREAMS', key, '0'], ['XRANGE', key, '-', '+'], ['XREVRANGE', key, '+', '-']]),
    ...of('statistics', [['HGET', key, ''], ['HSET', key, '', ''], ['HLEN', key], ['HSCAN', key, '0']]),
    ...of('walks', [['SCAN', '0'], ['DBSIZE']]),
    ...of('connection', [['PING'], ['SELECT', '0']])
  ]
}

/** What clients of other kinds send besides. */
export const OF_CLUSTERS: readonly NeededCommand[] = [
  { part: 'cluster', command: 'cluster|slots', words: ['CLUSTER', 'SLOTS'] },
  { part: 'cluster', command: 'asking', words: ['ASKING'] },
  { part: 'channels', command: 'unsubscribe', words: ['UNSUBSCRIBE'] }
]
export const OF_SENTINELS: readonly NeededCommand[] = [{ part: 'channels', command: 'unsubscribe', words: ['UNSUBSCRIBE'] }]

function of (part: Part, commands: readonly string[][]): NeededCommand[] {
  return commands.map((words) => ({ part, command: words[0]!.toLowerCase(), words }))
}
