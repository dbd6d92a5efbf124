import type { BypassReason, MissReason, NotStoredReason, RefusalReason, StaleReason } from '../http/cache-status.ts'

/** Upper bounds of the classes that durations are counted in, in milliseconds; one more class holds what took longer. */
export const LATENCY_BOUNDS_MS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000] as const

/** How long something took, how often. */
export interface Latency {
  readonly count: number
  readonly sumMs: number
  /** How many fell into each class of `LATENCY_BOUNDS_MS`, and last how many took longer. */
  readonly classes: readonly number[]
}

/** Numbers by a word of the vocabulary; words that did not occur are left out. */
export type ByWord<Word extends string> = Readonly<Partial<Record<Word, number>>>

/** What was counted of some requests. The words are those of `Cache-Status`. */
export interface Counts {
  /** Responses that were fresh, those that were waited for among them. */
  readonly hits: number
  /** Stale responses. */
  readonly stale: number
  /** Requests whose handler ran. */
  readonly misses: number
  /** Requests that might not use the cache. */
  readonly bypasses: number
  /** Requests that were answered with 503 or 504, because there were too many, the handler took too long, or nothing was stored. */
  readonly refused: number
  /** Hits with a response that was made while the request waited. */
  readonly collapsed: number
  /** Responses that became what is stored. */
  readonly fills: number
  /** Requests repeated in the background. */
  readonly refreshes: number
  /** Those of them that brought nothing to store. */
  readonly refreshErrors: number
  readonly bypassReasons: ByWord<BypassReason>
  readonly missReasons: ByWord<MissReason>
  readonly staleReasons: ByWord<StaleReason>
  readonly notStoredReasons: ByWord<NotStoredReason>
  readonly refusalReasons: ByWord<RefusalReason>
  /** From the look-up until a stored response was given to be sent. */
  readonly cached: Latency
  /** From the look-up until the handler's answer was given to be sent. */
  readonly uncached: Latency
  /** How long the handlers of the responses that were served had taken, less what serving them took. Milliseconds. */
  readonly savedMs: number
  /** Bytes of bodies that were served from the cache. */
  readonly servedBytes: number
}

/** Of one route: its methods and pattern, as in `GET /users/:id`. */
export interface RouteStats extends Counts {
  readonly route: string
  readonly namespace: string
}

/** What makes an invalidation: a call, of the app or of a route that writes, an event, or that events may have been missed. */
export type InvalidationCause = 'call' | 'event' | 'missed-events'

/** What was invalidated: how often, and by what. */
export interface InvalidationCounts {
  /** All of them. What an event invalidates is counted by one process of all that handle it. */
  readonly calls: number
  readonly byCause: ByWord<InvalidationCause>
  readonly byKind: ByWord<'all' | 'keys' | 'tags' | 'namespaces' | 'patterns' | 'users' | 'urls'>
}

/** The share of requests that the cache could answer among those that it was asked for; undefined when there was none. */
export function hitRateOf ({ hits, stale, misses }: Pick<Counts, 'hits' | 'stale' | 'misses'>): number | undefined {
  const asked = hits + stale + misses
  return asked === 0 ? undefined : (hits + stale) / asked
}

/** About how long the given share took at most, in milliseconds: between the bounds of the class that it falls into. */
export function percentileOf ({ count, classes }: Latency, share: number): number | undefined {
  if (count === 0) return undefined
  let left = share * count
  for (const [at, found] of classes.entries()) {
    if (left > found || found === 0) {
      left -= found
      continue
    }
    const from = at === 0 ? 0 : LATENCY_BOUNDS_MS[at - 1]!
    const to = LATENCY_BOUNDS_MS[at]
    return to === undefined ? from : from + (to - from) * left / found
  }
  return LATENCY_BOUNDS_MS.at(-1)
}

/** The sum of several. */
export function addCounts (all: readonly Counts[]): Counts {
  const sum = (name: PlainCount): number => all.reduce((total, counts) => total + counts[name], 0)
  return {
    ...Object.fromEntries(PLAIN_COUNTS.map((name) => [name, sum(name)])) as Record<PlainCount, number>,
    bypassReasons: addWords(all.map((counts) => counts.bypassReasons)),
    missReasons: addWords(all.map((counts) => counts.missReasons)),
    staleReasons: addWords(all.map((counts) => counts.staleReasons)),
    notStoredReasons: addWords(all.map((counts) => counts.notStoredReasons)),
    refusalReasons: addWords(all.map((counts) => counts.refusalReasons)),
    cached: addLatencies(all.map((counts) => counts.cached)),
    uncached: addLatencies(all.map((counts) => counts.uncached))
  }
}

/** The counts that are one number each. */
export const PLAIN_COUNTS = ['hits', 'stale', 'misses', 'bypasses', 'refused', 'collapsed', 'fills', 'refreshes', 'refreshErrors', 'savedMs', 'servedBytes'] as const
export type PlainCount = typeof PLAIN_COUNTS[number]

/** The counts by a word. */
export const WORD_COUNTS = ['bypassReasons', 'missReasons', 'staleReasons', 'notStoredReasons', 'refusalReasons'] as const

/** The counts that are durations. */
export const LATENCIES = ['cached', 'uncached'] as const

function addWords<Word extends string> (all: ReadonlyArray<ByWord<Word>>): ByWord<Word> {
  const sums: Partial<Record<Word, number>> = {}
  for (const words of all) for (const [word, count] of Object.entries(words) as Array<[Word, number]>) sums[word] = (sums[word] ?? 0) + count
  return sums
}

function addLatencies (all: readonly Latency[]): Latency {
  return {
    count: all.reduce((sum, { count }) => sum + count, 0),
    sumMs: all.reduce((sum, { sumMs }) => sum + sumMs, 0),
    classes: Array.from({ length: LATENCY_BOUNDS_MS.length + 1 }, (_, at) => all.reduce((sum, { classes }) => sum + (classes[at] ?? 0), 0))
  }
}
