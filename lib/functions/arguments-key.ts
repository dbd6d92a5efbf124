import { types } from 'node:util'
import { digest, UnkeyableError } from '../cache-key.ts'

/*
 * Arguments become part of a key in two steps: `ownArguments` takes a copy of them, and refuses what it cannot take whole;
 * `argumentsText` writes such a copy down, injectively: two lists of arguments that differ in anything a function may read never
 * give the same text. The copy is what the function gets, so that nobody changes what it reads after the key was made.
 */

const KEYABLE = 'undefined, null, booleans, numbers, bigints, strings, Date, RegExp, typed arrays, and arrays, Map, Set and plain objects of these'
/** A longer text is replaced by its hash. */
const LONGEST_TEXT = 200
/** What a key cannot hold, or would show as a broken line. */
// eslint-disable-next-line no-control-regex
const UNREADABLE = /[\0-\x1f\x7f-\x9f\u2028\u2029]/
/** Behind a name without a colon it would look like the key of a stored response. */
const METHOD = /^(?:GET|POST|QUERY):/
/** Also braces, which choose the slot in a Redis Cluster: what callers pass must not. */
const ESCAPED = /[\x7f-\x9f\u2028\u2029{}]/g

/** A deep copy of arguments. Throws an `UnkeyableError` that names the place of what it cannot copy. */
export function ownArguments<Args extends readonly unknown[]> (args: Args): Args {
  const copier = new Copier()
  return args.map((arg, index) => copier.copy(arg, `argument ${index + 1}`)) as unknown as Args
}

/** The text of arguments that `ownArguments` has copied: `[7,"x"]`, or `#` and a hash where that is too long. */
export function argumentsText (args: readonly unknown[]): string {
  return shortened(textOf(args))
}

/** The text of an own key: as it is where it can stand in a key, else `#` and a hash. */
export function ownKeyText (text: string): string {
  return text.startsWith('#') || METHOD.test(text) || UNREADABLE.test(text) || /[{}]/.test(text) || !text.isWellFormed() ? hashed(text) : shortened(text)
}

function shortened (text: string): string {
  return text.length > LONGEST_TEXT ? hashed(text) : text
}

function hashed (text: string): string {
  return `#${digest(text)}`
}

/** Copies one list of arguments and knows where in it it is. */
class Copier {
  readonly #path: string[] = []
  /** The objects that the current one is within. */
  readonly #around = new Set<object>()

  copy (value: unknown, place: string): unknown {
    if (typeof value === 'function' || typeof value === 'symbol') throw this.#refusal(`a ${typeof value}`, place)
    if (typeof value !== 'object' || value === null) return value
    if (this.#around.has(value)) throw this.#refusal('an object that contains itself', place)
    this.#around.add(value)
    this.#path.push(place)
    const copied = this.#copyObject(value)
    this.#path.pop()
    this.#around.delete(value)
    return copied
  }

  #copyObject (value: object): object {
    const depth = prototypes(value)
    if (isPlain(value, depth)) return this.#copyPlain(value)
    // One prototype more than the built-in type has is a class of its own, which may keep what cannot be seen from outside.
    if (ArrayBuffer.isView(value) && types.isTypedArray(value)) {
      if (depth === (Buffer.isBuffer(value) ? 4 : 3)) return Buffer.isBuffer(value) ? Buffer.from(value) : value.slice()
    } else if (depth === 2) {
      if (Array.isArray(value)) return this.#copyList(value)
      if (types.isDate(value)) return this.#bare(value, 0, new Date(value.getTime()))
      if (types.isRegExp(value)) return this.#bare(value, 1, Object.assign(new RegExp(value.source, value.flags), { lastIndex: value.lastIndex }))
      if (types.isMap(value)) return this.#bare(value, 0, new Map([...value].map(([key, of], index) => [this.copy(key, ` key ${index}`), this.copy(of, ` value ${index}`)])))
      if (types.isSet(value)) return this.#bare(value, 0, new Set([...value].map((member, index) => this.copy(member, ` member ${index}`))))
    }
    throw this.#refusal(types.isPromise(value) ? 'a promise, which has to be awaited first' : `an object of type ${value.constructor?.name ?? 'unknown'}`)
  }

