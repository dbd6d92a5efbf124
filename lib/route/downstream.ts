import type { ResponseHeaders } from '../http/response-fields.ts'
import type { HeaderField } from '../http/stored-fields.ts'
import type { RoutePolicy } from '../options/policy.ts'

/** Bytes: what Fastly and Cloudflare read of such a field. */
const LONGEST_TAGS = 16_384

/**
 * Header fields for clients and for a CDN in front, where the handler has set none of them. What is for one user is for his browser alone.
 */
export function downstreamFields ({ downstream, userOf }: RoutePolicy, { headers, tags }: { headers: ResponseHeaders, tags: readonly string[] }): HeaderField[] {
  if (downstream === undefined) return []
  const { maxAgeSeconds, cdnMaxAgeSeconds } = downstream
  const isPerUser = userOf !== false
  const fields: HeaderField[] = []
  if (maxAgeSeconds !== undefined) fields.push(['cache-control', `${isPerUser ? 'private' : 'public'}, max-age=${maxAgeSeconds}`])
  if (!isPerUser) {
    const named = tagField(downstream.tags, tags)
    // A CDN that does not get all tags could not be told to forget the response.
    if (named === 'too-long') fields.push(['cdn-cache-control', 'no-store'])
    else {
      if (named !== undefined) fields.push(named)
      if (cdnMaxAgeSeconds !== undefined) fields.push(['cdn-cache-control', `max-age=${cdnMaxAgeSeconds}`])
    }
  }
  return fields.filter(([name]) => headers[name] === undefined)
}

function tagField (name: 'surrogate-key' | 'cache-tag' | undefined, tags: readonly string[]): HeaderField | 'too-long' | undefined {
  if (name === undefined || tags.length === 0) return undefined
  const text = tags.map(tagText).join(name === 'surrogate-key' ? ' ' : ',')
  return text.length > LONGEST_TAGS ? 'too-long' : [name, text]
}

/** A tag without what separates tags, and without what no field may have. */
export function tagText (tag: string): string {
  return tag.toWellFormed().replaceAll(/[^!#$&-+\--~]/gu, encodeURIComponent)
}
