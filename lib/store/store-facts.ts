/** What a store says of itself; what it does not say, or may not be asked for, is left out. */
export interface StoreFacts {
  /** One, or the masters of a Cluster that answered. */
  readonly servers: readonly ServerFacts[]
  /** How long the shortest of a few questions took to be answered, in milliseconds. Not known of a Cluster that lacks the slot that was asked for. */
  readonly latencyMs?: number
  /** Of a Cluster. */
  readonly cluster?: ClusterFacts
}

export interface ClusterFacts {
  /** Slots that no master is known for. */
  readonly slotsWithoutMaster: number
  /** Addresses of masters that did not answer. */
  readonly silent: readonly string[]
}

/** One server. */
export interface ServerFacts {
  /** `host:port` in a Cluster, else `Redis`. */
  readonly name: string
  readonly version?: string
  readonly role?: 'master' | 'replica'
  /** Bytes; 0: no bound. */
  readonly maxMemory?: number
  readonly usedMemory?: number
  readonly evictionPolicy?: string
  readonly isAppendOnly?: boolean
  readonly appendFsync?: string
  /** When it makes snapshots, as in `redis.conf`; empty: never. */
  readonly save?: string
  /** How far its clock is ahead of that of this process at least, in milliseconds; negative when it is behind. */
  readonly clockAheadMs: number
  /** What this process may not do there that the cache does. */
  readonly lacking?: readonly Lacking[]
}

/** A command that the user of the connection may not send, or that the server does not have. */
export interface Lacking {
  /** As in an ACL: `get`, `cluster|slots`. */
  readonly command: string
  readonly part: Part
}

/** What a command is for. */
export type Part = 'entries' | 'marks' | 'channels' | 'events' | 'statistics' | 'walks' | 'connection' | 'cluster'
