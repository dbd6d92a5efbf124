import { test } from 'tap'
import type { ResponseHeaders } from '../../lib/http/response-fields.ts'
import { describesBytes, removedFields, selectingFields, storedFields, type Exchange } from '../../lib/http/stored-fields.ts'

const exchange: Exchange = { requestId: 'req-7', requestHeaders: {}, fieldsBefore: {} }

function kept (response: ResponseHeaders, facts: Partial<Exchange> = {}): Record<string, unknown> {
  return Object.fromEntries(storedFields(response, { ...exchange, ...facts }))
}

test('fields of the response are kept, as text and line by line', async (t) => {
  const response = { etag: '"1"', 'content-type': 'text/html', link: ['<a>', '<b>'], 'x-number': 1, 'x-numbers': ['1', '2'], 'access-control-allow-origin': '*', location: '/', vary: 'accept' }
  t.strictSame(kept(response), { ...response, 'x-number': '1' })
  t.strictSame(kept({ 'x-none': undefined }), {})
  t.strictSame(storedFields({ b: '1', a: '2' }, exchange).map(([name]) => name), ['b', 'a'], 'in their order')
})

test('fields of one exchange are left out (RFC 9111 section 3.1)', async (t) => {
  const names = [
    'connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'proxy-authenticate', 'set-cookie', 'age', 'content-length', 'x-cache', 'cache-status', 'x-cache-key', 'x-request-id', 'request-id', 'x-correlation-id', 'traceparent', 'server-timing', 'x-response-time',
    'x-ratelimit-limit', 'x-ratelimit-remaining', 'ratelimit', 'ratelimit-policy', 'ratelimit-reset', 'x-rate-limit-remaining', 'rate-limit-limit'
  ]
  t.strictSame(kept(Object.fromEntries(names.map((name) => [name, '1']))), {})
  t.strictSame(kept({ 'x-limit': '1', 'x-ratelimited': '1', dated: '1', ages: '1' }), { 'x-limit': '1', 'x-ratelimited': '1', dated: '1', ages: '1' })
})

test('fields that Connection names are left out (RFC 9110 section 7.6.1)', async (t) => {
  t.strictSame(kept({ connection: 'X-A , close,x-b', 'x-a': '1', 'x-b': '1', 'x-c': '1' }), { 'x-c': '1' })
  t.strictSame(kept({ connection: ['x-a', 'x-b'], 'x-a': '1', 'x-b': '1', 'x-c': '1' }), { 'x-c': '1' })
})

test('the id of the request is left out, and a client that chose it takes nothing else away', async (t) => {
  const response = { 'x-acme-id': 'req-7', 'x-acme-req-id': 'req-8', 'content-type': 'req-7', 'x-frame-options': 'req-7' }
  t.strictSame(kept({ 'x-acme-id': 'req-7', 'x-acme-req-id': 'req-8' }), { 'x-acme-req-id': 'req-8' })
  const { 'x-acme-id': _id, ...others } = response
  t.strictSame(kept(response, { requestHeaders: { 'x-request-id': 'req-7' } }), others)
})

test('what hooks had set is theirs, unless it was changed or says what the bytes are', async (t) => {
  const fieldsBefore = { 'x-seen': '1', 'x-changed': '1', 'access-control-allow-origin': 'https://a', 'content-type': 'text/html', etag: '"1"', 'x-list': ['a', 'b'], 'x-number': 1, 'content-security-policy': 'x' }
  t.strictSame(kept({ ...fieldsBefore, 'x-changed': '2', 'x-new': '3' }, { fieldsBefore }), { 'x-changed': '2', 'content-type': 'text/html', etag: '"1"', 'x-new': '3' })
  t.strictSame(removedFields({ 'x-seen': '1' }, { ...exchange, fieldsBefore: { 'x-seen': '1', 'x-gone': '1', 'x-none': undefined } }), ['x-gone'])
})

test('fields that describe bytes are told from those that protect them', async (t) => {
  for (const name of ['content-type', 'content-encoding', 'content-language', 'content-disposition', 'etag', 'last-modified', 'digest']) t.ok(describesBytes(name), name)
  for (const name of ['content-security-policy', 'content-security-policy-report-only', 'x-content-type-options', 'cache-control', 'x-etag', 'access-control-allow-origin']) t.notOk(describesBytes(name), name)
})

test('what selected a response is what Vary names, and what the response gives away (RFC 9110 section 12.5.5)', async (t) => {
  const requestHeaders = { origin: 'https://a', 'accept-language': '', 'accept-encoding': 'gzip' }
  const selecting = (response: ResponseHeaders, fieldsBefore: ResponseHeaders = {}): unknown => selectingFields(response, { ...exchange, requestHeaders, fieldsBefore })
  t.strictSame(selecting({}), [])
  t.strictSame(selecting({ vary: 'Accept-Language, x-none' }), [['accept-language', ''], ['x-none', null]])
  t.strictSame(selecting({ vary: ['a', 'A, b'] }), [['a', null], ['b', null]])
  t.strictSame(selecting({ 'content-encoding': 'gzip' }), [['accept-encoding', 'gzip']])
  t.strictSame(selecting({ 'content-encoding': 'gzip', vary: 'accept-encoding' }), [['accept-encoding', 'gzip']])
  t.strictSame(selecting({ 'access-control-allow-origin': 'https://a' }), [['origin', 'https://a']], 'an echo')
  t.strictSame(selecting({ 'access-control-allow-origin': '*' }), [])
  t.strictSame(selecting({ 'access-control-allow-origin': 'https://b' }), [], 'always the same')
  t.strictSame(selecting({ 'access-control-allow-origin': 'https://a' }, { 'access-control-allow-origin': 'https://a' }), [], 'a hook sets it for each request')
})
