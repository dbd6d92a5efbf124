import fc from 'fast-check'
import { test } from 'tap'
import { parseDictionary } from '../../lib/http/structured-dictionary.ts'

type Members = Array<[string, string | null]>

function parsed (field: string): Members | undefined {
  const directives = parseDictionary(field)
  return directives === undefined ? undefined : [...directives].map(([key, values]) => [key, values[0]!])
}

test('members are read as directives (RFC 8941 section 3.2)', async (t) => {
  const table: Array<[string, Members]> = [
    ['a', [['a', null]]],
    ['  a  ', [['a', null]]],
    ['a\t', [['a', null]]],
    ['max-age=60', [['max-age', '60']]],
    ['max-age=60, no-store', [['max-age', '60'], ['no-store', null]]],
    ['max-age=60 \t,\t public', [['max-age', '60'], ['public', null]]],
    ['a=-7', [['a', '-7']]],
    ['a=1.5', [['a', '1.5']]],
    ['a="b, c=1"', [['a', '"b, c=1"']]],
    ['a="\\"\\\\"', [['a', '"\\"\\\\"']]],
    ['a="60"', [['a', '"60"']]],
    ['a=b/c:d', [['a', 'b/c:d']]],
    ['a=:aGk=:', [['a', ':aGk=:']]],
    ['a=?1', [['a', null]]],
    ['a=?0', []],
    ['a=?0, b', [['b', null]]],
    ['a, a=?0', []],
    ['a=1, a=2', [['a', '2']]],
    ['a=1, b, a', [['a', null], ['b', null]]],
    ['a=(), b', [['a', '()'], ['b', null]]],
    ['a=( 1  "x";y ?0 );z, b', [['a', '( 1  "x";y ?0 )'], ['b', null]]],
    ['a=1;b=2; c;*d="e,f", g', [['a', '1'], ['g', null]]],
    ['max-age=10;q=?0', [['max-age', '10']]],
    ['*a_b.c-*=1', [['*a_b.c-*', '1']]],
    ['a=999999999999999', [['a', '999999999999999']]],
    ['constructor, toString'.toLowerCase(), [['constructor', null], ['tostring', null]]]
  ]
  for (const [field, members] of table) t.strictSame(parsed(field), members, JSON.stringify(field))
})

test('a field that is malformed anywhere, or empty, is no field (RFC 9213 section 2.1)', async (t) => {
  const malformed = [
    '', ' ', '\t', ',', 'a,', 'a, ', 'a,\t', ',a', 'a,,b', '\ta', 'A', 'Max-Age=60', 'a=', 'a= 1', 'a =1', 'a==1', '=1', '1', '1a', '-a', '_a', 'a b', 'a;', 'a; ', 'a ;b', 'a;B', 'a;b=', 'a; \tb',
    'a="', 'a="b', 'a="\\b"', 'a="é"', 'a="\t"', 'a=é', 'a=:a', 'a=:a-b:', 'a=?2', 'a=?', 'a=?true', 'a=(', 'a=(1', 'a=(1,2)', 'a=(1"x")', 'a=(1\t2)', 'a=((1))', 'a=1)', 'a=(1)2',
    'a=1.', 'a=.5', 'a=1.2345', 'a=1234567890123.1', 'a=1234567890123456', 'a=--1', 'a=-', 'a=+1', 'a=@60', 'a=%"b"', "a='b'", 'max-age=60, &&&', 'max-age=60; no-store,', 'a\n', 'a=1\n', 'a, b=1 2', '{}', 'a=b"c"'
  ]
  for (const field of malformed) t.equal(parsed(field), undefined, JSON.stringify(field))
})

/** RFC 8941 section 4.2, one letter after the other. */
class Reference {
  readonly #field: string
  #at = 0

  constructor (field: string) {
    this.#field = field
  }

  members (): Members | undefined {
    try {
      return this.#dictionary()
    } catch (error) {
      if (error instanceof SyntaxError) return undefined
      throw error
    }
  }

