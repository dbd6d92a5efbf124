import { compress, type Coding } from '../coding.ts'
import { isCompressible } from '../http/content-coding.ts'
import { saysAny } from '../http/lifetime.ts'
import { mediaType, type ResponseHeaders } from '../http/response-fields.ts'
import type { StoredResponse } from '../stored-entry.ts'
import { fieldOf } from './conditions.ts'
import { codedEtag } from './representation.ts'

/** Below, a body and its header fields fit into one packet anyway. */
const LEAST_BYTES = 1024

/** Whether a response with these header fields may be sent in another coding than it was made in (RFC 9111 section 5.2.2.6). */
export function mayCompress (status: number, headers: ResponseHeaders): boolean {
  if (status !== 200 || headers['content-encoding'] !== undefined || !isCompressible(mediaType(headers))) return false
  return !saysAny(headers, [], ['no-transform'])
}

/** The response with its body compressed, if that makes it smaller. Never rejects. */
export async function compressed (response: StoredResponse, coding: Coding): Promise<StoredResponse> {
  const etag = fieldOf(response, 'etag')
  const bytes = response.body.length
  if (bytes < LEAST_BYTES || etag === undefined) return response
  const body = await compress(response.body, coding).catch(() => undefined) // out of memory: it is stored as it is
  if (body === undefined || body.length >= bytes) return response
  const fields = response.headers.filter(([name]) => name !== 'etag')
  return { ...response, headers: [...fields, ['etag', codedEtag(etag, coding)], ['content-encoding', coding]], coded: { coding, bytes, etag }, body }
}
