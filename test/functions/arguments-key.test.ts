import { isDeepStrictEqual } from 'node:util'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { test } from 'tap'
import { argumentsText, ownArguments, ownKeyText } from '../../lib/functions/arguments-key.ts'

function textOf (...args: unknown[]): string {
  return argumentsText(ownArguments(args))
}

test('simple arguments can be read, and written into patterns', async (t) => {
  t.equal(textOf(), '[]')
  t.equal(textOf(7, 'x'), '[7,"x"]')
  t.equal(textOf(undefined, null, true, -0, NaN, -Infinity, 5n), '[undefined,null,true,-0,NaN,-Infinity,5n]')
  t.equal(textOf({ lang: 'de', page: 2 }, [1, [2]]), '[("lang":"de","page":2),[1,[2]]]')
  t.equal(textOf(new Date(5), /a"b/gi, new Map([['a', 1]]), new Set([1, 2])), '[Date(5),RegExp("a\\"b","gi",0),Map(["a",1]),Set([1,2])]')
  t.equal(textOf(Buffer.from('abc'), new Uint16Array([1])), '[Buffer(YWJj),Uint16Array(AQA)]')
})

test('what differs has different texts', async (t) => {
  const nothing = Object.create(null) as object
  const different: unknown[][] = [
    [], [undefined], [undefined, undefined], [null], ['undefined'], ['null'], [0], [-0], ['0'], [0n], ['0n'], [NaN], ['NaN'], [true], ['true'], [1], ['1'], [1, 2], ['1,2'], [[1, 2]], [[[1], 2]],
    ['a,b'], [['a', 'b']], ['a', 'b'], ['a","b'], [''], [[]], [[undefined]], [['']], [nothing], [{ a: undefined }], [{ a: null }], [{ a: 1 }], [{ a: '1' }], [{ a: 1, b: 2 }], [{ a: { b: 2 } }],
    [{ 'a":1,"b': 2 }], [{ a: '1,"b":2' }], [[{ a: 1 }, { b: 2 }]], [JSON.parse('{"__proto__":{"a":1}}')], [JSON.parse('{"__proto__":{"a":2}}')],
    [new Date(1)], [new Date(2)], [new Date(NaN)], ['Date(1)'], [{ Date: 1 }], [/a/], [/a/g], [Object.assign(/a/g, { lastIndex: 1 })], ['/a/'],
    [new Map()], [new Map([['a', 1]])], [new Map([[1, 'a']])], [new Map([['a', 1], ['b', 2]])], [new Map([['b', 2], ['a', 1]])], [new Map<unknown, unknown>([[['a', 1], 'b']])], [[['a', 1]]],
    [new Set()], [new Set(['a'])], [new Set([1, 2])], [new Set([2, 1])], [new Set([[1, 2]])],
    [Buffer.from('a')], [new Uint8Array([97])], [new Int8Array([97])], [new Uint8ClampedArray([97])], [new Float64Array([1])], [new BigUint64Array([1n])], ['Buffer(YQ)'], [Buffer.from('')],
    ['\ud800'], ['\\ud800'], ['\udc00'], ['\ufffd'], ['{'], ['\\u007b'], ['\n'], ['\\n'], ['\u2028'], ['\\u2028'], ['\x7f'], ['#'], ['x'.repeat(300)], ['x'.repeat(301)], ['\ud800'.repeat(300)], ['\ufffd'.repeat(300)]
  ]
  const texts = new Map<string, unknown>()
  for (const args of different) {
    const text = textOf(...args)
    t.notOk(texts.has(text), text)
    texts.set(text, args)
  }
})

test('what is equal has one text', async (t) => {
  t.equal(textOf({ a: 1, b: [2] }), textOf({ b: [2], a: 1 }), 'the order of properties')
  t.equal(textOf(Object.assign(Object.create(null), { a: 1 })), textOf({ a: 1 }), 'no prototype')
  t.equal(textOf(Object.assign(Object.create(Object.create(null)), { a: 1 })), textOf({ a: 1 }), 'a parsed query')
  // eslint-disable-next-line no-sparse-arrays
  t.equal(textOf([1, , 3]), textOf([1, undefined, 3]), 'a hole')
  const foreign = '({ a: [new Date(5), new Map([[1, new Set([2])]]), /a/g, new Uint8Array([1])] })'
  t.equal(textOf(runInNewContext(foreign)), textOf({ a: [new Date(5), new Map([[1, new Set([2])]]), /a/g, new Uint8Array([1])] }), 'another realm')
  const shared = { a: 1 }
  t.equal(textOf(shared, shared), textOf({ a: 1 }, { a: 1 }), 'twice the same')
})

test('texts can stand in a key, whatever is passed', async (t) => {
  const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom('\r', '\n', '\0', '{', '}', '\ud800', '\u2028', '\x85', '"', '\\', '#') }))
  fc.assert(fc.property(fc.array(fc.oneof(anyText, fc.dictionary(anyText, anyText))), anyText, (args, own) => {
    for (const text of [textOf(...args), ownKeyText(own)]) {
      // eslint-disable-next-line no-control-regex
      if (text.length > 200 || /[\0-\x1f\x7f-\x9f\u2028\u2029]/.test(text) || !text.isWellFormed()) return false
    }
    return !/[{}]/.test(textOf(...args))
  }))
  t.match(textOf('x'.repeat(1000)), /^#[\w-]{43}$/)
})

