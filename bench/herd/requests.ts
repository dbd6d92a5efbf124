/** One request of a load: to which port, for which path, with which header fields. */
export interface Planned {
  readonly port: number
  readonly path: string
  readonly fields?: Readonly<Record<string, string>>
}

/** Requests that are all released at one moment, each on a connection that stands already. */
export interface Burst {
  readonly type: 'burst'
  readonly requests: readonly Planned[]
}

/** Requests that are sent on schedule, whatever comes back. They go around the ports, and then around the paths. */
export interface Steady {
  readonly type: 'steady'
  readonly ports: readonly number[]
  readonly paths: readonly string[]
  readonly perSecond: number
  readonly seconds: number
}

/** Each connection sends its next request when it has the answer to the last one. */
export interface Saturation {
  readonly type: 'saturation'
  readonly ports: readonly number[]
  readonly path: string
  readonly fields?: Readonly<Record<string, string>>
  readonly connections: number
  readonly seconds: number
}

export interface Answer {
  readonly port: number
  readonly path: string
  /** `0`: the connection broke. */
  readonly status: number
  readonly xCache: string
  readonly cacheStatus: string
  readonly body: string
  /** When the request should have been sent, when it was, and when the answer was there, in milliseconds by `now`. */
  readonly dueAt: number
  readonly sentAt: number
  readonly at: number
}

/** What a saturation came to. `failures` are answers other than 200. */
export interface Throughput {
  readonly requests: number
  readonly seconds: number
  readonly failures: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** From when it was due: a load that falls behind does not make the answers look fast. */
export function latency ({ dueAt, at }: Answer): number {
  return at - dueAt
}

/** The version of the response, which the run of the handler has told, too. */
export function versionOf ({ body }: Answer): string {
  return (JSON.parse(body) as { version: string }).version
}
