import { test } from 'tap'
import { appendStatus, bypassStatus, hitStatus, missStatus } from '../../lib/http/cache-status.ts'

test('Cache-Status says what happened in the words of RFC 9211', async (t) => {
  t.equal(hitStatus('c', 299), 'c; hit; ttl=299')
  t.equal(bypassStatus('c', 'method'), 'c; fwd=method')
  t.equal(bypassStatus('c', 'credentials'), 'c; fwd=bypass; detail=credentials')
  t.equal(missStatus('c', 'uri-miss', true), 'c; fwd=uri-miss; stored')
  t.equal(missStatus('c', 'vary-miss', undefined), 'c; fwd=vary-miss')
  t.equal(missStatus('c', 'stale', 'private'), 'c; fwd=stale; detail=private')
  for (const stored of [true, undefined, 'private'] as const) {
    t.equal(missStatus('c', 'store-error', stored), 'c; fwd=miss; detail=store-error', 'a fault of the store is no claim about the response')
  }
})

test('a cache stands behind those that are closer to the origin (RFC 9211 section 2)', async (t) => {
  t.equal(appendStatus(undefined, 'c; hit'), 'c; hit')
  t.equal(appendStatus('a; hit', 'c; hit'), 'a; hit, c; hit')
  t.equal(appendStatus(['a; hit', 'b; fwd=miss'], 'c; hit'), 'a; hit, b; fwd=miss, c; hit')
})
