import type { NotStoredReason } from './cache-status.ts'
import { cachingDirectives } from './lifetime.ts'
import { isSecretField, requestFieldRole } from './request-fields.ts'
import { fieldText, mediaType, type ResponseHeaders } from './response-fields.ts'
import { parseVary, type RequestHeaders } from './vary.ts'

/** What else decides whether a response may be stored. */
export interface StorabilityContext {
  readonly status: number
  /** Fields that count instead of Cache-Control, by lower-case name. */
  readonly targetedFields: readonly string[]
  /** It can be asked about before each use. */
  readonly mayBeValidated: boolean
}

/** Named like a credential, but for the next hop only and never stored. */
const OF_THE_HOP = new Set(['proxy-authorization'])

/** The status codes of RFC 9110 section 15, without those that are never stored. */
const UNDERSTOOD = new Set([
  200, 201, 202, 203, 204, 205, 300, 301, 302, 303, 305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 413, 414, 415, 417,
  421, 422, 426, 500, 501, 502, 503, 504, 505
])

/**
 * Why a shared cache must not store a response with these header fields, or `undefined` when it may. RFC 9111 section 3, and
 * stricter where a field tells that the response is for one exchange only.
 */
export function refusalToStore (response: ResponseHeaders, request: RequestHeaders, { status, targetedFields, mayBeValidated }: StorabilityContext): NotStoredReason | undefined {
  // Stored with the field it hands one client's session to the next, without it the session is lost (CVE-2022-24894).
  if (response['set-cookie'] !== undefined) return 'set-cookie'
  // A token by another name is no less for one client.
  if (Object.keys(response).some((name) => requestFieldRole(name) === 'credential' && !OF_THE_HOP.has(name))) return 'credentials'
  if (response.trailer !== undefined) return 'trailers'
  if (mediaType(response) === 'text/event-stream') return 'event-stream'
  return cachingRefusal(cachingDirectives(response, targetedFields), { status, mayBeValidated }) ?? varyRefusal(response, request) ?? nonceRefusal(response)
}

function cachingRefusal (caching: ReturnType<typeof cachingDirectives>, { status, mayBeValidated }: Omit<StorabilityContext, 'targetedFields'>): NotStoredReason | undefined {
  if (caching === undefined) return undefined
  if (caching === 'malformed') return 'malformed-cache-control'
  const { directives } = caching
  // Qualified forms (`private="x"`) count as unqualified: the safe reading of RFC 9111 section 5.2.2.7.
  if (directives.has('no-store')) return 'no-store'
  if (directives.has('private')) return 'private'
  if (directives.has('no-cache') && !mayBeValidated) return 'no-cache'
  // RFC 9111 section 5.2.2.3.
  return directives.has('must-understand') && !UNDERSTOOD.has(status) ? 'status' : undefined
}

function varyRefusal (response: ResponseHeaders, request: RequestHeaders): NotStoredReason | undefined {
  const vary = parseVary(response.vary === undefined ? undefined : fieldText(response.vary))
  if (vary === '*') return 'vary'
  // The selecting value would be a credential (CVE-2026-44457); without one the response is for all who send none.
  return vary.some((name) => isSecretField(name) && request[name] !== undefined) ? 'vary' : undefined
}

/** A Content-Security-Policy nonce is valid for one response only; repeated, it is no protection any more. */
function nonceRefusal (response: ResponseHeaders): NotStoredReason | undefined {
  const policies = [response['content-security-policy'], response['content-security-policy-report-only']]
  return policies.some((policy) => policy !== undefined && /'nonce-/i.test(fieldText(policy))) ? 'nonce' : undefined
}
