import { LATENCIES, LATENCY_BOUNDS_MS, PLAIN_COUNTS, WORD_COUNTS, type ByWord, type Counts, type InvalidationCounts, type Latency, type PlainCount } from './counts.ts'

/*
 * Counts as a flat list of whole numbers, which can be subtracted, told, added and read again without rounding:
 *
 *   hits=12 misses=3 miss.uri-miss=3 savedUs=51200 cached.us=940 cached.0=12
 *
 * What is 0 is left out. Milliseconds are whole microseconds. How many durations there were is the sum of their classes.
 */

/** By name. */
export type Numbers = ReadonlyMap<string, number>

const SAVED = 'savedUs'
/** A word of the vocabulary, of this version or another; none that every object has. */
const WORD = /^(?!constructor$)[a-z][a-z-]{0,39}$/
const NUMBER = /([\w.-]+)=(-?\d{1,16})(?= |$)/g
const LAST_CLASS = LATENCY_BOUNDS_MS.length

type WordCount = typeof WORD_COUNTS[number]
/** `missReasons` is `miss.<word>`. */
const groupOf = (name: WordCount): string => name.replace('Reasons', '')

export function numbersOf (counts: Counts): Map<string, number> {
  const numbers = new Map<string, number>()
  const put = (name: string, value: number | undefined): void => { if (value !== 0 && Number.isSafeInteger(value)) numbers.set(name, value!) }
  for (const name of PLAIN_COUNTS) if (name !== 'savedMs') put(name, counts[name])
  put(SAVED, toMicros(counts.savedMs))
  for (const name of WORD_COUNTS) for (const [word, value] of Object.entries(counts[name])) put(`${groupOf(name)}.${word}`, value)
  for (const name of LATENCIES) {
    put(`${name}.us`, toMicros(counts[name].sumMs))
    for (const [at, value] of counts[name].classes.entries()) put(`${name}.${at}`, value)
  }
  return numbers
}

export function countsOf (numbers: Numbers): Counts {
  const numberOf = (name: string): number => numbers.get(name) ?? 0
  return {
    ...Object.fromEntries(PLAIN_COUNTS.map((name) => [name, name === 'savedMs' ? numberOf(SAVED) / 1000 : numberOf(name)])) as Record<PlainCount, number>,
    bypassReasons: wordsOf(numbers, groupOf('bypassReasons')),
    missReasons: wordsOf(numbers, groupOf('missReasons')),
    staleReasons: wordsOf(numbers, groupOf('staleReasons')),
    notStoredReasons: wordsOf(numbers, groupOf('notStoredReasons')),
    refusalReasons: wordsOf(numbers, groupOf('refusalReasons')),
    cached: latencyOf(numbers, 'cached'),
    uncached: latencyOf(numbers, 'uncached')
  }
}

export function numbersOfInvalidations ({ calls, byKind, byCause }: InvalidationCounts): Map<string, number> {
  const words = Object.entries({ by: byKind, cause: byCause }).flatMap(([group, counts]) => Object.entries(counts).map(([word, value]) => [`${group}.${word}`, value] as const))
  return new Map([['calls', calls] as const, ...words].filter(([, value]) => value !== 0))
}

export function invalidationsOf (numbers: Numbers): InvalidationCounts {
  return { calls: numbers.get('calls') ?? 0, byKind: wordsOf(numbers, 'by'), byCause: wordsOf(numbers, 'cause') }
}

export function encodeNumbers (numbers: Numbers): string {
  return [...numbers].map(([name, value]) => `${name}=${value}`).join(' ')
}

/** What cannot be read is left out: whoever may write to the store may have written it. */
export function decodeNumbers (text: string): Map<string, number> {
  const numbers = new Map<string, number>()
  for (const [, name, digits] of text.matchAll(NUMBER)) {
    const value = Number(digits)
    if (Number.isSafeInteger(value)) numbers.set(name!, value)
  }
  return numbers
}

/** Adds numbers to others, in place. */
export function addNumbers (sums: Map<string, number>, numbers: Numbers): void {
  for (const [name, value] of numbers) sums.set(name, (sums.get(name) ?? 0) + value)
}

/** The words of a group; its type is that of the vocabulary, to which another version may have added some. */
function wordsOf<Word extends string> (numbers: Numbers, group: string): ByWord<Word> {
  const found = [...numbers].flatMap(([name, value]) => {
    const word = name.slice(group.length + 1)
    return name.startsWith(`${group}.`) && WORD.test(word) ? [[word, value] as const] : []
  })
  return Object.fromEntries(found) as ByWord<Word>
}

function latencyOf (numbers: Numbers, name: typeof LATENCIES[number]): Latency {
  const classes = Array.from({ length: LAST_CLASS + 1 }, (_, at) => numbers.get(`${name}.${at}`) ?? 0)
  return { count: classes.reduce((sum, value) => sum + value, 0), sumMs: (numbers.get(`${name}.us`) ?? 0) / 1000, classes }
}

function toMicros (ms: number): number {
  return Math.round(ms * 1000)
}
