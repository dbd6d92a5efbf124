import fc from 'fast-check'
import { test } from 'tap'
import { refusalToStore, type StorabilityContext } from '../../lib/http/storability.ts'
import { fieldText, mediaType, type ResponseHeaders } from '../../lib/http/response-fields.ts'
import type { RequestHeaders } from '../../lib/http/vary.ts'

const CONTEXT: StorabilityContext = { status: 200, targetedFields: ['fastify-cache-control'], mayBeValidated: false }

test('a response that is for one client, or for one exchange, is refused (RFC 9111 section 3)', async (t) => {
  const table: Array<[ResponseHeaders, string | undefined, RequestHeaders?]> = [
    [{}, undefined],
    [{ 'content-type': 'application/json', etag: '"1"', 'last-modified': 'x', expires: '0', pragma: 'no-cache' }, undefined],
    [{ 'set-cookie': 'a=1' }, 'set-cookie'],
    [{ 'set-cookie': ['a=1', 'b=2'] }, 'set-cookie'],
    [{ 'set-cookie': '' }, 'set-cookie'],
    [{ 'set-cookie': [] }, 'set-cookie'],
    [{ 'set-cookie': undefined }, undefined],
    [{ 'set-cookie': 'a=1', 'cache-control': 'public' }, 'set-cookie'],
    [{ authorization: 'Bearer a' }, 'credentials'],
    [{ 'x-csrf-token': 'a' }, 'credentials'],
    [{ 'access-control-allow-credentials': 'true', 'access-control-allow-headers': 'authorization' }, undefined],
    [{ 'content-range': 'bytes 0-1/2' }, undefined],
    [{ 'proxy-authorization': 'for the next hop' }, undefined],
    [{ 'cache-control': 'max-age=60, must-understand' }, undefined],
    [{ 'fastify-cache-control': 'no-store' }, 'no-store'],
    [{ 'fastify-cache-control': 'max-age=60', 'cache-control': 'no-store' }, undefined],
    [{ 'fastify-cache-control': 'max-age=60', 'set-cookie': 'a=1' }, 'set-cookie'],
    [{ trailer: 'x-sum' }, 'trailers'],
    [{ 'content-type': 'text/event-stream' }, 'event-stream'],
    [{ 'content-type': ' Text/Event-Stream ; charset=utf-8' }, 'event-stream'],
    [{ 'content-type': 'text/event-streams' }, undefined],
    [{ 'cache-control': 'private' }, 'private'],
    [{ 'cache-control': ['public', 'PRIVATE'] }, 'private'],
    [{ 'cache-control': 'private="x"' }, 'private'],
    [{ 'cache-control': 'no-cache="set-cookie"' }, 'no-cache'],
    [{ 'cache-control': 'no-store, private, no-cache' }, 'no-store'],
    [{ 'cache-control': 'max-age=60, no-cache' }, 'no-cache'],
    [{ 'cache-control': 'public, max-age=' }, 'malformed-cache-control'],
    [{ 'cache-control': 'a="no-store' }, 'malformed-cache-control'],
    [{ 'cache-control': ['a="', 'b"'] }, undefined],
    [{ 'cache-control': '' }, undefined],
    [{ 'cache-control': 'x-private, x="no-store"' }, undefined],
    [{ vary: '*' }, 'vary'],
    [{ vary: ['accept', ' *'] }, 'vary'],
    [{ vary: 'not a name' }, 'vary'],
    [{ vary: 'accept, origin' }, undefined, { accept: 'a', origin: 'b' }],
    [{ vary: 'Cookie' }, 'vary', { cookie: '_ga=1' }],
    [{ vary: 'Cookie' }, 'vary', { cookie: '' }],
    [{ vary: 'Cookie' }, undefined, {}],
    [{ vary: 'accept, AUTHORIZATION' }, 'vary', { authorization: 'a' }],
    [{ vary: 'x-api-key' }, 'vary', { 'x-api-key': 'a' }],
    [{ vary: 'x-api-key' }, undefined, { authorization: 'a' }],
    [{ 'content-security-policy': "script-src 'nonce-a'" }, 'nonce'],
    [{ 'content-security-policy': ["default-src 'none'", "script-src 'Nonce-a'"] }, 'nonce'],
    [{ 'content-security-policy-report-only': "script-src 'nonce-a'" }, 'nonce'],
    [{ 'content-security-policy': "script-src 'sha256-a'; report-uri /nonce-" }, undefined]
  ]
  for (const [response, refusal, request = {}] of table) t.equal(refusalToStore(response, request, CONTEXT), refusal, JSON.stringify([response, request]))
})

test('a status that has to be understood when it is not (RFC 9111 section 5.2.2.3), no-cache unless it can be validated', async (t) => {
  t.equal(refusalToStore({ 'cache-control': 'must-understand, max-age=60' }, {}, { ...CONTEXT, status: 599 }), 'status')
  t.equal(refusalToStore({ 'cache-control': 'max-age=60' }, {}, { ...CONTEXT, status: 599 }), undefined)
  t.equal(refusalToStore({ 'cache-control': 'no-cache' }, {}, { ...CONTEXT, mayBeValidated: true }), undefined)
  t.equal(refusalToStore({ 'cache-control': 'no-cache, private' }, {}, { ...CONTEXT, mayBeValidated: true }), 'private')
})

test('no other field makes a refused response storable (Hono CVE-2026-24472)', async (t) => {
  const refused = fc.constantFrom<ResponseHeaders>(
    { 'set-cookie': 'a=1' }, { 'cache-control': 'private' }, { 'cache-control': 'max-age=60, no-store' }, { vary: 'accept, *' }, { trailer: 'a' }, { 'cache-control': 'no-store"' })
  const others = fc.dictionary(fc.constantFrom('etag', 'expires', 'date', 'age', 'content-type', 'surrogate-control', 'cdn-cache-control', 'x-accel-expires', 'pragma', 'content-length', 'connection'), fc.constantFrom('public', 'max-age=60', '60', 'close', 'text/html', ''))
  fc.assert(fc.property(refused, others, (response, more) => refusalToStore({ ...more, ...response }, {}, CONTEXT) !== undefined), { numRuns: 2000 })
  fc.assert(fc.property(fc.dictionary(fc.constantFrom('cache-control', 'vary', 'content-type', 'set-cookie', 'content-security-policy'), fc.oneof(fc.string(), fc.array(fc.string()), fc.integer())), (response) => {
    refusalToStore(response, {}, CONTEXT)
    return true
  }), { numRuns: 5000 })
  t.pass('whatever the fields hold, it does not throw (undici CVE-2026-13697)')
})

test('several lines of a field are one text (RFC 9110 section 5.3)', async (t) => {
  t.equal(fieldText('a'), 'a')
  t.equal(fieldText(1), '1')
  t.equal(fieldText(['a', 'b']), 'a, b')
  t.equal(mediaType({}), '')
  t.equal(mediaType({ 'content-type': ' Text/HTML ;charset=utf-8' }), 'text/html')
})
