import fc from 'fast-check'
import { test } from 'tap'
import { isHttpTtl, isStorableStatus, jittered, ownTtl, parseLifetime, parseTtl, plannedMs, statusesOf, ttlExpected, type PlannedTtl } from '../../lib/options/ttl.ts'

const ttls = new Map([['short', 60_000], ['blink', 2000]])
const where = 'config.cache of GET /'
const DURATION = 'seconds as a number (300) or a string with a unit (\'500ms\', \'30s\', \'5m\', \'1h\', \'1d\'), from 0 to ten years'
const LIFETIME = `${DURATION}, or one of 'short', 'blink', or a valid Date, or { until: 'midnight' } or { until: '09:30', timeZone: 'Europe/Berlin' }`
const TTL = `${LIFETIME}, or 'http', or { http: true, heuristic: '1d' }, or one of these by status such as { 200: '5m', 404: '10s' }`
const UNTIL = '\'midnight\', a time from \'00:00\' to \'23:59\', or a valid Date'
const noon = Date.parse('2026-11-21T12:00:00Z')

/** When a time of day comes next, as ISO text. */
function next (until: string, timeZone: string | undefined, now: string | number): string {
  const ttl = timeZone === undefined ? { until } : { until, timeZone }
  const planned = parseTtl(ttl, ttls, where)(typeof now === 'number' ? now : Date.parse(now), 200)
  return planned.kind === 'until' ? new Date(planned.at).toISOString() : `not until a moment, but ${planned.kind}`
}

/** The milliseconds of a ttl that header fields have no say in. */
function lastingMs (planned: PlannedTtl, now: number): number {
  return planned.kind === 'http' ? NaN : plannedMs(planned, now)
}

function refusal (parse: () => unknown): string {
  try {
    parse()
    return 'accepted'
  } catch (error) {
    const { code, message } = error as Error & { code: string }
    return `${code.replace('RESPONSE_CACHE_ERR_OPTION_', '')} ${message}`
  }
}

/** What the clocks of a place show, as the minutes since 1970 that it would be if they showed UTC. */
function clockOf (timeZone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' })
  return (at) => {
    const field = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]))
    return Date.UTC(field.year!, field.month! - 1, field.day!, field.hour!, field.minute!) / 60_000
  }
}

/** The same in another way: looks at the clock in every minute until it shows the time, or has been put forward over it. */
function reference (minuteOfDay: number, clock: (at: number) => number, now: number): number {
  let at = Math.floor(now / 60_000) * 60_000
  let shown = clock(at)
  for (;;) {
    at += 60_000
    const last = shown
    shown = clock(at)
    const passed = shown > last ? Array.from({ length: shown - last }, (_, index) => last + 1 + index) : [shown]
    if (passed.some((minute) => minute % 1440 === minuteOfDay)) return at
  }
}

test('durations and names of the option ttls are lifetimes for every status', async (t) => {
  for (const [ttl, ms] of [[300, 300_000], [0.25, 250], ['5m', 300_000], ['short', 60_000], ['blink', 2000], [0, 0], ['0s', 0]] as const) {
    t.strictSame(parseTtl(ttl, ttls, where)(noon, 404), { kind: 'for', ms }, String(ttl))
    t.strictSame(parseLifetime(ttl, ttls, where)(noon), { kind: 'for', ms }, String(ttl))
    t.equal(plannedMs({ kind: 'for', ms }, noon), ms)
  }
  t.equal(statusesOf('5m'), undefined)
})

test('a Date is the moment until which it is fresh, and one in the past means: do not store', async (t) => {
  for (const [date, ms] of [[new Date(noon + 1500), 1500], [new Date(noon), 0], [new Date(noon - 1), 0], [new Date(0), 0]] as const) {
    for (const ttl of [date, { until: date }, { until: date, timeZone: 'Europe/Berlin' }]) {
      t.equal(lastingMs(parseTtl(ttl, ttls, where)(noon, 200), noon), ms)
      t.equal(plannedMs(parseLifetime(ttl, ttls, where)(noon), noon), ms)
      t.equal(statusesOf(ttl), undefined)
    }
  }
})

