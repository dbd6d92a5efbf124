import { InvalidOptionError } from '../errors.ts'
import { checkOptions, positiveInteger, saidOf, type Rules } from './check.ts'

/** Bounds of what clients, and what handlers do with what clients send, can make grow. Every one is a whole number above 0. */
export interface Limits {
  /**
   * Characters of what selects a response: path, query, host and whatever else the route's options name. A request with more bypasses
   * the cache (`key-too-long`): its handler answers, and nothing about it is kept. Default 8192.
   */
  readonly keyLength: number

  /**
   * Responses of one route that each process stores in a second where nothing is stored, with ten times as many at once after a quiet time.
   * More are answered by their handlers and not stored (`too-many-keys`), so that who asks for ever new URLs does not fill the store. What replaces a
   * stored response, and warming, is not counted. Default 1000.
   */
  readonly newKeysPerSecond: number

  /** Responses of one key that differ by request header fields (`Vary`). One more pushes out one that nobody has asked for lately. Default 50. */
  readonly variants: number

  /**
   * Tags of one response or value. A response with more is not stored (`too-many-tags`), which is logged once per route; a value with more is
   * refused with `RESPONSE_CACHE_ERR_OPTION_INVALID`. Default 128.
   */
  readonly tags: number

  /** Characters of one tag. A longer one is treated like one too many. Default 256. */
  readonly tagLength: number

  /** Bytes of the stored header fields of one response, names and values together. A response with more is not stored (`too-large`). Default 32,768. */
  readonly headerBytes: number

  /**
   * Requests of one process that wait for the same response while one of them runs its handler. More run their handlers themselves and
   * do not store; `maxConcurrentFills` bounds those. Default 10,000.
   */
  readonly waiters: number

  /**
   * Invalidations that are remembered one by one. With more, the oldest are replaced by one that means everything that was filled
   * before them: never too little is invalidated. Default 100,000.
   */
  readonly marks: number

  /** Writes to the store that are on their way in one process. More are dropped and counted (`droppedWrites`). Default 1000. */
  readonly pendingWrites: number

  /** Bytes of the entries in those writes, together. More are dropped and counted. Default 64 MB. */
  readonly pendingWriteBytes: number

  /**
   * What is to be invalidated and Redis has not confirmed yet, in one process, tag by tag and key by key. With more, everything is
   * invalidated in their place: none is dropped. Default 10,000.
   */
  readonly pendingInvalidations: number
}

/** The plugin option `limits`: what is left out has its default. */
export type LimitOptions = { -readonly [Name in keyof Limits]?: Limits[Name] }

export const DEFAULT_LIMITS: Limits = {
  keyLength: 8192,
  newKeysPerSecond: 1000,
  variants: 50,
  tags: 128,
  tagLength: 256,
  headerBytes: 32_768,
  waiters: 10_000,
  marks: 100_000,
  pendingWrites: 1000,
  pendingWriteBytes: 64 * 1024 * 1024,
  pendingInvalidations: 10_000
}

/** Whether there are too many of these tags, or one of them is too long. */
export function exceedsTags (tags: readonly string[], { tags: most, tagLength }: Pick<Limits, 'tags' | 'tagLength'>): boolean {
  return tags.some((tag) => tag.length > tagLength) || (tags.length > most && new Set(tags).size > most)
}

/** Throws `RESPONSE_CACHE_ERR_OPTION_INVALID` for tags of a value that exceed the limits. */
export function checkTagLimits (tags: readonly string[], limits: Pick<Limits, 'tags' | 'tagLength'>, where: string): void {
  if (!exceedsTags(tags, limits)) return
  const longest = tags.reduce((most, { length }) => Math.max(most, length), 0)
  throw new InvalidOptionError('tags', where, `expected at most ${limits.tags} tags of ${limits.tagLength} characters at most, got ${tags.length}, the longest of ${longest} characters`)
}

// The same names as there, which TypeScript does not see.
const RULES = Object.fromEntries(Object.keys(DEFAULT_LIMITS).map((name) => [name, positiveInteger])) as Rules<LimitOptions>

/** Throws `RESPONSE_CACHE_ERR_OPTION_*`. */
export function limitsOf (given: LimitOptions, where: string): Limits {
  checkOptions<LimitOptions>(given, RULES, `limits in ${where}`)
  return { ...DEFAULT_LIMITS, ...Object.fromEntries(saidOf(given)) }
}
