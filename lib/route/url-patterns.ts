/**
 * Whether one URL may belong to both patterns. In doubt it may: a parameter is any segment, `*` and whatever has an expression of
 * its own any rest. A path without parameters is a pattern as well.
 */
export function mayShareUrl (one: string, other: string): boolean {
  const [ones, others] = [segmentsOf(one), segmentsOf(other)]
  for (let at = 0; ; at++) {
    const [a, b] = [ones[at], others[at]]
    if (a === '*' || b === '*') return true
    if (a === undefined || b === undefined) return a === b
    if (a !== b && !a.includes(':') && !b.includes(':')) return false
  }
}

/** Up to the first segment that may be more than one, or none. Routers may ignore case and empty segments. */
function segmentsOf (pattern: string): string[] {
  const segments = pattern.toLowerCase().split('/').filter((segment) => segment !== '')
  const rest = segments.findIndex((segment) => /[*(]|\?$/.test(segment))
  return rest === -1 ? segments : [...segments.slice(0, rest), '*']
}
