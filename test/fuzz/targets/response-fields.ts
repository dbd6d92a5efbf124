import { parseCacheControl } from '../../../lib/http/cache-control.ts'
import { appendStatus, bypassStatus, collapsedStatus, hitStatus, missStatus, refusedStatus, revalidatedStatus, staleStatus } from '../../../lib/http/cache-status.ts'
import { staleWindows } from '../../../lib/http/freshness.ts'
import { cachingDirectives, freshnessLifetimeMs, initialAgeMs, saysAny, statesSharing } from '../../../lib/http/lifetime.ts'
import type { ResponseHeaders } from '../../../lib/http/response-fields.ts'
import { refusalToStore } from '../../../lib/http/storability.ts'
import { removedFields, selectingFields, storedFields } from '../../../lib/http/stored-fields.ts'
import { parseDictionary } from '../../../lib/http/structured-dictionary.ts'
import { parseVary, variesMatch } from '../../../lib/http/vary.ts'
import { dictionaryByHand } from './dictionary-by-hand.ts'
import { choose, fieldLines, holds, same, type Target } from '../target.ts'

const DIRECTIVES = ['max-age=60', 's-maxage=0', 'no-store', 'no-cache', 'private', 'public', 'must-revalidate', 'proxy-revalidate', 'must-understand', 'stale-while-revalidate=5', 'stale-if-error=5', 'max-age="5"', 'private="x"']
const PIECES = [',', '=', '"', '\\', ' ', '\t', ';', '?0', '?1', '(', ')', ':', '*', '.', '-', '0', '2147483649', '\x80']
const NOW = Date.UTC(2026, 0, 1)

/** A Cache-Control or targeted field, lines as lines, and what is made of it. */
export const cacheControl: Target = {
  name: 'cache-control',
  corpus: [...DIRECTIVES, DIRECTIVES.join(', '), 'max-age=1, max-age=2', 'max-age=1\nno-store', ', ,a , b=c', 'a="b, no-store\\""'],
  tokens: [...DIRECTIVES, ...PIECES, '\n'],
  weight: 2,
  check (input) {
    const lines = fieldLines(input)
    const headers: ResponseHeaders = { 'cache-control': lines, expires: 'Thu, 01 Jan 2026 00:01:00 GMT' }
    const directives = parseCacheControl(lines.join(', '))
    const caching = cachingDirectives(headers, ['cdn-cache-control'])
    same(caching === 'malformed' ? undefined : caching && [...caching.directives], directives && [...directives], 'directives')
    const lifetime = freshnessLifetimeMs(headers, { targetedFields: [], status: 200, now: NOW })
    const windows = staleWindows(headers, { whileRevalidateMs: 7, ifErrorMs: undefined }, [])
    const most = 2 ** 31 * 1000
    holds([lifetime ?? 0, windows.whileRevalidateMs, windows.ifErrorMs].every((ms) => Number.isInteger(ms) && ms >= 0 && ms <= most), 'lifetimes are milliseconds')
    const refusal = refusalToStore(headers, {}, { status: 200, targetedFields: [], mayBeValidated: false })
    if (directives === undefined) {
      same([lifetime, refusal, statesSharing(headers, [])], [0, 'malformed-cache-control', false], 'what is malformed')
      return 'malformed'
    }
    for (const name of ['no-store', 'private', 'no-cache']) holds(!directives.has(name) || refusal !== undefined, `${name} is obeyed`)
    holds(!saysAny(headers, [], ['must-revalidate']) || windows.whileRevalidateMs === 0, 'must-revalidate is obeyed')
    return `${refusal ?? 'storable'} ${lifetime === 0 ? 0 : 'fresh'} ${windows.whileRevalidateMs === 7} ${windows.ifErrorMs > 0} ${Math.min(directives.size, 4)}`
  }
}

