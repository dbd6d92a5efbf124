import { acceptsCoding, isCompressible } from '../../../lib/http/content-coding.ts'
import { cookieValues, hasSessionCookie, parseCookies } from '../../../lib/http/cookies.ts'
import { httpDate, parseHttpDate } from '../../../lib/http/dates.ts'
import { directiveMs, parseDeltaMs } from '../../../lib/http/delta-seconds.ts'
import { parseEntityTags, stronglyEqual, weaklyEqual } from '../../../lib/http/entity-tags.ts'
import { preconditions } from '../../../lib/http/preconditions.ts'
import { contentRange, requestedRange } from '../../../lib/http/ranges.ts'
import { requestDirectives } from '../../../lib/http/request-directives.ts'
import { isSecretField, requestFieldRole } from '../../../lib/http/request-fields.ts'
import { normalisedValue } from '../../../lib/http/selecting-value.ts'
import { choose, fieldLines, holds, same, type Target } from '../target.ts'

/** Cache-Control of a request; Pragma without one. */
export const asked: Target = {
  name: 'request-directives',
  corpus: ['no-cache', 'max-age=0, max-age=5', 'max-stale, max-stale=5', 'min-fresh=1,min-fresh="2"', 'only-if-cached, x="a, no-store"', 'no-store', ', , max-age = 1'],
  tokens: ['no-store', 'no-cache', 'max-age=', 'max-stale', 'min-fresh=', 'only-if-cached', ',', '"', '\\', '=', ' ', '\t', '\n', '0', '99999999999999999999', '-1'],
  weight: 2,
  check (input) {
    const lines = fieldLines(input)
    const found = requestDirectives({ 'cache-control': lines })
    same(found, requestDirectives({ 'cache-control': lines.join(', ') }), 'lines and a list')
    for (const ms of [found?.maxAgeMs ?? 0, found?.minFreshMs ?? 0, found?.maxStaleMs ?? 0]) holds(ms >= 0, 'a bound is milliseconds')
    holds(Number.isFinite(found?.maxAgeMs ?? 0) && Number.isFinite(found?.minFreshMs ?? 0), 'bounds are numbers')
    // What follows something broken counts, unless it is quoted.
    const text = lines.join(', ').replaceAll('"', '')
    const also = requestDirectives({ 'cache-control': `${text}, no-store, max-age=3` })
    holds(also?.noStore === true && also.maxAgeMs !== undefined && also.maxAgeMs <= 3000, 'what comes last counts as well')
    const byPragma = requestDirectives({ pragma: lines })
    holds(byPragma === undefined || (byPragma.noCache && !byPragma.noStore), 'Pragma says one thing')
    return found === undefined ? 'nothing' : JSON.stringify(Object.entries(found).map(([, value]) => typeof value === 'number' ? Math.sign(value) : value))
  }
}

const CODINGS = ['gzip', 'br', 'identity', 'x-gzip', 'zstd']

/** The fields of content negotiation: in one form for all ways to write them, with the same meaning. */
export const negotiation: Target = {
  name: 'negotiation',
  corpus: ['gzip, br;q=0.5, *;q=0', 'text/html, text/*;q=0.3;x=1, */*;level=1;q=0.2', 'de-AT, de;q=0.9, en', 'x-gzip, gzip;q=0', 'a;b="c,d";q=1.000', ';q=1', 'identity;q=0.', 'a,b,c,d', '', ' , ,'],
  tokens: [',', ';', 'q=', ';q=0', ';q=1', ';Q=0.5', '"', '\\', '*', '/', ' ', '\t', 'gzip', 'x-gzip', 'br', 'identity', 'text/html', 'de', '0.001', '\x80', '='],
  weight: 2,
  check (input) {
    const value = fieldLines(input).join(', ')
    const name = choose(['accept', 'accept-language', 'accept-encoding', 'accept-charset', 'x-other'], input.length)
    const normal = normalisedValue(name, value)
    same(normalisedValue(name, normal), normal, 'one form has no other')
    holds(name !== 'x-other' || normal === value, 'nothing is known of other fields')
    for (const coding of CODINGS) {
      const accepts = acceptsCoding(value, coding)
      if (name === 'accept-encoding') same(acceptsCoding(normal, coding), accepts, `${coding} by the normal form`)
      same(acceptsCoding(value.toUpperCase(), coding.toUpperCase()), accepts, `${coding} in capitals`)
      holds(!acceptsCoding(`${value}, ${coding};q=0`, coding), 'what was refused once is refused')
    }
    holds(typeof isCompressible(value) === 'boolean', 'a media type')
    return `${name} ${normal === value} ${CODINGS.filter((coding) => acceptsCoding(value, coding)).length}`
  }
}

const VALIDATORS = { etag: '"a"', lastModified: 'Thu, 01 Jan 2026 00:00:00 GMT', date: Date.UTC(2026, 0, 1, 1) }

