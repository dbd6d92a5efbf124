import { ApiError } from './api.js'
import { between, sumOf } from './numbers.js'
import { poll } from './poll.js'

/**
 * @typedef {import('../../client/cache.ts').CacheStats & { at: number, hitRate?: number, boundsMs: number[] }} Stats
 * @typedef {import('../../stats/fleet-stats.ts').FleetStats & { hitRate?: number, boundsMs: number[] }} Fleet
 * @typedef {import('./numbers.js').Point} Point
 * @typedef {'live' | '1h' | '24h'} Time
 */

const EVERY_MS = 2000
const FLEET_EVERY_MS = 10_000
/** Five minutes. */
const MOST_POINTS = 150
const MINUTE_MS = 60_000
const MOST_PROCESSES = 20

/**
 * The numbers that are asked for all the time: those of one process, and those of all where the user has chosen that.
 * @param {{ get: (path: string, query?: Record<string, string>) => Promise<any>, onchange: () => void }} options
 */
export function createLive ({ get, onchange }) {
  /** @type {Map<number, Stats>} The last answer of each process, by when it was started. */
  const last = new Map()
  /** @type {Point[]} */
  const points = []
  /** @type {Stats | undefined} */
  let stats
  /** @type {Fleet | undefined} */
  let fleet
  /** @type {ApiError | undefined} */
  let error
  /** @type {ApiError | undefined} */
  let fleetError
  /** @type {Time} */
  let time = 'live'
  let fleetAt = -Infinity
  /** @type {ReturnType<typeof poll> | undefined} */
  let polling

  /** @param {Stats} answer */
  function take (answer) {
    const before = last.get(answer.since)
    if (before !== undefined && answer.at > before.at) points.push(between(before, answer))
    if (points.length > MOST_POINTS) points.shift()
    last.delete(answer.since)
    last.set(answer.since, answer)
    if (last.size > MOST_PROCESSES) last.delete(/** @type {number} */ (last.keys().next().value))
    stats = answer
  }

  async function askFleet () {
    const asked = time
    if (asked === 'live' || performance.now() - fleetAt < FLEET_EVERY_MS) return
    fleetAt = performance.now()
    try {
      const answer = await get('stats/fleet', { last: asked })
      if (asked !== time) return
      fleet = answer
      fleetError = undefined
    } catch (fault) {
      if (!(fault instanceof ApiError)) throw fault
      if (asked === time) fleetError = fault
    }
  }

  async function ask () {
    try {
      take(await get('stats'))
      await askFleet()
      error = undefined
    } catch (fault) {
      if (!(fault instanceof ApiError)) throw fault
      error = fault
    }
    onchange()
    return error === undefined
  }

  return {
    get stats () { return stats },
    get fleet () { return fleet },
    get error () { return error },
    get fleetError () { return fleetError },
    get points () { return points },
    get time () { return time },
    /** How many processes have answered, one after the other. */
    get processes () { return last.size },
    /** Every request says that the cache is switched off. */
    get isDisabled () { return stats !== undefined && (stats.bypassReasons.disabled ?? 0) > 0 && stats.hits + stats.stale + stats.misses === 0 },
    /** What was counted in the last minute. */
    get minute () {
      const since = (points.at(-1)?.at ?? 0) - MINUTE_MS
      return sumOf(points.filter(({ from }) => from >= since))
    },
    /** What is shown: this process, or all of them. */
    get numbers () { return time === 'live' ? stats : fleet },
    /** @param {Time} chosen */
    choose (chosen) {
      if (chosen === time) return
      time = chosen
      fleet = undefined
      fleetError = undefined
      fleetAt = -Infinity
      onchange()
      polling?.now()
    },
    start () { polling = poll(ask, { everyMs: EVERY_MS }) }
  }
}
