import type { FastifyRequest } from 'fastify'
import { randomUUID } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { digest, encodePart, encodeValue, ResponseKey, UnkeyableError } from '../cache-key.ts'
import type { BypassReason } from '../http/cache-status.ts'
import { cookieValues, hasSessionCookie } from '../http/cookies.ts'
import { requestDirectives, type RequestDirectives } from '../http/request-directives.ts'
import { isSecretField } from '../http/request-fields.ts'
import { isPromise } from '../store/store.ts'
import { FlatValue } from './flat-value.ts'
import { readFields, wasBodySent, type RequestFields } from './read-fields.ts'
import { selectingValue, type RequestHeaders } from '../http/vary.ts'
import { namespaceLabel, urlLabels, userLabel } from '../marks/labels.ts'
import { asCacheRequest, type CacheRequest } from '../options/cache-request.ts'
import { DEFAULT_LIMITS } from '../options/limits.ts'
import { TokenSubject, type RoutePolicy, type UserOf } from '../options/policy.ts'

export interface Admitted {
  readonly outcome: 'admitted'
  readonly key: ResponseKey
  readonly user: string | undefined
  /** Credentials that the key does not cover, on a route where the response decides what they mean. */
  readonly hasCredentials?: true
  /** What the request asks of caches, where that counts. */
  readonly wanted?: RequestDirectives
}

export type Admission = Admitted | { readonly outcome: 'bypass', readonly reason: BypassReason, readonly fault?: unknown }

/** A key of before, with all that it was made of on top of the URL. Equal parts make an equal key. */
interface Remembered {
  readonly method: string
  readonly path: string
  readonly origin: string
  readonly selected: string
  readonly params: FlatValue
  readonly query: FlatValue
  readonly admitted: Admitted
}

/** Bounds of what one route remembers of its keys: about 500 kB. */
const MOST_RECENT = 200
const LONGEST_RECENT = 1000

/** Finds whether requests of one route may use the cache, and under which key. */
export class RouteAdmission {
  readonly #policy: RoutePolicy
  readonly #anyUserOf: UserOf
  readonly #fixed: string
  readonly #keyLength: number
  readonly #recent = new Map<string, Remembered>()
  #last = { host: '', protocol: '', text: '' }

