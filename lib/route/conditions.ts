import type { FastifyRequest } from 'fastify'
import type { Run } from '../fills/run.ts'
import type { Validators } from '../http/preconditions.ts'
import type { RequestHeaders } from '../http/vary.ts'
import type { StoredResponse } from '../stored-entry.ts'

const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'] as const

/** Conditions of a request, by lower-case name. */
export type Conditions = RequestHeaders

/** Whether the request asks for anything but the whole response, whatever it is. Every hit comes here. */
export function hasConditions (headers: RequestHeaders): boolean {
  return headers['if-none-match'] !== undefined || headers['if-modified-since'] !== undefined || headers.range !== undefined ||
    headers['if-match'] !== undefined || headers['if-unmodified-since'] !== undefined
}

/**
 * Takes its conditions from a request, so that the handler makes the response that all others are given as well (RFC 9110 section 13.2.1:
 * they are about the response without them), and asks in their place whether what is stored has changed.
 */
export function replaceConditions (request: FastifyRequest, stored: Validators | undefined): Conditions {
  const { headers } = request.raw
  const taken: Record<string, string | string[] | undefined> = {}
  for (const name of CONDITIONS) {
    if (headers[name] === undefined) continue
    taken[name] = headers[name]
    delete headers[name]
  }
  if (stored?.etag !== undefined) headers['if-none-match'] = stored.etag
  if (stored?.lastModified !== undefined) headers['if-modified-since'] = stored.lastModified
  return taken
}

/** Whether a hook has put header fields over those of the request, conditions among them: these cannot be replaced. */
export function hasFixedConditions ({ headers, raw }: FastifyRequest): boolean {
  return headers !== raw.headers && CONDITIONS.some((name) => headers[name] !== undefined)
}

/** For hooks that come after the answer, the request is again what the client sent. */
export function putBack (request: FastifyRequest, taken: Conditions): void {
  const { headers } = request.raw
  for (const name of CONDITIONS) delete headers[name]
  Object.assign(headers, taken)
}

/** The validators of a stored response that are its handler's own. */
export function validatorsOf (response: StoredResponse): Validators {
  const isMade = response.changed?.some(([name]) => name === 'etag') === true
  return { etag: isMade ? undefined : response.coded?.etag ?? fieldOf(response, 'etag'), lastModified: fieldOf(response, 'last-modified') }
}

export function fieldOf ({ headers }: StoredResponse, name: string): string | undefined {
  for (let i = 0; i < headers.length; i++) {
    const field = headers[i]!
    if (field[0] === name) return typeof field[1] === 'string' ? field[1] : undefined
  }
  return undefined
}

/**
 * Whether the handler is to answer for all who may be given the response, not for the copy that this client has. A part is for this client
 * only, and what is known to be is as well.
 */
export function mayTakeConditions (request: FastifyRequest, run: Run, former: StoredResponse | undefined): boolean {
  return request.method === 'GET' && request.headers.range === undefined && !hasFixedConditions(request) && !(run.isForOne && former === undefined)
}
