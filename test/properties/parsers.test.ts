import fc, { type Arbitrary } from 'fast-check'
import { test } from 'tap'
import { parseCacheControl } from '../../lib/http/cache-control.ts'
import { cookieValues, hasSessionCookie, parseCookies } from '../../lib/http/cookies.ts'
import { requestFieldRole } from '../../lib/http/request-fields.ts'
import { refusalToStore } from '../../lib/http/storability.ts'
import { parseVary } from '../../lib/http/vary.ts'
import { cacheControlByHand, cookiesByHand, varyByHand } from './parsed-by-hand.ts'
import { runs } from './runs.ts'

/** Of a usual answer. */
const CONTEXT = { status: 200, targetedFields: [], mayBeValidated: false }

/** What Node lets into the value of a field: tab, and latin1 without control characters. */
const fieldChar = fc.constantFrom('\t', ...range(0x20, 0x7e), ...range(0x80, 0xff))

/** Texts that look like the real ones, and have been through something. */
function mutated (real: readonly string[], pieces: readonly string[]): Arbitrary<string> {
  const piece = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...pieces) }, fieldChar)
  const edit = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(3), fc.array(piece, { maxLength: 3 }))
  const edited = fc.tuple(fc.constantFrom(...real), fc.array(edit, { maxLength: 4 })).map(([text, edits]) => edits.reduce((before, [where, removed, added]) => {
    const at = Math.floor(where * before.length)
    return before.slice(0, at) + added.join('') + before.slice(at + removed)
  }, text))
  return fc.oneof(edited, fc.array(piece, { maxLength: 12 }).map((list) => list.join('')), fc.array(fieldChar, { maxLength: 20 }).map((list) => list.join('')))
}

const cacheControl = mutated([
  'public, max-age=300', 'no-store', 'private', 'private="set-cookie, x-a", max-age=0', 'no-cache, no-store, must-revalidate', 's-maxage = 10 ,max-age=5',
  'max-age="10"', 'ext="a\\"b, no-store"', ', ,max-age=1,,', 'MAX-AGE=1, Max-Age=2', 'stale-while-revalidate=60,stale-if-error=1', 'no-cache=set-cookie'
], ['"', '\\', ',', '=', ' ', '\t', ';', 'no-store', 'private', 'no-cache', 'max-age', 'A', '0', '\\"', '""', '=""', ', ', 'x'])

const vary = mutated(['Accept', 'accept-encoding, Accept-Language', '*', 'Origin,*', ', ,Accept ,', 'Cookie', 'accept, ACCEPT', 'x-a\t,\tx-b'], [
  '*', ',', ' ', '\t', 'accept', 'Origin', '"', ';', '=', '-', ', ', 'x'
])

const cookie = mutated(['sid=1', 'a=1; b=2', '_ga=GA1.2.3; _gid=4', 'a="quoted"; a=2', 'a=b=c', '; ;a', 'theme=dark;sid=%20', 'a = 1 ;b= 2'], [
  ';', '=', ' ', '\t', '"', 'sid', '_ga', '_ga_', 'mp_x_mixpanel', 'a', '; ', ',', '%3B', '__proto__', 'ÿ'
])

test('a Cache-Control field means what a reader who takes it character by character makes of it', (t) => {
  const counts = { understood: 0, malformed: 0 }
  fc.assert(fc.property(cacheControl, (field) => {
    const expected = cacheControlByHand(field)
    counts[expected === undefined ? 'malformed' : 'understood']++
    const parsed = parseCacheControl(field)
    same(parsed === undefined ? undefined : [...parsed], expected)
  }), runs(5000))
  t.ok(counts.understood > counts.malformed / 20 && counts.malformed > counts.understood / 20, JSON.stringify(counts))
  t.end()
})

test('a Vary field names what a reader who takes it character by character makes of it, in one line or in several', (t) => {
  fc.assert(fc.property(fc.array(vary, { maxLength: 3 }), (lines) => {
    same(parseVary(lines), varyByHand(lines.join(',')))
    same(parseVary(lines.join(',')), varyByHand(lines.join(',')))
  }), runs(5000))
  t.end()
})

test('a Cookie field has the cookies that a reader who takes it character by character finds', (t) => {
  fc.assert(fc.property(cookie, fc.constantFrom('a', 'sid', '', '__proto__', '_ga'), (field, name) => {
    const expected = cookiesByHand(field)
    same(parseCookies(field), expected)
    same(cookieValues(field, name), expected.filter((pair) => pair[0] === name).map((pair) => pair[1]))
  }), runs(5000))
  t.end()
})

