/**
 * @typedef {import('../../stats/counts.ts').Counts} Counts
 * @typedef {import('../../stats/counts.ts').Latency} Latency
 * @typedef {import('../../stats/counts.ts').ByWord<string>} ByWord
 *
 * What was counted in a time that begins at `from` and ends at `at`, in milliseconds since the epoch.
 * @typedef {Pick<Counts, 'hits' | 'stale' | 'misses' | 'bypasses' | 'refused' | 'cached' | 'uncached'> & { at: number, from: number, invalidations: number }} Point
 */

const COUNTED = /** @type {const} */ (['hits', 'stale', 'misses', 'bypasses', 'refused'])

/**
 * The share of requests that the cache could answer among those that it was asked for.
 * @param {Pick<Counts, 'hits' | 'stale' | 'misses'>} counts
 */
export function hitRateOf ({ hits, stale, misses }) {
  const asked = hits + stale + misses
  return asked === 0 ? undefined : (hits + stale) / asked
}

/** @param {Pick<Counts, 'hits' | 'stale' | 'misses' | 'bypasses' | 'refused'>} counts */
export function requestsOf ({ hits, stale, misses, bypasses, refused }) {
  return hits + stale + misses + bypasses + refused
}

/**
 * About how long the given share took at most, in milliseconds: between the bounds of the class that it falls into.
 * @param {Latency} latency
 * @param {number} share
 * @param {readonly number[]} bounds
 */
export function percentileOf ({ count, classes }, share, bounds) {
  if (count === 0) return undefined
  let left = share * count
  for (const [at, found] of classes.entries()) {
    if (found === 0 || left > found) {
      left -= found
      continue
    }
    const from = at === 0 ? 0 : bounds[at - 1] ?? 0
    const to = bounds[at]
    return to === undefined ? from : from + (to - from) * left / found
  }
  return bounds.at(-1)
}

/**
 * What was counted between two answers of the same process.
 * @param {Counts & { at: number, invalidations: { calls: number } }} earlier
 * @param {Counts & { at: number, invalidations: { calls: number } }} later
 * @returns {Point}
 */
export function between (earlier, later) {
  const counted = /** @type {Record<typeof COUNTED[number], number>} */ (Object.fromEntries(COUNTED.map((name) => [name, later[name] - earlier[name]])))
  return {
    ...counted,
    cached: latencyBetween(earlier.cached, later.cached),
    uncached: latencyBetween(earlier.uncached, later.uncached),
    invalidations: later.invalidations.calls - earlier.invalidations.calls,
    from: earlier.at,
    at: later.at
  }
}

/**
 * The sum of several.
 * @param {readonly Point[]} points
 * @returns {Point | undefined}
 */
export function sumOf (points) {
  return points.length === 0
    ? undefined
    : points.reduce((sum, point) => ({
      ...Object.assign({}, ...COUNTED.map((name) => ({ [name]: sum[name] + point[name] }))),
      cached: latencySum(sum.cached, point.cached),
      uncached: latencySum(sum.uncached, point.uncached),
      invalidations: sum.invalidations + point.invalidations,
      from: Math.min(sum.from, point.from),
      at: Math.max(sum.at, point.at)
    }))
}

/**
 * Words with their counts, the most frequent first.
 * @param {ByWord} words
 * @returns {Array<[word: string, count: number]>}
 */
export function byCount (words) {
  return /** @type {Array<[string, number]>} */ (Object.entries(words)).filter(([, found]) => found > 0).sort(([, a], [, b]) => b - a)
}

/**
 * @param {Latency} earlier
 * @param {Latency} later
 * @returns {Latency}
 */
function latencyBetween (earlier, later) {
  return {
    count: later.count - earlier.count,
    sumMs: later.sumMs - earlier.sumMs,
    classes: later.classes.map((found, at) => found - (earlier.classes[at] ?? 0))
  }
}

/**
 * @param {Latency} one
 * @param {Latency} other
 * @returns {Latency}
 */
function latencySum (one, other) {
  return { count: one.count + other.count, sumMs: one.sumMs + other.sumMs, classes: one.classes.map((found, at) => found + (other.classes[at] ?? 0)) }
}
