import type { ServerSample } from './settings.ts'

/** What is seen at one moment. */
export interface Sample {
  /** Milliseconds since the start. */
  readonly at: number
  /** By server; one that was too busy to say it is left out. */
  readonly servers: Readonly<Record<string, ServerSample>>
  /** Keys under the prefix, and open connections; undefined while Redis does not say. */
  readonly keys: number | undefined
  readonly connections: number | undefined
}

export interface Line {
  readonly name: string
  readonly perHour: number
  /** By how much it has grown in the time that counts. */
  readonly grown: number
  readonly last: number
  readonly isFlat: boolean
}

type Point = readonly [at: number, value: number]

/** What may grow so much in an hour; and what is no growth, however short the time, because it goes up and down by that much. */
const BOUNDS: Readonly<Record<string, { readonly perHour: number, readonly noise: number }>> = {
  rss: { perHour: 60e6, noise: 40e6 },
  heap: { perHour: 20e6, noise: 6e6 },
  external: { perHour: 20e6, noise: 6e6 },
  timers: { perHour: 20, noise: 15 },
  sockets: { perHour: 20, noise: 15 },
  handles: { perHour: 40, noise: 30 },
  keys: { perHour: 1000, noise: 1500 },
  connections: { perHour: 20, noise: 15 }
}

/** The first part of the time is left out: code is compiled, memory fills up. */
const WARM_UP = 0.25
const HOUR_MS = 3_600_000

/** How everything that is counted has grown, by the slope of the line that fits best. */
export function growth (samples: readonly Sample[]): Line[] {
  const endsAt = samples.at(-1)?.at ?? 0
  const counted = samples.filter(({ at }) => at >= WARM_UP * endsAt)
  const servers = [...new Set(samples.flatMap((sample) => Object.keys(sample.servers)))]
  const lines = servers.flatMap((server) => (['rss', 'heap', 'external', 'timers', 'sockets', 'handles'] as const).map((kind) => {
    return lineOf(`${server}: ${kind}`, kind, counted.flatMap(({ at, servers }): Point[] => servers[server] === undefined ? [] : [[at, servers[server][kind]]]))
  }))
  const ofRedis = (['keys', 'connections'] as const).map((kind) => lineOf(`Redis: ${kind}`, kind, counted.flatMap(({ at, [kind]: value }): Point[] => value === undefined ? [] : [[at, value]])))
  return [...lines, ...ofRedis]
}

function lineOf (name: string, kind: string, points: readonly Point[]): Line {
  const slope = leastSquares(points)
  const grown = points.length === 0 ? 0 : slope * (points.at(-1)![0] - points[0]![0])
  const perHour = slope * HOUR_MS
  const bound = BOUNDS[kind]!
  return { name, perHour, grown, last: points.at(-1)?.[1] ?? NaN, isFlat: perHour <= bound.perHour || grown <= bound.noise }
}

/** The slope of the line through these points, per unit of `at`. */
export function leastSquares (points: readonly Point[]): number {
  const meanOf = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const [at, of] = [meanOf(points.map(([at]) => at)), meanOf(points.map(([, value]) => value))]
  let [above, below] = [0, 0]
  for (const [x, y] of points) {
    above += (x - at) * (y - of)
    below += (x - at) ** 2
  }
  return below === 0 ? 0 : above / below
}
