/** The reader of what `encodeValue` writes, which the cache has no use for: what can be read back is written injectively. */
export function decodeValue (text: string): { value: unknown, rest: string } {
  const rest = text.slice(1)
  switch (text[0]) {
    case 'z': return { value: null, rest }
    case 't': return { value: true, rest }
    case 'f': return { value: false, rest }
    case 's': {
      const { text: value, rest: behind } = counted(rest)
      return { value: `text ${value}`, rest: behind }
    }
    case 'n': {
      const end = rest.indexOf(';')
      return { value: `number ${rest.slice(0, end)}`, rest: rest.slice(end + 1) }
    }
    case 'a': return decodeList(rest)
    case 'o': return decodeObject(rest)
    default: throw new Error(`no value begins with ${JSON.stringify(text.slice(0, 10))}`)
  }
}

/** One optional part of a key; absent is not empty. */
export function partAt (text: string): { letter: string, text: string | undefined, rest: string } {
  const [, letter = ''] = /^;([a-z])/.exec(text) ?? []
  if (text[2] === '-') return { letter, text: undefined, rest: text.slice(3) }
  return { letter, ...counted(text.slice(2)) }
}

function decodeList (text: string): { value: unknown, rest: string } {
  const { count, rest: members } = countOf(text, '[')
  const value: unknown[] = []
  let rest = members
  for (let at = 0; at < count; at++) {
    const member = decodeValue(rest)
    value.push(member.value)
    rest = member.rest
  }
  return { value, rest }
}

function decodeObject (text: string): { value: unknown, rest: string } {
  const { count, rest: members } = countOf(text, '{')
  const names: unknown[] = []
  let rest = members
  for (let at = 0; at < count; at++) {
    const name = counted(rest)
    const member = decodeValue(name.rest)
    names.push([name.text, member.value])
    rest = member.rest
  }
  return { value: { names }, rest }
}

function counted (text: string): { text: string, rest: string } {
  const { count, rest } = countOf(text, ':')
  return { text: rest.slice(0, count), rest: rest.slice(count) }
}

function countOf (text: string, end: string): { count: number, rest: string } {
  const at = text.indexOf(end)
  if (!/^\d+$/.test(text.slice(0, at))) throw new Error(`a count is missing: ${JSON.stringify(text.slice(0, 20))}`)
  return { count: Number(text.slice(0, at)), rest: text.slice(at + 1) }
}
