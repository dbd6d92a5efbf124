import type { FastifyRequest } from 'fastify'
import { encodePart } from '../cache-key.ts'
import type { BypassReason } from '../http/cache-status.ts'
import { requestFieldRole } from '../http/request-fields.ts'
import { selectingValue } from '../http/vary.ts'
import type { RoutePolicy } from '../options/policy.ts'

/** What the header fields of a request say about its use of the cache. */
export interface RequestFields {
  bypass: BypassReason | undefined
  /** Whether there are credentials other than cookies that the route's key does not cover. */
  credentials: boolean
  /** The Cookie field, unless the key covers all of it. */
  cookie: string | undefined
  /** The encoded steering fields. */
  steering: string[]
}

/** One pass over the header fields. */
export function readFields ({ headers, method, raw }: FastifyRequest, policy: RoutePolicy): RequestFields {
  const fields: RequestFields = { bypass: undefined, credentials: false, cookie: undefined, steering: [] }
  for (const name in headers) {
    switch (requestFieldRole(name)) {
      case 'steering':
        fields.steering.push(encodePart('s', name) + encodePart('v', selectingValue(headers, name) ?? undefined))
        break
      case 'forwarded': {
        const steering = steeringPairs(selectingValue(headers, name) ?? '')
        if (steering !== '') fields.steering.push(encodePart('s', name) + encodePart('v', steering))
        break
      }
      case 'credential':
        fields.credentials ||= !policy.headers.includes(name)
        break
      case 'cookie':
        if (!policy.headers.includes(name)) fields.cookie = selectingValue(headers, name) ?? undefined
        break
      case 'upgrade':
        fields.bypass = 'upgrade'
        break
      case 'content': // The body of a GET is an input that handlers may read and the key does not cover.
        if ((method === 'GET' || method === 'HEAD') && headers[name] !== '0') fields.bypass = 'request-body'
        break
      case 'none':
    }
  }
  if (goesOnAfterHeaders(raw) && (method === 'GET' || method === 'HEAD')) fields.bypass = 'request-body'
  return fields
}

/** What of a Forwarded field (RFC 7239) steers: not the addresses, of which each client has its own. */
function steeringPairs (field: string): string {
  return (field.match(/(?:host|proto)[ \t]*=[ \t]*(?:"[^"]*"|[^;,\s]*)/gi) ?? []).join(';')
}

/** RFC 9112 section 6, and for HTTP/2. */
export function wasBodySent (raw: FastifyRequest['raw']): boolean {
  const { headers } = raw
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0 || goesOnAfterHeaders(raw)
}

/** Whether a request over HTTP/2 goes on after its header fields: there a body needs neither of the fields that tell of one. */
function goesOnAfterHeaders (raw: FastifyRequest['raw']): boolean {
  return raw.httpVersionMajor === 2 && (raw as { stream?: { endAfterHeaders?: boolean } }).stream?.endAfterHeaders === false
}
