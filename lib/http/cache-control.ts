/** The directives of a Cache-Control field by lower-case name; a repeated one keeps every value. `null` is no value. */
export type CacheDirectives = ReadonlyMap<string, ReadonlyArray<string | null>>

/*
 * RFC 9111 section 5.2:  #( token [ "=" ( token / quoted-string ) ] ), with the white space around "=" that senders get wrong
 * allowed. One pattern, anchored where the last match ended, so that nothing is passed over. No two neighbours in it match the same
 * characters: a long row of spaces would be tried at every split.
 */
const DIRECTIVE = /[ \t]*(?:([!#$%&'*+\-.^_`|~\w]+)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\[\t -~])*)"|([!#$%&'*+\-.^_`|~\w]+)))?[ \t]*)?(,|$)/y

/**
 * The directives, or `undefined` when any part of the field is malformed: who sends `private=` or `no-store"` meant to say
 * something, so the caller has to assume the worst (CVE-2026-9678, CVE-2026-14643).
 */
export function parseCacheControl (field: string): CacheDirectives | undefined {
  const directives = new Map<string, Array<string | null>>()
  DIRECTIVE.lastIndex = 0
  while (DIRECTIVE.lastIndex < field.length) {
    const match = DIRECTIVE.exec(field)
    if (match === null) return undefined
    const name = match[1]?.toLowerCase()
    if (name !== undefined) {
      const value = match[2]?.replaceAll(/\\(.)/g, '$1') ?? match[3] ?? null
      const values = directives.get(name)
      if (values === undefined) directives.set(name, [value])
      else values.push(value)
    }
    if (match[4] === '') break
  }
  return directives
}
