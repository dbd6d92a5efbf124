import { isDeepStrictEqual } from 'node:util'
import type { CacheRequest, RouteCacheOptions } from 'fastify-response-cache'
import { cookiesByHand } from './parsed-by-hand.ts'

/** What a handler without a cache was given. */
export interface Given {
  readonly method: string
  readonly url: string
  readonly params: unknown
  readonly query: object
  readonly host: string
  readonly protocol: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly user: unknown
  readonly body: unknown
  readonly ownKey: string | undefined
}

/** Whether two requests of one route may, must or must not share a response. */
export type Relation = 'same' | 'different' | 'either'

const STEERING = ['x-forwarded-host', 'x-forwarded-proto', 'x-original-url', 'x-http-method-override']

export function relationOf (one: Given, other: Given, options: RouteCacheOptions): Relation {
  if (!isDeepStrictEqual(covered(one, options), covered(other, options))) return 'different'
  if (options.key !== undefined) return 'same'
  const [sent, otherSent] = [pairsOf(one.url), pairsOf(other.url)]
  // In another order they select the same.
  if (isDeepStrictEqual(sent.toSorted(), otherSent.toSorted())) return 'same'
  const all = [...sent, ...otherSent].join('&')
  // A handler that writes its URL into a page must not give to browsers what browsers never send.
  if (/[\0-\x20"<>\x7f-\uffff]/.test(all)) return Array.isArray(options.varyByQuery) || options.varyByQuery === false ? 'either' : 'different'
  // What else is unusual, and names of nested parameters.
  return /['`\\{|}^[\].]|%5b|%5d|%2e/i.test(all) ? 'either' : 'same'
}

/** What selects the response, by the table in docs/keys.md. */
function covered (given: Given, options: RouteCacheOptions): object {
  const { url, params, host, protocol, headers, body, ownKey } = given
  return {
    path: ownKey ?? url.split('?', 1)[0],
    ...ownKey === undefined ? { params: entries(params), query: entries(given.query).filter(([name]) => isNamed(name, options.varyByQuery)) } : {},
    host, // as handlers see it
    protocol,
    steering: STEERING.map((name) => headers[name] ?? null),
    headers: (options.varyByHeaders ?? []).map((name) => headers[name.toLowerCase()] ?? null),
    cookies: (options.varyByCookies ?? []).map((name) => cookiesByHand(String(headers.cookie ?? '')).filter((cookie) => cookie[0] === name).map((cookie) => cookie[1])),
    user: options.varyByUser === undefined ? null : userOf(given.user),
    body: options.varyByBody === true ? body : null
  }
}

/** Names in any order. */
function entries (value: unknown): Array<[string, unknown]> {
  return Object.entries(value as object).sort(([a], [b]) => a < b ? -1 : 1)
}

function isNamed (name: string, names: RouteCacheOptions['varyByQuery']): boolean {
  return typeof names === 'object' ? names.includes(name) : names !== false
}

/** The number 7 is not the text '7', and who is 7 for one issuer is somebody else for another. */
function userOf (user: unknown): unknown {
  if (typeof user !== 'object' || user === null) return user === '' ? undefined : user
  const { iss, sub, id } = user as Record<string, unknown>
  return sub === undefined ? id : ['token', iss ?? '', sub]
}

function pairsOf (url: string): string[] {
  const at = url.indexOf('?')
  return at === -1 ? [''] : url.slice(at + 1).split('&')
}

/** An own key that depends on the query and the user. */
export function ownKey (request: CacheRequest): string {
  return `for ${JSON.stringify(request.query.a) ?? 'none'}`
}