test('what was begun before a wall-clock time and is ready after it is not stored', async (t) => {
  const planned = parseTtl({ until: 'midnight', timeZone: 'UTC' }, ttls, where)(Date.parse('2026-11-21T23:59:59.900Z'), 200)
  t.equal(lastingMs(planned, Date.parse('2026-11-21T23:59:59.950Z')), 50)
  t.equal(lastingMs(planned, Date.parse('2026-11-22T00:00:00.100Z')), 0)
})

test('lifetimes are whole milliseconds, also by a clock that has fractions', async (t) => {
  t.equal(plannedMs({ kind: 'until', at: noon }, noon - 10.5), 10)
  t.equal(plannedMs({ kind: 'until', at: noon }, noon - 0.5), 0)
})

test('a time of day is the next such moment in the time zone, never the present one', async (t) => {
  t.equal(next('midnight', 'UTC', '2026-11-21T12:00:00Z'), '2026-11-22T00:00:00.000Z')
  t.equal(next('midnight', 'UTC', '2026-11-22T00:00:00Z'), '2026-11-23T00:00:00.000Z')
  t.equal(next('midnight', 'UTC', Date.parse('2026-11-22T00:00:00Z') - 1), '2026-11-22T00:00:00.000Z')
  t.equal(next('00:00', 'Europe/Berlin', '2026-11-21T12:00:00Z'), '2026-11-21T23:00:00.000Z')
  t.equal(next('23:59', 'America/New_York', '2026-11-21T12:00:00Z'), '2026-11-22T04:59:00.000Z')
  t.equal(next('09:30', 'Asia/Kolkata', '2026-11-21T12:00:00Z'), '2026-11-22T04:00:00.000Z')
  t.equal(next('17:00', 'Pacific/Apia', '2026-11-21T12:00:00Z'), '2026-11-22T04:00:00.000Z')
  t.equal(next('midnight', 'UTC', '2026-12-31T12:00:00Z'), '2027-01-01T00:00:00.000Z')
})

test('clocks that once were seconds away from whole minutes count as they were', async (t) => {
  t.equal(next('midnight', 'Africa/Monrovia', '1970-06-01T12:00:00Z'), '1970-06-02T00:44:30.000Z')
})

test('29 February is a day of leap years', async (t) => {
  t.equal(next('midnight', 'Europe/Berlin', '2028-02-28T12:00:00Z'), '2028-02-28T23:00:00.000Z')
  t.equal(next('12:30', 'UTC', '2028-02-28T13:00:00Z'), '2028-02-29T12:30:00.000Z')
  t.equal(next('midnight', 'UTC', '2028-02-29T13:00:00Z'), '2028-03-01T00:00:00.000Z')
  t.equal(next('12:30', 'UTC', '2027-02-28T13:00:00Z'), '2027-03-01T12:30:00.000Z')
})

test('a time that the clocks are put forward over is the moment they are', async (t) => {
  const days: Array<[zone: string, now: string, change: string, skipped: string[], later: [until: string, at: string]]> = [
    ['Europe/Berlin', '2026-03-29T00:00:00Z', '2026-03-29T01:00:00.000Z', ['02:00', '02:30', '02:59', '03:00'], ['03:01', '2026-03-29T01:01:00.000Z']],
    ['America/New_York', '2026-03-08T05:00:00Z', '2026-03-08T07:00:00.000Z', ['02:00', '02:30', '02:59', '03:00'], ['03:01', '2026-03-08T07:01:00.000Z']],
    // Midnight is what this place skips.
    ['America/Havana', '2026-03-07T20:00:00Z', '2026-03-08T05:00:00.000Z', ['midnight', '00:00', '00:59', '01:00'], ['01:01', '2026-03-08T05:01:00.000Z']],
    // And this one a whole day, 30 December.
    ['Pacific/Apia', '2011-12-30T09:59:00Z', '2011-12-30T10:00:00.000Z', ['midnight', '09:00', '23:58', '23:59'], ['midnight', '2011-12-30T10:00:00.000Z']]
  ]
  for (const [zone, now, change, skipped, [until, at]] of days) {
    for (const time of skipped) t.equal(next(time, zone, now), change, `${zone} ${time}`)
    t.equal(next(until, zone, now), at, zone)
  }
  t.equal(next('02:30', 'Europe/Berlin', '2026-03-29T01:00:00Z'), '2026-03-30T00:30:00.000Z', 'passed')
  t.equal(next('01:59', 'Europe/Berlin', '2026-03-29T00:00:00Z'), '2026-03-29T00:59:00.000Z', 'before')
})

