const NOTHING = Symbol('equal to no value')

/**
 * What a query or the parameters of a route were, to be compared without encoding them again. Only flat ones can be equal: a
 * member that is a list or an object may have been changed since, and equals nothing.
 */
export class FlatValue {
  readonly #names: string[] = []
  readonly #members: unknown[] = []
  readonly #prototype: unknown = NOTHING

  constructor (value: unknown) {
    // What these hold is not in members that can be walked.
    if (!isObject(value) || Array.isArray(value) || value instanceof Date || ArrayBuffer.isView(value)) return
    this.#prototype = Object.getPrototypeOf(value)
    for (const name in value) {
      this.#names.push(name)
      this.#members.push(isObject(value[name]) || typeof value[name] === 'function' ? NOTHING : value[name])
    }
  }

  /** The order of names counts, though it selects nothing: in doubt not equal. */
  equals (value: unknown): boolean {
    if (!isObject(value) || Object.getPrototypeOf(value) !== this.#prototype) return false
    let at = 0
    for (const name in value) {
      if (name !== this.#names[at] || !Object.is(value[name], this.#members[at])) return false
      at++
    }
    return at === this.#names.length
  }
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