/** The same field by the grammar of structured fields. */
export const dictionary: Target = {
  name: 'dictionary',
  corpus: ['max-age=60, public', 'a=1.5;b=?0;c, d=("x" y;z=1 -5), e=:aGk=:', 'a=?0, a', 'a="\\"\\\\", b=*x:/y', ' a , b', 'a;b;c=1;d="x"', 'a=()', 'a=( 1  2 )'],
  tokens: [...DIRECTIVES, ...PIECES, '("', '( ', ' )', ':aGk=:', ';a=', ';a', '999999999999999', '1.123', 'A', ', '],
  weight: 2,
  check (input) {
    const text = fieldLines(input).join(', ')
    const parsed = parseDictionary(text)
    same(parsed && [...parsed], dictionaryByHand(text), 'a dictionary')
    const headers: ResponseHeaders = { 'cdn-cache-control': text, 'surrogate-control': text }
    const lifetime = freshnessLifetimeMs(headers, { targetedFields: ['cdn-cache-control'], status: 200, now: NOW })
    holds(lifetime === undefined || (Number.isInteger(lifetime) && lifetime >= 0 && lifetime <= 2 ** 31 * 1000), 'a lifetime is milliseconds')
    return parsed === undefined ? 'malformed' : `${Math.min(parsed.size, 5)} ${[...parsed.values()].map(([value]) => value?.[0]).slice(0, 2).join('')}`
  }
}

/** Age, Date, Expires and Last-Modified, one line each. */
export const ages: Target = {
  name: 'ages',
  corpus: ['0\nThu, 01 Jan 2026 00:00:00 GMT\nThu, 01 Jan 2026 00:01:00 GMT\nWed, 31 Dec 2025 00:00:00 GMT', '10\nThursday, 01-Jan-26 00:00:00 GMT\n0\nThu Jan  1 00:00:00 2026', '99999999999', '1, 2\n\nThu, 31 Dec 9999 23:59:60 GMT'],
  tokens: ['\n', '0', '-1', 'GMT', 'Thu, ', '01 Jan 2026', ' 00:00:60', '9999', '0000', '31 Feb', 'Thursday, 01-Jan-', '99', '1 ', ', '],
  check (input) {
    const [age = '', date = '', expires = '', modified = ''] = fieldLines(input)
    const headers: ResponseHeaders = { age, date, expires, 'last-modified': modified }
    const delayMs = input.length
    const ageMs = initialAgeMs(headers, { now: NOW, delayMs })
    holds(Number.isInteger(ageMs) && ageMs >= delayMs, 'nothing is younger than the time since it was asked for')
    holds(!/^\d+$/.test(age) || ageMs >= Math.min(Number(age), 2 ** 31) * 1000 || ageMs >= delayMs + Math.min(Number(age), 2 ** 31) * 1000, 'nothing is younger than it says')
    const byExpires = freshnessLifetimeMs(headers, { targetedFields: [], status: 200, now: NOW })
    const guessed = freshnessLifetimeMs({ ...headers, expires: undefined }, { targetedFields: [], status: 200, heuristicMaxMs: 1000, now: NOW })
    for (const ms of [byExpires, guessed]) holds(ms === undefined || (Number.isFinite(ms) && ms >= 0), 'a lifetime is milliseconds')
    holds(guessed === undefined || guessed <= 1000, 'a guess has a bound')
    return `${ageMs === delayMs} ${ageMs > 2 ** 40} ${byExpires === 0} ${String(guessed === 1000)} ${String(guessed === undefined)}`
  }
}

