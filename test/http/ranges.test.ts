import fc from 'fast-check'
import { test } from 'tap'
import { httpDate } from '../../lib/http/dates.ts'
import { contentRange, requestedRange } from '../../lib/http/ranges.ts'
import type { RequestHeaders } from '../../lib/http/vary.ts'

type Expected = ReturnType<typeof requestedRange>

const CHANGED = Date.UTC(2026, 10, 21, 12)
const response = { length: 10, etag: '"a"', lastModified: httpDate(CHANGED), date: CHANGED + 1000 }

test('one range of bytes is read, to its last byte (RFC 9110 section 14.1.2)', async (t) => {
  const table: Array<[string, Expected]> = [
    ['bytes=0-1', { from: 0, to: 1 }],
    ['bytes=0-0', { from: 0, to: 0 }],
    ['bytes=1-', { from: 1, to: 9 }],
    ['bytes=9-', { from: 9, to: 9 }],
    ['bytes=0-9', { from: 0, to: 9 }],
    ['bytes=5-99999', { from: 5, to: 9 }],
    ['bytes=-1', { from: 9, to: 9 }],
    ['bytes=-10', { from: 0, to: 9 }],
    ['bytes=-99999', { from: 0, to: 9 }],
    [`bytes=5-${'9'.repeat(400)}`, { from: 5, to: 9 }],
    [`bytes=-${'9'.repeat(400)}`, { from: 0, to: 9 }],
    ['Bytes=0-1', { from: 0, to: 1 }],
    ['bytes= 0-1 ', { from: 0, to: 1 }],
    ['bytes=,0-1, ,', { from: 0, to: 1 }],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=10-20', 'unsatisfiable'],
    [`bytes=${'9'.repeat(400)}-`, 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable']
  ]
  for (const [range, expected] of table) t.strictSame(requestedRange({ range }, response), expected, range)
})

test('several ranges, other units and what cannot be read are answered with the whole', async (t) => {
  const table: Array<RequestHeaders['range']> = [
    undefined, '', 'bytes', 'bytes=', 'bytes=-', 'bytes=,', 'bytes=0-1,3-4', 'bytes=0-1, -1', 'bytes=0-1,0-1', ['bytes=0-1', 'bytes=3-4'], 'bytes=5-4', 'bytes=11-10', 'bytes=a-b', 'bytes=0-b', 'bytes=0',
    'bytes=1.5-3', 'bytes=+1-3', 'bytes=0x0-1', 'bytes=1--2', 'bytes=--1', 'bytes= 0 - 1', 'bytes =0-1', 'bytes:0-1', 'bytes 0-1', '0-1', 'items=0-1', 'xbytes=0-1', ' bytes=0-1', 'bytes=0-1;', 'bytes=٠-١', 'bytes=0-1\n'
  ]
  for (const range of table) t.equal(requestedRange({ range }, response), 'whole', JSON.stringify(range))
})

test('of an empty body no range can be had', async (t) => {
  const empty = { ...response, length: 0 }
  t.equal(requestedRange({ range: 'bytes=0-' }, empty), 'unsatisfiable')
  t.equal(requestedRange({ range: 'bytes=0-0' }, empty), 'unsatisfiable')
  t.equal(requestedRange({ range: 'bytes=-1' }, empty), 'whole')
  t.equal(requestedRange({ range: 'bytes=-0' }, empty), 'unsatisfiable')
})

test('If-Range wants the same bytes: a strong tag, or a date that is strong (RFC 9110 section 13.1.5)', async (t) => {
  const part = { from: 0, to: 1 }
  const table: Array<[RequestHeaders['if-range'], object, Expected]> = [
    ['"a"', {}, part],
    [['"a"'], {}, part],
    ['"b"', {}, 'whole'],
    ['a', {}, 'whole'],
    ['', {}, 'whole'],
    ['*', {}, 'whole'],
    ['"b", "a"', {}, 'whole'],
    ['W/"a"', {}, 'whole'],
    ['W/"a"', { etag: 'W/"a"' }, 'whole'],
    ['"a"', { etag: 'W/"a"' }, 'whole'],
    ['"a"', { etag: undefined }, 'whole'],
    [httpDate(CHANGED), {}, part],
    [httpDate(CHANGED), { etag: undefined }, part],
    ['Saturday, 21-Nov-26 12:00:00 GMT', {}, part],
    [httpDate(CHANGED + 1000), {}, 'whole'],
    [httpDate(CHANGED - 1000), {}, 'whole'],
    [httpDate(CHANGED), { date: CHANGED + 999 }, 'whole'],
    [httpDate(CHANGED), { date: undefined }, 'whole'],
    [httpDate(CHANGED), { lastModified: undefined }, 'whole'],
    ['yesterday', { lastModified: 'yesterday' }, 'whole'],
    ['x', { lastModified: undefined, date: undefined }, 'whole']
  ]
  for (const [ifRange, changes, expected] of table) {
    t.strictSame(requestedRange({ range: 'bytes=0-1', 'if-range': ifRange }, { ...response, ...changes }), expected, JSON.stringify([ifRange, changes]))
  }
  t.equal(requestedRange({ 'if-range': '"a"' }, response), 'whole')
  t.equal(requestedRange({ range: 'bytes=10-', 'if-range': '"b"' }, response), 'whole', 'a condition that fails comes before 416')
})

test('a range is what slicing the body by hand gives (property)', async (t) => {
  const number = fc.option(fc.nat(12), { nil: undefined })
  fc.assert(fc.property(number, number, fc.nat(10), (first, last, length) => {
    const body = [...'0123456789'.slice(0, length)]
    const range = requestedRange({ range: `bytes=${first ?? ''}-${last ?? ''}` }, { ...response, length })
    const wanted = body.filter((_, at) => first === undefined ? at >= length - last! : at >= first && at <= (last ?? Infinity))
    const isMalformed = first === undefined ? last === undefined : last !== undefined && last < first
    if (isMalformed) return range === 'whole'
    if (wanted.length === 0) return range === (first === undefined && last !== 0 ? 'whole' : 'unsatisfiable')
    return typeof range === 'object' && body.slice(range.from, range.to + 1).join('') === wanted.join('')
  }), { numRuns: 5000 })
  t.pass('5,000 ranges')
})

test('Content-Range says what is sent, or how much there is (RFC 9110 section 14.4)', async (t) => {
  t.equal(contentRange({ from: 0, to: 1 }, 10), 'bytes 0-1/10')
  t.equal(contentRange('unsatisfiable', 10), 'bytes */10')
})
