import type { FastifyRequest } from 'fastify'
import { randomUUID } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { digest, encodePart, encodeValue, ResponseKey, UnkeyableError } from '../cache-key.ts'
import type { BypassReason } from '../http/cache-status.ts'
import { cookieValues, hasSessionCookie } from '../http/cookies.ts'
import { isSecretField, requestFieldRole } from '../http/request-fields.ts'
import { selectingValue, type RequestHeaders } from '../http/vary.ts'
import type { CacheRequest } from '../options/cache-request.ts'
import { TokenSubject, type RoutePolicy, type UserOf } from '../options/policy.ts'

export interface Admitted {
  readonly outcome: 'admitted'
  readonly key: ResponseKey
  readonly user: string | undefined
}

export type Admission = Admitted | { readonly outcome: 'bypass', readonly reason: BypassReason, readonly fault?: unknown }

/** What the header fields of a request say about its use of the cache. */
interface RequestFields {
  bypass: BypassReason | undefined
  /** Whether there are credentials other than cookies that the route's key does not cover. */
  credentials: boolean
  /** The Cookie field, unless the key covers all of it. */
  cookie: string | undefined
  /** The encoded steering fields. */
  steering: string
}

/** What the key of one request is made of, on top of what the route gives. */
interface RequestParts {
  readonly method: string
  readonly path: string
  readonly origin: string
  readonly selected: string
}

/** Bounds of what one route remembers of its keys: about 200 kB. */
const MOST_RECENT = 200
const LONGEST_RECENT = 500

/** Finds whether requests of one route may use the cache, and under which key. */
export class RouteAdmission {
  readonly #policy: RoutePolicy
  readonly #anyUserOf: UserOf
  readonly #fixed: string
  readonly #hasParams: boolean
  readonly #recent = new Map<string, { readonly parts: RequestParts, readonly key: ResponseKey }>()
  #last = { host: '', protocol: '', text: '' }

  constructor (policy: RoutePolicy, { anyUserOf, constraints }: {
    /** The plugin's `user`: who is known by it carries credentials on any route. */
    anyUserOf: UserOf
    /** What else than method and URL selected the route. */
    constraints: Record<string, unknown>
  }) {
    this.#policy = policy
    this.#anyUserOf = anyUserOf
    this.#hasParams = /[:*]/.test(policy.url)
    // Fastify may answer a route with and without a trailing slash; for an own key these are two routes.
    this.#fixed = encodePart('r', policy.url.replace(/\/$/, '')) + (Object.keys(constraints).length > 0 ? encodePart('c', encodeConstraints(constraints)) : '') +
      (policy.key === undefined ? '' : encodePart('k', policy.url))
  }

