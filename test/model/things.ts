import { ResponseKey } from '../../lib/cache-key.ts'
import { namespaceLabel, tagLabel, urlLabels, userLabel } from '../../lib/marks/labels.ts'
import type { InvalidationTargets } from '../../lib/marks/targets.ts'

/** What is cached shows the versions of one or more things of the database. */
interface Shown {
  readonly name: string
  readonly namespace: string
  readonly things: readonly number[]
  readonly user?: string
}

export interface CachedResponse extends Shown {
  readonly kind: 'response'
  readonly key: ResponseKey
  /** Of tags of its things, this many are added inside the handler. */
  readonly labels: readonly string[]
}

export interface CachedValue extends Shown {
  readonly kind: 'value'
  readonly tags: 'none' | 'list' | 'function'
}

export type Resource = CachedResponse | CachedValue

export const THINGS = 3

export const RESPONSES: readonly CachedResponse[] = [
  response({ name: '/a', namespace: 'page', things: [0] }),
  response({ name: '/b', namespace: 'page', things: [0, 1], user: 'ada' }),
  response({ name: '/c', namespace: 'list', things: [1, 2] })
]

export const VALUES: readonly CachedValue[] = [
  { kind: 'value', name: 'one:0', namespace: 'one', things: [0], tags: 'list' },
  { kind: 'value', name: 'one:1', namespace: 'one', things: [1], tags: 'function' },
  { kind: 'value', name: 'two:2', namespace: 'two', things: [2], tags: 'none' }
]

export const RESOURCES: readonly Resource[] = [...RESPONSES, ...VALUES]

export function tagOf (thing: number): string {
  return `thing:${thing}`
}

function response (shown: Shown): CachedResponse {
  const key = new ResponseKey({ namespace: shown.namespace, method: 'GET', path: shown.name, fixed: '', selected: '' })
  return {
    ...shown,
    kind: 'response',
    key,
    labels: [namespaceLabel(shown.namespace), ...urlLabels(shown.name, { coversQuery: true }), ...shown.user === undefined ? [] : [userLabel(shown.user)], ...shown.things.map(tagOf).map(tagLabel)]
  }
}

/** One thing that a writer may say. `undefined`: everything. */
export type Said = InvalidationTargets | undefined

/** All that a writer of this thing may say, with what the model takes each for: no labels, no globs, no marks. */
export function waysToInvalidate (thing: number): ReadonlyArray<{ readonly said: Said, readonly meant: readonly Resource[] }> {
  const showing = RESOURCES.filter(({ things }) => things.includes(thing))
  const tagged = (resource: Resource): boolean => resource.kind === 'response' || resource.tags !== 'none'
  const ways = [
    { said: undefined, meant: RESOURCES },
    { said: { tags: [tagOf(thing)] }, meant: showing.filter(tagged) },
    { said: { tags: [tagOf(thing)] }, meant: showing.filter(tagged) },
    ...showing.map((resource) => ({ said: { keys: [resource.kind === 'value' ? resource.name : resource.key.id] }, meant: [resource] })),
    ...showing.map(({ namespace }) => ({ said: { namespaces: [namespace] }, meant: RESOURCES.filter((one) => one.namespace === namespace) })),
    ...showing.map(({ namespace }) => ({ said: { patterns: [`${namespace}:*`] }, meant: RESOURCES.filter((one) => one.namespace === namespace) })),
    ...showing.filter(({ kind }) => kind === 'response').map((resource) => ({ said: { urls: [resource.name] }, meant: [resource] })),
    ...showing.flatMap((resource) => resource.user === undefined ? [] : [{ said: { users: [resource.user] }, meant: RESOURCES.filter(({ user }) => user === resource.user) }])
  ]
  return ways.filter(({ meant }) => meant.length > 0)
}