  constructor (policy: RoutePolicy, { anyUserOf, constraints, keyLength = DEFAULT_LIMITS.keyLength }: {
    /** The plugin's `user`: who is known by it carries credentials on any route. */
    anyUserOf: UserOf
    /** What else than method and URL selected the route. */
    constraints: Record<string, unknown>
    /** The longest key material, in characters. */
    keyLength?: number
  }) {
    this.#policy = policy
    this.#anyUserOf = anyUserOf
    this.#keyLength = keyLength
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
    if (isPromise(skip)) throw new TypeError('expected skip to return true or false, got a promise: it cannot wait')
    if (skip) return { outcome: 'bypass', reason: 'skip' }
    const headers: RequestHeaders = request.headers
    const fields = readFields(request, policy)
    if (fields.bypass !== undefined) return { outcome: 'bypass', reason: fields.bypass }
    const user = policy.userOf === false ? undefined : userText(policy.userOf(cacheRequest))
    const hasCredentials = user === undefined && this.#hasCredentials(cacheRequest, fields)
    if (hasCredentials && policy.shared !== 'http') {
      return { outcome: 'bypass', reason: policy.userOf === false ? 'credentials' : 'user-unknown' }
    }
    // Their order says nothing (RFC 9110 section 5.3).
    const selected = (fields.steering.length === 0 ? '' : fields.steering.sort().join('')) + this.#selected(request, headers, user)
    const path = policy.key === undefined ? undefined : ownKey(policy.key(cacheRequest))
    const admitted = this.#recall(request, path, selected) ?? this.#admitted(request, path, selected, user)
    if (admitted.key.text.length > this.#keyLength) return { outcome: 'bypass', reason: 'key-too-long' }
    if (!hasCredentials && policy.obeys === undefined) return admitted
    const wanted = policy.obeys?.(cacheRequest) === true ? requestDirectives(headers) : undefined
    if (wanted?.noStore === true) return { outcome: 'bypass', reason: 'no-store' }
    if (!hasCredentials && wanted === undefined) return admitted
    return { ...admitted, ...hasCredentials ? { hasCredentials } : {}, ...wanted === undefined ? {} : { wanted } }
  }

  /**
   * Encoding and hashing a key is most of the work of a hit, so that keys made of the same parts before serve again. With an own
   * key the URL selects nothing, but is a fine name to remember it by.
   */
  #recall (request: FastifyRequest, path: string | undefined, selected: string): Admitted | undefined {
    const known = this.#recent.get(request.raw.url ?? '')
    if (known === undefined || known.method !== request.method || known.selected !== selected || known.origin !== this.#origin(request)) return undefined
    const isSame = path === undefined ? known.params.equals(request.params) && known.query.equals(request.query) : known.path === path
    return isSame ? known.admitted : undefined
  }

  #admitted (request: FastifyRequest, ownPath: string | undefined, selected: string, user: string | undefined): Admitted {
    const { method, params, query } = request
    const url = request.raw.url ?? ''
    const path = ownPath ?? pathOf(url)
    const origin = this.#origin(request)
    const key = new ResponseKey({
      namespace: this.#policy.namespace,
      method: method === 'HEAD' ? 'GET' : method,
      path,
      fixed: this.#fixed,
      selected: `${origin}${selected}${ownPath === undefined ? this.#urlParts(request, url) : ''}`
    })
    const admitted: Admitted = { outcome: 'admitted', key, user }
    if (key.text.length + url.length > LONGEST_RECENT) return admitted
    if (this.#recent.size >= MOST_RECENT) this.#recent.clear()
    this.#recent.set(url, { method, path, origin, selected, params: new FlatValue(params), query: new FlatValue(query), admitted })
    return admitted
  }

  /** Whether the request says who sends it, in a way that the route's key does not cover. */
  #hasCredentials (request: CacheRequest, { credentials, cookie }: RequestFields): boolean {
    if (this.#policy.shared === true) return false
    if (credentials || (cookie !== undefined && hasSessionCookie(cookie, this.#policy.cookies))) return true
    // A TLS client certificate, which a server has to ask for; an app may pin what no root has signed.
    if ((request.raw.socket as Partial<TLSSocket> | undefined)?.getPeerX509Certificate?.() !== undefined) return true
    return (request.user !== undefined && request.user !== null) || userText(this.#anyUserOf(request)) !== undefined
  }

  /**
   * The same question again when the response is to be stored: a handler may have found out who asks only now. `isShared`: the response
   * says that it is for others as well. Throws what an option function throws.
   */
  mayStillStore (request: FastifyRequest, admitted: Admitted, isShared: () => boolean): boolean {
    const cacheRequest = asCacheRequest(request)
    const user = this.#policy.userOf === false ? undefined : userText(this.#policy.userOf(cacheRequest))
    if (user !== admitted.user) return false
    if (user !== undefined || !this.#hasCredentials(cacheRequest, readFields(request, this.#policy))) return true
    return this.#policy.shared === 'http' && isShared()
  }

  /** What an invalidation finds the response by, next to its tags. */
  labels (request: FastifyRequest, sentUrl: string): string[] {
    const { key, namespace, query, userOf } = this.#policy
    const user = userOf === false ? undefined : userOf(asCacheRequest(request))
    const userLabels = user === undefined ? [] : [userLabel(user instanceof TokenSubject ? user.subject : user)]
    // With `rewriteUrl` the router saw another URL than the client sent.
    const urls = new Set([sentUrl, request.raw.url ?? ''])
    const coversQuery = key === undefined && query === 'all' && isAsSent(request.query, queryOf(sentUrl))
    return [namespaceLabel(namespace), ...[...urls].flatMap((url) => urlLabels(url, { coversQuery })), ...userLabels]
  }

  /** Protocol and host as handlers see them, which may tell `A.example` from `a.example`. Most requests come for the same host as the one before, so that its encoding is kept. */
  #origin (request: FastifyRequest): string {
    const { host, protocol } = request
    if (host !== this.#last.host || protocol !== this.#last.protocol) {
      this.#last = { host, protocol, text: encodePart('h', `${protocol}://${host}`) }
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
    return policy.body ? text + encodePart('b', digest(encodeValue(parsedBody(request)))) : text
  }

  /** What of the URL selects the response next to its path: what the router and the parser found, as hooks may have changed it. */
  #urlParts ({ params, query }: FastifyRequest, url: string): string {
    const policy = this.#policy
    const covered = policy.query === 'all' ? query : coveredQuery(query, policy.query)
    const text = `${encodePart('p', encodeValue(params))}${encodePart('q', encodeValue(covered))}`
    const sent = queryOf(url)
    return sent !== '' && (UNENCODED.test(sent) || NESTED_NAME.test(sent)) ? text + encodePart('w', sent.split('&').sort().join('&')) : text
  }
}

/** Secrets are kept out of stores and logs. */
function selectingText (name: string, value: string | null): string | undefined {
  return value === null ? undefined : isSecretField(name) ? digest(value) : value
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
  const { body, raw } = request
  if (wasBodySent(raw) && body === undefined) throw new UnkeyableError('the body was sent, but is not parsed when the key is made')
  return body
}

function ownKey (key: unknown): string {
  if (typeof key === 'string' && key !== '') return key
  throw new TypeError(`expected key to return a string of at least one character, got ${key === '' ? 'an empty one' : typeof key}`)
}

/** The path as sent: decoded forms would let differently written URLs, which a handler can tell apart, share a response. */
export function pathOf (url: string): string {
  const at = url.indexOf('?')
  return at === -1 ? url : url.slice(0, at)
}

/** Whether validation left the query as it was sent: a default or a conversion makes one query of several. */
function isAsSent (query: unknown, sent: string): boolean {
  const pairs = [...new URLSearchParams(sent)]
  const members = Object.entries(query as object)
  return pairs.length === members.length && members.every(([name, value]) => pairs.some((pair) => pair[0] === name && pair[1] === value))
}

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
