import { expectedGot, InvalidTargetError } from '../errors.ts'
import { checkOptions, func, isPlainObject, isTagList, type Rule, type Rules } from '../options/check.ts'
import type { Duration } from '../options/duration.ts'
import type { NamedTtl } from '../options/ttl.ts'
import { MOST_HOT } from './hot-store.ts'
import { isField, isPath, type UrlTarget } from './hot-target.ts'

/** A path of the app, with or without a query: requested as a GET, through the whole lifecycle of its route. */
export interface WarmUrl {
  /** `'/countries?page=2'`. */
  url: string
  /** Header fields of the request: what the route varies by, and what its guards ask for. */
  headers?: Readonly<Record<string, string>>
}

/** A value of the client, as `getOrSet` stores it. */
export interface WarmKey {
  key: string
  /** Called when there is no value under the key. */
  produce: () => unknown
  ttl?: NamedTtl | Duration
  tags?: readonly string[] | ((value: never) => readonly string[])
}

/** What was requested most in the last minutes, in all processes together. */
export interface WarmHottest {
  /** How many at most, 1 to 1000. */
  hottest: number
}

export type WarmTarget = string | WarmUrl | WarmKey | WarmHottest
export type WarmTargetList = Iterable<WarmTarget> | AsyncIterable<WarmTarget>
/** What to warm: a list, anything that gives the targets one after another, or a function that gives one of these. */
export type WarmTargets = WarmTargetList | (() => WarmTargetList | Promise<WarmTargetList>)

export interface ProducedTarget extends WarmKey {
  readonly kind: 'key'
}

/** A target that was checked. */
export type CheckedTarget = ProducedTarget | UrlTarget & { readonly kind: 'url' } | WarmHottest & { readonly kind: 'hottest' }

const unlessGiven = (expected: string, accepts: Rule['accepts']): Rule => ({ expected, accepts })
const text = unlessGiven('a text', (value) => typeof value === 'string')

/** Header fields as a request may have them. */
export const headerFields: Rule = {
  expected: 'an object of header fields with texts such as { \'accept-language\': \'de\' }',
  accepts: (value) => isPlainObject(value) && Object.entries(value).every(([name, field]) => isField(name.toLowerCase(), field))
}

const URL_RULES: Rules<WarmUrl> = { url: text, headers: headerFields }
const KEY_RULES: Rules<WarmKey> = {
  key: text,
  produce: func,
  ttl: unlessGiven('a ttl', () => true), // `getOrSet` knows the names
  tags: unlessGiven('a list of tags, or a function of the value that gives one', (value) => isTagList(value) || typeof value === 'function')
}
const HOTTEST_RULES: Rules<WarmHottest> = {
  hottest: unlessGiven(`a whole number from 1 to ${MOST_HOT}`, (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MOST_HOT)
}

/** Throws for what is no target. `where` says whose targets these are. */
export function checkTarget (target: unknown, where: string): CheckedTarget {
  const given: unknown = typeof target === 'string' ? { url: target } : target
  if (isPlainObject(given)) {
    if ('url' in given) return checkUrl(given, where)
    if ('key' in given) return checkKey(given, where)
    if ('hottest' in given) return checkHottest(given, where)
  }
  throw new InvalidTargetError('target', where, expectedGot('a path such as \'/countries\', { url, headers }, { key, produce } or { hottest: 100 }', target))
}

function checkUrl (given: Record<string, unknown>, where: string): CheckedTarget {
  const url = typeof given.url === 'string' ? printable(given.url) : undefined
  if (!isPath(url)) throw new InvalidTargetError('url', where, expectedGot('a path of the app such as \'/countries?page=2\', which begins with one slash and has no #', given.url))
  checkOptions<WarmUrl>(given, URL_RULES, `the target ${url} in ${where}`)
  return { kind: 'url', url, headers: lowerCase(given.headers ?? {}) }
}

function checkKey (given: object, where: string): CheckedTarget {
  checkOptions<WarmKey>(given, KEY_RULES, `a target in ${where}`)
  if (given.produce === undefined) throw new InvalidTargetError('produce', where, expectedGot(`a function that produces the value of "${given.key}"`, undefined))
  return { ...given, kind: 'key' }
}

function checkHottest (given: object, where: string): CheckedTarget {
  checkOptions<WarmHottest>(given, HOTTEST_RULES, `a target in ${where}`)
  return { kind: 'hottest', hottest: given.hottest }
}

/** As browsers send it. */
function printable (url: string): string {
  return url.toWellFormed().replace(/[^\x21-\x7e]+/g, encodeURIComponent)
}

export function lowerCase (headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

/** Throws for what gives no targets. A text would give its letters. */
export function checkTargets (targets: unknown, where: string): WarmTargets {
  const isFine = typeof targets === 'function' || (typeof targets === 'object' && targets !== null && (Symbol.iterator in targets || Symbol.asyncIterator in targets))
  if (!isFine) throw new InvalidTargetError('targets', where, expectedGot('a list such as [\'/countries\', { hottest: 100 }], an (async) iterable, or a function that gives one', targets))
  return targets as WarmTargets
}
