import { hasZstd } from '../../lib/coding.ts'
import { crc32 } from 'node:zlib'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { decodeEntry, encodeEntry, type Entry, type StoredResponse } from 'fastify-response-cache'
import { test } from 'tap'

/*
 * A frame decodes to the very entry that was written, or to nothing; it never throws (fastapi-cache, pickled entries).
 */

const instant = fc.integer({ min: 0, max: 4_102_444_800_000 })
const word = fc.string({ unit: 'binary', maxLength: 20 })
const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/)
const fieldValue = fc.stringMatching(/^[\x20-\x7e\x80-\xff\t]{0,20}$/)
const body = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes))

const duration = fc.nat()

const filled = fc.record({ incarnation: word, stamp: instant }, { noNullPrototype: true })

const coded = fc.record({ coding: fc.constantFrom('br' as const, 'gzip' as const, ...hasZstd ? ['zstd' as const] : []), bytes: duration, etag: fieldValue }, { noNullPrototype: true })

const whole = {
  kind: fc.constant('response' as const),
  key: word,
  storedAt: instant,
  filled,
  labels: fc.array(word, { maxLength: 3 }),
  staleAt: instant,
  ageMs: duration,
  costMs: duration,
  isValidatable: fc.boolean(),
  whileRevalidateMs: duration,
  ifErrorMs: duration,
  status: fc.integer({ min: 200, max: 599 }),
  headers: fc.array(fc.tuple(name, fc.oneof(fieldValue, fc.array(fieldValue, { maxLength: 3 }))), { maxLength: 4 }),
  removed: fc.array(name, { maxLength: 2 }),
  vary: fc.array(fc.tuple(name, fc.option(word, { nil: null })), { maxLength: 3 }),
  body
}

const response: fc.Arbitrary<Entry> = fc.oneof(fc.record(whole, { noNullPrototype: true }), fc.record({ ...whole, coded }, { noNullPrototype: true }))

const value: fc.Arbitrary<Entry> = fc.record({
  kind: fc.constant('value' as const), key: word, storedAt: instant, filled, labels: fc.array(word, { maxLength: 3 }), encoding: fc.constantFrom('bytes' as const, 'clone' as const), origin: fc.constantFrom('set' as const, 'produced' as const), body
}, { noNullPrototype: true })

const variants: fc.Arbitrary<Entry> = fc.record({
  kind: fc.constant('variants' as const), key: word, storedAt: instant, filled, labels: fc.array(word, { maxLength: 3 }), names: fc.array(name, { maxLength: 3 }), digests: fc.array(word, { maxLength: 3 }), until: instant, costMs: duration, body
}, { noNullPrototype: true })

const entry = fc.oneof(response, value, variants)

/** A frame with a right checksum around whatever header. */
function framed (header: string | Buffer, body: Buffer = Buffer.from('body')): Buffer {
  const bytes = Buffer.from(header)
  const frame = Buffer.alloc(16 + bytes.length + body.length)
  frame.write('FRC\x04', 'latin1')
  frame.writeUInt32BE(bytes.length, 8)
  frame.writeUInt32BE(body.length, 12)
  bytes.copy(frame, 16)
  body.copy(frame, 16 + bytes.length)
  frame.writeUInt32BE(crc32(frame.subarray(8)), 4)
  return frame
}

test('an entry comes back as it was written, halves of surrogate pairs in its key among it', async (t) => {
  fc.assert(fc.property(entry, (written) => isDeepStrictEqual(decodeEntry(encodeEntry(written)), written)), { numRuns: 5000 })
  const odd = { kind: 'value', key: '\ud800\0"\n', storedAt: 1, filled: { incarnation: '\ud800', stamp: 2 }, labels: ['\udc00'], encoding: 'bytes', origin: 'set', body: Buffer.alloc(0) } as const
  t.strictSame(decodeEntry(encodeEntry(odd)), odd)
})

test('bytes that were never an entry decode to nothing (fuzz)', async (t) => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => decodeEntry(Buffer.from(bytes)) === undefined), { numRuns: 20_000 })
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => decodeEntry(Buffer.concat([Buffer.from('FRC\x04', 'latin1'), bytes])) === undefined), { numRuns: 20_000 })
  t.equal(decodeEntry(Buffer.alloc(0)), undefined)
})

