import { expectedGot, InvalidTargetError } from '../errors.ts'
import { keyLabel, namespaceLabel, patternLabel, tagLabel, urlMarks, userLabel } from './labels.ts'

/** What to invalidate. Several kinds at once are one invalidation. An empty list is none; an empty text is an error. */
export interface InvalidationTargets {
  /** Values by key; responses by what `X-Cache-Key` shows behind the prefix. */
  readonly keys?: readonly string[]
  readonly tags?: readonly string[]
  readonly namespaces?: readonly string[]
  /** Globs over keys: `user:123:*`. */
  readonly patterns?: readonly string[]
  readonly users?: ReadonlyArray<string | number>
  /** Paths such as `/users/1` (with every query) or `/users/1?sort=name` (this one), or whole URLs. */
  readonly urls?: readonly string[]
}

export interface InvalidateOptions {
  /** Stale in place of gone. Default `false`. */
  soft?: boolean
}

/** What was invalidated. */
export interface Invalidated extends InvalidationTargets {
  readonly soft: boolean
}

export type OneOrMore<T> = T | readonly T[]

/** All of what several mean. */
export function mergeTargets (all: readonly InvalidationTargets[]): InvalidationTargets {
  const lists: Record<string, unknown[]> = {}
  for (const targets of all) {
    for (const [kind, list] of Object.entries(targets) as Array<[string, readonly unknown[] | undefined]>) (lists[kind] ??= []).push(...list ?? [])
  }
  return lists as InvalidationTargets
}

const KINDS: { readonly [Kind in keyof Required<InvalidationTargets>]: (target: string) => string | readonly string[] } = {
  keys: keyLabel,
  tags: tagLabel,
  namespaces: namespaceLabel,
  patterns: patternLabel,
  users: userLabel,
  urls: urlMarks
}

/** The labels to mark, each once. Throws on anything that is no target. */
export function labelsOf (targets: unknown, where = 'the targets to invalidate'): string[] {
  if (typeof targets !== 'object' || targets === null || Array.isArray(targets)) throw new InvalidTargetError('targets', where, expectedGot('an object such as { tags: [\'user:1\'] }', targets))
  const labels = Object.entries(targets).flatMap(([kind, list]: [string, unknown]) => {
    if (!Object.hasOwn(KINDS, kind)) throw new InvalidTargetError(kind, where, `expected one of ${Object.keys(KINDS).join(', ')}`)
    if (list === undefined) return []
    if (!Array.isArray(list)) throw new InvalidTargetError(kind, where, expectedGot('a list', list))
    return list.flatMap((target: unknown) => KINDS[kind as keyof InvalidationTargets](checked(kind, where, target)))
  })
  return [...new Set(labels)]
}

/** An empty text means a mistake, and never everything. */
function checked (kind: string, where: string, target: unknown): string {
  if (kind === 'users' && typeof target === 'number' && Number.isFinite(target)) return String(target)
  if (kind === 'urls' && (typeof target !== 'string' || !/^(?:\/|https?:\/\/)/i.test(target))) {
    throw new InvalidTargetError(kind, where, expectedGot('paths such as \'/users/1\', or whole http URLs', target))
  }
  if (kind === 'namespaces' && typeof target === 'string' && target.includes(':')) {
    throw new InvalidTargetError(kind, where, expectedGot('names without a colon', target))
  }
  if (typeof target === 'string' && target !== '') return target
  throw new InvalidTargetError(kind, where, expectedGot(kind === 'users' ? 'texts of at least one character, or numbers' : 'texts of at least one character', target))
}
