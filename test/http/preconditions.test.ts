import fc from 'fast-check'
import { test, type Test } from 'tap'
import { httpDate } from '../../lib/http/dates.ts'
import { preconditions, type PreconditionResult, type Validators } from '../../lib/http/preconditions.ts'
import type { RequestHeaders } from '../../lib/http/vary.ts'

const CHANGED = Date.UTC(2026, 10, 21, 12)
const [EARLIER, SAME, LATER] = [httpDate(CHANGED - 1000), httpDate(CHANGED), httpDate(CHANGED + 1000)]
const both: Validators = { etag: '"a"', lastModified: SAME }
const weak: Validators = { etag: 'W/"a"', lastModified: undefined }
const bare: Validators = { etag: undefined, lastModified: undefined }

function check (t: Test, table: Array<[RequestHeaders, Validators, PreconditionResult]>): void {
  for (const [request, validators, expected] of table) t.equal(preconditions(request, validators), expected, JSON.stringify([request, validators]))
}

test('a request without conditions has none', async (t) => {
  check(t, [
    [{}, both, 'none'],
    [{ 'if-range': '"a"', range: 'bytes=0-1', etag: '"a"' }, both, 'none'],
    [{ 'if-none-match': undefined }, both, 'none']
  ])
})

test('If-None-Match compares weakly, with every tag of the list (RFC 9110 section 13.1.2)', async (t) => {
  check(t, [
    [{ 'if-none-match': '"a"' }, both, 'not-modified'],
    [{ 'if-none-match': 'W/"a"' }, both, 'not-modified'],
    [{ 'if-none-match': '"a"' }, weak, 'not-modified'],
    [{ 'if-none-match': '"b", "a", "c"' }, both, 'not-modified'],
    [{ 'if-none-match': ['"b"', '"a"'] }, both, 'not-modified'],
    [{ 'if-none-match': ['"b"'] }, both, 'proceed'],
    [{ 'if-none-match': '"b"' }, both, 'proceed'],
    [{ 'if-none-match': 'a' }, both, 'proceed'],
    [{ 'if-none-match': '' }, both, 'proceed'],
    [{ 'if-none-match': 'a' }, { ...both, etag: 'a' }, 'proceed'],
    [{ 'if-none-match': '"a"' }, { ...both, etag: 'a' }, 'proceed'],
    [{ 'if-none-match': 'w/"a"' }, { ...both, etag: 'w/"a"' }, 'proceed'],
    [{ 'if-none-match': '*' }, both, 'not-modified'],
    [{ 'if-none-match': ' * ' }, bare, 'not-modified'],
    [{ 'if-none-match': '"b", *' }, both, 'proceed'],
    [{ 'if-none-match': '"*"' }, both, 'proceed'],
    [{ 'if-none-match': '"a"' }, bare, 'proceed']
  ])
})

test('If-Modified-Since counts only without If-None-Match, and only when it is a date (RFC 9110 section 13.1.3)', async (t) => {
  check(t, [
    [{ 'if-modified-since': SAME }, both, 'not-modified'],
    [{ 'if-modified-since': LATER }, both, 'not-modified'],
    [{ 'if-modified-since': EARLIER }, both, 'proceed'],
    [{ 'if-modified-since': 'Saturday, 21-Nov-26 12:00:00 GMT' }, both, 'not-modified'],
    [{ 'if-modified-since': [SAME] }, both, 'not-modified'],
    [{ 'if-modified-since': [SAME, SAME] }, both, 'proceed'],
    [{ 'if-modified-since': `${SAME}, ${SAME}` }, both, 'proceed'],
    [{ 'if-modified-since': LATER.replace('GMT', 'UTC') }, both, 'proceed'],
    [{ 'if-modified-since': '9999999999' }, both, 'proceed'],
    [{ 'if-modified-since': LATER }, { ...both, lastModified: 'yesterday' }, 'proceed'],
    [{ 'if-modified-since': LATER }, { ...both, lastModified: 'yesterday', date: 0 }, 'proceed'],
    [{ 'if-modified-since': LATER, 'if-none-match': '"b"' }, both, 'proceed'],
    [{ 'if-modified-since': EARLIER, 'if-none-match': '"a"' }, both, 'not-modified'],
    [{ 'if-modified-since': LATER, 'if-none-match': '"a"' }, bare, 'proceed']
  ])
})

test('the date of the response stands in for a missing Last-Modified, for If-Modified-Since alone (RFC 9111 section 4.3.2)', async (t) => {
  check(t, [
    [{ 'if-modified-since': LATER }, bare, 'proceed'],
    [{ 'if-modified-since': SAME }, { ...bare, date: CHANGED + 999 }, 'not-modified'],
    [{ 'if-modified-since': SAME }, { ...bare, date: CHANGED + 1000 }, 'proceed'],
    [{ 'if-modified-since': EARLIER }, { ...bare, date: CHANGED }, 'proceed'],
    [{ 'if-modified-since': SAME }, { ...both, date: CHANGED + 5000 }, 'not-modified'],
    [{ 'if-unmodified-since': EARLIER }, { ...bare, date: CHANGED }, 'proceed']
  ])
})