test('of a time that the clocks show twice the next to come counts', async (t) => {
  for (const [zone, until, moments] of [
    ['Europe/Berlin', '02:30', ['2026-10-25T00:30:00.000Z', '2026-10-25T01:30:00.000Z', '2026-10-26T01:30:00.000Z']],
    ['Europe/Berlin', '02:00', ['2026-10-25T00:00:00.000Z', '2026-10-25T01:00:00.000Z', '2026-10-26T01:00:00.000Z']],
    ['Europe/Berlin', '03:00', ['2026-10-24T01:00:00.000Z', '2026-10-25T02:00:00.000Z', '2026-10-26T02:00:00.000Z']],
    ['America/New_York', '01:30', ['2026-11-01T05:30:00.000Z', '2026-11-01T06:30:00.000Z', '2026-11-02T06:30:00.000Z']],
    ['America/Havana', 'midnight', ['2026-11-01T04:00:00.000Z', '2026-11-01T05:00:00.000Z', '2026-11-02T05:00:00.000Z']],
    // One minute after midnight it was 23:01 of the day before.
    ['America/St_Johns', '23:30', ['2010-11-07T02:00:00.000Z', '2010-11-07T03:00:00.000Z', '2010-11-08T03:00:00.000Z']],
    ['America/St_Johns', '00:00', ['2010-11-07T02:30:00.000Z', '2010-11-07T03:30:00.000Z', '2010-11-08T03:30:00.000Z']]
  ] as const) {
    let now: string = new Date(Date.parse(moments[0]) - 1000).toISOString()
    for (const moment of moments) {
      t.equal(next(until, zone, now), moment, `${until} in ${zone} after ${now}`)
      now = moment
    }
  }
  t.equal(next('23:30', 'America/St_Johns', '2010-11-07T02:30:30Z'), '2010-11-07T03:00:00.000Z', 'yesterday once more')
})

const zones = ['Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Pacific/Apia', 'UTC', 'Australia/Lord_Howe', 'America/Havana']
/** Some of their changes of the clocks, and a leap day. */
const special = [
  '2026-03-29T01:00Z', '2026-10-25T01:00Z', '2026-03-08T07:00Z', '2026-11-01T06:00Z', '2026-03-08T05:00Z', '2026-11-01T05:00Z',
  '2026-04-04T15:00Z', '2026-10-03T15:30Z', '2011-12-30T10:00Z', '2012-03-31T14:00Z', '2012-09-29T14:00Z', '2028-02-29T00:00Z'
].map((text) => Date.parse(text))

const moment = fc.oneof(
  fc.integer({ min: Date.parse('1990-01-01'), max: Date.parse('2060-01-01') }),
  fc.tuple(fc.constantFrom(...special), fc.integer({ min: -30 * 3_600_000, max: 30 * 3_600_000 })).map(([at, away]) => at + away),
  fc.tuple(fc.constantFrom(...special), fc.integer({ min: -120, max: 120 })).map(([at, minutes]) => at + minutes * 60_000)
)
const minuteOfDay = fc.oneof(fc.integer({ min: 0, max: 1439 }), fc.integer({ min: 0, max: 240 }), fc.constant(0))

