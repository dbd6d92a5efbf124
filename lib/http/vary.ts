import { withoutBlanks } from './blanks.ts'
import { normalisedValue } from './selecting-value.ts'

const FIELD_NAME = /^[!#$%&'*+\-.^_`|~\w]+$/

/**
 * The lower-case field names of Vary, or `'*'` when the response varies by something else too, or by what cannot be
 * read: any member `*`, in any line, anywhere (RFC 9111 section 4.1, CVE-2026-6907).
 */
export function parseVary (field: string | readonly string[] | undefined): '*' | readonly string[] {
  if (field === undefined) return []
  const names = [field].flat().join(',').split(',').map((name) => withoutBlanks(name).toLowerCase()).filter((name) => name !== '')
  return names.every((name) => name !== '*' && FIELD_NAME.test(name)) ? [...new Set(names)] : '*'
}

/** Whether the request has the same values in all fields that selected a stored response. Absent matches only absent. */
export function variesMatch (vary: ReadonlyArray<readonly [name: string, value: string | null]>, headers: RequestHeaders): boolean {
  for (let i = 0; i < vary.length; i++) {
    const field = vary[i]!
    if (variantValue(headers, field[0]) !== field[1]) return false
  }
  return true
}

/** The value of a request header field as a selecting value; `null` is absent, which is not the same as empty (CVE-2026-113593). */
export function selectingValue (headers: RequestHeaders, name: string): string | null {
  // What a handler or an origin names in Vary may be a property of every object.
  const value: unknown = headers[name]
  return typeof value === 'string' ? value : Array.isArray(value) ? value.join(', ') : null
}

/** The same in one form for all ways to write it: what selects a variant of a response (RFC 9111 section 4.1). */
export function variantValue (headers: RequestHeaders, name: string): string | null {
  const value = selectingValue(headers, name)
  return value === null ? null : normalisedValue(name, value)
}

export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>
