import { digest } from '../cache-key.ts'
import type { KeyDifference, KeyPart } from '../client/explanation.ts'
import { isSecretField } from '../http/request-fields.ts'
import type { StoredResponse } from '../stored-entry.ts'
import { decodeValue, quoted, readable, readableName, type Decoded } from './explain-value.ts'

/** A part of a key, to be shown and to be compared. */
export interface DecodedPart extends Decoded {
  readonly part: string
  /** As it is encoded: equal only for what selects the same. */
  readonly raw: string
}

interface Piece {
  readonly letter: string
  /** Undefined: absent. */
  readonly text: string | undefined
}

/** Characters of a digest that tell two apart. */
const SHOWN_OF_DIGEST = 12

/** The parts of the key material of a response, as `ResponseKey` and `RouteAdmission` write it; `selecting` is what its variant is for. */
export function decodeKey (text: string, selecting: StoredResponse['vary']): DecodedPart[] {
  const [, namespace, method, length, rest] = /^([^:]*):([^:]*):(\d+):(.*)$/s.exec(text)!
  const path = rest!.slice(0, Number(length))
  const pieces = [...piecesOf(rest!.slice(path.length))]
  const isOwn = pieces.some(({ letter }) => letter === 'k')
  const parts = [part('namespace', namespace!), part('method', method!), part(isOwn ? 'own key' : 'path', path)]
  // With an own key the pattern is there twice, as it is written and without a slash at its end.
  const told = pieces.filter(({ letter }) => !isOwn || letter !== 'r')
  for (const [at, piece] of told.entries()) parts.push(...partsOf(piece, told[at + 1]))
  parts.push(...selecting.map(([name, value]) => fieldPart(name, value === null ? undefined : isSecretField(name) ? digest(value) : value, ' (Vary)')))
  return parts
}

/** In what two keys differ, in words. */
export function differencesOf (one: readonly DecodedPart[], other: readonly DecodedPart[]): KeyDifference[] {
  const names = [...new Set([...one, ...other].map(({ part }) => part))]
  const pathDiffers = firstUnlike('path', one, other) !== undefined
  return names.flatMap((name) => {
    const unlike = firstUnlike(name, one, other)
    // The parameters are in the path.
    if (unlike === undefined || (pathDiffers && name.startsWith('parameter '))) return []
    const [first, second] = unlike
    const isClear = first.value !== second.value
    return [{ part: name, first: isClear ? first.value : first.exact, second: isClear ? second.value : second.exact }]
  })
}

/** A field that steers and that the route names is there twice. */
export function shownParts (parts: readonly DecodedPart[]): KeyPart[] {
  return parts
    .filter(({ part, raw }, at) => parts.findIndex((other) => other.part === part && other.raw === raw) === at)
    .map(({ part, value }) => ({ part, value }))
}

const ABSENT: Decoded & { raw: string } = { raw: '', value: 'absent', exact: 'absent' }

/** Of one name there may be several: clients choose the names of parameters, such as `as sent`. */
function firstUnlike (name: string, one: readonly DecodedPart[], other: readonly DecodedPart[]): [Decoded, Decoded] | undefined {
  const [first, second] = [one, other].map((parts) => parts.filter(({ part }) => part === name)) as [DecodedPart[], DecodedPart[]]
  const at = [...first, ...second].findIndex((_, index) => first[index]?.raw !== second[index]?.raw)
  return at === -1 ? undefined : [first[at] ?? ABSENT, second[at] ?? ABSENT]
}

/** What `encodePart` has written, one after another. */
function * piecesOf (text: string): Generator<Piece> {
  for (let at = 0; at < text.length;) {
    const [head, letter, length] = /^;([a-z])(-|\d+:)/.exec(text.slice(at, at + 20)) ?? []
    if (head === undefined) return
    at += head.length
    const end = at + (length === '-' ? 0 : Number.parseInt(length!))
    yield { letter: letter!, text: length === '-' ? undefined : text.slice(at, end) }
    at = end
  }
}

function partsOf ({ letter, text = '' }: Piece, next: Piece | undefined): DecodedPart[] {
  switch (letter) {
    case 'r':
    case 'k': return [part('route', text)]
    case 'c': return [{ part: 'constraints of the route', raw: text, ...decodeValue(text) }]
    case 'h': return [part('protocol and host', text)]
    case 'u': return [{ part: 'user', raw: text, ...userOf(text) }]
    case 's':
    case 'f': return [fieldPart(text, next?.text)]
    case 'o': return [digestPart(`cookie ${readable(text)}`, next?.text ?? '')]
    case 'b': return [digestPart('body', text)]
    case 'p': return membersOf(text, 'parameter')
    case 'q': return membersOf(text, 'query')
    case 'w': return [part('query as sent', text)]
    default: return [] // the value of what stands before it, the digest of a variant
  }
}

function part (name: string, text: string): DecodedPart {
  return { part: name, raw: text, value: readable(text), exact: quoted(text) }
}

/** Of a field whose value may not be shown there is the digest. */
function fieldPart (name: string, value: string | undefined, note = ''): DecodedPart {
  const shown = `header ${readable(name)}${note}`
  if (value === undefined) return { part: shown, ...ABSENT, raw: '-' }
  return isSecretField(name) ? digestPart(shown, value) : { ...part(shown, value), raw: `=${value}` }
}

function digestPart (name: string, digest: string): DecodedPart {
  return { part: name, raw: digest, value: `digest ${digest.slice(0, SHOWN_OF_DIGEST)}`, exact: `digest ${digest}` }
}

/** The subject of a token stands behind who issued it. */
function userOf (text: string): Decoded {
  if (!text.startsWith('t')) return decodeValue(text)
  const issuer = decodeValue(text.slice(1))
  const subject = decodeValue(text.slice(1 + issuer.length))
  return {
    value: issuer.value === '' ? subject.value : `${subject.value} of ${issuer.value}`,
    exact: `the subject ${subject.exact} of ${issuer.value === '' ? 'a token' : issuer.exact}`
  }
}

function membersOf (text: string, what: 'parameter' | 'query'): DecodedPart[] {
  const { members, ...whole } = decodeValue(text)
  if (members === undefined) return [{ part: what === 'query' ? what : 'parameters', raw: text, ...whole }]
  return members.map(({ name, raw, ...decoded }) => ({ part: `${what} ${readableName(name)}`, raw, ...decoded }))
}
