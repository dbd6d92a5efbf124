import type { FastifyRequest } from 'fastify'
import { parse as parseQuery } from 'node:querystring'
import type { ResponseKey } from '../../../lib/cache-key.ts'
import { encodePart, encodeValue, RESPONSE_ID, UnkeyableError } from '../../../lib/cache-key.ts'
import { silentLogger } from '../../../lib/logger.ts'
import { routePolicy } from '../../../lib/options/policy.ts'
import { pluginSettings } from '../../../lib/options/resolve.ts'
import type { RouteCacheOptions } from '../../../lib/options/route-options.ts'
import { RouteAdmission } from '../../../lib/route/admission.ts'
import { choose, fieldLines, holds, same, type Target } from '../target.ts'
import { decodeValue, partAt } from './encoded-value.ts'

/** Anything that a parser of bodies or of queries gives: what is encoded can be read back, so no two values have the same text. */
export const value: Target = {
  name: 'value',
  corpus: ['{"a":1,"b":[true,null,"x"]}', '[[],{},"",0,-0,1.5e300]', '"s1:a"', 'a=1&b=2&a=3', 'a[b]=1&a.c=&=x&&', '{"a":{"a":{"a":{}}}}', '{"__proto__":{"a":1},"constructor":"x"}', '"\\ud800\\udc00\\ud800"'],
  tokens: ['{', '}', '[', ']', '"', ':', ',', 'null', 'true', '-0', '1e400', 's1:', 'a2[', 'o1{', '"a":', '=', '&', '%00', '%ff', '\\ud800', '__proto__', '[['],
  weight: 2,
  check (input) {
    const { value, from } = valueOf(input.toString())
    const text = encodedOrNothing(value)
    // The reader takes more of the stack than the writer.
    if (text === undefined || /[[{]{1000}/.test(input.toString('latin1'))) return 'too deep'
    const read = decodeValue(text)
    holds(read.rest === '', 'nothing follows a value')
    same(read.value, sorted(value), 'a value that is read back')
    const parts = encodePart('a', undefined) + encodePart('b', text) + encodePart('c', '')
    same(partAt(partAt(parts).rest), { letter: 'b', text, rest: encodePart('c', '') }, 'a part that is read back')
    return `${from} ${text[0]!}`
  }
}

/** Deeper than the stack: who asks for a key takes that as unkeyable. */
function encodedOrNothing (value: unknown): string | undefined {
  try {
    return encodeValue(value)
  } catch (fault) {
    if (fault instanceof UnkeyableError || fault instanceof RangeError) return undefined
    throw fault
  }
}

/** What a parser of bodies makes of a text, or else one of queries. */
export function valueOf (text: string): { value: unknown, from: string } {
  try {
    return { value: JSON.parse(text), from: 'JSON' }
  } catch {
    return { value: parseQuery(text), from: 'a query' }
  }
}

/** With the names of objects in order. JSON has no form for what it writes as 0 or null, so that these are texts. */
function sorted (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value === 'object' && value !== null) return { names: Object.keys(value).sort().map((name) => [name, sorted((value as Record<string, unknown>)[name])]) }
  return typeof value === 'number' ? `number ${Object.is(value, -0) ? '-0' : value}` : typeof value === 'string' ? `text ${value}` : value
}

const ROUTES: readonly RouteCacheOptions[] = [
  {}, { shared: true, varyByBody: true }, { varyByUser: true }, { varyByQuery: ['a'], varyByHeaders: ['x-a', 'authorization'] }, { varyByCookies: ['c', 'sid'], shared: true },
  { key: (request) => `k${String((request.query as { a?: unknown }).a)}`, shared: true }, { shared: 'http', obeyRequestDirectives: true }
]
// What is made here has of a request what selects its response, and is cast to one.
const settings = pluginSettings({ user: (request) => (request as unknown as { user: string | undefined }).user }, silentLogger)
const ADMISSIONS = ROUTES.map((options, at) => {
  const policy = routePolicy({ ttl: '1m', ...options }, { url: `/${at}/:id`, methods: ['GET', 'HEAD', 'POST'], hasOwnHead: false }, settings)
  return { options, admission: new RouteAdmission(policy!, { anyUserOf: settings.userOf, constraints: {} }) }
})

/** What each key was made of, as far as the options of its route cover it. */
const made = new Map<string, string>()
const MOST_MADE = 20_000

/**
 * A request, one line each: what chooses the route and the method, URL, host, user, header fields until an empty line, and the body. Whatever
 * it is, it has a key or none; two that differ in what the key covers have two keys.
 */
export const admission: Target = {
  name: 'admission',
  corpus: [
    'a\n/1?a=1&b=2\na.example\n\nx-a: 1\n\n', 'b\n/1\na.example\n\n\n{"a":[1]}', 'c\n/1?a\na.example\nu1\n\n', 'd\n/1?a=1\nb.example\n\nx-a: 1;v1:a\nAuthorization: Bearer x\n\n', 'e\n/1\nb.example\n\nCookie: c=1; sid=2; c=3\n\n',
    'f\n/1?a=k1\nb.example\n\nX-Forwarded-Host: x\nX-Host: y\n\n', 'g\n/1?x[y]=%3C&"\nb.example\n\nForwarded: for=x;host="a b";proto=https\ncache-control: no-store, max-age=1\n\n', 'h\n/{a}/*?\nb\n7\nvia: x\n\n[]'
  ],
  tokens: ['\n', '\n\n', ';', ':', '-', ';u1:', ';v-', ';h9:http://a', '1:a', '?', '&', '=', '%', '{', '}', '*', 'x-a: ', 'cookie: ', 'c=', 'authorization: ', 'x-forwarded-host: ', 'forwarded: host=', '__proto__: ', '[', '.', '%5B', '<', '\xe9'],
  weight: 0.7,
  check (input) {
    const lines = fieldLines(input)
    const { options, admission } = choose(ADMISSIONS, input[0] ?? 0)
    const sent = sentBy(lines, choose(['GET', 'HEAD', 'POST', 'GET', 'PUT'], (input[1] ?? 0) >> 3))
    const admitted = admission.admit(sent as unknown as FastifyRequest)
    if (admitted.outcome === 'bypass') {
      if (admitted.reason === 'function-error') throw admitted.fault
      return `bypass ${admitted.reason}`
    }
    const { key } = admitted
    isReadable(key)
    const fingerprint = JSON.stringify(covered(sent, options, admitted.user))
    if (made.size >= MOST_MADE) made.clear()
    const before = made.get(key.text) ?? fingerprint
    made.set(key.text, before)
    same(fingerprint, before, 'what a key is made of')
    return `admitted ${ROUTES.indexOf(options)} ${sent.method} ${String(admitted.hasCredentials)} ${Object.keys(admitted.wanted ?? {}).length}`
  }
}

/** Every place of a request that a client can make long. */
export function admits (text: string): unknown {
  const headers = { 'x-a': text, cookie: text, forwarded: text, 'cache-control': text, 'x-forwarded-host': text, [text]: text }
  const request = { ...sentBy([], 'GET'), host: text, params: { id: text }, query: { [text]: text }, headers, raw: { url: `/${text}?${text}`, headers, socket: {} } }
  return ADMISSIONS.map(({ admission }) => admission.admit(request as unknown as FastifyRequest).outcome)
}

interface Sent {
  readonly method: string
  readonly host: string
  readonly protocol: string
  readonly user: string | undefined
  readonly query: Record<string, unknown>
  readonly params: object
  readonly headers: Record<string, string>
  readonly body: unknown
  readonly raw: { readonly url: string, readonly headers: Record<string, string>, readonly socket: object }
}

function sentBy (lines: readonly string[], method: string): Sent {
  const [, url = '', host = '', user = '', ...more] = lines
  const end = more.indexOf('')
  const headers: Record<string, string> = Object.create(null)
  for (const line of end === -1 ? more : more.slice(0, end)) {
    const at = line.indexOf(':')
    if (at > 0) headers[line.slice(0, at).toLowerCase()] = line.slice(at + 1).trim()
  }
  const { value: body } = valueOf(more.slice(end + 1).join('\n'))
  const [path = '', ...query] = url.split('?')
  return { method, host, protocol: 'http', user: user === '' ? undefined : user, query: { ...parseQuery(query.join('?')) }, params: { id: path }, headers, body, raw: { url, headers, socket: {} } }
}

/** The id is for people, in one line and without what means something to a Redis Cluster; it names its response and no value. */
function isReadable (key: ResponseKey): void {
  holds(RESPONSE_ID.test(key.id) && /^[!-z|~]+$/.test(key.id) && key.id.length < 1000, `an id can be read: ${key.id}`)
  const variant = key.variant('a'.repeat(43))
  holds(key.covers(key.text) && key.covers(variant.text) && !variant.covers(key.text) && !key.covers(`${key.text};`), 'a key covers its variants')
  holds(variant.id !== key.id, 'a variant has an id of its own')
}

/** What the options of a route say that its responses are selected by. Header fields that steer are by themselves. */
function covered ({ method, host, protocol, query, params, headers, body, raw }: Sent, options: RouteCacheOptions, user: string | undefined): unknown {
  const own = options.key === undefined ? [raw.url.split('?', 1)[0], sorted(params), sorted(Array.isArray(options.varyByQuery) ? { a: query.a } : query)] : [String(query.a)]
  const steering = Object.entries(headers).filter(([name]) => /^(?:x-forwarded-host|x-host)$/.test(name)).sort()
  const fields = (options.varyByHeaders ?? []).map((name) => headers[name])
  return [ROUTES.indexOf(options), method === 'HEAD' ? 'GET' : method, host, protocol, user, ...own, steering, fields, options.varyByBody === true ? sorted(body) : 0]
}
