import { encodeValue, ResponseKey } from '../../lib/cache-key.ts'
import { acceptsCoding, isCompressible } from '../../lib/http/content-coding.ts'
import { parseHttpDate } from '../../lib/http/dates.ts'
import { parseDeltaMs } from '../../lib/http/delta-seconds.ts'
import { freshnessLifetimeMs, initialAgeMs } from '../../lib/http/lifetime.ts'
import { preconditions } from '../../lib/http/preconditions.ts'
import { requestedRange } from '../../lib/http/ranges.ts'
import { requestDirectives } from '../../lib/http/request-directives.ts'
import { normalisedValue } from '../../lib/http/selecting-value.ts'
import { refusalToStore } from '../../lib/http/storability.ts'
import { selectingFields, storedFields } from '../../lib/http/stored-fields.ts'
import { parseDictionary } from '../../lib/http/structured-dictionary.ts'
import { told } from '../marks/told.ts'
import { MarkLedger } from '../../lib/marks/ledger.ts'
import { globMatches } from '../../lib/marks/glob.ts'
import { urlLabels, urlMarks } from '../../lib/marks/labels.ts'
import { durationToMs } from '../../lib/options/duration.ts'
import { optionsFromEnv } from '../../lib/options/environment.ts'
import { parseTtl } from '../../lib/options/ttl.ts'
import { mayShareUrl } from '../../lib/route/url-patterns.ts'
import { parseMarksMessage } from '../../lib/store/mark-script.ts'
import { decodeEntry, decodeHeader } from '../../lib/stored-entry.ts'
import { admits, valueOf } from './targets/keys.ts'
import { framed } from './targets/stored-entry.ts'

type Parse = (text: string) => unknown

const CONTEXT = { targetedFields: ['cdn-cache-control'], status: 200, mayBeValidated: false, now: Date.UTC(2026, 0, 1) }
const VALIDATORS = { etag: '"a"', lastModified: 'Thu, 01 Jan 2026 00:00:00 GMT', length: 10 }
const NO_EXCHANGE = { requestId: 'id', fieldsBefore: {} }

/** What takes texts that may be long, by the target whose pieces such texts are made of. Those in test/properties are not here. */
export const PARSERS: ReadonlyArray<readonly [target: string, name: string, parse: Parse]> = [
  ['dictionary', 'parseDictionary', parseDictionary],
  ['cache-control', 'freshnessLifetimeMs', (text) => freshnessLifetimeMs({ 'cache-control': text, 'cdn-cache-control': text, expires: text }, CONTEXT)],
  ['ages', 'initialAgeMs', (text) => initialAgeMs({ age: text, date: text }, { now: 0, delayMs: 0 })],
  ['vary', 'selectingFields', (text) => selectingFields({ vary: text, 'content-encoding': text }, { ...NO_EXCHANGE, requestHeaders: { 'accept-encoding': text } })],
  ['vary', 'storedFields', (text) => storedFields({ connection: text, etag: text, vary: text }, { ...NO_EXCHANGE, requestHeaders: { 'x-a': text } })],
  ['vary', 'refusalToStore', (text) => refusalToStore({ 'content-security-policy': text, 'content-type': text, [text]: text }, {}, CONTEXT)],
  ['request-directives', 'requestDirectives', (text) => requestDirectives({ 'cache-control': text })],
  ['negotiation', 'normalisedValue of Accept', (text) => normalisedValue('accept', text)],
  ['negotiation', 'normalisedValue of Accept-Language', (text) => normalisedValue('accept-language', text)],
  ['negotiation', 'acceptsCoding', (text) => acceptsCoding(text, 'gzip')],
  ['negotiation', 'isCompressible', isCompressible],
  ['conditions', 'preconditions', (text) => preconditions({ 'if-match': text, 'if-none-match': text, 'if-modified-since': text }, VALIDATORS)],
  ['conditions', 'the second condition', (text) => preconditions({ 'if-none-match': text }, VALIDATORS)],
  ['conditions', 'requestedRange', (text) => requestedRange({ range: text, 'if-range': text }, VALIDATORS)],
  ['dates', 'parseHttpDate', (text) => parseHttpDate(text)],
  ['dates', 'parseDeltaMs', parseDeltaMs],
  ['value', 'encodeValue', (text) => encodeValue(valueOf(text).value)],
  ['admission', 'the path of a key', (text) => new ResponseKey({ namespace: 'n', method: 'GET', path: text, fixed: '', selected: text }).id],
  ['admission', 'admit', admits],
  ['header', 'decodeEntry', (text) => decodeEntry(framed(Buffer.from(text), Buffer.alloc(0)))],
  ['header', 'decodeHeader', (text) => decodeHeader(framed(Buffer.from(text), Buffer.alloc(0)))],
  ['marks-channel', 'parseMarksMessage', (text) => parseMarksMessage(told(text), 0)],
  ['marks-channel', 'a member', (text) => new MarkLedger().learn([{ kind: 'hard', label: text, stamp: 1 }], 2)],
  ['glob', 'globMatches of a long text', (text) => globMatches('*a*:?b*\\**', text)],
  ['glob', 'globMatches of a long pattern', (text) => globMatches(text, 'a:a:ab*'.repeat(3))],
  ['targets', 'urlLabels', (text) => urlLabels(text, { coversQuery: true })],
  ['targets', 'urlMarks', urlMarks],
  ['url-patterns', 'mayShareUrl', (text) => mayShareUrl(text, text)],
  ['duration', 'durationToMs', durationToMs],
  ['ttl', 'parseTtl', (text) => refused(() => parseTtl(text, new Map(), 'a test'))],
  ['environment', 'optionsFromEnv', (text) => refused(() => optionsFromEnv({ REDIS_URL: text, REDIS_PORT: text, CACHE_PREFIX: text, CACHE_TTL_SHORT: text }))]
]

/** What is refused must be refused fast. */
function refused (parse: () => unknown): unknown {
  try {
    return parse()
  } catch (fault) {
    return fault
  }
}
