import type { Cause } from '../marks/ledger.ts'

/** A label as people name what they invalidate. Long texts are kept as their digest: then that is the value. */
export interface ReadableLabel {
  readonly kind: 'all' | 'tag' | 'namespace' | 'user' | 'key' | 'pattern' | 'url' | 'other'
  readonly value: string
}

const KINDS: Readonly<Record<string, ReadableLabel['kind']>> = { t: 'tag', n: 'namespace', u: 'user', k: 'key', p: 'pattern', l: 'url', q: 'url' }

export function readableLabel (label: string): ReadableLabel {
  if (label === 'a') return { kind: 'all', value: '' }
  const [, letter, text] = /^([a-z]):(.*)$/s.exec(label) ?? []
  const kind = letter === undefined || !Object.hasOwn(KINDS, letter) ? undefined : KINDS[letter]
  if (kind === undefined || text === undefined) return { kind: 'other', value: label }
  // Carried by responses whose key covers less than the query: any query of the path means them.
  return { kind, value: letter === 'q' ? `${text} with any query` : text }
}

const CAUSES: Readonly<Record<Exclude<Cause, object>, string>> = {
  lost: 'the loss of the marks: what was invalidated before is not known any more',
  dropped: 'its age: invalidations of that time are not kept any more',
  unconfirmed: 'an invalidation of this process that is not confirmed yet'
}

/** Why an entry is not used, in words: `tag "user:1"`. */
export function causeInWords (cause: Cause): string {
  if (typeof cause !== 'object') return CAUSES[cause]
  const { kind, value } = readableLabel(cause.label)
  return kind === 'all' ? 'everything' : `${kind} ${JSON.stringify(value)}`
}
