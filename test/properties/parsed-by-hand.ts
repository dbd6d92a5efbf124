/*
 * The same grammars as in `lib/http`, read in the slowest and plainest way: one character after the other, without a pattern that spans
 * more than one of them.
 */

const isBlank = (char: string | undefined): boolean => char === ' ' || char === '\t'
const isToken = (char: string | undefined): boolean => char !== undefined && ("!#$%&'*+-.^_`|~".includes(char) || /^[0-9A-Za-z]$/.test(char))

/** RFC 9111 section 5.2: names in lower case, in the order of their first mention, with all their values. `undefined`: malformed. */
export function cacheControlByHand (field: string): Array<[name: string, values: Array<string | null>]> | undefined {
  const found: Array<[string, Array<string | null>]> = []
  let at = 0
  const blanks = (): void => { while (isBlank(field[at])) at++ }
  const token = (): string => {
    const from = at
    while (isToken(field[at])) at++
    return field.slice(from, at)
  }
  for (;;) {
    blanks()
    const name = token().toLowerCase()
    blanks()
    if (name !== '') {
      let value: string | null | undefined = null
      if (field[at] === '=') {
        at++
        blanks()
        value = field[at] === '"' ? quoted() : token()
        if (value === undefined || (value === '' && field[at - 1] !== '"')) return undefined
        blanks()
      }
      const before = found.find((directive) => directive[0] === name)
      if (before === undefined) found.push([name, [value]])
      else before[1].push(value)
    }
    if (at === field.length) return found
    if (field[at] !== ',') return undefined
    at++
  }

  /** RFC 9110 section 5.6.4. */
  function quoted (): string | undefined {
    let text = ''
    for (at++; field[at] !== '"'; at++) {
      if (at >= field.length) return undefined
      if (field[at] === '\\') {
        at++
        if (at >= field.length || !/^[\t\x20-\x7e]$/.test(field[at]!)) return undefined
      }
      text += field[at]
    }
    at++
    return text
  }
}

/** RFC 9110 section 12.5.5. What is no list of names may mean anything. */
export function varyByHand (field: string): '*' | string[] {
  const names: string[] = []
  for (const member of splitAt(field, ',')) {
    const name = withoutBlanks(member).toLowerCase()
    if (name === '') continue
    if (name === '*' || ![...name].every(isToken)) return '*'
    if (!names.includes(name)) names.push(name)
  }
  return names
}

/** RFC 6265 section 5.2: the first `=` ends the name. Without one there is only a value. */
export function cookiesByHand (field: string): Array<[name: string, value: string]> {
  const found: Array<[string, string]> = []
  for (const pair of splitAt(field, ';')) {
    let [name, value] = ['', pair]
    for (let at = pair.length - 1; at >= 0; at--) {
      if (pair[at] === '=') [name, value] = [pair.slice(0, at), pair.slice(at + 1)]
    }
    if (withoutBlanks(name) !== '' || withoutBlanks(value) !== '') found.push([withoutBlanks(name), withoutBlanks(value)])
  }
  return found
}

function splitAt (text: string, separator: string): string[] {
  const parts = ['']
  for (const char of text) {
    if (char === separator) parts.push('')
    else parts[parts.length - 1] += char
  }
  return parts
}

function withoutBlanks (text: string): string {
  let [from, to] = [0, text.length]
  while (from < to && isBlank(text[from])) from++
  while (to > from && isBlank(text[to - 1])) to--
  return text.slice(from, to)
}