function timeText (minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
}

for (const zone of zones) {
  test(`in ${zone} a time of day comes when the clock shows it, minute by minute`, async (t) => {
    const clock = clockOf(zone)
    const wrong: string[] = []
    fc.assert(fc.property(moment, minuteOfDay, (now, minute) => {
      const expected = new Date(reference(minute, clock, now)).toISOString()
      const got = next(timeText(minute), zone, now)
      if (got !== expected) wrong.push(`${timeText(minute)} after ${new Date(now).toISOString()}: expected ${expected}, got ${got}`)
    }), { numRuns: 150 })
    t.strictSame(wrong, [])
  })
}

test('without a time zone that of the process counts', async (t) => {
  const before = process.env.TZ
  t.teardown(() => {
    if (before === undefined) delete process.env.TZ
    else process.env.TZ = before
  })
  for (const zone of zones) {
    process.env.TZ = zone
    fc.assert(fc.property(moment, minuteOfDay, (now, minute) => next(timeText(minute), undefined, now) === next(timeText(minute), zone, now)), { numRuns: 200 })
  }
  process.env.TZ = 'Asia/Kolkata'
  t.equal(next('midnight', undefined, noon), '2026-11-21T18:30:00.000Z')
})

test('a ttl by status gives each status its own, and 0 to all that are not listed', async (t) => {
  const date = new Date(noon + 5)
  const ttl = { 200: '5m', 203: 'blink', 301: 0, 404: date, 410: { until: 'midnight', timeZone: 'UTC' }, 500: undefined }
  const parsed = parseTtl(ttl, ttls, where)
  const planned = (status: number) => parsed(noon, status)
  t.strictSame(planned(200), { kind: 'for', ms: 300_000 })
  t.strictSame(planned(203), { kind: 'for', ms: 2000 })
  t.strictSame(planned(404), { kind: 'until', at: noon + 5 })
  t.strictSame(planned(410), { kind: 'until', at: noon + 12 * 3_600_000 })
  for (const status of [301, 500, 201, 206, 0, NaN]) t.equal(lastingMs(planned(status), noon), 0, String(status))
  t.strictSame(statusesOf(ttl), new Set([200, 203, 301, 404, 410]))
  t.strictSame(parseTtl(Object.assign(Object.create(null), { 599: 1 }), ttls, where)(noon, 599), { kind: 'for', ms: 1000 })
})

test('with \'http\' the header fields of a response with any status decide, heuristically too where that is said', async (t) => {
  for (const [ttl, heuristicMaxMs] of [
    ['http', undefined], [{ http: true }, undefined], [{ http: true, heuristic: undefined }, undefined], [{ http: true, heuristic: '1d' }, 86_400_000],
    [{ http: true, heuristic: 60 }, 60_000], [{ http: true, heuristic: 0 }, 0], [Object.assign(Object.create(null), { http: true }), undefined]
  ] as const) {
    const parsed = parseTtl(ttl, ttls, where)
    for (const status of [200, 404, 500]) t.strictSame(parsed(noon, status), { kind: 'http', heuristicMaxMs })
    t.ok(isHttpTtl(ttl))
    t.equal(statusesOf(ttl), undefined)
  }
})

test('a name that the option ttls gives to \'http\' does not take its place', async (t) => {
  t.strictSame(parseTtl('http', new Map([['http', 5000]]), where)(noon, 200), { kind: 'http', heuristicMaxMs: undefined })
})

test('a status may leave its lifetime to the header fields, while others have their own', async (t) => {
  const ttl = { 200: 'http', 203: { http: true, heuristic: '1m' }, 404: '10s' }
  const parsed = parseTtl(ttl, ttls, where)
  t.strictSame(parsed(noon, 200), { kind: 'http', heuristicMaxMs: undefined })
  t.strictSame(parsed(noon, 203), { kind: 'http', heuristicMaxMs: 60_000 })
  t.strictSame(parsed(noon, 404), { kind: 'for', ms: 10_000 })
  t.strictSame(parsed(noon, 500), { kind: 'for', ms: 0 })
  t.strictSame(statusesOf(ttl), new Set([200, 203, 404]))
  t.notOk(isHttpTtl(ttl))
})

