import fc from 'fast-check'
import { test } from 'tap'
import { digest, encodePart, encodeValue, ResponseKey, UnkeyableError, type KeyParts } from '../../lib/cache-key.ts'

/*
 * The encoding of keys is injective: a reader, slow and simple, gets back from the text what was written (Litestar
 * CVE-2026-25480, Mercure GHSA-hwr4-mq23-wcv5). Where there is such a reader, no two values have the same text.
 */

/** Texts full of what encodings are made of, halves of surrogate pairs, and names that objects have by themselves. */
const text = fc.oneof(
  fc.string({ unit: fc.constantFrom(';', ':', '-', '0', '1', '2', 'a', 'o', 's', 'q', '{', '[', ',', '"', '%', '\0', '\n', '\ud800', '\udc00', '\ufffd', 'ä'), maxLength: 8 }),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'length', '', 'undefined', 'null', '0', '-0', 'NaN', ';q-', ';u1:a', 'o0{', 's0:')
)

function own (entries: ReadonlyArray<readonly [string, unknown]>): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  for (const [name, value] of entries) Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true })
  return object
}

const { value } = fc.letrec<{ value: unknown, list: unknown[], object: object }>((tie) => ({
  value: fc.oneof({ maxDepth: 4, withCrossShrink: true },
    text, fc.double(), fc.integer(), fc.bigInt(), fc.boolean(), fc.constantFrom(null, undefined, -0, 0), fc.date(), tie('list'), tie('object')),
  list: fc.oneof(fc.array(tie('value'), { maxLength: 4 }), fc.sparseArray(tie('value'), { maxLength: 5 })),
  object: fc.uniqueArray(fc.tuple(text, tie('value')), { maxLength: 4, selector: ([name]) => name }).map(own)
}))

/** Reads what `encodeValue` writes, but for bytes. */
class Reader {
  readonly #text: string
  #at = 0

  constructor (written: string) {
    this.#text = written
  }

  get isAtEnd (): boolean {
    return this.#at === this.#text.length
  }

  take (length: number): string {
    const taken = this.#text.slice(this.#at, this.#at + length)
    if (taken.length !== length) throw new Error(`${length} characters expected at ${this.#at} of ${this.#text}`)
    this.#at += length
    return taken
  }

