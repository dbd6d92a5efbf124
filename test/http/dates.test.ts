import fc from 'fast-check'
import { test } from 'tap'
import { httpDate, parseHttpDate } from '../../lib/http/dates.ts'

const NOW = Date.UTC(2026, 10, 21)

test('the three forms of a date are read, whatever day of the week they name (RFC 9110 section 5.6.7)', async (t) => {
  const table: Array<[string, string]> = [
    ['Sun, 06 Nov 1994 08:49:37 GMT', '1994-11-06T08:49:37Z'],
    ['Sunday, 06-Nov-94 08:49:37 GMT', '1994-11-06T08:49:37Z'],
    ['Sun Nov  6 08:49:37 1994', '1994-11-06T08:49:37Z'],
    ['Sun Nov 06 08:49:37 1994', '1994-11-06T08:49:37Z'],
    ['Sun Nov 16 08:49:37 1994', '1994-11-16T08:49:37Z'],
    ['Mon, 06 Nov 1994 08:49:37 GMT', '1994-11-06T08:49:37Z'],
    ['Wednesday, 06-Nov-94 08:49:37 GMT', '1994-11-06T08:49:37Z'],
    ['Thu, 01 Jan 1970 00:00:00 GMT', '1970-01-01T00:00:00Z'],
    ['Thu, 29 Feb 2024 23:59:59 GMT', '2024-02-29T23:59:59Z'],
    ['Sat, 31 Dec 2016 23:59:60 GMT', '2017-01-01T00:00:00Z'],
    ['Sat, 01 Jan 0000 00:00:00 GMT', '0000-01-01T00:00:00Z'],
    ['Sat, 01 Jan 0050 00:00:00 GMT', '0050-01-01T00:00:00Z'],
    ['Fri, 31 Dec 9999 23:59:59 GMT', '9999-12-31T23:59:59Z']
  ]
  for (const [text, instant] of table) t.equal(parseHttpDate(text, NOW), Date.parse(instant), text)
})

test('a year of two digits is the latest that is not more than 50 years in the future', async (t) => {
  const table: Array<[string, string]> = [
    ['Friday, 21-Nov-26 00:00:00 GMT', '2026-11-21'],
    ['Friday, 21-Nov-25 00:00:00 GMT', '2025-11-21'],
    ['Friday, 01-Jan-76 00:00:00 GMT', '2076-01-01'],
    ['Friday, 21-Nov-76 00:00:00 GMT', '2076-11-21'],
    ['Friday, 22-Nov-76 00:00:00 GMT', '1976-11-22'],
    ['Friday, 01-Jan-77 00:00:00 GMT', '1977-01-01'],
    ['Friday, 01-Jan-99 00:00:00 GMT', '1999-01-01'],
    ['Friday, 29-Feb-00 00:00:00 GMT', '2000-02-29']
  ]
  for (const [text, day] of table) t.equal(parseHttpDate(text, NOW), Date.parse(day), text)
  t.equal(parseHttpDate('Friday, 01-Jan-05 00:00:00 GMT', Date.UTC(2080, 0)), Date.UTC(2105, 0))
  t.equal(parseHttpDate('Friday, 01-Jan-50 00:00:00 GMT', Date.UTC(2000, 0)), Date.UTC(2050, 0))
})

