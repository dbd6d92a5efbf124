import { hash } from 'node:crypto'
import type { StoreKey } from './store/store.ts'

/*
 * The key of a stored response has two forms. `text` is all that selects the response, encoded injectively: every part is
 * written with its length or has a fixed alphabet, absent differs from empty, and each optional part starts with a letter of
 * its own, so that no two different requests, nor two versions of a route's options, ever give the same text. `id` is what
 * people read in Redis: `<namespace>:<METHOD>:<path>:<hash of text>`. Entries keep the text, and it is compared on read.
 */

/** What a request is selected by. Everything a handler may read and that is not in here must be hidden from it. */
export interface KeyParts {
  readonly namespace: string
  readonly method: string
  /** The path as sent, or the text of an own key builder. */
  readonly path: string
  /** The route, protocol and host: `fixedParts`. */
  readonly fixed: string
  /** What the route's options add, made with `encodePart`. */
  readonly selected: string
}

export class ResponseKey implements StoreKey {
  readonly text: string
  readonly #parts: KeyParts
  #id: string | undefined
  /** By what was sent. */
  #variants: Map<string, ResponseKey> | undefined

  constructor (parts: KeyParts) {
    this.#parts = parts
    this.text = `${parts.namespace}:${parts.method}:${parts.path.length}:${parts.path}${parts.fixed}${parts.selected}`
  }

  /** Made on demand: a hit from memory never needs it. */
  get id (): string {
    const { namespace, method, path } = this.#parts
    this.#id ??= `${namespace}:${method}:${readable(path)}:${hash('sha256', this.text, 'base64url').slice(0, 22)}`
    return this.#id
  }

  /** The key of the variant with this digest of its selecting header fields. */
  variant (digest: string): ResponseKey {
    const { selected, ...parts } = this.#parts
    return new ResponseKey({ ...parts, selected: `${selected}${encodePart('y', digest)}` })
  }

  /** The same by what was sent; digests are made once for it. */
  variantFor (sent: string, digest: () => string): ResponseKey {
    this.#variants ??= new Map()
    let variant = this.#variants.get(sent)
    if (variant !== undefined) return variant
    variant = this.variant(digest())
    if (this.#variants.size >= MOST_REMEMBERED) this.#variants.clear()
    if (sent.length <= LONGEST_REMEMBERED) this.#variants.set(sent, variant)
    return variant
  }

  /** Whether a text is this key's or that of one of its variants. */
  covers (text: string): boolean {
    return text.startsWith(this.text) && (text.length === this.text.length || VARIANT.test(text.slice(this.text.length)))
  }
}

const MOST_REMEMBERED = 8
const LONGEST_REMEMBERED = 500
const VARIANT = /^;y43:[\w-]{43}$/

/** How ids of stored responses begin, `<namespace>:<METHOD>:`. */
export const RESPONSE_ID = /^[\w.-]+:(?:GET|POST|QUERY):/
/** What else the cache has under the prefix in Redis. */
export const RESERVED_IDS: ReadonlyMap<string, string> = new Map([['marks', 'the marks of invalidations'], ['events', 'the events of invalidations'], ['hot', 'what is requested most']])

/** How the leases of fills begin under the prefix in Redis. */
export const LEASE_ID = /^lease:/

/** Whether a name under the prefix can be the key of a value of the client. */
export function isValueId (id: string): boolean {
  return !RESPONSE_ID.test(id) && !RESERVED_IDS.has(id) && !LEASE_ID.test(id)
}

const READABLE_LENGTH = 200

/** A path for human eyes. Braces would choose the slot in a Redis Cluster, so no client may send them. */
function readable (path: string): string {
  return path.slice(0, READABLE_LENGTH).replace(/[^\w\-./~%!$&'()+,;=:@]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
}

/** SHA-256 in base64url, 43 characters. Text counts as UTF-16: UTF-8 writes every half of a surrogate pair the same. */
export function digest (data: string | Uint8Array): string {
  return hash('sha256', typeof data === 'string' ? Buffer.from(data, 'utf16le') : data, 'base64url')
}

/** One text part: `undefined` is absent. The letter names the part. */
export function encodePart (letter: string, text: string | undefined): string {
  return text === undefined ? `;${letter}-` : `;${letter}${text.length}:${text}`
}

/** Thrown for a value that has no injective encoding, such as a Map or an instance of a class. */
export class UnkeyableError extends Error {}

/**
 * An injective encoding of what query parsers and body parsers produce. Names of an object are sorted: their order selects
 * nothing; the order of arrays does.
 */
export function encodeValue (value: unknown): string {
  switch (typeof value) {
    case 'string': return `s${value.length}:${value}`
    case 'number': return `n${Object.is(value, -0) ? '-0' : value};`
    case 'boolean': return value ? 't' : 'f'
    case 'bigint': return `i${value};`
    case 'undefined': return 'u'
    case 'object': return value === null ? 'z' : encodeObject(value)
    default: throw new UnkeyableError(`a ${typeof value} cannot be part of a key`)
  }
}

function encodeObject (value: object): string {
  if (Array.isArray(value)) return encodeList(value)
  if (value instanceof Uint8Array) return `b${digest(value)}`
  if (value instanceof Date) return `d${value.getTime()};`
  const prototype: unknown = Object.getPrototypeOf(value)
  // Anything else may hide what tells two values apart.
  if (prototype !== null && prototype !== Object.prototype && !isEmptyPrototype(prototype)) {
    throw new UnkeyableError(`an object of type ${value.constructor?.name} cannot be part of a key`)
  }
  const names = Object.keys(value)
  if (names.length > 1) names.sort()
  let text = `o${names.length}{`
  for (const name of names) text += `${name.length}:${name}${encodeValue((value as Record<string, unknown>)[name])}`
  return text
}

/** A gap is not the same as `undefined`. */
function encodeList (list: readonly unknown[]): string {
  let text = `a${list.length}[`
  for (let i = 0; i < list.length; i++) text += i in list ? encodeValue(list[i]) : 'g'
  return text
}

/** `fast-querystring` makes objects whose prototype is an empty object without a prototype. */
function isEmptyPrototype (prototype: unknown): boolean {
  return Object.getPrototypeOf(prototype) === null && Reflect.ownKeys(prototype as object).length === 0
}
