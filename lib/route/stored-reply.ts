import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ResponseHeaders } from '../http/storability.ts'
import { describesBytes } from '../http/stored-fields.ts'
import type { StoredResponse } from '../stored-entry.ts'
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

/** What is sent in place of a payload. */
export function bodyInstead (reply: FastifyReply, payload: unknown, response: StoredResponse): unknown {
  (payload as { destroy?: () => void } | null | undefined)?.destroy?.()
  if (reply.request.method !== 'HEAD') return sentBody(response) ?? null
  reply.header('content-length', String(response.body.length))
  return undefined
}

/** Without a body and a content type, `undefined` keeps Fastify from adding one. */
export function sentBody (response: StoredResponse): Buffer | undefined {
  return response.body.length === 0 ? undefined : response.body
}

export function ownBytes (body: Buffer | undefined): Buffer | undefined {
  return body === undefined ? undefined : Buffer.from(body)
}

/**
 * What a hit sends after the other `onSend` hooks: the stored bytes with the fields that describe them, even where a hook
 * transformed them again, because they were stored after such hooks had run. Where a hook chose another status, such as 304,
 * its answer stands.
 */
export function asStored ({ request, reply, payload, response }: { request: FastifyRequest, reply: FastifyReply, payload: unknown, response: StoredResponse }): unknown {
  if (reply.statusCode !== response.status) return undefined
  for (const name of Object.keys(reply.getHeaders())) {
    if (describesBytes(name)) reply.removeHeader(name)
  }
  for (const [name, value] of response.headers) {
    if (describesBytes(name)) reply.header(name, value)
  }
  if (request.method === 'HEAD' && payload === null) {
    reply.header('content-length', String(response.body.length))
    return undefined
  }
  (payload as { destroy?: () => void } | undefined)?.destroy?.()
  return sentBody(response) ?? null
}
