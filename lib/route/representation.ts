import type { FastifyReply } from 'fastify'
import type { Readable } from 'node:stream'
import { decompress, type Coding } from '../coding.ts'
import { acceptsCoding } from '../http/content-coding.ts'
import { fieldText } from '../http/response-fields.ts'
import { selectingValue, type RequestHeaders } from '../http/vary.ts'
import type { StoredResponse } from '../stored-entry.ts'

/** A stored response in the form that a client accepts. */
export interface Representation {
  /** With the header fields of this form. */
  readonly response: StoredResponse
  /** The body is to be decompressed. */
  readonly decoding: Coding | undefined
  /** How long its body is. */
  readonly bytes: number
}

/** What was compressed when it was stored, for clients that do not accept that, is what it was before (RFC 9110 section 12.5.3). */
export function representationFor (response: StoredResponse, headers: RequestHeaders, accepts: CodingMemory['accepts'] = acceptsCoding): Representation {
  const accepted = selectingValue(headers, 'accept-encoding')
  const isAccepted = accepted !== null && response.coded !== undefined && accepts(accepted, response.coded.coding)
  return isAccepted ? { response, decoding: undefined, bytes: response.body.length } : identityOf(response)
}

const MOST_REMEMBERED = 100
/** Characters: clients choose how long a field is. */
const LONGEST_REMEMBERED = 200

/** What Accept-Encoding fields say of a coding: most requests have one of a few. */
export class CodingMemory {
  readonly #known = new Map<string, boolean>()
  #coding: string | undefined

  readonly accepts = (field: string, coding: string): boolean => {
    if (field.length > LONGEST_REMEMBERED) return acceptsCoding(field, coding)
    if (coding !== this.#coding || this.#known.size >= MOST_REMEMBERED) this.#known.clear()
    this.#coding = coding
    let isAccepted = this.#known.get(field)
    if (isAccepted === undefined) this.#known.set(field, isAccepted = acceptsCoding(field, coding))
    return isAccepted
  }
}

/** The response as it was made. */
export function identityOf (response: StoredResponse): Representation {
  const { coded } = response
  if (coded === undefined) return { response, decoding: undefined, bytes: response.body.length }
  const fields = response.headers.filter(([name]) => name !== 'content-encoding' && name !== 'etag')
  return { response: { ...response, headers: [...fields, ['etag', coded.etag]] }, decoding: coded.coding, bytes: coded.bytes }
}

/** Its body as Fastify sends it. Without one and a content type, `undefined` keeps Fastify from adding a type. */
export function bodyOf ({ response, decoding, bytes }: Representation): Buffer | Readable | undefined {
  if (decoding !== undefined) return decompress(response.body, { coding: decoding, bytes })
  return response.body.length === 0 ? undefined : response.body
}

/** What is sent in place of a payload. */
export function bodyInstead (reply: FastifyReply, payload: unknown, representation: Representation): unknown {
  if (payload instanceof ReadableStream) payload.cancel().catch(() => {}) // nobody reads it
  else (payload as { destroy?: () => void } | null | undefined)?.destroy?.()
  if (reply.request.method !== 'HEAD') return bodyOf(representation) ?? null
  reply.header('content-length', String(representation.bytes))
  return undefined
}

/** The entity tag of a response in a coding: a strong one tells the codings apart (RFC 9110 section 8.8.3.3). */
export function codedEtag (etag: string, coding: Coding): string {
  return etag.startsWith('"') && etag.endsWith('"') ? `${etag.slice(0, -1)}-${coding}"` : etag
}

/** The Vary field with one more name. */
export function withVary (field: number | string | readonly string[] | undefined, name: string): string {
  if (field === undefined || field === '') return name
  const text = fieldText(field)
  return text.toLowerCase().split(',').some((member) => member.trim() === name) ? text : `${text}, ${name}`
}