test('If-Match compares strongly, If-Unmodified-Since counts only without it (RFC 9110 sections 13.1.1 and 13.1.4)', async (t) => {
  check(t, [
    [{ 'if-match': '"a"' }, both, 'proceed'],
    [{ 'if-match': '"b", "a"' }, both, 'proceed'],
    [{ 'if-match': '*' }, bare, 'proceed'],
    [{ 'if-match': '"b"' }, both, 'failed'],
    [{ 'if-match': 'a' }, both, 'failed'],
    [{ 'if-match': '' }, both, 'failed'],
    [{ 'if-match': 'W/"a"' }, both, 'failed'],
    [{ 'if-match': 'W/"a"' }, weak, 'failed'],
    [{ 'if-match': '"a"' }, weak, 'failed'],
    [{ 'if-match': '"a"' }, bare, 'failed'],
    [{ 'if-match': '"a"', 'if-unmodified-since': EARLIER }, both, 'proceed'],
    [{ 'if-match': '"b"', 'if-unmodified-since': LATER }, both, 'failed'],
    [{ 'if-unmodified-since': SAME }, both, 'proceed'],
    [{ 'if-unmodified-since': LATER }, both, 'proceed'],
    [{ 'if-unmodified-since': EARLIER }, both, 'failed'],
    [{ 'if-unmodified-since': 'yesterday' }, both, 'proceed'],
    [{ 'if-unmodified-since': [EARLIER, EARLIER] }, both, 'proceed'],
    [{ 'if-unmodified-since': EARLIER }, bare, 'proceed']
  ])
})

test('412 comes before 304 (RFC 9110 section 13.2.2)', async (t) => {
  check(t, [
    [{ 'if-match': '"b"', 'if-none-match': '"a"' }, both, 'failed'],
    [{ 'if-match': '"a"', 'if-none-match': '"a"' }, both, 'not-modified'],
    [{ 'if-match': '"a"', 'if-modified-since': SAME }, both, 'not-modified'],
    [{ 'if-unmodified-since': EARLIER, 'if-modified-since': SAME }, both, 'failed'],
    [{ 'if-unmodified-since': SAME, 'if-modified-since': SAME }, both, 'not-modified'],
    [{ 'if-match': '"a"', 'if-none-match': '"b"', 'if-modified-since': SAME, 'if-unmodified-since': EARLIER }, both, 'proceed']
  ])
})

const date = fc.option(fc.constantFrom(EARLIER, SAME, LATER, 'x'), { nil: undefined })
const tags = fc.option(fc.constantFrom('"a"', 'W/"a"', '"b"', '*', 'a', '"b", W/"a"'), { nil: undefined })
const requests = fc.record({ 'if-match': tags, 'if-none-match': tags, 'if-modified-since': date, 'if-unmodified-since': date })
const responses = fc.record({ etag: fc.constantFrom('"a"', 'W/"a"', 'a', undefined), lastModified: date })

/** The steps of RFC 9110 section 13.2.2 as they are written there. */
function steps (request: Record<string, string | undefined>, { etag, lastModified }: Validators): PreconditionResult {
  const order = [EARLIER, SAME, LATER]
  const isOlderOrSame = (a: string | undefined, b: string | undefined): boolean | undefined => {
    return a === undefined || b === undefined || a === 'x' || b === 'x' ? undefined : order.indexOf(a) <= order.indexOf(b)
  }
  const { 'if-match': match, 'if-none-match': noneMatch, 'if-modified-since': modified, 'if-unmodified-since': unmodified } = request
  if ([match, noneMatch, modified, unmodified].every((field) => field === undefined)) return 'none'
  if (match !== undefined && !(match === '*' || (etag === '"a"' && match === '"a"'))) return 'failed'
  if (match === undefined && isOlderOrSame(lastModified, unmodified) === false) return 'failed'
  if (noneMatch !== undefined) {
    const isA = etag === '"a"' || etag === 'W/"a"'
    return noneMatch === '*' || (isA && noneMatch.includes('"a"')) ? 'not-modified' : 'proceed'
  }
  return isOlderOrSame(lastModified, modified) === true ? 'not-modified' : 'proceed'
}

test('all conditions together are taken in the order of the standard (property)', async (t) => {
  fc.assert(fc.property(requests, responses, (request, validators) => preconditions(request, validators) === steps(request, validators)), { numRuns: 20_000 })
  t.pass('20,000 requests')
})
