import { hasSessionCookie, parseCookies } from '../http/cookies.ts'
import { isSecretField, requestFieldRole } from '../http/request-fields.ts'
import type { RequestHeaders } from '../http/vary.ts'
import type { RoutePolicy } from '../options/policy.ts'

/*
 * What of a request a response can depend on, and which of it selects the stored response. Not among it, because the key always
 * has them or they say nothing about the client: method, host, protocol, the route, the id and the log of the request.
 */

/** All names of a kind at once: the handler went through them, or handed them on. */
export const ALL = '*'

/** One thing that was read. */
export type Input =
  | { readonly kind: 'header' | 'cookie', readonly name: string }
  | { readonly kind: 'query' | 'params' | 'user', readonly name: string }
  | { readonly kind: 'body' | 'url' | 'ip' | 'session' | 'socket' }
  /** A member of the request that a hook has set, with the value of one of these. */
  | { readonly kind: 'copy', readonly name: string, readonly of: readonly [Input, ...Input[]] }

/** What was read, by the text that names it in logs. */
export type Reads = Map<string, Input>

/** What is known of the request and the route when the reads of its handler are judged. */
export interface Coverage {
  readonly policy: Pick<RoutePolicy, 'headers' | 'cookies' | 'key' | 'shared' | 'userOf'>
  /** What the functions read that make the key. */
  readonly keyed: Reads
  /** What `skip` read: where it is absent, the request is like all others that were not skipped. */
  readonly skipped: Reads
  /** The names of the request header fields that select the response. */
  readonly vary: readonly string[]
  readonly headers: RequestHeaders
  /** The host in the key. */
  readonly host: string
  /** With `ttl: 'http'` the response's own `Vary` is what an origin says about the fields it was sent. */
  readonly originDecides: boolean
}

/** `header x-tenant`, `user.name`, `ip`. */
export function inputName (input: Input): string {
  switch (input.kind) {
    case 'user':
      return input.name === '' ? 'user' : `user.${input.name}`
    case 'copy':
      return `request.${input.name}`
    default:
      return 'name' in input ? `${input.kind} ${input.name}` : input.kind
  }
}

/** Whether each request that would be given the stored response has the same value. */
export function isCovered (input: Input, coverage: Coverage): boolean {
  const { keyed, policy } = coverage
  if (input.kind === 'copy') return input.of.some((source) => isCovered(source, coverage))
  if (keyed.has(inputName(input)) || ('name' in input && keyed.has(`${input.kind} ${ALL}`))) return true
  switch (input.kind) {
    case 'header':
      return isHeaderCovered(input.name, coverage)
    case 'cookie':
      return policy.cookies.includes(input.name) || isFieldSelecting('cookie', coverage) || isAbsentBySkip(input, coverage)
    case 'query':
    case 'params':
    case 'url':
      return policy.key === undefined || keyed.has('url') || (keyed.has(`query ${ALL}`) && keyed.has(`params ${ALL}`))
    case 'body':
      return policy.key === undefined
    case 'user':
      return policy.shared !== false || isUserCovered(input.name, keyed)
    case 'session':
      return policy.shared !== false
    default:
      return false
  }
}

/*
 * What the cache itself decides by, what it hides on a miss or what makes a response that is not stored (RFC 9110 sections 13 and
 * 14), what belongs to the connection, and the version of a route, by which it was found.
 */
const NEVER_REPORTED = new Set([
  'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range', 'range', 'cache-control', 'pragma', 'connection', 'keep-alive', 'te',
  'accept-version', ':method', ':path', ':scheme'
])

function isHeaderCovered (name: string, coverage: Coverage): boolean {
  const { headers, host, originDecides, policy } = coverage
  if (name === ALL) return originDecides
  if (NEVER_REPORTED.has(name) || isFieldSelecting(name, coverage) || isAbsentBySkip({ kind: 'header', name }, coverage)) return true
  // A proxy that is trusted may have named another host.
  if (name === 'host') return (headers.host ?? '') === host
  switch (requestFieldRole(name)) {
    case 'steering':
    case 'upgrade':
    case 'content':
      return true
    case 'credential':
      return policy.shared !== false || (policy.userOf !== false && !isOnlyRole(coverage.keyed))
    case 'cookie':
      return policy.cookies.length > 0 && !hasSessionCookie(String(headers.cookie ?? ''), policy.cookies)
    case 'forwarded':
    case 'none':
      return false
  }
}

function isFieldSelecting (name: string, { policy, vary }: Coverage): boolean {
  return policy.headers.includes(name) || vary.includes(name)
}

function isAbsentBySkip (input: { kind: 'header' | 'cookie', name: string }, { headers, skipped }: Coverage): boolean {
  if (!skipped.has(inputName(input)) && !skipped.has(`${input.kind} ${ALL}`)) return false
  if (input.kind === 'header') return headers[input.name] === undefined
  return !parseCookies(String(headers.cookie ?? '')).some(([name]) => name === input.name)
}

/** Members of a user by which there is one of it. Roles and plans are shared by many. */
const IDENTIFIES = /^(?:_?id|sub|uid|user_?id|user_?name|login|e-?mail)$/i

/** What belongs to a user is covered by who it is; where `varyByUser` reads a role, only the role is. */
function isUserCovered (name: string, keyed: Reads): boolean {
  return name === '' ? readOfUser(keyed).length > 0 : readOfUser(keyed).some((one) => IDENTIFIES.test(one))
}

/** Whether the key says of who asks only what others have, too: a role, or an address. A credential that no user was found by is not admitted. */
function isOnlyRole (keyed: Reads): boolean {
  const members = readOfUser(keyed)
  if (members.some((name) => IDENTIFIES.test(name))) return false
  if (members.some((name) => name !== '')) return true
  return ![...keyed.values()].some((input) => input.kind === 'user' || input.kind === 'session' || input.kind === 'cookie' || (input.kind === 'header' && isSecretField(input.name)))
}

function readOfUser (keyed: Reads): string[] {
  return [...keyed.values()].flatMap((input) => input.kind === 'user' ? [input.name] : [])
}
