/*
 * The Cache-Status field, RFC 9211. `hit` and `fwd` exclude each other; `key` is never sent, it would tell outsiders what the
 * key is made of.
 */

/** Why the cache was not consulted. The words are the same in headers, logs and docs. */
export type BypassReason =
  | 'disabled'
  | 'method'
  | 'upgrade'
  | 'request-body'
  | 'skip'
  | 'credentials'
  | 'user-unknown'
  | 'unkeyable'
  | 'key-too-long'
  | 'function-error'
  | 'no-store'

/** Why there was nothing to serve. */
export type MissReason = 'uri-miss' | 'vary-miss' | 'stale' | 'request' | 'store-error'

/** Why a response was not stored. */
export type NotStoredReason =
  | 'head'
  | 'credentials'
  | 'status'
  | 'set-cookie'
  | 'malformed-cache-control'
  | 'no-store'
  | 'private'
  | 'no-cache'
  | 'vary'
  | 'nonce'
  | 'invalid-field'
  | 'trailers'
  | 'event-stream'
  | 'ttl'
  | 'too-large'
  | 'too-many-tags'
  | 'too-many-keys'
  | 'unkeyed-input'
  | 'store-if'
  | 'function-error'
  | 'store-error'
  | 'lock-timeout'
  | 'lock-lost'

/** Why a response was served that is not fresh. */
export type StaleReason = 'stale-while-revalidate' | 'stale-if-error' | 'soft-timeout' | 'hard-timeout' | 'overloaded' | 'max-stale'

/** Why a request was answered with 503, or 504. */
export type RefusalReason = 'overloaded' | 'hard-timeout' | 'only-if-cached'

export function hitStatus (cache: string, ttlSeconds: number): string {
  return `${cache}; hit; ttl=${ttlSeconds}`
}

/** Section 2.6: it was reused for a request that it was not made for, which had waited. */
export function collapsedStatus (cache: string, reason: MissReason): string {
  return `${cache}; fwd=${reason === 'store-error' ? 'miss' : reason}; collapsed`
}

/** `forwarded`: the status of the handler's answer that was not sent. Without one nobody asked the handler for this request. */
export function staleStatus (cache: string, ttlSeconds: number, { why, forwarded }: { why: StaleReason, forwarded: number | undefined }): string {
  return forwarded === undefined ? `${cache}; hit; ttl=${ttlSeconds}; detail=${why}` : `${cache}; fwd=stale; fwd-status=${forwarded}; detail=${why}`
}

export function refusedStatus (cache: string, reason: RefusalReason): string {
  return `${cache}; detail=${reason}`
}

export function bypassStatus (cache: string, reason: BypassReason): string {
  return reason === 'method' ? `${cache}; fwd=method` : `${cache}; fwd=bypass; detail=${reason}`
}

/**
 * `stored`: yes, no with the reason, or not known yet, which is the case while a stream is passed on. With a store that could
 * not be read nobody knows either, and its fault is the detail.
 */
export function missStatus (cache: string, reason: MissReason, stored: true | NotStoredReason | undefined): string {
  if (reason === 'store-error') return `${cache}; fwd=miss; detail=store-error`
  if (stored === true) return `${cache}; fwd=${reason}; stored`
  return stored === undefined ? `${cache}; fwd=${reason}` : `${cache}; fwd=${reason}; detail=${stored}`
}

/** The handler said that what is stored has not changed. */
export function revalidatedStatus (cache: string, stored: true | NotStoredReason | undefined): string {
  return `${cache}; fwd=stale; fwd-status=304${stored === true ? '; stored' : stored === undefined ? '' : `; detail=${stored}`}`
}

/** A Cache-Status value behind those of caches closer to the origin (RFC 9211 section 2). */
export function appendStatus (present: unknown, own: string): string {
  return present === undefined ? own : `${[present].flat().join(', ')}, ${own}`
}
