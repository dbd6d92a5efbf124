import { ResponseKey } from '../cache-key.ts'
import type { EntryHeader } from '../store/store.ts'

/** Whether an entry belongs under this id: otherwise no look-up would ever give it. */
export function belongsUnder (id: string, { kind, key }: Pick<EntryHeader, 'kind' | 'key'>): boolean {
  if (kind === 'value') return id.toWellFormed() === key.toWellFormed()
  const [, namespace, method, length, rest] = /^([^:]*):([^:]*):(\d{1,10}):(.*)$/s.exec(key) ?? []
  if (namespace === undefined || method === undefined || rest === undefined) return false
  const path = rest.slice(0, Number(length))
  return new ResponseKey({ namespace, method, path, fixed: rest.slice(path.length), selected: '' }).id === id
}

/** Whether a response was made for one user or role: its key has a part `u`. What cannot be read counts as such. */
export function isPerUser ({ kind, key, labels }: Pick<EntryHeader, 'kind' | 'key' | 'labels'>): boolean {
  if (labels.some((label) => label.startsWith('u:'))) return true
  return kind !== 'value' && (partLetters(key)?.includes('u') ?? true)
}

/** The letters of the parts behind the path, see `encodePart`. `undefined` for what is no such text. */
function partLetters (key: string): string[] | undefined {
  const [start, length] = /^[^:]*:[^:]*:(\d{1,10}):/.exec(key) ?? []
  if (start === undefined) return undefined
  const letters: string[] = []
  for (let at = start.length + Number(length); at < key.length;) {
    PART.lastIndex = at
    const part = PART.exec(key)
    if (part === null) return undefined
    letters.push(part[1]!)
    at = PART.lastIndex + Number(part[2] ?? 0)
  }
  return letters
}

const PART = /;([a-z])(?:-|(\d{1,10}):)/y