const DURATION_GOT = `expected ${DURATION}, got`

test('a wrong way to say \'http\' is refused', async (t) => {
  for (const [ttl, text] of [
    [{ http: false }, `INVALID Invalid option "http" in ttl in ${where}: expected true, got false (boolean).`],
    [{ http: undefined }, `INVALID Invalid option "http" in ttl in ${where}: expected true, got undefined.`],
    [{ http: undefined, heuristic: '1d' }, `INVALID Invalid option "http" in ttl in ${where}: expected true, got undefined.`],
    [{ http: 'true' }, `INVALID Invalid option "http" in ttl in ${where}: expected true, got "true" (string).`],
    [{ http: 1, heuristic: '1d' }, `INVALID Invalid option "http" in ttl in ${where}: expected true, got 1 (number).`],
    [{ http: true, heuristic: '300' }, `INVALID Invalid option "heuristic" in ttl in ${where}: ${DURATION_GOT} "300" (string).`],
    [{ http: true, heuristic: true }, `INVALID Invalid option "heuristic" in ttl in ${where}: ${DURATION_GOT} true (boolean).`],
    [{ http: true, heuristic: 'short' }, `INVALID Invalid option "heuristic" in ttl in ${where}: ${DURATION_GOT} "short" (string).`],
    [{ http: true, heuristics: '1d' }, `UNKNOWN Unknown option "heuristics" in ttl in ${where}. Did you mean "heuristic"?`],
    [{ http: true, until: 'midnight' }, `UNKNOWN Unknown option "until" in ttl in ${where}. Known are: http, heuristic.`],
    [{ http: true, 200: '5m' }, `UNKNOWN Unknown option "200" in ttl in ${where}. Known are: http, heuristic.`],
    ['HTTP', `INVALID Invalid option "ttl" in ${where}: expected ${TTL}, got "HTTP" (string).`],
    ['http ', `INVALID Invalid option "ttl" in ${where}: expected ${TTL}, got "http " (string).`],
    [['http'], `INVALID Invalid option "ttl" in ${where}: expected ${TTL}, got an array of 1.`]
  ] as const) {
    t.equal(refusal(() => parseTtl(ttl, ttls, where)), text)
  }
  t.match(refusal(() => parseTtl({ 200: { http: false } }, ttls, where)), /^INVALID Invalid option "http" in 200 .* ttl in config\.cache of GET \/: expected true, got false \(boolean\)\.$/)
  t.match(refusal(() => parseTtl({ 200: { http: true, heuristic: -1 } }, ttls, where)), /^INVALID Invalid option "heuristic" in 200 /)
})

test('what is no response has no header fields to say its lifetime', async (t) => {
  for (const [ttl, got] of [['http', '"http" (string)'], [{ http: true }, 'an object of type Object'], [{ http: true, heuristic: '1d' }, 'an object of type Object']] as const) {
    t.equal(refusal(() => parseLifetime(ttl, ttls, 'set()')), `INVALID Invalid option "ttl" in set(): expected ${LIFETIME}, got ${got}.`)
  }
})

test('statuses that are never stored have no ttl', async (t) => {
  const refused = Array.from({ length: 700 }, (_, status) => status).filter((status) => !isStorableStatus(status))
  t.strictSame(refused, [...Array.from({ length: 200 }, (_, status) => status), 206, 304, 412, 416, ...Array.from({ length: 100 }, (_, index) => 600 + index)])
  for (const status of [...refused, -200, 200.5, '0200', '2e2', '200 ', '', 'ok', 'maxAge', 'Until']) {
    const message = refusal(() => parseTtl({ 200: '5m', [status]: '5m' }, ttls, where))
    t.equal(message, `UNKNOWN Unknown option "${status}" in ttl in ${where}. Expected "until" and "timeZone", or status codes from 200 to 599 but 206, 304, 412 and 416.`)
  }
  t.notOk(isStorableStatus('200'))
})

