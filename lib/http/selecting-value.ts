import { parseWeight } from './weight.ts'

/*
 * RFC 9111 section 4.1 lets a cache take two values of a field for one when their meaning is the same by the field's own definition. That is
 * known of the fields of content negotiation (RFC 9110 section 12.5). Of any other field it is not: what reads "a, b" and "a,b" alike in one
 * application are two tenants in another.
 */
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const QUOTED = '"(?:[\\t !#-\\[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*"'
const PARAMETER = `[ \\t]*;[ \\t]*(?<name>${TOKEN})=(?<value>${TOKEN}|${QUOTED})`
// White space after a member is part of it: with a second chance to match, a long run of it would be tried in all ways.
const MEMBER = new RegExp(`[ \\t]*(?:(${TOKEN}(?:/${TOKEN})?)((?:${PARAMETER.replaceAll(/\?<\w+>/g, '?:')})*)[ \\t]*)?(?:,|($))`, 'y')
const EACH_PARAMETER = new RegExp(PARAMETER, 'gy')

const NEGOTIATED = new Set(['accept', 'accept-language', 'accept-encoding', 'accept-charset'])

interface Preference {
  readonly range: string
  readonly weight: number
}

/**
 * The value of a request header field (lower-case name) in one of the ways that mean the same. Members of the same weight keep their order:
 * servers prefer the first. Languages do not: that their order means nothing is said for them (RFC 9110 section 12.5.4). A value that is malformed, or names a range twice, stays as it is, and so does any other field.
 */
export function normalisedValue (name: string, value: string): string {
  const preferences = NEGOTIATED.has(name) ? parsePreferences(value, name === 'accept') : undefined
  if (preferences === undefined || new Set(preferences.map(({ range }) => range)).size < preferences.length) return value
  const byName = name === 'accept-language' ? (a: Preference, b: Preference) => a.range < b.range ? -1 : 1 : () => 0
  return preferences.sort((a, b) => b.weight - a.weight || byName(a, b)).map(({ range, weight }) => weight === 1 ? range : `${range};q=${weight}`).join(', ')
}

function parsePreferences (value: string, isAccept: boolean): Preference[] | undefined {
  const preferences: Preference[] = []
  MEMBER.lastIndex = 0
  for (;;) {
    const match = MEMBER.exec(value)
    if (match === null) return undefined
    const [, range, parameters = '', end] = match
    if (range !== undefined) {
      const preference = parsePreference(range, parameters)
      // Only media ranges have two parts, and parameters of their own.
      if (preference === undefined || range.includes('/') !== isAccept || (!isAccept && preference.range.includes(';'))) return undefined
      preferences.push(preference)
    }
    if (end !== undefined) return preferences
  }
}

/** What stands behind the weight was something else before RFC 9110: such a member is not read. */
function parsePreference (range: string, parameters: string): Preference | undefined {
  let text = range.toLowerCase()
  let weight: number | undefined
  for (const { groups } of parameters.matchAll(EACH_PARAMETER)) {
    if (weight !== undefined) return undefined
    const name = groups!.name!.toLowerCase()
    if (name === 'q') {
      weight = parseWeight(groups!.value!)
      if (weight === undefined) return undefined
    } else text += `;${name}=${groups!.value!}` // the value may be case-sensitive
  }
  return { range: text, weight: weight ?? 1 }
}