test('anything else is no date', async (t) => {
  const table = [
    '', '0', '-1', 'foo', 'Sun', '1994-11-06T08:49:37Z', '784111777',
    'SUN, 06 Nov 1994 08:49:37 GMT', 'Sun, 06 NOV 1994 08:49:37 GMT', 'Sun, 06 Nov 1994 08:49:37 gmt',
    'Sun, 06 Nov 1994 08:49:37 UTC', 'Sun, 06 Nov 1994 08:49:37 AEST', 'Sun, 06 Nov 1994 08:49:37 +0000', 'Sun, 06 Nov 1994 08:49:37', 'Sun, 06 Nov 1994 08:49:37 GMT+1',
    'Sun, 06 Nov 94 08:49:37 GMT', 'Sun 06 Nov 1994 08:49:37 GMT', 'Sun,06 Nov 1994 08:49:37 GMT', '06 Nov 1994 08:49:37 GMT',
    'Sun, 06  Nov  1994 08:49:37 GMT', 'Sun, 06-Nov-1994 08:49:37 GMT', 'Sun, 06 Nov 1994 08.49.37 GMT', 'Sun, 06 Nov 1994 8:49:37 GMT', 'Sun, 6 Nov 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 08:49 GMT', 'Sun, 06 Nov 1994 08:49:37.5 GMT', 'Sun, 06 November 1994 08:49:37 GMT', 'Sunday, 06 Nov 1994 08:49:37 GMT', 'Son, 06 Nov 1994 08:49:37 GMT',
    'Sun, 06-Nov-94 08:49:37 GMT', 'Sunday, 06-Nov-1994 08:49:37 GMT', 'Sunday, 6-Nov-94 08:49:37 GMT', 'Sunday 06-Nov-94 08:49:37 GMT', 'Sunday, 06-Nov-94 08:49:37',
    'Sun Nov 6 08:49:37 1994', 'Sun Nov 06 08:49:37 1994 GMT', 'Sun, Nov  6 08:49:37 1994', 'Sun Nov  6 08:49:37 94', 'Sun Nov  16 08:49:37 1994', 'Sunday Nov  6 08:49:37 1994',
    'Sun, 00 Nov 1994 08:49:37 GMT', 'Sun, 31 Nov 1994 08:49:37 GMT', 'Sun, 32 Dec 1994 08:49:37 GMT', 'Wed, 29 Feb 2023 08:49:37 GMT', 'Mon, 29 Feb 1900 08:49:37 GMT',
    'Sun, 06 Nov 1994 24:00:00 GMT', 'Sun, 06 Nov 1994 08:60:37 GMT', 'Sun, 06 Nov 1994 08:49:60 GMT', 'Sun, 06 Nov 1994 22:59:60 GMT', 'Sun, 06 Nov 1994 23:59:61 GMT',
    ' Sun, 06 Nov 1994 08:49:37 GMT', 'Sun, 06 Nov 1994 08:49:37 GMT ', 'Sun, 06 Nov 1994 08:49:37 GMT\n', 'Sun,\t06 Nov 1994 08:49:37 GMT', 'Sun, 06 Nov 1994 08:49:37\u00a0GMT',
    'Sun, ٠٦ Nov 1994 08:49:37 GMT', 'Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT', 'Sun, 06 Nov -994 08:49:37 GMT', 'Sun, 06 Nov 19940 08:49:37 GMT'
  ]
  for (const text of table) t.equal(parseHttpDate(text, NOW), undefined, JSON.stringify(text))
})

test('a date is written in whole seconds, never later than it was', async (t) => {
  t.equal(httpDate(784111777000), 'Sun, 06 Nov 1994 08:49:37 GMT')
  t.equal(httpDate(784111777999), 'Sun, 06 Nov 1994 08:49:37 GMT')
  t.equal(httpDate(0), 'Thu, 01 Jan 1970 00:00:00 GMT')
  fc.assert(fc.property(fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) }), (ms) => {
    return parseHttpDate(httpDate(ms)) === Math.floor(ms / 1000) * 1000
  }))
})

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** An instant in every way that may be written, with every day of the week. */
function waysToWrite (ms: number): string[] {
  const [date, time] = new Date(ms).toISOString().split(/[T.]/) as [string, string]
  const [year, month, day] = date.split('-') as [string, string, string]
  const name = MONTHS[Number(month) - 1]!
  return DAYS.flatMap((weekday) => [
    `${weekday.slice(0, 3)}, ${day} ${name} ${year} ${time} GMT`,
    `${weekday}, ${day}-${name}-${year.slice(2)} ${time} GMT`,
    `${weekday.slice(0, 3)} ${name} ${day.replace(/^0/, ' ')} ${time} ${year}`,
    `${weekday.slice(0, 3)} ${name} ${day} ${time} ${year}`
  ])
}

// Within the century that years of two digits are read as.
const instants = fc.integer({ min: Date.UTC(1977, 0) / 1000, max: Date.UTC(2076, 0) / 1000 }).map((seconds) => seconds * 1000)

test('every instant is read in every form (property)', async (t) => {
  fc.assert(fc.property(instants, (ms) => waysToWrite(ms).every((text) => parseHttpDate(text, NOW) === ms)), { numRuns: 1000 })
  t.pass('28,000 dates')
})

test('what is read is what would be written, letter by letter (property)', async (t) => {
  const letters = fc.constantFrom(...' ,-:0123456789GMTSunmoNv\t')
  let read = 0
  fc.assert(fc.property(instants, fc.nat(27), fc.nat(34), letters, fc.nat(2), (ms, way, at, letter, cut) => {
    const text = waysToWrite(ms)[way]!
    const changed = text.slice(0, at) + letter + text.slice(at + cut)
    const instant = parseHttpDate(changed, NOW)
    if (instant === undefined) return !waysToWrite(ms).includes(changed)
    read++
    return waysToWrite(instant).includes(changed)
  }), { numRuns: 20_000 })
  t.ok(read > 500, `${read} were dates still`)
})
