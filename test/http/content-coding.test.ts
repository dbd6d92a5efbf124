import fc from 'fast-check'
import { test } from 'tap'
import { acceptsCoding, isCompressible } from '../../lib/http/content-coding.ts'

test('a coding is sent to those who accept it (RFC 9110 section 12.5.3)', async (t) => {
  const table: Array<[string | undefined, string[], string[]]> = [
    // field, accepted, not accepted
    [undefined, ['identity'], ['gzip', 'br']],
    ['', ['identity'], ['gzip', 'br']],
    ['gzip, deflate, br', ['gzip', 'br', 'identity'], ['zstd']],
    ['GZip', ['gzip', 'GZIP', 'identity'], ['br']],
    ['x-gzip', ['gzip', 'x-gzip', 'identity'], ['br']],
    ['gzip', ['x-gzip', 'gzip'], ['x-br']],
    ['x-compress', ['compress'], []],
    ['gzip;q=0.5 , br ; q=1.000', ['gzip', 'br'], ['zstd']],
    ['gzip;q=0.001', ['gzip'], []],
    ['gzip;q=0, br', ['br', 'identity'], ['gzip']],
    ['gzip;Q=0.000, br', ['br'], ['gzip']],
    ['*', ['gzip', 'br', 'zstd', 'identity'], []],
    ['*;q=0', [], ['gzip', 'identity']],
    ['gzip, *;q=0', ['gzip'], ['br', 'identity']],
    ['*, br;q=0', ['gzip', 'identity'], ['br']],
    ['identity, *;q=0', ['identity'], ['gzip']],
    ['identity;q=0.1, *;q=0', ['identity'], ['gzip']],
    ['identity;q=0', [], ['identity', 'gzip']],
    ['br, identity;q=0', ['br'], ['identity', 'gzip']],
    ['*, identity;q=0', ['br'], ['identity']],
    ['gzip, gzip;q=0', [], ['gzip']],
    ['gzip;q=0, gzip', [], ['gzip']],
    ['gzip;q=0, x-gzip', [], ['gzip']],
    ['gzip;q=2, br', ['br'], ['gzip']],
    ['gzip;q=, br', ['br'], ['gzip']],
    ['gzip;level=9, br', ['br'], ['gzip']],
    ['gzip;q=1;q=1, br', ['br'], ['gzip']],
    ['gzip br', ['identity'], ['gzip', 'br']],
    ['gzipped', ['identity'], ['gzip']],
    ['identity;q=x', ['identity'], ['gzip']]
  ]
  for (const [field, accepted, refused] of table) {
    for (const coding of accepted.filter((one) => one !== 'identity')) t.equal(acceptsCoding(field, coding), true, `${field} accepts ${coding}`)
    for (const coding of refused.filter((one) => one !== 'identity')) t.equal(acceptsCoding(field, coding), false, `${field} refuses ${coding}`)
  }
})

test('what is accepted does not depend on the order of the members (property)', async (t) => {
  const member = fc.constantFrom('gzip', 'br', '*', 'identity', 'gzip;q=0', 'br;q=0.5', '*;q=0', 'identity;q=0', 'x-gzip', 'br;q=x', '')
  fc.assert(fc.property(fc.array(member, { maxLength: 5 }), fc.constantFrom('gzip', 'br', 'zstd'), (members, coding) => {
    const [one, other] = [members.join(','), [...members].reverse().join(' , ')]
    return acceptsCoding(one, coding) === acceptsCoding(other, coding)
  }), { numRuns: 5000 })
  t.pass('5,000 fields')
})

test('text by any name is worth compressing, what is compressed already is not', async (t) => {
  const worth = [
    'text/html', 'text/plain', 'text/css', 'text/csv', 'text/x-anything', 'application/json', 'application/javascript', 'application/xml', 'application/ld+json', 'application/problem+json',
    'application/vnd.api+json', 'application/atom+xml', 'application/xhtml+xml', 'image/svg+xml', 'application/wasm', 'application/x-ndjson', 'application/manifest+json', 'font/ttf', 'font/otf', 'image/bmp'
  ]
  const not = [
    '', 'text', 'json', '+json', 'image/png', 'image/jpeg', 'image/webp', 'image/avif', 'image/gif', 'video/mp4', 'audio/mpeg', 'font/woff', 'font/woff2', 'application/zip', 'application/gzip', 'application/pdf',
    'application/octet-stream', 'application/zstd', 'application/epub+zip', 'application/cbor', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'multipart/byteranges', 'text/event-stream',
    'application/json-not', 'application/+json', 'xtext/plain', 'application/jsonx'
  ]
  for (const type of worth) t.equal(isCompressible(type), true, type)
  for (const type of not) t.equal(isCompressible(type), false, type)
})
