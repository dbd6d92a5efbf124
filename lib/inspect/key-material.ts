import { digest, encodeValue, ResponseKey } from '../cache-key.ts'
import { isSecretField } from '../http/request-fields.ts'
import type { EntryHeader } from '../store/store.ts'

/** Whether an entry belongs under this id: otherwise no look-up would ever give it. */
export function belongsUnder (id: string, { kind, key }: Pick<EntryHeader, 'kind' | 'key'>): boolean {
  if (kind === 'value') return id.toWellFormed() === key.toWellFormed()
  const [, namespace, method, length, rest] = /^([^:]*):([^:]*):(\d{1,10}):(.*)$/s.exec(key) ?? []
  if (namespace === undefined || method === undefined || rest === undefined) return false
  const path = rest.slice(0, Number(length))
  return new ResponseKey({ namespace, method, path, fixed: rest.slice(path.length), selected: '' }).id === id
}

/**
 * Whether a response was made for one user or role: its key has a part `u`, or a credential or a cookie that the request had. What cannot be
 * read counts as such.
 */
export function isPerUser ({ kind, key, labels }: Pick<EntryHeader, 'kind' | 'key' | 'labels'>): boolean {
  if (labels.some((label) => label.startsWith('u:'))) return true
  return kind !== 'value' && (partsOf(key)?.some(isPersonal) ?? true)
}

interface Part {
  readonly letter: string
  /** Undefined: absent. */
  readonly text: string | undefined
}

/** What a request without the cookie has in its place. */
const NO_COOKIE = digest(encodeValue([]))

/** The value of a field or a cookie stands behind its name. Which cookies are sessions, a cache cannot know. */
function isPersonal ({ letter, text = '' }: Part, at: number, parts: readonly Part[]): boolean {
  const value = parts[at + 1]?.text
  if (letter === 'f') return isSecretField(text) && value !== undefined
  return letter === 'u' || (letter === 'o' && value !== NO_COOKIE)
}

/** The parts behind the path, see `encodePart`. `undefined` for what is no such text. */
function partsOf (key: string): Part[] | undefined {
  const [start, length] = /^[^:]*:[^:]*:(\d{1,10}):/.exec(key) ?? []
  if (start === undefined) return undefined
  const parts: Part[] = []
  for (let at = start.length + Number(length); at < key.length;) {
    PART.lastIndex = at
    const part = PART.exec(key)
    if (part === null) return undefined
    const begin = PART.lastIndex
    at = begin + Number(part[2] ?? 0)
    parts.push({ letter: part[1]!, text: part[2] === undefined ? undefined : key.slice(begin, at) })
  }
  return parts
}

const PART = /;([a-z])(?:-|(\d{1,10}):)/y
