import { parseHttpDate } from './dates.ts'
import { parseEntityTags, stronglyEqual, weaklyEqual } from './entity-tags.ts'
import type { RequestHeaders } from './vary.ts'

/** What is known of the response that the request would get. */
export interface Validators {
  /** Its ETag field. */
  readonly etag: string | undefined
  /** Its Last-Modified field. */
  readonly lastModified: string | undefined
  /** When it was generated, in milliseconds: its Date, or when it was received. */
  readonly date?: number | undefined
}

/** `none`: the request has no conditions. `proceed`: they hold. Otherwise the answer is 304 or 412. */
export type PreconditionResult = 'none' | 'proceed' | 'not-modified' | 'failed'

/** What the conditions of a GET or HEAD request ask for, in the order of RFC 9110 section 13.2.2. If-Range comes later, with Range. */
export function preconditions (request: RequestHeaders, validators: Validators): PreconditionResult {
  const ifMatch = request['if-match']
  const ifUnmodifiedSince = request['if-unmodified-since']
  const ifNoneMatch = request['if-none-match']
  const ifModifiedSince = request['if-modified-since']
  if (ifMatch === undefined && ifUnmodifiedSince === undefined && ifNoneMatch === undefined && ifModifiedSince === undefined) return 'none'

  if (ifMatch !== undefined) {
    if (!names(ifMatch, validators.etag, stronglyEqual)) return 'failed'
  } else if (ifUnmodifiedSince !== undefined && isModifiedSince(ifUnmodifiedSince, validators.lastModified)) return 'failed'

  if (ifNoneMatch !== undefined) return names(ifNoneMatch, validators.etag, weaklyEqual) ? 'not-modified' : 'proceed'
  return ifModifiedSince !== undefined && isUnchangedSince(ifModifiedSince, validators) ? 'not-modified' : 'proceed'
}

/** Whether the field is `*`, which any response matches, or names the tag (sections 13.1.1 and 13.1.2). */
function names (field: string | string[], etag: string | undefined, isEqual: (a: string, b: string) => boolean): boolean {
  const text = typeof field === 'string' ? field : field.join(', ')
  return text.trim() === '*' || (etag !== undefined && parseEntityTags(text).some((tag) => isEqual(tag, etag)))
}

/** Section 13.1.4. Without two dates the field says nothing. */
function isModifiedSince (field: string | string[], lastModified: string | undefined): boolean {
  const [since, modifiedAt] = [instantOf(field), instantOf(lastModified)]
  return since !== undefined && modifiedAt !== undefined && modifiedAt > since
}

/** Section 13.1.3. For a response without Last-Modified its date stands in (RFC 9111 section 4.3.2). */
function isUnchangedSince (field: string | string[], { lastModified, date }: Validators): boolean {
  const since = instantOf(field)
  const modifiedAt = lastModified === undefined ? date : instantOf(lastModified)
  // Dates in fields have no parts of a second.
  return since !== undefined && modifiedAt !== undefined && Math.floor(modifiedAt / 1000) * 1000 <= since
}

/** Several lines are no date (section 13.1.3). */
function instantOf (field: string | string[] | undefined): number | undefined {
  if (field === undefined) return undefined
  const lines = [field].flat()
  return lines.length === 1 ? parseHttpDate(lines[0]!) : undefined
}
