/** What a process of the oracle is told when it starts. */
export interface ProcessSettings {
  readonly role: 'reader' | 'writer'
  /** The Redis of the cache. */
  readonly cacheUrl: string
  /** The Redis of the versions, which nothing disturbs. */
  readonly databaseUrl: string
  readonly prefix: string
  readonly memory?: { readonly maxBytes: number, readonly maxBlindMs: number }
  /** Requests or invalidations at once. */
  readonly loops: number
  /** Each loop rests between nothing and twice this long after each step. */
  readonly restMs: number
  /**
   * Of a reader: asks for these things only, so that its hits are copies in memory, and nothing it asks Redis for tells it of
   * invalidations by the way. Default: for all.
   */
  readonly things?: readonly number[]
  /** Of a writer: the loops of all writers, and the number of the first of its own. */
  readonly firstLoop: number
  readonly allLoops: number
  /** Of a writer: so many invalidations are to be acknowledged. */
  readonly invalidations: number
}

/** What a process says. */
export type Report =
  | { readonly type: 'ready' }
  /** What a writer did: see `ACK`. */
  | { readonly type: 'acks', readonly acks: Float64Array, readonly refused: number }
  /** What a reader got: see `RESPONSE`. */
  | { readonly type: 'responses', readonly responses: Float64Array, readonly without: number }

/** What a process is told. */
export type Command = { readonly type: 'go' } | { readonly type: 'stop' }

/** Columns of the acknowledged invalidations; `form` is a place in `FORMS`. */
export const ACK = { thing: 0, version: 1, at: 2, form: 3, columns: 4 } as const

/** Columns of the responses. `lookedUpAt` is that of a copy in memory. */
export const RESPONSE = { thing: 0, version: 1, beganAt: 2, lookedUpAt: 3, source: 4, columns: 5 } as const

/** Where a response came from. Producer: `getOrSet` could not ask Redis, and has waited for a producer that ran already. */
export const SOURCE = { handler: 0, redis: 1, memory: 2, producer: 3 } as const

/** Nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share. Exact for the first 104 days after it was started. */
export function now (): number {
  return Number(process.hrtime.bigint())
}
