/**
 * Whether a glob such as `user:123:*` matches a whole text: `*` is any run of characters, `?` one, and a backslash takes the
 * meaning from what follows. Compared by walking back to the last `*` only, so that no pattern takes longer than both lengths
 * multiplied.
 */
export function globMatches (pattern: string, text: string): boolean {
  let at = 0
  let inText = 0
  let star = -1
  let starText = 0
  while (inText < text.length) {
    const isEscaped = pattern[at] === '\\' && at + 1 < pattern.length
    const wanted = isEscaped ? pattern[at + 1] : pattern[at]
    if (!isEscaped && wanted === '*') {
      star = at++
      starText = inText
    } else if (wanted !== undefined && (wanted === text[inText] || (wanted === '?' && !isEscaped))) {
      at += isEscaped ? 2 : 1
      inText++
    } else if (star >= 0) {
      at = star + 1
      inText = ++starText
    } else {
      return false
    }
  }
  while (pattern[at] === '*') at++
  return at === pattern.length
}