/** Vary, and other fields of the response and the request, as they are stored and compared again. */
export const vary: Target = {
  name: 'vary',
  corpus: [
    'Accept, Origin\naccept: a, b;q=0.5\norigin: x', '*\n', 'accept-encoding\naccept-encoding: gzip, br\n>content-encoding: gzip', ' , x-a ,\nx-a: \n>connection: x-b, x-c\n>x-b: 1\n>age: 5\n>ratelimit-limit: 1', 'a b\n',
    'Cookie\ncookie: a=1\n>access-control-allow-origin: x\norigin: x', '__proto__, constructor\nconstructor: x', '\n>set-cookie: a\n>x-request-id: id-1\n<x-b: 1\n>x-b: 1'
  ],
  tokens: ['\n', '\n>', '\n<', ',', '*', ': ', 'accept', 'Accept-Encoding', 'accept-language: ', 'gzip', 'x-gzip', ';q=', 'origin', '>vary: ', 'id-1', '__proto__', '\xa0', '\t', ' ', '"'],
  weight: 0.6,
  check (input) {
    const [field = '', ...lines] = fieldLines(input)
    const names = parseVary(field)
    // Objects with a prototype, as Node keeps the fields of a request.
    const fieldsOf = (mark: string): Record<string, string> => Object.fromEntries(lines.filter((line) => line.startsWith(mark)).map((line) => pairOf(line.slice(mark.length))))
    const [response, before, requestHeaders] = [{ ...fieldsOf('>'), vary: field }, fieldsOf('<'), fieldsOf('')]
    const exchange = { requestId: 'id-1', requestHeaders, fieldsBefore: before }
    const selecting = selectingFields(response, exchange)
    holds(names === '*' || names.every((name) => selecting.some(([selected]) => selected === name)), 'whatever Vary names selects')
    holds(variesMatch(selecting, requestHeaders), 'a response fits the request that it was made for')
    for (const [name, value] of selecting) {
      const other: Record<string, string> = { ...requestHeaders, [name]: `${Object.hasOwn(requestHeaders, name) ? requestHeaders[name] : ''}, other` }
      holds(!variesMatch([[name, value]], other), 'a response does not fit a request that says more')
    }
    const kept = storedFields(response, exchange)
    const forbidden = ['set-cookie', 'age', 'connection', 'x-cache', 'transfer-encoding', 'content-length']
    holds(kept.every(([name]) => !forbidden.includes(name) && Object.hasOwn(response, name)), 'fields of one exchange are not kept')
    holds(removedFields(response, exchange).every((name) => Object.hasOwn(before, name)), 'what is removed was there')
    same(refusalToStore(response, requestHeaders, { status: 200, targetedFields: [], mayBeValidated: true }) === undefined && names === '*', false, 'what varies by anything is not stored')
    return `${names === '*' ? '*' : Math.min(names.length, 4)} ${Math.min(selecting.length, 4)} ${Math.min(kept.length, 4)}`
  }
}

function pairOf (line: string): [name: string, value: string] {
  const at = line.indexOf(':')
  return at === -1 ? [line.toLowerCase(), ''] : [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()]
}

const OWN = [
  hitStatus('c', 5), collapsedStatus('c', 'stale'), staleStatus('c', -1, { why: 'overloaded', forwarded: 500 }), refusedStatus('c', 'hard-timeout'), bypassStatus('c', 'method'), bypassStatus('c', 'no-store'),
  missStatus('c', 'uri-miss', true), missStatus('c', 'store-error', undefined), missStatus('c', 'request', 'vary'), revalidatedStatus('c', 'ttl')
]

/** What caches behind this one have said stays as it is, in front of what it says itself. */
export const cacheStatus: Target = {
  name: 'cache-status',
  corpus: ['', 'a; hit', 'a; hit\nb; fwd=miss', '"x, y"; hit', 'a; key="b, c"'],
  tokens: [',', '\n', ';', '"', 'hit', 'c; hit; ttl=5', ' ', '\\'],
  weight: 0.3,
  check (input) {
    const lines = fieldLines(input)
    const own = choose(OWN, input.length)
    for (const present of [lines, lines.join(', '), lines[0]]) {
      const text = appendStatus(present, own)
      same(text, `${[present].flat().join(', ')}, ${own}`, 'a list with one more member')
    }
    same(appendStatus(undefined, own), own, 'a list of one')
    // An Item with parameters reads like a member of a dictionary that is true.
    holds(parseDictionary(own)?.size === 1, `what it says is an item with parameters: ${own}`)
    return `${lines.length > 1}`
  }
}
