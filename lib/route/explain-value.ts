/** A value in words. */
export interface Decoded {
  /** As people write it: the text 7 and the number 7 look the same. */
  readonly value: string
  /** As code writes it. */
  readonly exact: string
}

interface Member extends Decoded {
  readonly name: string
  readonly raw: string
}

interface DecodedValue extends Decoded {
  /** Characters of its encoding. */
  readonly length: number
  /** Of an object. */
  readonly members?: readonly Member[]
}

/** The value that `encodeValue` has written at the beginning of a text. */
export function decodeValue (text: string): DecodedValue {
  const [head, kind, digits] = /^([snbdaoi]|[tfzug])(-?[\w.+-]*)/.exec(text.slice(0, 64)) ?? []
  switch (kind) {
    case 's': return decodeText(text, Number.parseInt(digits!))
    case 'n':
    case 'i':
    case 'd': return decodeNumber(text, kind)
    case 'b': return { ...same(`bytes with the digest ${text.slice(1, 13)}`), length: 44 }
    case 'a': return decodeList(text, Number.parseInt(digits!))
    case 'o': return decodeObject(text, Number.parseInt(digits!))
    default: return { ...same(WORDS.get(head?.[0] ?? '') ?? ''), length: 1 }
  }
}

const WORDS: ReadonlyMap<string, string> = new Map([['t', 'true'], ['f', 'false'], ['z', 'null'], ['u', 'undefined'], ['g', 'nothing']])

/** Clients choose texts: what has no shape of its own, or changes that of what stands around it, is written as code. */
const UNSHOWN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

export function readable (text: string): string {
  return text.search(UNSHOWN) === -1 ? text : quoted(text)
}

/** Of what clients name: no two names look the same. */
export function readableName (text: string): string {
  return text.startsWith('"') ? quoted(text) : readable(text)
}

export function quoted (text: string): string {
  return JSON.stringify(text).replace(UNSHOWN, (char) => [...Array(char.length).keys()].map((at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''))
}

function same (text: string): Decoded {
  return { value: text, exact: text }
}

function decodeText (text: string, length: number): DecodedValue {
  const at = text.indexOf(':') + 1
  const found = text.slice(at, at + length)
  return { value: readable(found), exact: quoted(found), length: at + length }
}

function decodeNumber (text: string, kind: 'n' | 'i' | 'd'): DecodedValue {
  const end = text.indexOf(';')
  const digits = text.slice(1, end)
  const shown = kind === 'i' ? `${digits}n` : kind === 'd' && Number.isFinite(Number(digits)) ? new Date(Number(digits)).toISOString() : digits
  return { ...same(shown), length: end + 1 }
}

function decodeList (text: string, count: number): DecodedValue {
  let at = text.indexOf('[') + 1
  const items: string[] = []
  for (let i = 0; i < count; i++) {
    const { exact, length } = decodeValue(text.slice(at))
    items.push(exact)
    at += length
  }
  return { ...same(`[${items.join(', ')}]`), length: at }
}

function decodeObject (text: string, count: number): DecodedValue {
  let at = text.indexOf('{') + 1
  const members: Member[] = []
  for (let i = 0; i < count; i++) {
    const digits = text.slice(at, text.indexOf(':', at))
    const from = at + digits.length + 1
    const name = text.slice(from, from + Number(digits))
    const begin = from + name.length
    const { value, exact, length } = decodeValue(text.slice(begin))
    at = begin + length
    members.push({ name, raw: text.slice(begin, at), value, exact })
  }
  return { ...same(`{ ${members.map(({ name, exact }) => `${quoted(name)}: ${exact}`).join(', ')} }`), members, length: at }
}
