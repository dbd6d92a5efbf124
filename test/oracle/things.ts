/*
 * What has a version in the database and is kept in the cache. Things are numbers: first those that are responses of routes, then
 * values that are set, then values that are produced when they are asked for.
 */
export const RESPONSES = 60
export const VALUES = 16
export const PRODUCED = 24
export const THINGS = RESPONSES + VALUES + PRODUCED

/** Patterns are compared one by one: only so many things of a kind are invalidated by one. */
const WITH_PATTERN = 6

export const NAMESPACES = ['r0', 'r1', 'r2', 'r3'] as const

export type Kind = 'response' | 'value' | 'produced'

export function kindOf (thing: number): Kind {
  if (thing < RESPONSES) return 'response'
  return thing < RESPONSES + VALUES ? 'value' : 'produced'
}

export function namespaceOf (thing: number): string {
  const kind = kindOf(thing)
  if (kind === 'value') return 'value'
  return kind === 'produced' ? `p${thing % 2}` : NAMESPACES[thing % NAMESPACES.length]!
}

/** Of values. */
export function keyOf (thing: number): string {
  return `${namespaceOf(thing)}:${thing}:it`
}

export function pathOf (thing: number): string {
  return `/${namespaceOf(thing)}/${thing}`
}

/** Some URLs have a query. */
export function urlOf (thing: number): string {
  return thing % 3 === 0 ? `${pathOf(thing)}?page=2&sort=name` : pathOf(thing)
}

export function userOf (thing: number): string {
  return `user-${thing}`
}

/** The tag that is known from the request, and the one that only the handler or the value tells. */
export function tagsOf (thing: number): { early: string, late: string } {
  return { early: `early:${thing}`, late: `late:${thing}` }
}

export function hasPattern (thing: number): boolean {
  return thing % Math.floor(THINGS / WITH_PATTERN / 3) === 0
}

export function patternOf (thing: number): string {
  return kindOf(thing) === 'response' ? `${namespaceOf(thing)}:GET:${pathOf(thing)}:*` : `${namespaceOf(thing)}:${thing}:*`
}
