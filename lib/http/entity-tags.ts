/** RFC 9110 section 8.8.3, as a member of a list; `W/` is case-sensitive, and a comma may be part of a tag. */
const MEMBER = /[ \t]*(?:((?:W\/)?"[!#-~\x80-\xff]*")[ \t]*)?(?:,|($))/y

/** The entity tags in a list. What is none, an unquoted one for instance, is left out: it never matches. */
export function parseEntityTags (field: string): string[] {
  const tags: string[] = []
  for (let at = 0; at <= field.length;) {
    MEMBER.lastIndex = at
    const match = MEMBER.exec(field)
    if (match?.[1] !== undefined) tags.push(match[1])
    if (match?.[2] !== undefined) break
    const next = match === null ? field.indexOf(',', at) + 1 : MEMBER.lastIndex
    if (next === 0) break
    at = next
  }
  return tags
}

/** Section 8.8.3.2: good enough to say that nothing changed that matters. */
export function weaklyEqual (a: string, b: string): boolean {
  return opaque(a) === opaque(b)
}

/** Section 8.8.3.2: byte for byte the same. */
export function stronglyEqual (a: string, b: string): boolean {
  return a === b && !a.startsWith('W/')
}

function opaque (tag: string): string {
  return tag.startsWith('W/') ? tag.slice(2) : tag
}