test('a frame that was cut, grown, moved or joined decodes to nothing (fuzz)', async (t) => {
  fc.assert(fc.property(entry, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 20 }), (written, at, more) => {
    const frame = encodeEntry(written)
    const place = at % frame.length
    return decodeEntry(frame.subarray(0, place)) === undefined &&
      decodeEntry(frame.subarray(place + 1)) === undefined &&
      decodeEntry(Buffer.concat([frame, more])) === undefined &&
      decodeEntry(Buffer.concat([more, frame])) === undefined &&
      decodeEntry(Buffer.concat([frame.subarray(0, place), more, frame.subarray(place)])) === undefined
  }), { numRuns: 3000 })
  t.pass('3000 entries')
})

test('a frame with a changed bit decodes to nothing, whichever bit it is', async (t) => {
  const frames = fc.sample(entry, 20).map(encodeEntry)
  let survivors = 0
  for (const frame of frames) {
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const flipped = Buffer.from(frame)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      if (decodeEntry(flipped) !== undefined) survivors++
    }
  }
  t.equal(survivors, 0)
})

test('a frame of two entries never decodes to a third (fuzz)', async (t) => {
  fc.assert(fc.property(entry, entry, fc.nat(), (one, other, at) => {
    const [a, b] = [encodeEntry(one), encodeEntry(other)]
    const mixed = Buffer.concat([a.subarray(0, at % a.length), b.subarray(at % b.length)])
    const decoded = decodeEntry(mixed)
    return decoded === undefined || mixed.equals(a) || mixed.equals(b)
  }), { numRuns: 5000 })
  t.pass('5000 pairs')
})

const GOOD: StoredResponse = {
  kind: 'response', key: 'k', storedAt: 1, filled: { incarnation: 'i', stamp: 3 }, labels: ['t:x'], staleAt: 2, ageMs: 4, isValidatable: false, status: 200, headers: [['x-a', 'b']], removed: [], vary: [['accept', null]], costMs: 1, whileRevalidateMs: 0, ifErrorMs: 0, body: Buffer.from('body')
}

const CODED = { coding: 'br', bytes: 9, etag: '"a"' } as const

const VARIANTS = { kind: 'variants', key: 'k', storedAt: 1, filled: GOOD.filled, labels: [], names: ['accept'], digests: ['d'], until: 2, costMs: 1 }

/** Headers with a right checksum around them that say what no entry says. */
const WRONG: Record<string, unknown> = {
  null: null,
  'a list': [],
  'a number': 1,
  'another kind': { ...GOOD, kind: 'other' },
  'no kind': { ...GOOD, kind: undefined },
  'a kind of its prototype': { ...GOOD, kind: undefined, ['__proto__']: { kind: 'response' } },
  'no key': { ...GOOD, key: 1 },
  'no fill stamp': { ...GOOD, filled: undefined },
  'a fill stamp of null': { ...GOOD, filled: null },
  'a fill stamp without incarnation': { ...GOOD, filled: { stamp: 3 } },
  'a fill stamp that is no number': { ...GOOD, filled: { incarnation: 'i', stamp: '3' } },
  'no labels': { ...GOOD, labels: undefined },
  'labels that are no texts': { ...GOOD, labels: [1] },
  'no instant': { ...GOOD, storedAt: '1' },
  'an instant without end': { ...GOOD, staleAt: null },
  'no age': { ...GOOD, ageMs: undefined },
  'an age before its birth': { ...GOOD, ageMs: -1 },
  'an age in words': { ...GOOD, ageMs: '4' },
  'no word on its validators': { ...GOOD, isValidatable: undefined },
  'a number for a word on its validators': { ...GOOD, isValidatable: 1 },
  'a coding that is null': { ...GOOD, coded: null },
  'a coding that nobody knows': { ...GOOD, coded: { ...CODED, coding: 'rot13' } },
  'a coding of its prototype': { ...GOOD, coded: { ...CODED, coding: 'toString' } },
  'a length below none': { ...GOOD, coded: { ...CODED, bytes: -1 } },
  'no length': { ...GOOD, coded: { ...CODED, bytes: undefined } },
  'no ETag of what was compressed': { ...GOOD, coded: { ...CODED, etag: undefined } },
  'a line break in the ETag of what was compressed': { ...GOOD, coded: { ...CODED, etag: '"a"\r\nset-cookie: c' } },
  'a status in words': { ...GOOD, status: '200' },
  'an interim status': { ...GOOD, status: 103 },
  'a status above all': { ...GOOD, status: 600 },
  'a status in parts': { ...GOOD, status: 200.5 },
  'fields as an object': { ...GOOD, headers: { 'x-a': 'b' } },
  'a field without a value': { ...GOOD, headers: [['x-a']] },
  'a field of a number': { ...GOOD, headers: [['x-a', 1]] },
  'a field of null': { ...GOOD, headers: [null] },
  'a field as text': { ...GOOD, headers: ['x-a: b'] },
  'a name of a number': { ...GOOD, headers: [[1, 'b']] },
  'a line break in a value': { ...GOOD, headers: [['x-a', 'b\r\nset-cookie: c']] },
  'a line feed in one of the values': { ...GOOD, headers: [['x-a', ['b', '\n']]] },
  'a NUL in a value': { ...GOOD, headers: [['x-a', '\0']] },
  'DEL in a value': { ...GOOD, headers: [['x-a', '\x7f']] },
  'a letter outside Latin-1 in a value': { ...GOOD, headers: [['x-a', '€']] },
  'a line break in a name': { ...GOOD, headers: [['x\r\na', 'b']] },
  'a space in a name': { ...GOOD, headers: [['x a', 'b']] },
  'a colon in a name': { ...GOOD, headers: [['x:', 'b']] },
  'no name': { ...GOOD, headers: [['', 'b']] },
  'no list of removed fields': { ...GOOD, removed: 'x-a' },
  'a removed field that is none': { ...GOOD, removed: [1] },
  'no vary': { ...GOOD, vary: undefined },
  'a vary of numbers': { ...GOOD, vary: [[1, 'a']] },
  'a vary without values': { ...GOOD, vary: [['accept']] },
  'variants by nothing': { ...VARIANTS, names: undefined },
  'variants by numbers': { ...VARIANTS, names: [1] },
  'variants without digests': { ...VARIANTS, digests: 'd' },
  'variants without end': { ...VARIANTS, until: null },
  'variants that cost less than nothing': { ...VARIANTS, costMs: -1 },
  'a value in no encoding': { kind: 'value', key: 'k', storedAt: 1, filled: GOOD.filled, labels: [], encoding: 'pickle', origin: 'set' },
  'a value from nowhere': { kind: 'value', key: 'k', storedAt: 1, filled: GOOD.filled, labels: [], encoding: 'bytes', origin: 'found' }
}

