import { saysAny } from '../http/lifetime.ts'
import { isSecretField } from '../http/request-fields.ts'
import { fieldText, type ResponseHeaders } from '../http/response-fields.ts'
import type { HeaderField } from '../http/stored-fields.ts'
import type { Downstream, RoutePolicy } from '../options/policy.ts'
import { withVary } from './representation.ts'

/** Bytes: what Fastly and Cloudflare read of such a field. */
const LONGEST_TAGS = 16_384

/**
 * Header fields for clients and for a CDN in front, where the handler has set none of them. A CDN knows neither users nor guards, and selects
 * by nothing but the URL and Vary: what is not for all is for one browser alone.
 */
export function downstreamFields (policy: RoutePolicy, { headers, tags }: { headers: ResponseHeaders, tags: readonly string[] }): HeaderField[] {
  if (policy.downstream === undefined) return []
  const { maxAgeSeconds } = policy.downstream
  const isForAll = !isForSome(policy)
  const fields: HeaderField[] = []
  if (maxAgeSeconds !== undefined) fields.push(['cache-control', `${isForAll ? 'public' : 'private'}, max-age=${maxAgeSeconds}`])
  if (isForAll && mayBeShared(headers)) fields.push(...cdnFields(policy.downstream, tags))
  const added = fields.filter(([name]) => headers[name] === undefined)
  if (added.length === 0 || policy.headers.length === 0) return added
  return [...added, ['vary', policy.headers.reduce((field, name) => withVary(field, name), headers.vary === undefined ? '' : fieldText(headers.vary))]]
}

/** By a key of its own, which Vary cannot name, by user, by a credential, by a cookie, or behind a guard. */
function isForSome ({ cookies, headers, key, shared, userOf }: RoutePolicy): boolean {
  return key !== undefined || userOf !== false || shared !== false || cookies.length > 0 || headers.some(isSecretField)
}

/** A field of a CDN would override what the handler says to all caches but this one (RFC 9213 section 2.2). */
function mayBeShared (headers: ResponseHeaders): boolean {
  return !saysAny(headers, [], ['no-store', 'no-cache', 'private'])
}

function cdnFields ({ cdnMaxAgeSeconds, tags: name }: Downstream, tags: readonly string[]): HeaderField[] {
  const named = tagField(name, tags)
  // A CDN that does not get all tags could not be told to forget the response.
  if (named === 'too-long') return [['cdn-cache-control', 'no-store']]
  const fields: HeaderField[] = named === undefined ? [] : [named]
  return cdnMaxAgeSeconds === undefined ? fields : [...fields, ['cdn-cache-control', `max-age=${cdnMaxAgeSeconds}`]]
}

function tagField (name: 'surrogate-key' | 'cache-tag' | undefined, tags: readonly string[]): HeaderField | 'too-long' | undefined {
  if (name === undefined || tags.length === 0) return undefined
  const text = tags.map(tagText).join(name === 'surrogate-key' ? ' ' : ',')
  return text.length > LONGEST_TAGS ? 'too-long' : [name, text]
}

/** A tag without what separates tags, and without what no field may have. */
function tagText (tag: string): string {
  return tag.toWellFormed().replaceAll(/[^!#$&-+\--~]/gu, encodeURIComponent)
}