test('own keys stay as they are where they can', async (t) => {
  t.equal(ownKeyText('ada:profile'), 'ada:profile')
  const hashed = ['#a', 'a\nb', '\ud800', '\udc00', 'x'.repeat(201), 'x'.repeat(202)].map(ownKeyText)
  for (const text of hashed) t.match(text, /^#[\w-]{43}$/)
  t.equal(new Set(hashed).size, hashed.length)
  t.not(ownKeyText(hashed[0]!), hashed[0], 'nobody can pass the hash of another')
})

test('what no text can be made of is refused, with its place', async (t) => {
  const cyclic: { list: unknown[] } = { list: [1] }
  cyclic.list.push(cyclic)
  class User { id = 1 }
  class Users extends Array {}
  class Secret extends Map {}
  const cases: Array<[unknown[], RegExp]> = [
    [[1, () => 1], /got a function as argument 2$/],
    [[Symbol('x')], /got a symbol as argument 1$/],
    [[{ filter: { by: [0, () => 1] } }], /got a function as argument 1\.filter\.by\[1\]$/],
    [[1, 2, { at: new User() }], /got an object of type User as argument 3\.at$/],
    [[new Users()], /got an object of type Users as argument 1$/],
    [[new Secret()], /got an object of type Secret as argument 1$/],
    [[new Map([['k', new Map([[Symbol('x'), 1]])]])], /got a symbol as argument 1 value 0 key 0$/],
    [[new Set([1, Promise.resolve()])], /got a promise, which has to be awaited first as argument 1 member 1$/],
    [[cyclic], /got an object that contains itself as argument 1\.list\[1\]$/],
    [[new Error('x')], /of type Error/],
    [[new URL('http://a.example/')], /of type URL/],
    [[new WeakMap()], /of type WeakMap/],
    [[new ArrayBuffer(1)], /of type ArrayBuffer/],
    [[new DataView(new ArrayBuffer(1))], /of type DataView/],
    [[Object(1)], /of type Number/],
    [[Object.create({ a: 1 })], /of type Object/],
    [[Object.assign([1], { user: 'ada' })], /an array with properties of its own as argument 1/],
    [[Object.assign(new Date(1), { user: 'ada' })], /a Date with properties of its own/],
    [[Object.assign(/a/, { user: 'ada' })], /a RegExp with properties of its own/],
    [[{ [Symbol('user')]: 'ada' }], /named by a symbol/],
    [[Object.defineProperty({}, 'user', { value: 'ada' })], /not enumerable as argument 1\.user/]
  ]
  for (const [args, message] of cases) {
    t.throws(() => textOf(...args), { message })
    t.throws(() => textOf(...args), { message: /^expected undefined, null,/ })
  }
})

test('arguments are copied, so that nobody changes them under their key', async (t) => {
  const filter: { user: string } = { user: 'ada' }
  const args = [{ filter }, [1], new Map([['a', [1]]]), new Set([{ b: 1 }]), new Date(1), Buffer.from('a'), Object.assign(/a/g, { lastIndex: 1 })] as const
  const copies = ownArguments([...args])
  t.strictSame(copies, [...args])
  for (const [index, copy] of copies.entries()) t.not(copy, args[index])
  filter.user = 'eve'
  args[5].fill(0)
  t.strictSame(copies[0], { filter: { user: 'ada' } })
  t.ok(Buffer.isBuffer(copies[5]))
  t.equal((copies[5] as Buffer).toString(), 'a')
  t.equal((copies[6] as RegExp).lastIndex, 1)
  let reads = 0
  const [copy] = ownArguments([{ get user () { return ++reads } }] as const)
  t.strictSame([copy.user, copy.user, reads], [1, 1, 1], 'a getter is asked once')
})

/** Many equal parts, so that texts meet. */
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof({ maxDepth: 3, withCrossShrink: true },
    fc.constantFrom<unknown>(undefined, null, true, 0, -0, 1, NaN, 1n, '', 'a', '1', 'a,b', 'null', '"', '\\', '[', ')', ','),
    fc.string({ maxLength: 3, unit: fc.constantFrom('"', '\\', ',', ':', '(', ')', '[', ']', 'u', '0', '{', '\ud800', '\n') }),
    fc.double(),
    fc.constantFrom(0, 1).map((at) => new Date(at)),
    fc.uint8Array({ maxLength: 2 }),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.array(tie('value'), { maxLength: 2 }).map((list) => new Set(list)),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 2 }).map((list) => new Map(list)),
    fc.dictionary(fc.constantFrom('a', 'b', '__proto__', '1', '","'), tie('value'), { maxKeys: 3, noNullPrototype: true }))
}))

/** Equal, and, other than for isDeepStrictEqual, in the same order within Map and Set. */
function isSame (a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(ordered(a), ordered(b))
}

function ordered (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered)
  if (value instanceof Map) return { map: [...value].map(ordered) }
  if (value instanceof Set) return { set: [...value].map(ordered) }
  if (typeof value !== 'object' || value === null || value instanceof Date || ArrayBuffer.isView(value)) return value
  return { object: Object.entries(value).map(([name, of]) => [name, ordered(of)]).sort(([a], [b]) => a as string < (b as string) ? -1 : 1) }
}

test('two lists of arguments have one text if and only if they are the same', async () => {
  fc.assert(fc.property(fc.array(value, { maxLength: 3 }), fc.array(value, { maxLength: 3 }), (a, b) => {
    return (textOf(...a) === textOf(...b)) === isSame(a, b)
  }), { numRuns: 10_000 })
})

test('a list of which one part is replaced has another text', async () => {
  fc.assert(fc.property(fc.array(value, { maxLength: 3 }), value, value, (around, a, b) => {
    return (textOf(...around, { in: [a] }) === textOf(...around, { in: [b] })) === isSame(a, b)
  }), { numRuns: 10_000 })
})

test('a copy has the text of its original', async () => {
  fc.assert(fc.property(fc.array(value, { maxLength: 3 }), (args) => textOf(...structuredClone(args)) === textOf(...args)))
})
