/** Something about the configuration that is likely to be other than was meant. */
export interface Advice {
  /** Names it, and stays the same. */
  readonly word: AdviceWord
  /** `risk`: it will cost something, or somebody may be given what is not meant. `note`: good to know; it may well be meant. */
  readonly level: 'risk' | 'note'
  /** What it is, and what to do. */
  readonly text: string
  /** Where the docs say more: `docs/advice.md#no-maxmemory`. */
  readonly docs: string
}

export type AdviceWord =
  | 'no-maxmemory'
  | 'noeviction'
  | 'eviction-policy'
  | 'replica'
  | 'append-always'
  | 'persistence'
  | 'clock-skew'
  | 'slow-redis'
  | 'old-redis'
  | 'missing-rights'
  | 'incomplete-cluster'
  | 'store-unknown'
  | 'disabled'
  | 'large-memory'
  | 'memory-alone'
  | 'debug-headers'
  | 'audit-in-production'
  | 'public-per-user'
  | 'long-ttl'
  | 'no-jitter'

export function risk (word: AdviceWord, text: string): Advice {
  return { word, level: 'risk', text, docs: docsOf(word) }
}

export function note (word: AdviceWord, text: string): Advice {
  return { word, level: 'note', text, docs: docsOf(word) }
}

/** Where the docs say more of a word. */
export function docsOf (word: string): string {
  return `docs/advice.md#${word}`
}

/** Names in a text: the first few of them. */
export function named (names: readonly string[]): string {
  const more = names.length - MOST_NAMES
  return more > 0 ? `${names.slice(0, MOST_NAMES).join(', ')} and ${more} more` : names.join(', ')
}

const MOST_NAMES = 5
