import leven from 'leven'
import { LONGEST_TIMER_MS } from '../deadline.ts'
import { expectedGot, InvalidOptionError, UnknownOptionError } from '../errors.ts'
import { DURATION_EXPECTED, durationToMs } from './duration.ts'

/** What one option takes: a test, and its description for the error text. */
export interface Rule {
  readonly expected: string
  /** The value may hold a password, so an error text names its type only. */
  readonly secret?: boolean
  accepts (value: unknown): boolean
}

/** The rules for a set of options, by name. Every option may be left out. */
export type Rules<Options> = { readonly [Name in keyof Required<Options>]: Rule }

/** Throws when `given` has an option that `rules` does not know, or one with a wrong value. `where` says whose options these are. */
export function checkOptions<Options> (given: unknown, rules: Rules<Options>, where: string): asserts given is Options {
  if (!isPlainObject(given)) throw new InvalidOptionError('options', where, expectedGot('an object', given))
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(rules, name)) throw new UnknownOptionError(name, where, suggestion(name, Object.keys(rules)))
    const rule = rules[name as keyof Options]
    if (value !== undefined && !rule.accepts(value)) throw new InvalidOptionError(name, where, rule.secret === true ? `expected ${rule.expected}, got something else of type ${typeof value}` : expectedGot(rule.expected, value))
  }
}

function suggestion (name: string, known: string[]): string {
  const near = known
    .map((candidate) => ({ candidate, distance: leven(candidate.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0]
  if (near !== undefined && near.distance <= Math.max(2, name.length / 3)) return `Did you mean "${near.candidate}"?`
  return `Known are: ${known.join(', ')}.`
}

/** What was given; an option that is undefined is left out. */
export function saidOf (given: object): Array<[name: string, value: unknown]> {
  return Object.entries(given).filter(([, value]) => value !== undefined)
}

export function isPlainObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
export const NAMESPACE = /^[\w.-]{1,64}$/

export const boolean: Rule = { expected: 'true or false', accepts: (value) => typeof value === 'boolean' }
/** Turns off what `defaults` or a namespace say. */
export const off: Rule = { expected: 'false', accepts: (value) => value === false }
export const func: Rule = { expected: 'a function', accepts: (value) => typeof value === 'function' }
export const duration: Rule = { expected: DURATION_EXPECTED, accepts: (value) => durationToMs(value) !== undefined }
export const positiveDuration: Rule = { expected: `${DURATION_EXPECTED}, above 0`, accepts: (value) => (durationToMs(value) ?? 0) > 0 }
/** Of something that a timer waits for. */
export const timerDuration: Rule = {
  expected: `${DURATION_EXPECTED}, above 0 and below 25 days`,
  accepts: (value) => { const ms = durationToMs(value) ?? 0; return ms > 0 && ms <= LONGEST_TIMER_MS }
}
export const object: Rule = { expected: 'an object', accepts: isPlainObject }

/** Whose options are checked one by one, by others. */
export function objectSuchAs (example: string): Rule {
  return { expected: `an object such as ${example}`, accepts: isPlainObject }
}

export const positiveInteger: Rule = {
  expected: 'a whole number above 0',
  accepts: (value) => Number.isSafeInteger(value) && (value as number) > 0
}

export const namespaceName: Rule = {
  expected: 'a name of 1 to 64 letters, digits, "_", "." or "-"',
  accepts: (value) => typeof value === 'string' && NAMESPACE.test(value)
}

export const prefixName: Rule = {
  expected: 'a string of 1 to 64 letters, digits, "_", ".", ":", "-", "{" or "}"',
  accepts: (value) => typeof value === 'string' && /^[\w.:{}-]{1,64}$/.test(value)
}

export function isRedisUrl (text: string): boolean {
  return /^rediss?:\/\/./.test(text) && URL.canParse(text)
}

export const fieldNames: Rule = {
  expected: 'a list of header field or cookie names such as [\'accept-language\']',
  accepts: (value) => Array.isArray(value) && value.every((name) => typeof name === 'string' && FIELD_NAME.test(name))
}

export function listOf (what: string, accepts: (item: unknown) => boolean): Rule {
  return { expected: `a list of ${what}`, accepts: (value) => Array.isArray(value) && value.every(accepts) }
}

export const tagList: Rule = {
  expected: 'a list of tags, texts of at least one character',
  accepts: isTagList
}

export function isTagList (value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((tag) => typeof tag === 'string' && tag !== '')
}

export function oneOf (...words: string[]): Rule {
  return { expected: words.map((word) => `'${word}'`).join(' or '), accepts: (value) => words.includes(value as string) }
}

export function either (...rules: Rule[]): Rule {
  return { expected: rules.map((rule) => rule.expected).join(', or '), accepts: (value) => rules.some((rule) => rule.accepts(value)) }
}
