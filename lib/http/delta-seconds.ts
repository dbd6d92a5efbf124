import type { CacheDirectives } from './cache-control.ts'

/** RFC 9111 section 1.2.2: what is larger counts as this. */
const MOST_SECONDS = 2 ** 31

/** `delta-seconds` in milliseconds; `undefined` for what is no such number. */
export function parseDeltaMs (text: string | null | undefined): number | undefined {
  return text != null && /^\d+$/.test(text) ? Math.min(Number(text), MOST_SECONDS) * 1000 : undefined
}

/**
 * What a response directive says, in milliseconds; `undefined` when it is not there. One that is malformed, or says two things, says 0:
 * RFC 9111 section 4.2.1 wants the response to count as stale then.
 */
export function directiveMs (directives: CacheDirectives, name: string): number | undefined {
  const values = directives.get(name)
  if (values === undefined) return undefined
  const said = new Set(values.map(parseDeltaMs))
  return said.size === 1 ? parseDeltaMs(values[0]) ?? 0 : 0
}
