import { parseHttpDate } from './dates.ts'
import { stronglyEqual } from './entity-tags.ts'
import type { Validators } from './preconditions.ts'
import type { RequestHeaders } from './vary.ts'

/** Bytes of a body, both ends included. */
export interface ByteRange {
  readonly from: number
  readonly to: number
}

/** RFC 9110 section 14.1.2, one range: units are case-insensitive, and a list may have empty members. */
const ONE_RANGE = /^bytes=[ \t,]*(?:(\d+)-(\d*)|-(\d+))[ \t,]*$/i

/**
 * What a GET request asks for of a body of so many bytes (RFC 9110 section 14.2): all of it also when it asks for several ranges, or in a
 * way that cannot be read, which a server may choose.
 */
export function requestedRange (request: RequestHeaders, { length, ...validators }: Validators & { readonly length: number }): 'whole' | 'unsatisfiable' | ByteRange {
  const field = request.range
  if (field === undefined) return 'whole'
  const match = ONE_RANGE.exec(textOf(field))
  if (match === null) return 'whole'
  const ifRange = request['if-range']
  if (ifRange !== undefined && !isUnchanged(textOf(ifRange), validators)) return 'whole'
  const [, first, last, suffix] = match
  return suffix === undefined ? rangeFrom({ from: Number(first), to: last === '' ? Infinity : Number(last) }, length) : lastBytes(Number(suffix), length)
}

function rangeFrom ({ from, to }: ByteRange, length: number): 'whole' | 'unsatisfiable' | ByteRange {
  if (to < from) return 'whole'
  return from < length ? { from, to: Math.min(to, length - 1) } : 'unsatisfiable'
}

function lastBytes (count: number, length: number): 'whole' | 'unsatisfiable' | ByteRange {
  if (count === 0) return 'unsatisfiable'
  // Of no bytes there is no range.
  return length === 0 ? 'whole' : { from: Math.max(0, length - count), to: length - 1 }
}

/**
 * Section 13.1.5: only a strong validator shows that the bytes are the same. Last-Modified is one when the response was generated at
 * least a second later (section 8.8.2.2): in the second of a change there may be a second one.
 */
function isUnchanged (ifRange: string, { etag, lastModified, date }: Validators): boolean {
  if (ifRange.endsWith('"')) return etag !== undefined && stronglyEqual(ifRange, etag)
  const modifiedAt = lastModified === undefined ? undefined : parseHttpDate(lastModified)
  return modifiedAt !== undefined && date !== undefined && date - modifiedAt >= 1000 && parseHttpDate(ifRange) === modifiedAt
}

/** The Content-Range field of a 206, or of a 416. */
export function contentRange (range: ByteRange | 'unsatisfiable', length: number): string {
  return range === 'unsatisfiable' ? `bytes */${length}` : `bytes ${range.from}-${range.to}/${length}`
}

function textOf (field: string | string[]): string {
  return typeof field === 'string' ? field : field.join(', ')
}
