import { FORMS } from './forms.ts'
import { ACK, RESPONSE, SOURCE } from './settings.ts'

/** What was served, judged by what was acknowledged. Times in milliseconds. */
export interface Verdicts {
  readonly invalidations: number
  readonly responses: number
  readonly hits: { readonly redis: number, readonly memory: number }
  /** Answers of a handler or of Redis, older than what was acknowledged before their request began. */
  readonly violations: number
  /** Some of them, in words. */
  readonly examples: readonly string[]
  readonly byForm: Readonly<Record<string, number>>
  /** Results of producers that ran already when Redis could not be asked, older than what was acknowledged before. */
  readonly oldResults: number
  /** Copies in memory that were older than what was acknowledged before they were taken. */
  readonly oldCopies: number
  /**
   * For each invalidation, the time from its acknowledgment until the last moment at which an older copy was taken; 0 where none was.
   * Sorted.
   */
  readonly delays: Float64Array
}

interface AckList {
  readonly at: number[]
  readonly version: number[]
  /** The newest version up to this place. */
  readonly newest: number[]
  /** Their places among all. */
  readonly place: number[]
}

const NANOSECONDS = 1e6

export function judge (acks: Float64Array, responses: Float64Array): Verdicts {
  const byThing = sortAcks(acks)
  const delays = new Float64Array(acks.length / ACK.columns)
  const hits = { redis: 0, memory: 0 }
  const examples: string[] = []
  let [violations, oldCopies, oldResults] = [0, 0, 0]
  for (let at = 0; at < responses.length; at += RESPONSE.columns) {
    const [thing, version, beganAt, lookedUpAt, source] = responses.subarray(at, at + RESPONSE.columns) as unknown as [number, number, number, number, number]
    if (source === SOURCE.redis) hits.redis++
    if (source === SOURCE.memory) hits.memory++
    const list = byThing.get(thing)
    if (list === undefined) continue
    const moment = source === SOURCE.memory ? lookedUpAt : beganAt
    const last = lastBefore(list.at, moment)
    if (last < 0 || list.newest[last]! <= version) continue
    if (source === SOURCE.memory) {
      oldCopies++
      noteDelays(list, { version, moment, last }, delays)
    } else if (source === SOURCE.producer) {
      oldResults++
    } else {
      violations++
      if (examples.length < 10) examples.push(`thing ${thing}: version ${version} from ${source === SOURCE.redis ? 'Redis' : 'its handler'}, ${list.newest[last]} was acknowledged ${((moment - list.at[last]!) / NANOSECONDS).toFixed(2)} ms before, by ${formOf(acks, list.place[last]!)}`)
    }
  }
  return { invalidations: delays.length, responses: responses.length / RESPONSE.columns, hits, violations, examples, byForm: countForms(acks), oldCopies, oldResults, delays: delays.sort() }
}

function formOf (acks: Float64Array, place: number): string {
  return FORMS[acks[place * ACK.columns + ACK.form]!]!
}

function countForms (acks: Float64Array): Record<string, number> {
  const counts: Record<string, number> = {}
  for (let place = 0; place < acks.length / ACK.columns; place++) counts[formOf(acks, place)] = (counts[formOf(acks, place)] ?? 0) + 1
  return counts
}

/** An old copy is late for each invalidation that it has not heard of. */
function noteDelays (list: AckList, { version, moment, last }: { version: number, moment: number, last: number }, delays: Float64Array): void {
  for (let i = last; i >= 0 && list.newest[i]! > version; i--) {
    if (list.version[i]! <= version) continue
    const place = list.place[i]!
    delays[place] = Math.max(delays[place]!, (moment - list.at[i]!) / NANOSECONDS)
  }
}

function sortAcks (acks: Float64Array): Map<number, AckList> {
  const places = new Map<number, number[]>()
  for (let place = 0; place < acks.length / ACK.columns; place++) {
    const thing = acks[place * ACK.columns + ACK.thing]!
    const list = places.get(thing)
    if (list === undefined) places.set(thing, [place])
    else list.push(place)
  }
  return new Map([...places].map(([thing, list]) => {
    const column = (name: 'at' | 'version') => (place: number): number => acks[place * ACK.columns + ACK[name]]!
    list.sort((a, b) => column('at')(a) - column('at')(b))
    let newest = 0
    const version = list.map(column('version'))
    return [thing, { at: list.map(column('at')), version, newest: version.map((one) => { newest = Math.max(newest, one); return newest }), place: list }]
  }))
}

/** The last place in a sorted list whose number is smaller; -1 when there is none. */
function lastBefore (sorted: readonly number[], number: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! < number) low = middle + 1
    else high = middle
  }
  return low - 1
}

export function percentile (sorted: Float64Array, share: number): number {
  return sorted.length === 0 ? 0 : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
}