  admit (request: FastifyRequest): Admission {
    if (!this.#policy.methods.has(request.method)) return { outcome: 'bypass', reason: 'method' }
    try {
      return this.#admit(request, asCacheRequest(request))
    } catch (fault) {
      return { outcome: 'bypass', reason: fault instanceof UnkeyableError || fault instanceof RangeError ? 'unkeyable' : 'function-error', fault }
    }
  }

  #admit (request: FastifyRequest, cacheRequest: CacheRequest): Admission {
    const policy = this.#policy
    const skip: unknown = policy.skip?.(cacheRequest)
    if (isThenable(skip)) throw new TypeError('expected skip to return true or false, got a promise: it cannot wait')
    if (skip) return { outcome: 'bypass', reason: 'skip' }
    const headers: RequestHeaders = request.headers
    const fields = this.#readFields(request, headers)
    if (fields.bypass !== undefined) return { outcome: 'bypass', reason: fields.bypass }
    const user = policy.userOf === false ? undefined : userText(policy.userOf(cacheRequest))
    if (user === undefined && this.#hasCredentials(cacheRequest, fields)) {
      return { outcome: 'bypass', reason: policy.userOf === false ? 'credentials' : 'user-unknown' }
    }
    const key = this.#keyFor(request, {
      method: request.method === 'HEAD' ? 'GET' : request.method,
      path: policy.key === undefined ? pathOf(request.raw.url ?? '') : ownKey(policy.key(cacheRequest)),
      origin: this.#origin(request),
      selected: `${fields.steering}${this.#selected(request, headers, user)}`
    })
    return { outcome: 'admitted', key, user }
  }

  /** A key made of the same parts before serves again: its text is in one piece and hashed already, most of the work of a hit. */
  #keyFor (request: FastifyRequest, parts: RequestParts): ResponseKey {
    const url = request.raw.url ?? ''
    const known = this.#recent.get(url)
    if (known !== undefined && known.parts.method === parts.method && known.parts.path === parts.path &&
      known.parts.origin === parts.origin && known.parts.selected === parts.selected) return known.key
    const { method, path, origin, selected } = parts
    const key = new ResponseKey({ namespace: this.#policy.namespace, method, path, fixed: this.#fixed, selected: `${origin}${selected}` })
    if (key.text.length > LONGEST_RECENT) return key
    if (this.#recent.size >= MOST_RECENT) this.#recent.clear()
    this.#recent.set(url, { parts, key })
    return key
  }

  /** One pass over the header fields. */
  #readFields ({ method, raw }: FastifyRequest, headers: RequestHeaders): RequestFields {
    const fields: RequestFields = { bypass: undefined, credentials: false, cookie: undefined, steering: '' }
    for (const name in headers) {
      switch (requestFieldRole(name)) {
        case 'steering':
          fields.steering += encodePart('s', name) + encodePart('v', selectingValue(headers, name) ?? undefined)
          break
        case 'credential':
          fields.credentials ||= !this.#policy.headers.includes(name)
          break
        case 'cookie':
          if (!this.#policy.headers.includes(name)) fields.cookie = selectingValue(headers, name) ?? undefined
          break
        case 'upgrade':
          fields.bypass = 'upgrade'
          break
        case 'content': // The body of a GET is an input that handlers may read and the key does not cover.
          if ((method === 'GET' || method === 'HEAD') && headers[name] !== '0') fields.bypass = 'request-body'
          break
        case undefined:
      }
    }
    if (goesOnAfterHeaders(raw) && (method === 'GET' || method === 'HEAD')) fields.bypass = 'request-body'
    return fields
  }

  /** Whether the request says who sends it, in a way that the route's key does not cover. */
  #hasCredentials (request: CacheRequest, { credentials, cookie }: RequestFields): boolean {
    if (this.#policy.shared) return false
    if (credentials || (cookie !== undefined && hasSessionCookie(cookie, this.#policy.cookies))) return true
    // A TLS client certificate, which a server has to ask for; an app may pin what no root has signed.
    if ((request.raw.socket as Partial<TLSSocket> | undefined)?.getPeerX509Certificate?.() !== undefined) return true
    return (request.user !== undefined && request.user !== null) || userText(this.#anyUserOf(request)) !== undefined
  }

  /**
   * The same question again when the response is to be stored: a handler may have found out who asks only now. Throws what
   * an option function throws.
   */
  mayStillStore (request: FastifyRequest, admitted: Admitted): boolean {
    const cacheRequest = asCacheRequest(request)
    const user = this.#policy.userOf === false ? undefined : userText(this.#policy.userOf(cacheRequest))
    if (user !== admitted.user) return false
    return user !== undefined || !this.#hasCredentials(cacheRequest, this.#readFields(request, request.headers))
  }

  /** Protocol and host. Most requests come for the same host as the one before, so that its encoding is kept. */
  #origin (request: FastifyRequest): string {
    const { host, protocol } = request
    if (host !== this.#last.host || protocol !== this.#last.protocol) {
      this.#last = { host, protocol, text: encodePart('h', `${protocol}://${host.toLowerCase()}`) }
    }
    return this.#last.text
  }

  #selected (request: FastifyRequest, headers: RequestHeaders, user: string | undefined): string {
    const policy = this.#policy
    let text = user === undefined ? '' : encodePart('u', user)
    for (const name of policy.headers) text += encodePart('f', name) + encodePart('v', selectingText(name, selectingValue(headers, name)))
    if (policy.cookies.length > 0) {
      const field = selectingValue(headers, 'cookie') ?? undefined
      for (const name of policy.cookies) text += encodePart('o', name) + encodePart('v', digest(encodeValue(cookieValues(field, name))))
    }
    if (policy.key !== undefined) return text
    // What the router found: a hook may have changed the URL since.
    if (this.#hasParams) text += encodePart('p', encodeValue(request.params))
    const query = policy.query === 'all' ? request.query : coveredQuery(request.query, policy.query)
    text += isEmpty(query) ? NO_QUERY : encodePart('q', encodeValue(query))
    const sent = queryOf(request.raw.url ?? '')
    if (sent !== '' && (UNENCODED.test(sent) || NESTED_NAME.test(sent))) text += encodePart('w', sent.split('&').sort().join('&'))
    return policy.body ? text + encodePart('b', digest(encodeValue(parsedBody(request)))) : text
  }
}

/** The request as option functions see it: the same object, typed for routes whose own types are not known here. */
function asCacheRequest (request: FastifyRequest): CacheRequest {
  return request as unknown as CacheRequest
}

/** Secrets are kept out of stores and logs. */
function selectingText (name: string, value: string | null): string | undefined {
  return value === null ? undefined : isSecretField(name) ? digest(value) : value
}

export function isThenable (value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

/** An injective text for a user: the number 7 is not the string '7'. */
function userText (user: unknown): string | undefined {
  if (user === undefined || user === null || user === '') return undefined
  if (user instanceof TokenSubject) return `t${encodeValue(user.issuer)}${encodeValue(user.subject)}`
  if (typeof user === 'string' || (typeof user === 'number' && Number.isFinite(user))) return encodeValue(user)
  throw new TypeError(`expected varyByUser or the plugin's user to return a string, a number or undefined, got ${typeof user}`)
}

/** What tells routes with the same path apart. A value that cannot be written down is like no other, in any process. */
function encodeConstraints (constraints: Record<string, unknown>): string {
  return encodeValue(Object.entries(constraints).map(([name, value]) => [name, constraintText(value)]))
}

function constraintText (value: unknown): string {
  if (value instanceof RegExp) return `r${value.toString()}`
  try {
    return encodeValue(value)
  } catch {
    return `unique ${randomUUID()}` // a function or an instance of a class
  }
}

/** The body as the handler will see it. One that no parser has read is an input that the key cannot cover. */
function parsedBody (request: FastifyRequest): unknown {
  const { body, headers } = request
  const wasSent = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0 || goesOnAfterHeaders(request.raw)
  if (wasSent && body === undefined) throw new UnkeyableError('the body was sent, but is not parsed when the key is made')
  return body
}

/** Whether a request over HTTP/2 goes on after its header fields: there a body needs neither of the fields that tell of one. */
function goesOnAfterHeaders (raw: FastifyRequest['raw']): boolean {
  return raw.httpVersionMajor === 2 && (raw as { stream?: { endAfterHeaders?: boolean } }).stream?.endAfterHeaders === false
}

function ownKey (key: unknown): string {
  if (typeof key === 'string' && key !== '') return key
  throw new TypeError(`expected key to return a string of at least one character, got ${key === '' ? 'an empty one' : typeof key}`)
}

/** The path as sent: decoded forms would let differently written URLs, which a handler can tell apart, share a response. */
function pathOf (url: string): string {
  const at = url.indexOf('?')
  return at === -1 ? url : url.slice(0, at)
}

function isEmpty (query: unknown): boolean {
  return Object.keys(query as object).length === 0
}

const NO_QUERY = encodePart('q', encodeValue({}))

function queryOf (url: string): string {
  const at = url.indexOf('?')
  return at === -1 ? '' : url.slice(at + 1)
}

/*
 * Characters that browsers never send unencoded in a query. A handler that writes the URL into a page would give a browser,
 * whose query decodes to the same, the response to a query that only an attacker's program sends.
 */
const UNENCODED = /["'<>`\\{|}^]|[^!-~]/

/* A name such as `a[b]` or `a.b`, which is a part of `a` for parsers of nested queries only. */
const NESTED_NAME = /(?:^|&)[^=&]*(?:[[\].]|%5B|%5D|%2E)/i

/** The parameters that the route's list names. */
export function coveredQuery (query: unknown, names: ReadonlySet<string>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(query as Record<string, unknown>).filter(([name]) => names.has(name)))
}