/** If-Match, If-None-Match, If-Unmodified-Since, If-Modified-Since, If-Range and Range, one line each; an empty line is no field. */
export const conditions: Target = {
  name: 'conditions',
  corpus: ['\n"a", W/"b"\n\n\n\n', '*\n\n\n\n\n', '\n\nThu, 01 Jan 2026 00:00:00 GMT\n\n\n', '\n\n\nThu, 01 Jan 2026 00:00:00 GMT\n\nbytes=0-', '\n\n\n\n"a"\nbytes=0-9', '\n\n\n\nThu, 01 Jan 2026 00:00:00 GMT\nbytes=-5', '"a,b",W/"a"\n,,"\n\n\n\nBYTES= ,1-1,'],
  tokens: ['\n', '"', 'W/', 'w/', '"a"', '*', ',', ' ', '\t', 'bytes=', '-', '0-0', '9-1', '99999999999999999999', 'GMT', '\xff', '\\'],
  weight: 2,
  check (input) {
    const [ifMatch, ifNoneMatch, ifUnmodified, ifModified, ifRange, range] = fieldLines(input).map((line) => line === '' ? undefined : line)
    const headers = { 'if-match': ifMatch, 'if-none-match': ifNoneMatch, 'if-unmodified-since': ifUnmodified, 'if-modified-since': ifModified, 'if-range': ifRange, range }
    const outcome = preconditions(headers, VALIDATORS)
    const isConditional = [ifMatch, ifNoneMatch, ifUnmodified, ifModified].some((line) => line !== undefined)
    same(outcome === 'none', !isConditional, 'without conditions there is none')
    const tags = parseEntityTags(ifNoneMatch ?? '')
    holds(tags.every((tag) => /^(?:W\/)?"[!#-~\x80-\xff]*"$/.test(tag)), 'tags are tags')
    same(parseEntityTags(tags.join(',')), tags, 'tags that are written again')
    for (const tag of tags) holds(weaklyEqual(tag, `W/${tag.replace(/^W\//, '')}`) && (stronglyEqual(tag, tag) === tag.startsWith('"')), 'a tag equals itself')
    if (ifMatch === undefined && ifUnmodified === undefined && tags.some((tag) => weaklyEqual(tag, '"a"'))) same(outcome, 'not-modified', 'the tag that the client has')
    return `${outcome} ${rangeOf(headers, input.length % 50)}`
  }
}

function rangeOf (headers: Record<string, string | undefined>, length: number): string {
  const part = requestedRange(headers, { length, ...VALIDATORS })
  if (typeof part === 'string') return part
  holds(Number.isInteger(part.from) && Number.isInteger(part.to) && part.from >= 0 && part.from <= part.to && part.to < length, 'a part is inside of the whole')
  holds(/^bytes \d+-\d+\/\d+$/.test(contentRange(part, length)), 'a part is written as one')
  const ifRange = headers['if-range']
  holds(ifRange === undefined || ifRange === '"a"' || parseHttpDate(ifRange) === Date.UTC(2026, 0, 1), 'a part of something else is not sent')
  return 'part'
}

/** An HTTP-date and a number of seconds. */
export const dates: Target = {
  name: 'dates',
  corpus: ['Sun, 06 Nov 1994 08:49:37 GMT', 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994', 'Thu, 29 Feb 2024 23:59:60 GMT', 'Mon, 01 Jan 0000 00:00:00 GMT', '3600', '00', '99999999999999999999'],
  tokens: ['GMT', 'UTC', ' ', ', ', '-', ':', '00', '60', '31', '29 Feb', '30 Feb', '0099', '9999', 'Jan', 'dec', 'Sunday', 'Sun', '+', '.'],
  weight: 2,
  check (input) {
    const text = input.toString('latin1')
    const now = Date.UTC(2026, 5, 1)
    const at = parseHttpDate(text, now)
    const ms = parseDeltaMs(text)
    same(ms !== undefined, /^\d+$/.test(text), 'digits and nothing else')
    holds(ms === undefined || (ms % 1000 === 0 && ms >= 0 && ms <= 2 ** 31 * 1000), 'whole seconds up to a bound')
    same(directiveMs(new Map([['a', [text, text]]]), 'a'), ms ?? 0, 'a directive that says the same twice')
    if (at === undefined) return `${ms === undefined ? 'nothing' : 'seconds'}`
    holds(Number.isInteger(at) && at % 1000 === 0, 'whole seconds')
    holds(at < 0 || httpDate(at).length === 29, 'it can be written')
    same(parseHttpDate(httpDate(at), now), at, 'written and read again')
    if (text.endsWith('GMT') && text[3] === ',' && !text.endsWith(':60 GMT')) same(httpDate(at).slice(5), text.slice(5), 'the same date')
    if (text.includes('day, ')) holds(Math.abs(at - now) <= 51 * 366 * 86_400_000, 'years of two digits are near')
    return `${text.length}`
  }
}

/** A Cookie field, and a name. */
export const cookies: Target = {
  name: 'cookies',
  corpus: ['a=1; b=2', 'sid=x;_ga=GA1.2; a', '_ga=1; _gid=2; mp_x_mixpanel=3', 'a="b;c"', ' = ', '__proto__=1', 'a=1;a=2'],
  tokens: [';', '=', ' ', '\t', '"', ',', 'sid', '_ga', '_ga_', 'mp_', '_mixpanel', '_hj', 'AWSALB', 'x-api-key', '-token', '-', 'auth', '\xa0'],
  weight: 2,
  check (input) {
    const field = fieldLines(input).join('; ')
    const pairs = parseCookies(field)
    same(parseCookies(pairs.map(([name, value]) => `${name}=${value}`).join(';')), pairs.filter(([name, value]) => name !== '' || value !== ''), 'cookies that are written again')
    const names = pairs.map(([name]) => name)
    for (const name of new Set(names)) same(cookieValues(field, name).length, names.filter((other) => other === name).length, 'values of one name')
    const isSession = hasSessionCookie(field, [])
    holds(hasSessionCookie(`${field}; session=1`, []), 'a session is seen')
    holds(!hasSessionCookie(field, names), 'what is covered is no session')
    holds(isSession || !hasSessionCookie(`_ga=1;${field}`, []), 'what analytics set is none')
    const role = requestFieldRole(field.toLowerCase())
    same(isSecretField(field.toLowerCase()), role === 'credential' || role === 'cookie', 'secrets')
    return `${Math.min(pairs.length, 5)} ${isSession} ${role}`
  }
}