test('a frame of any other version decodes to nothing, whatever it holds', async (t) => {
  const frame = encodeEntry(GOOD)
  t.strictSame(decodeEntry(frame), GOOD)
  for (const version of [0, 1, 2, 3, 5, 255]) {
    const other = Buffer.from(frame)
    other[3] = version
    t.equal(decodeEntry(other), undefined, `version ${version}`)
  }
})

test('a well-framed header that says what no entry says decodes to nothing (response splitting)', async (t) => {
  const { body, ...header } = GOOD
  t.strictSame(decodeEntry(framed(JSON.stringify(header), body)), GOOD, 'the frame of these tests is right')
  t.strictSame(decodeEntry(framed(JSON.stringify({ ...header, coded: CODED }), body)), { ...GOOD, coded: CODED })
  t.strictSame(decodeEntry(framed(JSON.stringify(VARIANTS), body)), { ...VARIANTS, body })
  for (const [title, wrong] of Object.entries(WRONG)) {
    const json = JSON.stringify(wrong, (name, part: unknown) => name === 'body' ? undefined : part)
    t.equal(decodeEntry(framed(json)), undefined, title)
  }
})

test('a well-framed header of any JSON, or none, never throws (fuzz)', async (t) => {
  fc.assert(fc.property(fc.json(), (json) => decodeEntry(framed(json)) === undefined), { numRuns: 5000 })
  fc.assert(fc.property(fc.uint8Array(), (bytes) => decodeEntry(framed(Buffer.from(bytes))) === undefined), { numRuns: 5000 })
  const known = fc.constantFrom(...Object.keys(GOOD), 'encoding', 'origin', '__proto__')
  fc.assert(fc.property(fc.dictionary(known, fc.jsonValue()), (changes) => {
    const decoded = decodeEntry(framed(JSON.stringify({ ...GOOD, body: undefined, ...changes })))
    return decoded === undefined || decoded.body.equals(GOOD.body)
  }), { numRuns: 5000 })
  t.pass('15,000 headers')
})

test('a body in a coding that this process cannot read is nothing stored: another process may have a newer Node', async (t) => {
  for (const [coding, isReadable] of [['br', true], ['gzip', true], ['zstd', hasZstd], ['deflate', false]] as const) {
    const entry = { ...GOOD, coded: { coding, bytes: 1, etag: '"1"' } }
    t.equal(decodeEntry(framed(JSON.stringify({ ...entry, body: undefined }))) !== undefined, isReadable, coding)
  }
})
