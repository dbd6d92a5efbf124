import { isSecretField, requestFieldRole } from '../http/request-fields.ts'
import type { FastifyRequest } from 'fastify'
import type { RoutePolicy } from '../options/policy.ts'
import type { StoredResponse } from '../stored-entry.ts'
import type { UrlTarget } from '../warming/hot-target.ts'
import type { Admitted } from './admission.ts'

export interface HotHit {
  readonly request: FastifyRequest
  readonly admitted: Admitted
  readonly policy: RoutePolicy
  readonly response: StoredResponse
}

/** The request again, with what selects its response and nothing else. What depends on who asks is nobody's to repeat. */
export function repeatedHit ({ request, admitted, policy, response }: HotHit): UrlTarget | undefined {
  if ((request.method !== 'GET' && request.method !== 'HEAD') || admitted.user !== undefined || policy.userOf !== false || policy.cookies.length > 0) return undefined
  const headers: Record<string, string> = {}
  for (const name in request.headers) {
    const role = requestFieldRole(name)
    const isSelecting = name === 'host' || policy.headers.includes(name) || role === 'steering' || response.vary.some(([varied]) => varied === name)
    // A guard may ask for it, and a store is no place for it.
    if (role === 'credential' || (isSelecting && isSecretField(name))) return undefined
    const value = request.headers[name]
    if (isSelecting && typeof value === 'string') headers[name] = value
  }
  return { url: request.originalUrl, headers }
}
