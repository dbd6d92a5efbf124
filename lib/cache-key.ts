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

  constructor (parts: KeyParts) {
    this.#parts = parts
    this.text = `${parts.namespace}:${parts.method}:${parts.path.length}:${parts.path}${parts.fixed}${parts.selected}`
  }

  /** Made on demand: a hit from memory never needs it. */
  get id (): string {
    this.#id ??= idOf(this.#parts, this.text)
    return this.#id
  }

  /** The key of the variant with this digest of its selecting header fields. */
  variant (digest: string): ResponseKey {
    const { selected, ...parts } = this.#parts
    return new ResponseKey({ ...parts, selected: `${selected}${encodePart('y', digest)}` })
  }

  /** Whether a text is this key's or that of one of its variants. */
  covers (text: string): boolean {
    return text.startsWith(this.text) && (text.length === this.text.length || VARIANT.test(text.slice(this.text.length)))
  }
}

const VARIANT = /^;y43:[\w-]{43}$/

function idOf ({ namespace, method, path }: Pick<KeyParts, 'namespace' | 'method' | 'path'>, text: string): string {
  return `${namespace}:${method}:${readable(path)}:${hash('sha256', text, 'base64url').slice(0, 22)}`
}

/**
 * Whether what has this key material is the entry of an app whose prefix begins with this one and a colon: what looks like `b:user:1` under
 * the prefix `a` is `user:1` under `a:b`.
 */
export function isOfLongerPrefix (id: string, text: string): boolean {
  if (id === text) return false
  if (id.endsWith(`:${text}`)) return true
  const [, namespace, method, length, rest] = /^([^:]*):([^:]*):(\d+):(.*)$/s.exec(text) ?? []
  if (namespace === undefined || method === undefined || rest === undefined) return false
  return id.endsWith(`:${idOf({ namespace, method, path: rest.slice(0, Number(length)) }, text)}`)
}

/** How ids of stored responses begin, `<namespace>:<METHOD>:`. */
export const RESPONSE_ID = /^[\w.-]+:(?:GET|POST|QUERY):/
/** What else the cache has under the prefix in Redis. */
export const RESERVED_IDS: ReadonlyMap<string, string> = new Map([['marks', 'the marks of invalidations'], ['events', 'the events of invalidations'], ['hot', 'what is requested most']])

/** How the leases of fills begin under the prefix in Redis. */
export const LEASE_ID = /^lease:/

/** The numbers of a minute or an hour, under the prefix in Redis. Other names in a namespace called `stats` are free. */
export const STATS_ID = /^stats:[mh]:\d+$/

/** Whether a name under the prefix can be the key of a value of the client. */
export function isValueId (id: string): boolean {
  return !RESPONSE_ID.test(id) && !RESERVED_IDS.has(id) && !LEASE_ID.test(id) && !STATS_ID.test(id)
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