class Opaque { #value = 5; get until () { return `${this.#value}` } }

test('what is no ttl is refused with the forms it may have', async (t) => {
  for (const [ttl, got] of [
    ['300', '"300" (string)'], ['midnight', '"midnight" (string)'], ['blnk', '"blnk" (string)'], [-1, '-1 (number)'], [NaN, 'NaN (number)'], [Infinity, 'Infinity (number)'],
    [null, 'null'], [undefined, 'undefined'], [true, 'true (boolean)'], [5n, '5 (bigint)'], [[5], 'an array of 1'], [{}, 'an object of type Object'], [{ 200: undefined }, 'an object of type Object'],
    [new Date(NaN), 'an object of type Date'], [new Map([[200, 5]]), 'an object of type Map'], [new Opaque(), 'an object of type Opaque'], [() => 5, 'a function'], [Promise.resolve(5), 'an object of type Promise'],
    [new Map([['until', 'midnight']]), 'an object of type Map']
  ] as const) {
    t.equal(refusal(() => parseTtl(ttl, ttls, where)), `INVALID Invalid option "ttl" in ${where}: expected ${TTL}, got ${got}.`)
    t.equal(refusal(() => parseLifetime(ttl, ttls, where)), `INVALID Invalid option "ttl" in ${where}: expected ${LIFETIME}, got ${got}.`)
    t.match(refusal(() => parseTtl({ 200: 5, 404: ttl === undefined ? null : ttl }, ttls, where)), `INVALID Invalid option "404" in ttl in ${where}: expected ${LIFETIME}, got `)
  }
  t.equal(ttlExpected(ttls), TTL)
})

test('what has no status takes no ttl by status, and a status no other statuses', async (t) => {
  t.equal(refusal(() => parseLifetime({ 200: 5 }, ttls, 'the options')), `INVALID Invalid option "ttl" in the options: expected ${LIFETIME}, got an object of type Object.`)
  t.equal(refusal(() => parseTtl({ 200: { 200: 5 } }, ttls, where)), `INVALID Invalid option "200" in ttl in ${where}: expected ${LIFETIME}, got an object of type Object.`)
})

test('a time of day that is none is refused', async (t) => {
  for (const [until, got] of [
    ['24:00', '"24:00" (string)'], ['12:60', '"12:60" (string)'], ['9:30', '"9:30" (string)'], ['09:3', '"09:3" (string)'], ['0930', '"0930" (string)'], ['09:30:00', '"09:30:00" (string)'],
    ['09.30', '"09.30" (string)'], [' 09:30', '" 09:30" (string)'], ['09:30 ', '"09:30 " (string)'], ['09:30\n', '"09:30\n" (string)'], ['٠٩:٣٠', '"٠٩:٣٠" (string)'], ['-1:00', '"-1:00" (string)'], ['9:30pm', '"9:30pm" (string)'],
    ['Midnight', '"Midnight" (string)'], ['noon', '"noon" (string)'], ['', '"" (string)'], ['2026-11-21T12:00:00Z', '"2026-11-21T12:00:00Z" (string)'],
    [930, '930 (number)'], [null, 'null'], [true, 'true (boolean)'], [new Date(NaN), 'an object of type Date'], [undefined, 'undefined'], [{ until: 'midnight' }, 'an object of type Object']
  ] as const) {
    const expected = `INVALID Invalid option "until" in ttl in ${where}: expected ${UNTIL}, got ${got}.`
    t.equal(refusal(() => parseTtl({ until }, ttls, where)), expected)
    t.equal(refusal(() => parseLifetime({ until, timeZone: 'UTC' }, ttls, where)), expected)
  }
  t.match(refusal(() => parseTtl({ timeZone: 'UTC' }, ttls, where)), 'Invalid option "until" in ttl')
  t.match(refusal(() => parseTtl({ 404: { until: '24:00' } }, ttls, where)), `Invalid option "until" in 404 in ttl in ${where}`)
})

test('a time zone that there is none of is refused, also where it would have no effect', async (t) => {
  for (const [timeZone, got] of [
    ['Mars/Olympus', '"Mars/Olympus" (string)'], ['', '"" (string)'], ['Berlin', '"Berlin" (string)'], ['GMT+5', '"GMT+5" (string)'], [' UTC', '" UTC" (string)'],
    [2, '2 (number)'], [null, 'null'], [['UTC'], 'an array of 1']
  ] as const) {
    for (const until of ['midnight', new Date(noon)]) {
      t.equal(refusal(() => parseTtl({ until, timeZone }, ttls, where)), `INVALID Invalid option "timeZone" in ttl in ${where}: expected the IANA name of a time zone such as 'Europe/Berlin', got ${got}.`)
    }
  }
  t.equal(next('midnight', 'europe/berlin', noon), '2026-11-21T23:00:00.000Z')
})

test('other names beside until are refused, with the name that was meant', async (t) => {
  t.equal(refusal(() => parseTtl({ until: '09:30', timezone: 'UTC' }, ttls, where)), `UNKNOWN Unknown option "timezone" in ttl in ${where}. Did you mean "timeZone"?`)
  t.equal(refusal(() => parseTtl({ until: '09:30', 200: '5m' }, ttls, where)), `UNKNOWN Unknown option "200" in ttl in ${where}. Known are: until, timeZone.`)
})

test('what a caller changes in its ttl afterwards changes nothing', async (t) => {
  const date = new Date(noon)
  const inner = new Date(noon)
  const given = { 200: { until: inner }, 203: '5m' as string | number, 404: date }
  const parsed = parseTtl(given, ttls, where)
  const single = parseLifetime(date, ttls, where)
  const until = { until: 'midnight', timeZone: 'UTC' }
  const daily = parseTtl(until, ttls, where)
  const copy = ownTtl(given)
  const dateCopy = ownTtl(date)
  date.setTime(5)
  inner.setTime(5)
  given[203] = 0
  until.until = '13:00'
  until.timeZone = 'Europe/Berlin'
  t.strictSame([200, 203, 404].map((status) => lastingMs(parsed(noon, status), noon - 10)), [10, 300_000, 10])
  t.equal(plannedMs(single(noon), noon - 10), 10)
  t.strictSame(daily(noon, 200), { kind: 'until', at: Date.parse('2026-11-22') })
  t.strictSame(copy, { 200: { until: new Date(noon) }, 203: '5m', 404: new Date(noon) })
  t.strictSame(dateCopy, new Date(noon))
})

test('a copy of what cannot be changed is the same', async (t) => {
  const ask = () => 5
  for (const ttl of [5, '5m', 'short', undefined, ask]) t.equal(ownTtl(ttl), ttl)
})

test('jitter shortens by up to its fraction, never lengthens, and leaves something of what there was', async (t) => {
  const fraction = fc.double({ min: 0, max: 1, noNaN: true })
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  fc.assert(fc.property(fc.integer({ min: 1, max: 315_576_000_000 }), fraction, random, (ms, fraction, random) => {
    const short = jittered(ms, fraction, () => random)
    return Number.isInteger(short) && short <= ms && short >= 1 && short >= ms * (1 - fraction) - 1e-3
  }))
  t.equal(jittered(1000, 0.1, () => 0), 1000)
  t.equal(jittered(1000, 0.1, () => 0.5), 950)
  t.equal(jittered(1000, 0.1, () => 1 - Number.EPSILON), 901)
  t.equal(jittered(1000, 0, () => 0.9), 1000)
  t.equal(jittered(0, 0.5, () => 0.9), 0)
})
