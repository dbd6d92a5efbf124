import { parseDeltaMs } from './delta-seconds.ts'
import type { RequestHeaders } from './vary.ts'

/** What a request asks of a cache (RFC 9111 section 5.2.1), in milliseconds. */
export interface RequestDirectives {
  readonly noStore: boolean
  readonly noCache: boolean
  readonly maxAgeMs?: number
  readonly minFreshMs?: number
  /** Infinity when it accepts a stale response of any age. */
  readonly maxStaleMs?: number
  readonly onlyIfCached: boolean
}

/** One directive; white space is matched in one place only, since the field is as long as a client likes. */
const MEMBER = /[ \t]*(?:([!#$%&'*+\-.^_`|~\w]+)(?:[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[!#$%&'*+\-.^_`|~\w]+))?[ \t]*)?(?:,|($))/y

/**
 * The directives of Cache-Control, or of Pragma in a request without one (section 5.4); `undefined` when it asks for nothing. Malformed
 * and unknown parts are left out. Of a directive that is there twice the stricter counts.
 */
export function requestDirectives (headers: RequestHeaders): RequestDirectives | undefined {
  const control = headers['cache-control']
  if (control === undefined) {
    const pragma = headers.pragma
    return pragma !== undefined && parseMembers(pragma).has('no-cache') ? { noStore: false, noCache: true, onlyIfCached: false } : undefined
  }
  const members = parseMembers(control)
  const valuesOf = (name: string): number[] => (members.get(name) ?? []).map(parseDeltaMs).filter((ms) => ms !== undefined)
  const maxStale = [...valuesOf('max-stale'), ...members.get('max-stale')?.includes(null) === true ? [Infinity] : []]
  const directives = {
    noStore: members.has('no-store'),
    noCache: members.has('no-cache'),
    ...strictest('maxAgeMs', valuesOf('max-age'), Math.min),
    ...strictest('minFreshMs', valuesOf('min-fresh'), Math.max),
    ...strictest('maxStaleMs', maxStale, Math.min),
    onlyIfCached: members.has('only-if-cached')
  }
  return Object.values(directives).some((asked) => asked !== false) ? directives : undefined
}

function strictest (name: string, values: readonly number[], choose: (...values: number[]) => number): Record<string, number> {
  return values.length === 0 ? {} : { [name]: choose(...values) }
}

function parseMembers (lines: string | string[]): Map<string, Array<string | null>> {
  const field = typeof lines === 'string' ? lines : lines.join(', ')
  const members = new Map<string, Array<string | null>>()
  for (let at = 0; at < field.length;) {
    MEMBER.lastIndex = at
    const match = MEMBER.exec(field)
    const next = match === null ? field.indexOf(',', at) + 1 : MEMBER.lastIndex
    if (match?.[1] !== undefined) {
      const name = match[1].toLowerCase()
      const values = members.get(name) ?? []
      values.push(match[2]?.replace(/^"(.*)"$/, '$1') ?? null)
      members.set(name, values)
    }
    if (next === 0) break
    at = next
  }
  return members
}