  until (end: string): string {
    const at = this.#text.indexOf(end, this.#at)
    if (at === -1) throw new Error(`${end} expected after ${this.#at} in ${this.#text}`)
    const taken = this.take(at - this.#at)
    this.take(end.length)
    return taken
  }

  string (): string {
    return this.take(Number(this.until(':')))
  }

  value (): unknown {
    const kind = this.take(1)
    switch (kind) {
      case 's': return this.string()
      case 'n': return Number(this.until(';'))
      case 'i': return BigInt(this.until(';'))
      case 'd': return new Date(Number(this.until(';')))
      case 't': return true
      case 'f': return false
      case 'u': return undefined
      case 'z': return null
      case 'a': return this.list(Number(this.until('[')))
      case 'o': return own(Array.from({ length: Number(this.until('{')) }, () => [this.string(), this.value()] as const))
      default: throw new Error(`unknown kind ${kind}`)
    }
  }

  list (length: number): unknown[] {
    const list: unknown[] = new Array(length)
    for (let i = 0; i < length; i++) {
      if (this.#text[this.#at] === 'g') this.take(1)
      else list[i] = this.value()
    }
    return list
  }
}

/** A form that is equal for values that a handler cannot tell apart: names are sorted, and -0, NaN, gaps and dates are kept. */
function form (value: unknown): unknown {
  if (value instanceof Date) return ['date', Object.is(value.getTime(), Number.NaN) ? 'invalid' : value.getTime()]
  if (Array.isArray(value)) return ['list', value.length, ...Array.from({ length: value.length }, (_, i) => i in value ? form(value[i]) : 'gap')]
  if (typeof value === 'object' && value !== null) {
    return ['object', ...Object.keys(value).sort().map((name) => [name, form((value as Record<string, unknown>)[name])])]
  }
  return [typeof value, Object.is(value, -0) ? '-0' : String(value)]
}

function same (a: unknown, b: unknown): boolean {
  return JSON.stringify(form(a)) === JSON.stringify(form(b))
}

test('a value can be read back from its encoding, so no two have the same (Litestar CVE-2026-25480)', async (t) => {
  fc.assert(fc.property(value, (written) => {
    const reader = new Reader(encodeValue(written))
    return same(reader.value(), written) && reader.isAtEnd
  }), { numRuns: 20_000 })
  t.pass('20,000 values')
})

test('values have equal encodings exactly when a handler cannot tell them apart', async (t) => {
  fc.assert(fc.property(value, value, (one, other) => (encodeValue(one) === encodeValue(other)) === same(one, other)), { numRuns: 10_000 })
  fc.assert(fc.property(value, (one) => encodeValue(one) === encodeValue(structuredClone(one))), { numRuns: 2000 })
  t.equal(encodeValue(JSON.parse('{"b":1,"a":{"d":2,"c":3}}')), encodeValue({ a: { c: 3, d: 2 }, b: 1 }), 'the order of names selects nothing')
  t.not(encodeValue(JSON.parse('{"__proto__":{"a":1}}')), encodeValue({}), '__proto__ is a name like others')
  t.not(encodeValue(['a', 'b']), encodeValue(['b', 'a']), 'the order of lists does')
})

test('bytes are encoded by what they are, and not as text', async (t) => {
  fc.assert(fc.property(fc.uint8Array(), fc.uint8Array(), (one, other) =>
    (encodeValue(one) === encodeValue(other)) === Buffer.from(one).equals(other) && encodeValue(Buffer.from(one)) === encodeValue(one)))
  t.not(encodeValue(Buffer.from('a')), encodeValue('a'))
})

/** The class of what it throws. */
function failure (run: () => unknown): unknown {
  try {
    return `no failure but ${String(run()).slice(0, 100)}`
  } catch (error) {
    return (error as Error).constructor
  }
}

test('a value that may hide something is refused (ASP.NET, ContainsDelimiters)', async (t) => {
  class Point { x = 1 }
  const hidden: unknown[] = [
    new Map([['a', 1]]), new Set([1]), new WeakMap(), new Point(), new Error('a'), /a/, Symbol('a'), () => 1, class {}, new URLSearchParams('a=1'), Promise.resolve(1),
    new ArrayBuffer(1), Uint16Array.of(1), new DataView(new ArrayBuffer(1)), Object.create({ a: 1 }), Object.create(new Point()), new Proxy(new Point(), {}), [new Point()], { a: { b: new Map() } },
    // eslint-disable-next-line no-new-wrappers
    new String('a'), new Number(1), new Boolean(true)
  ]
  for (const one of hidden) t.equal(failure(() => encodeValue(one)), UnkeyableError, String(Object.prototype.toString.call(one)))
  t.equal(encodeValue(Object.create(null)), encodeValue({}))
  t.equal(encodeValue(Object.create(Object.create(null))), encodeValue({}), 'what query parsers make')
  t.equal(failure(() => encodeValue(Object.create(Object.create(null, { a: { value: 1 } })))), UnkeyableError)
})

test('deep values end in an error that is caught, or in time (denial of service)', async (t) => {
  let deep: unknown = 'x'
  for (let n = 0; n < 1_000_000; n++) deep = [deep]
  t.equal(failure(() => encodeValue(deep)), RangeError)

  const large = 'x'.repeat(1_000_000)
  const since = performance.now()
  t.ok(digest(encodeValue([large, 1])))
  const flatMs = performance.now() - since
  let nested: unknown = large
  for (let n = 0; n < 1000; n++) nested = n % 2 === 0 ? [nested, 1] : { nested, n }
  const start = performance.now()
  t.ok(digest(encodeValue(nested)))
  const nestedMs = performance.now() - start
  t.ok(nestedMs < 100 + 20 * flatMs, `a megabyte under 1000 levels: ${nestedMs} ms, flat ${flatMs} ms`)
})

const part = fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.option(text, { nil: undefined }))

test('parts of a key can be read back, absent and empty ones apart (Django CVE-2026-113593)', async (t) => {
  fc.assert(fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
    const reader = new Reader(parts.map(([letter, one]) => encodePart(letter, one)).join(''))
    const read = parts.map(() => {
      if (reader.take(1) !== ';') throw new Error('no part')
      const letter = reader.take(1)
      const head = reader.take(1)
      return [letter, head === '-' ? undefined : reader.take(Number(head + reader.until(':')))]
    })
    return JSON.stringify(read) === JSON.stringify(parts) && reader.isAtEnd
  }), { numRuns: 10_000 })
  t.not(encodePart('a', undefined), encodePart('a', ''))
})

const keyParts: fc.Arbitrary<KeyParts> = fc.record({
  namespace: fc.stringMatching(/^[\w.-]{1,3}$/),
  method: fc.constantFrom('GET', 'POST', 'QUERY'),
  path: text,
  fixed: fc.array(part, { maxLength: 1 }).map((parts) => parts.map(([, one]) => encodePart('k', one)).join('')),
  selected: fc.array(part, { maxLength: 2 }).map((parts) => parts.map(([letter, one]) => encodePart(letter, one)).join(''))
})

function sameParts (one: KeyParts, other: KeyParts): boolean {
  return (Object.keys(one) as Array<keyof KeyParts>).every((name) => one[name] === other[name])
}

test('different parts never give a key of equal text, and hashes of text keep every letter apart (Litestar CVE-2026-25480)', async (t) => {
  fc.assert(fc.property(keyParts, keyParts, (one, other) => {
    const [a, b] = [new ResponseKey(one), new ResponseKey(other)]
    const isSame = sameParts(one, other)
    return (a.text === b.text) === isSame && (a.id === b.id) === isSame
  }), { numRuns: 20_000 })
  fc.assert(fc.property(text, text, (one, other) => (digest(one) === digest(other)) === (one === other)), { numRuns: 10_000 })
  t.not(digest('\ud800'), digest('\ud801'), 'halves of surrogate pairs')
})

test('the id of a key is short and printable, whatever the path holds', async (t) => {
  fc.assert(fc.property(keyParts, fc.string({ unit: 'binary', maxLength: 400 }), (parts, path) => {
    const { id } = new ResponseKey({ ...parts, path })
    return /^[\w.-]{1,3}:[A-Z]+:[\w\-./~%!$&'()+,;=:@]*:[\w-]{22}$/.test(id) && id.length < 1300
  }), { numRuns: 5000 })
  t.ok(new ResponseKey({ namespace: 'a', method: 'GET', path: `/${'é'.repeat(16_000)}`, fixed: '', selected: '' }).id.length < 1300)
})
