import type { FastifyReply } from 'fastify'
import { fieldText, type ResponseHeaders } from '../http/response-fields.ts'
import { describesBytes } from '../http/stored-fields.ts'
import type { StoredResponse } from '../stored-entry.ts'
import { fieldOf } from './conditions.ts'
import { removeTrailers } from './fastify-internals.ts'

/** Status and header fields of a stored response. Every hit comes here. */
export function setStoredFields (reply: FastifyReply, response: StoredResponse): void {
  // Setting a status is more than having it: an error handler's redirect would keep it.
  if (reply.statusCode !== response.status) reply.code(response.status)
  for (let i = 0; i < response.removed.length; i++) reply.removeHeader(response.removed[i]!)
  // By index: taking pairs apart costs more than setting the field.
  for (let i = 0; i < response.headers.length; i++) {
    const field = response.headers[i]!
    // Lines are copied: a hook may add one.
    reply.header(field[0], typeof field[1] === 'string' ? field[1] : [...field[1]])
  }
}

/**
 * The same in place of what a handler has set, of which nothing is left but cookies: a session's are for this client, whatever it is told,
 * and then no other cache may keep it.
 */
export function setStoredFieldsInstead (reply: FastifyReply, response: StoredResponse, fieldsBefore: ResponseHeaders): void {
  for (const name of Object.keys(reply.getHeaders())) if (name !== 'set-cookie') reply.removeHeader(name)
  for (const [name, value] of Object.entries(fieldsBefore)) if (value !== undefined && name !== 'set-cookie') reply.header(name, value)
  removeTrailers(reply)
  reply.raw.statusMessage = ''
  setStoredFields(reply, response)
  if (reply.hasHeader('set-cookie')) reply.header('cache-control', 'private')
}

/** The header fields of a response that tell a client that its copy is still good (RFC 9110 section 15.4.5). */
export function setNotModifiedFields (reply: FastifyReply, response: StoredResponse): void {
  reply.code(304)
  for (let i = 0; i < response.removed.length; i++) reply.removeHeader(response.removed[i]!)
  const hasEtag = fieldOf(response, 'etag') !== undefined
  for (let i = 0; i < response.headers.length; i++) {
    const field = response.headers[i]!
    if (isOfBody(field[0]) || (hasEtag && field[0] === 'last-modified')) continue
    reply.header(field[0], typeof field[1] === 'string' ? field[1] : [...field[1]])
  }
}

/** Takes away what a 304 does not repeat. */
export function removeBodyFields (reply: FastifyReply): void {
  for (const name of Object.keys(reply.getHeaders())) if (isOfBody(name)) reply.removeHeader(name)
}

/** Of a body that is not sent. Policies and the location of the content are of the response. */
function isOfBody (name: string): boolean {
  return name === 'content-type' || (name.startsWith('content-') && name !== 'content-location' && !name.startsWith('content-security-policy'))
}

/** In place of what other hooks made of them: the fields that describe the stored bytes, which were stored after such hooks had run. */
export function setFieldsOfBytes (reply: FastifyReply, response: StoredResponse): void {
  for (const name of Object.keys(reply.getHeaders())) {
    if (describesBytes(name)) reply.removeHeader(name)
  }
  for (const [name, value] of response.headers) {
    if (describesBytes(name)) reply.header(name, value)
  }
}

/** Not updated by a 304: what describes the stored bytes, which stay (RFC 9111 section 3.2). */
const OF_STORED_BYTES = new Set(['content-encoding', 'content-length', 'content-md5', 'content-range', 'etag'])

/** RFC 9111 section 4.3.4: the stored response with the header fields of a 304. What hooks set for every request is not the 304's own. */
export function setRenewedFields (reply: FastifyReply, stored: StoredResponse, fieldsBefore: ResponseHeaders): void {
  const now = reply.getHeaders() as ResponseHeaders
  reply.code(stored.status)
  for (const name of OF_STORED_BYTES) reply.removeHeader(name)
  for (const [name, value] of stored.headers) {
    // Without one of its own a 304 is of now (RFC 9110 section 6.6.1); by the old one the response would be old.
    if (name === 'date') continue
    const isNew = now[name] !== undefined && fieldText(now[name]) !== fieldText(fieldsBefore[name] ?? '')
    if (!isNew || OF_STORED_BYTES.has(name)) reply.header(name, typeof value === 'string' ? value : [...value])
  }
}
