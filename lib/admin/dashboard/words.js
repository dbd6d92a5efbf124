/* The words of the cache, in a sentence each. They are explained in docs/what-is-cached.md, under the same names. */

const PAGE = 'docs/what-is-cached.md'

/** @type {Readonly<Record<import('../../http/cache-status.ts').BypassReason, string>>} */
const BYPASS = {
  disabled: 'The cache is switched off.',
  method: 'The route is not cached for this method.',
  upgrade: 'The request asks for another protocol.',
  'request-body': 'A GET or HEAD with a body, which the key does not cover.',
  skip: 'The route’s skip returned true.',
  credentials: 'The request says who sends it, and the route does not say what that means.',
  'user-unknown': 'The route varies by user, and none was found for the credentials.',
  unkeyable: 'The query or the body holds something that cannot be part of a key.',
  'key-too-long': 'What selects the response is longer than limits.keyLength.',
  'function-error': 'An option function of the route threw, or returned what it may not.',
  'no-store': 'The request says no-store, and the route obeys.'
}

/** @type {Readonly<Record<import('../../http/cache-status.ts').NotStoredReason, string>>} */
const NOT_STORED = {
  head: 'The request was a HEAD.',
  credentials: 'The request or the response says whose it is.',
  status: 'The status is not among those that the route stores.',
  'set-cookie': 'The response sets a cookie.',
  'malformed-cache-control': 'Cache-Control of the response is not well-formed.',
  'no-store': 'The response says no-store.',
  private: 'The response says private.',
  'no-cache': 'The response says no-cache.',
  vary: 'Vary is *, or names a credential that the request had.',
  nonce: 'The Content-Security-Policy of the response has a nonce.',
  'invalid-field': 'A header field has characters that HTTP does not allow.',
  trailers: 'The response has trailers.',
  'event-stream': 'The response is a stream of events.',
  ttl: 'The ttl is 0, or over, or the response names none.',
  'too-large': 'The body or the header is larger than it may be.',
  'too-many-tags': 'It has more tags, or longer ones, than limits allow.',
  'too-many-keys': 'More responses are new in a second than limits.newKeysPerSecond.',
  'unkeyed-input': 'The handler has read what the key does not cover.',
  'store-if': 'The route’s storeIf did not return true.',
  'function-error': 'An option function of the route threw, or returned what it may not.',
  'store-error': 'The store has not told yet what is invalidated.',
  'lock-timeout': 'It had waited for another request for too long.',
  'lock-lost': 'Another process has taken over.'
}

/** @type {Readonly<Record<import('../../http/cache-status.ts').MissReason, string>>} */
const MISS = {
  'uri-miss': 'There is no entry.',
  'vary-miss': 'There are entries, for other values of the fields in Vary.',
  stale: 'There is an entry, no longer fresh.',
  request: 'There is a fresh entry, which the request does not take.',
  'store-error': 'The store failed, or took too long.'
}

/** @type {Readonly<Record<import('../../http/cache-status.ts').StaleReason, string>>} */
const STALE = {
  'stale-while-revalidate': 'A new one is made in the background.',
  'stale-if-error': 'The handler failed.',
  'soft-timeout': 'The handler takes longer than softTimeout.',
  'hard-timeout': 'The handler takes longer than hardTimeout.',
  overloaded: 'As many handlers run as may.',
  'max-stale': 'The request takes it.'
}

/** @type {Readonly<Record<import('../../http/cache-status.ts').RefusalReason, string>>} */
const REFUSED = {
  overloaded: 'As many handlers run as may.',
  'hard-timeout': 'The handler takes longer than hardTimeout.',
  'only-if-cached': 'The request wants a stored response or none.'
}

export const REASONS = { bypass: BYPASS, notStored: NOT_STORED, miss: MISS, stale: STALE, refused: REFUSED }

/** @typedef {keyof typeof REASONS} ReasonKind */

/**
 * @param {ReasonKind} kind
 * @param {string} word
 */
export function sentenceOf (kind, word) {
  /** @type {Readonly<Record<string, string>>} */
  const sentences = REASONS[kind]
  return Object.hasOwn(sentences, word) ? sentences[word] ?? '' : ''
}

/** Words that are in two tables of the page: their places in the one that is not meant by the word alone. */
const OTHERS = new Set(['bypass-no-store', 'not-stored-credentials', 'not-stored-function-error', 'not-stored-store-error', 'stale-hard-timeout', 'refusal-overloaded'])
const TABLES = /** @type {const} */ ({ bypass: 'bypass', notStored: 'not-stored', miss: 'miss', stale: 'stale', refused: 'refusal' })

/**
 * @param {ReasonKind} kind
 * @param {string} word
 */
export function docsOf (kind, word) {
  const place = `${TABLES[kind]}-${word}`
  return `${PAGE}#${OTHERS.has(place) ? place : word}`
}

/** @type {Readonly<Record<import('../../client/explanation.ts').Explanation['outcome'], string>>} */
export const OUTCOMES = {
  hit: 'Answered from the cache',
  stale: 'Answered with a stale response',
  miss: 'Answered by the handler, and then stored',
  bypass: 'Answered by the handler, without the cache',
  guard: 'Answered by a guard of the route',
  'no-route': 'No route answers this',
  'not-cached': 'The route is not cached'
}

/** What a breaker says. */
export const BREAKER = /** @type {const} */ ({ closed: 'in use', open: 'left alone', 'half-open': 'being tried' })

/**
 * What a route says of how it is cached.
 * @type {Readonly<Record<import('../policy-words.ts').PolicyWord['about'], string>>}
 */
export const POLICY = {
  ttl: 'Fresh for',
  key: 'Selected by',
  bypass: 'Bypassed by',
  stored: 'Stored',
  'found by': 'Invalidated by',
  stale: 'Served stale',
  handler: 'The handler',
  'look-up': 'Looked up',
  clients: 'Clients'
}
