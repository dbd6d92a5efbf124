import { parseCacheControl } from './cache-control.ts'
import type { NotStoredReason } from './cache-status.ts'
import { isSecretField, requestFieldRole } from './request-fields.ts'
import { parseVary, type RequestHeaders } from './vary.ts'

/** The header fields of a response as Node keeps them, by lower-case name. */
export type ResponseHeaders = Readonly<Record<string, number | string | readonly string[] | undefined>>

/**
 * Why a shared cache must not store a response with these header fields, or `undefined` when it may. RFC 9111 section 3, and
 * stricter where a field tells that the response is for one exchange only.
 */
export function refusalToStore (response: ResponseHeaders, request: RequestHeaders): NotStoredReason | undefined {
  // Stored with the field it hands one client's session to the next, without it the session is lost (CVE-2022-24894).
  if (response['set-cookie'] !== undefined) return 'set-cookie'
  // A token by another name is no less for one client.
  if (Object.keys(response).some((name) => requestFieldRole(name) === 'credential')) return 'credentials'
  if (response['content-range'] !== undefined) return 'partial'
  if (response.trailer !== undefined) return 'trailers'
  if (mediaType(response) === 'text/event-stream') return 'event-stream'
  return cacheControlRefusal(response) ?? varyRefusal(response, request) ?? nonceRefusal(response)
}

function cacheControlRefusal (response: ResponseHeaders): NotStoredReason | undefined {
  const field = response['cache-control']
  if (field === undefined) return undefined
  const directives = parseCacheControl(fieldText(field))
  if (directives === undefined) return 'malformed-cache-control'
  // Qualified forms (`private="x"`) count as unqualified: the safe reading of RFC 9111 section 5.2.2.7.
  if (directives.has('no-store')) return 'no-store'
  if (directives.has('private')) return 'private'
  if (directives.has('no-cache')) return 'no-cache'
  return undefined
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

export function mediaType (response: ResponseHeaders): string {
  const field = response['content-type']
  return field === undefined ? '' : fieldText(field).split(';', 1)[0]!.trim().toLowerCase()
}

/** The value of a field, several lines joined as RFC 9110 section 5.3 says. */
export function fieldText (value: number | string | readonly string[]): string {
  return typeof value === 'object' ? value.join(', ') : String(value)
}