  #copyPlain (object: object): object {
    const entries = Reflect.ownKeys(object).map((name) => {
      if (typeof name === 'symbol') throw this.#refusal('an object with a property named by a symbol')
      if (!Object.prototype.propertyIsEnumerable.call(object, name)) throw this.#refusal('an object with a property that is not enumerable', `.${name}`)
      return [name, this.copy((object as Record<string, unknown>)[name], `.${name}`)] as const
    })
    // Not by assignment: a property may be called __proto__.
    const copied = Object.fromEntries(entries)
    return Object.getPrototypeOf(object) === null ? Object.setPrototypeOf(copied, null) as object : copied
  }

  /** Holes become `undefined`, as they read. */
  #copyList (list: readonly unknown[]): unknown[] {
    // Names come after indices, and `length` is the first of them.
    if (Reflect.ownKeys(list).at(-1) !== 'length') throw this.#refusal('an array with properties of its own')
    return Array.from(list, (item, index) => this.copy(item, `[${index}]`))
  }

  /** The copy, if the original has no more properties of its own than its type says. */
  #bare (original: object, properties: number, copied: object): object {
    if (Reflect.ownKeys(original).length > properties) throw this.#refusal(`a ${original.constructor.name} with properties of its own`)
    return copied
  }

  #refusal (got: string, place = ''): UnkeyableError {
    return new UnkeyableError(`expected ${KEYABLE}, got ${got} as ${this.#path.join('')}${place}`)
  }
}

/** How many prototypes an object has: that tells built-in types, also those of other realms, from classes. */
function prototypes (value: object): number {
  let depth = 0
  for (let prototype: unknown = Object.getPrototypeOf(value); prototype !== null; prototype = Object.getPrototypeOf(prototype)) depth++
  return depth
}

/** An object literal, one without a prototype, or one whose prototype has nothing to inherit: query parsers make those. */
function isPlain (value: object, depth: number): boolean {
  if (depth === 0) return true
  if (depth > 1) return false
  const prototype = Object.getPrototypeOf(value) as object
  return Object.hasOwn(prototype, 'isPrototypeOf') || Reflect.ownKeys(prototype).length === 0
}

/** JSON where JSON has a form, but objects in round brackets, their names sorted. Every other form begins with a letter of its own. */
function textOf (value: unknown): string {
  switch (typeof value) {
    case 'string': return stringText(value)
    case 'number': return Object.is(value, -0) ? '-0' : String(value)
    case 'bigint': return `${value}n`
    case 'object': return value === null ? 'null' : objectText(value)
    default: return String(value)
  }
}

function objectText (value: object): string {
  if (Array.isArray(value)) return `[${value.map(textOf).join()}]`
  if (value instanceof Date) return `Date(${value.getTime()})`
  if (value instanceof RegExp) return `RegExp(${stringText(value.source)},${stringText(value.flags)},${value.lastIndex})`
  // Both remember the order in which they were filled, and a function may depend on it.
  if (value instanceof Map) return `Map(${textOf([...value].flat())})`
  if (value instanceof Set) return `Set(${textOf([...value])})`
  if (ArrayBuffer.isView(value)) return bytesText(value as NodeJS.TypedArray)
  const names = Object.keys(value).sort()
  return `(${names.map((name) => `${stringText(name)}:${textOf((value as Record<string, unknown>)[name])}`).join()})`
}

function bytesText (view: NodeJS.TypedArray): string {
  const type = Buffer.isBuffer(view) ? 'Buffer' : view[Symbol.toStringTag]
  return `${type}(${Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('base64url')})`
}

/** JSON writes a backslash twice, so that what is escaped here is like nothing else; and half a surrogate pair as an escape. */
function stringText (text: string): string {
  return JSON.stringify(text).replace(ESCAPED, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
