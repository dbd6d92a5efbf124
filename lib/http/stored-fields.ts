import { fieldText, type ResponseHeaders } from './response-fields.ts'
import { parseVary, variantValue, type RequestHeaders } from './vary.ts'

/** A header field: its lower-case name, and one value or one per line. */
export type HeaderField = readonly [name: string, value: string | readonly string[]]

/*
 * Fields that belong to one connection or one exchange: RFC 9111 section 3.1, what this cache writes itself, and ids and
 * counters that would be lies about any other request.
 */
const ONE_EXCHANGE = new Set([
  'connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'proxy-authenticate',
  'proxy-authorization', 'proxy-authentication-info', 'authentication-info', 'set-cookie', 'age', 'content-length',
  'x-cache', 'cache-status', 'x-cache-key', 'x-cache-ttl-remaining', 'x-cache-date',
  'request-id', 'x-request-id', 'correlation-id', 'x-correlation-id', 'x-trace-id', 'x-amzn-requestid', 'x-amzn-trace-id',
  'traceparent', 'tracestate', 'server-timing', 'x-response-time', 'x-runtime'
])
const COUNTERS = /^(?:x-)?rate-?limit(?:-|$)/

/** What is known of the exchange whose response is stored. */
export interface Exchange {
  readonly requestId: string
  readonly requestHeaders: RequestHeaders
  /** Fields that hooks had set before the look-up: they set them anew on every hit, so they are not the response's own. */
  readonly fieldsBefore: ResponseHeaders
}

/** The header fields a hit repeats. */
export function storedFields (response: ResponseHeaders, { requestId, requestHeaders, fieldsBefore }: Exchange): HeaderField[] {
  // An id that the client may have chosen could equal any field, and take it away from those who come later.
  const isClientsOwn = Object.values(requestHeaders).some((value) => value?.includes(requestId))
  const named = response.connection === undefined ? [] : fieldText(response.connection).toLowerCase().split(',').map((name) => name.trim())
  return Object.entries(response).flatMap(([name, value]): HeaderField[] => {
    if (value === undefined || ONE_EXCHANGE.has(name) || COUNTERS.test(name) || named.includes(name)) return []
    const kept = typeof value === 'object' ? value.map(String) : String(value)
    if (kept === requestId && (name.endsWith('id') || !isClientsOwn)) return []
    if (!describesResponse(name) && Object.hasOwn(fieldsBefore, name) && isSame(fieldsBefore[name], kept)) return []
    return [[name, kept]]
  })
}

/** Fields that say what the bytes are: they go with the bytes, whoever has set them. */
export function describesBytes (name: string): boolean {
  return OF_BYTES.has(name) || (name.startsWith('content-') && !name.startsWith('content-security-policy'))
}

const OF_BYTES = new Set(['etag', 'last-modified', 'digest', 'repr-digest'])

/** Fields that belong to the response even when a hook has set them. Any other a hook sets anew for each request that it means. */
function describesResponse (name: string): boolean {
  return OF_RESPONSE.has(name) || describesBytes(name)
}

const OF_RESPONSE = new Set(['date', 'expires', 'cache-control', 'vary', 'link', 'location', 'accept-ranges'])

/** Fields that hooks had set before the look-up and that the response does not have: a hit takes them away again. */
export function removedFields (response: ResponseHeaders, { fieldsBefore }: Exchange): string[] {
  return Object.keys(fieldsBefore).filter((name) => fieldsBefore[name] !== undefined && response[name] === undefined)
}

function isSame (before: ResponseHeaders[string], now: string | string[]): boolean {
  return before !== undefined && fieldText(before) === fieldText(now)
}

/**
 * The request header fields that selected the response, with their values: those in Vary, and those it should have named
 * because the response gives them away: an encoded body, an echoed Origin.
 */
export function selectingFields (response: ResponseHeaders, { requestHeaders, fieldsBefore }: Exchange): Array<readonly [string, string | null]> {
  const vary = parseVary(response.vary === undefined ? undefined : fieldText(response.vary))
  const names = new Set(vary === '*' ? [] : vary)
  if (response['content-encoding'] !== undefined) names.add('accept-encoding')
  const allowed = response['access-control-allow-origin']
  if (allowed !== undefined && allowed !== '*' && allowed === requestHeaders.origin && fieldsBefore['access-control-allow-origin'] !== allowed) names.add('origin')
  return [...names].map((name) => [name, variantValue(requestHeaders, name)])
}
