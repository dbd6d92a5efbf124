import { withoutBlanks } from './blanks.ts'

/*
 * Cookies that scripts of analytics services and load balancers set for themselves. Code on the server does not read
 * them, so they say nothing about the response. Any other cookie may be a session: which ones are, a cache cannot know.
 */
const ANALYTICS = /^(?:_ga(?:_.*)?|_gid|_gat.*|_gcl_.*|__utm[a-z]+|_fbp|_fbc|_hj.*|_pk_(?:id|ses|ref|cvar|hsr).*|_clck|_clsk|_uet[sv]id|ajs_.*|mp_.*_mixpanel|__cf_bm|AWSALB(?:TG)?(?:CORS)?)$/

/** The names and values of a Cookie field as sent, in order, repeated names included (RFC 6265 section 4.2). */
export function parseCookies (field: string): Array<readonly [name: string, value: string]> {
  return field.split(';').map((pair) => {
    const at = pair.indexOf('=')
    return at === -1 ? ['', withoutBlanks(pair)] as const : [withoutBlanks(pair.slice(0, at)), withoutBlanks(pair.slice(at + 1))] as const
  }).filter(([name, value]) => name !== '' || value !== '')
}

/** Whether the field holds a cookie that could be a session, other than those in `covered`. */
export function hasSessionCookie (field: string, covered: readonly string[]): boolean {
  return parseCookies(field).some(([name]) => !ANALYTICS.test(name) && !covered.includes(name))
}

/** All values of one cookie, in order; empty when it was not sent. */
export function cookieValues (field: string | undefined, name: string): string[] {
  if (field === undefined) return []
  return parseCookies(field).filter((cookie) => cookie[0] === name).map((cookie) => cookie[1])
}