  #dictionary (): Members {
    const members = new Map<string, string | null>()
    this.#take(/ /)
    while (this.#at < this.#field.length) {
      const key = this.#key()
      let value = '?1'
      if (this.#field[this.#at] === '=') {
        const from = ++this.#at
        if (this.#field[this.#at] === '(') this.#list()
        else this.#bareItem()
        value = this.#field.slice(from, this.#at)
      }
      this.#parameters()
      if (value === '?0') members.delete(key)
      else members.set(key, value === '?1' ? null : value)
      this.#take(/[ \t]/)
      if (this.#at === this.#field.length) return [...members]
      this.#expect(/,/)
      this.#take(/[ \t]/)
    }
    throw new SyntaxError('empty, or a comma at the end')
  }

  #list (): void {
    this.#expect(/\(/)
    for (;;) {
      this.#take(/ /)
      if (this.#field[this.#at] === ')') break
      this.#bareItem()
      this.#parameters()
      if (!/^[ )]$/.test(this.#field[this.#at] ?? '')) throw new SyntaxError('no end of the item')
    }
    this.#at++
  }

  #parameters (): void {
    while (this.#field[this.#at] === ';') {
      this.#at++
      this.#take(/ /)
      this.#key()
      if (this.#field[this.#at] !== '=') continue
      this.#at++
      this.#bareItem()
    }
  }

  #key (): string {
    return this.#expect(/[a-z*]/) + this.#take(/[a-z0-9_.*-]/)
  }

  #bareItem (): void {
    const first = this.#field[this.#at] ?? ''
    if (/[-\d]/.test(first)) this.#number()
    else if (first === '"') this.#string()
    else if (/[A-Za-z*]/.test(first)) this.#take(/[!#$%&'*+\-.^_`|~A-Za-z0-9:/]/)
    else if (first === ':') {
      this.#at++
      this.#take(/[A-Za-z0-9+/=]/)
      this.#expect(/:/)
    } else {
      this.#expect(/\?/)
      this.#expect(/[01]/)
    }
  }

  #number (): void {
    if (this.#field[this.#at] === '-') this.#at++
    const whole = this.#take(/\d/)
    if (whole === '' || whole.length > 15) throw new SyntaxError('number')
    if (this.#field[this.#at] !== '.') return
    this.#at++
    const parts = this.#take(/\d/)
    if (whole.length > 12 || parts === '' || parts.length > 3) throw new SyntaxError('number')
  }

  #string (): void {
    this.#at++
    while (this.#field[this.#at] !== '"') {
      const letter = this.#expect(/[ -~]/)
      if (letter === '\\') this.#expect(/["\\]/)
    }
    this.#at++
  }

  #take (letters: RegExp): string {
    const from = this.#at
    while (this.#at < this.#field.length && letters.test(this.#field[this.#at]!)) this.#at++
    return this.#field.slice(from, this.#at)
  }

  #expect (letters: RegExp): string {
    const letter = this.#field[this.#at++]
    if (letter === undefined || !letters.test(letter)) throw new SyntaxError(`unexpected ${letter}`)
    return letter
  }
}

const letters = fc.constantFrom('a', 'B', '*', '-', '_', '=', '"', '\\', ',', ' ', '\t', '1', '.', ';', '?', '0', ':', '(', ')', '/', 'é', '\n', '@')
const pieces = fc.constantFrom(
  'max-age=60', 'no-store', 'a', '=', ', ', ',', ' ', '\t', ';', ';b', '; b=1', '="b, c"', '=?0', '=?1', '=1.5', '=-1', '=b/c', '=:aGk=:', '=(', '1', ' ', '"x"', ')', '=()', '=(1 2);b', '"', '\\"', '?1', '1234567890123', '.1'
)

test('it reads the same as the algorithm of RFC 8941 section 4.2 (fuzz)', async (t) => {
  let valid = 0
  const same = (field: string): boolean => {
    const expected = new Reference(field).members()
    if (expected !== undefined) valid++
    return JSON.stringify(parsed(field)) === JSON.stringify(expected)
  }
  fc.assert(fc.property(fc.array(letters, { maxLength: 8 }).map((part) => part.join('')), same), { numRuns: 30_000 })
  fc.assert(fc.property(fc.array(pieces, { maxLength: 8 }).map((part) => part.join('')), same), { numRuns: 30_000 })
  fc.assert(fc.property(fc.array(pieces, { maxLength: 4 }).map((part) => `a=${part.join('')}`), same), { numRuns: 30_000 })
  fc.assert(fc.property(fc.string({ unit: 'binary' }), same), { numRuns: 5000 })
  t.ok(valid > 1000, `${valid} were valid`)
})

test('a field of any length is read in time (denial of service)', async (t) => {
  const n = 20_000
  const long = [
    ' '.repeat(n), `a${' '.repeat(n)}b`, `a=(${' '.repeat(n)}`, `a=(1${' '.repeat(n)}"`, `a=(${'1 '.repeat(n)}`, `a=(${'a;b=c '.repeat(n)}"`, `a="${'\\"'.repeat(n)}`, `a="${'x'.repeat(n)}`, `a=:${'a'.repeat(n)}`,
    'a'.repeat(n) + '"', `a=${'b'.repeat(n)}"`, `a${';b=c'.repeat(n)}"`, `a${'; b'.repeat(n)};`, 'a=1, '.repeat(n), ','.repeat(n), `a=${'1'.repeat(n)}`
  ]
  for (const field of long) {
    const since = process.cpuUsage()
    parseDictionary(field)
    const ms = process.cpuUsage(since).user / 1000
    t.ok(ms < 500, `${ms} ms for ${field.slice(0, 12)}`)
  }
})