test('a word that forbids storing counts whatever stands before or after it, or in other lines', (t) => {
  const word = fc.constantFrom('no-store', 'private', 'no-cache', 'NO-STORE', 'Private="x"')
  fc.assert(fc.property(cacheControl, word, cacheControl, fc.boolean(), (before, said, after, inLines) => {
    const field = inLines ? [before, said, after] : `${before}, ${said}, ${after}`
    // Inside quotes it is a word of something else, but only where quotes are closed again.
    const isQuoted = cacheControlByHand([before, said, after].join(', '))?.every(([name]) => !/^(?:no-store|private|no-cache)$/.test(name)) === true
    if (isQuoted) return
    const reason = refusalToStore({ 'cache-control': field }, {}, CONTEXT)
    if (reason === undefined) throw new Error(`may be stored: ${JSON.stringify(field)}`)
  }), runs(3000))
  for (const garbage of ['"', 'a="', 'a=', '\\', ';', '\u00a0', 'a b']) {
    for (const field of [`${garbage}, no-store`, `no-store, ${garbage}`, `no-store ${garbage}`]) t.not(refusalToStore({ 'cache-control': field }, {}, CONTEXT), undefined, field)
  }
  t.end()
})

test('a star in Vary counts whatever stands before or after it, or in other lines', (t) => {
  fc.assert(fc.property(vary, vary, fc.boolean(), (before, after, inLines) => {
    same(parseVary(inLines ? [before, ' *', after] : `${before}, *, ${after}`), '*')
    same(refusalToStore({ vary: [before, '*', after] }, {}, CONTEXT), 'vary')
  }), runs(2000))
  t.end()
})

test('a cookie that may be a session is seen whatever stands before or after it', (t) => {
  fc.assert(fc.property(cookie, fc.constantFrom('sid=1', 'session', '=1', 'a.b=', '__Host-id=x'), cookie, (before, session, after) => {
    same(hasSessionCookie(`${before};${session};${after}`, []), true)
  }), runs(2000))
  t.end()
})

test('no parser throws, whatever text it is given', (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
    parseCacheControl(text)
    parseVary(text)
    parseVary([text, text])
    parseCookies(text)
    hasSessionCookie(text, [text])
    requestFieldRole(text)
    refusalToStore({ 'cache-control': text, vary: text, 'content-type': text, 'content-security-policy': text }, { cookie: text }, { ...CONTEXT, targetedFields: ['content-type'] })
  }), runs(5000))
  t.end()
})

/** Pieces that, many of them in a row, make a careless pattern try the same characters again and again. */
const REPEATED = [' ', '\t', ',', ', ', '"', '\\', '\\"', '""', 'a', 'a,', 'a=', 'a="', 'a=b', ' a', '= ', ' =', ';', '; ', 'a;', 'a=;', '=', '*', '*,', '-', 'a-', 'api', 'auth', 'mp_', '_ga_', 'é']
const AROUND = [['', ''], ['a,', '"'], ['a', '\\'], ['a="', ''], ['a=', ' \u0080'], ['mp_', '_mixpane']] as const

const LENGTH = 8000

const PARSERS = { parseCacheControl, parseVary, parseCookies, hasSessionCookie: (text: string) => hasSessionCookie(text, ['a']), requestFieldRole }

for (const [name, parse] of Object.entries(PARSERS)) {
  test(`${name} takes time in proportion to the length of the text`, (t) => {
    for (const piece of REPEATED) {
      for (const [before, after] of AROUND) {
        const wrong = notLinear((length) => before + piece.repeat(length / piece.length) + after, parse)
        if (wrong === undefined) continue
        t.fail(wrong)
        t.end()
        return
      }
    }
    t.pass('no text took longer')
    t.end()
  })
}

/** Four times the length may take twelve times as long, and a few milliseconds that are the machine's; the square of it would be sixteen. */
function notLinear (textOf: (length: number) => string, parse: (text: string) => unknown): string | undefined {
  const [short, long] = [textOf(LENGTH), textOf(4 * LENGTH)]
  let [shortMs, longMs] = [Infinity, Infinity]
  for (let attempt = 0; attempt < 10; attempt++) {
    shortMs = Math.min(shortMs, timeOf(short, parse))
    longMs = Math.min(longMs, timeOf(long, parse))
    if (longMs <= 12 * shortMs + 5) return undefined
  }
  return `${JSON.stringify(short.slice(0, 20))}… of ${short.length} characters took ${shortMs.toFixed(2)} ms, of ${long.length} ${longMs.toFixed(2)} ms`
}

/** Milliseconds that this process was at work: others may be, too. */
function timeOf (text: string, parse: (text: string) => unknown): number {
  const begin = process.cpuUsage()
  parse(text)
  const { user, system } = process.cpuUsage(begin)
  return (user + system) / 1000
}

function same (found: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)]
  if (a !== b) throw new Error(`found ${a}, expected ${b}`)
}

function range (first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, index) => String.fromCharCode(first + index))
}
