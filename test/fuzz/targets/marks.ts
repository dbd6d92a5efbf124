import { globMatches } from '../../../lib/marks/glob.ts'
import type { Labelled, Verdict } from '../../../lib/marks/ledger.ts'
import { labelsOf, type InvalidationTargets } from '../../../lib/marks/targets.ts'
import { urlLabels, urlMarks } from '../../../lib/marks/labels.ts'
import { MARK, parseMarksMessage } from '../../../lib/store/mark-script.ts'
import { RedisMarks } from '../../../lib/store/redis-marks.ts'
import { mayShareUrl } from '../../../lib/route/url-patterns.ts'
import { told } from '../../marks/told.ts'
import { holds, same, type Target } from '../target.ts'

const DAY_MICROS = 86_400_000_000
const LIFE = '-12345'
const KEY = { id: 'n:GET:/a:abc' }
const LABELS = ['n:n', 't:x', 'l:/a']

/** Told to all who listen, one message a line. Times are microseconds before or after now, which a message says in digits. */
const honest = { incarnation: LIFE, before: '@-10', clock: '@-7', floor: '1', members: ['ht:x'] }

/**
 * The channel of marks, to which anybody may publish who may publish at all: a message never makes anything dead live again, nor moves the
 * clock further ahead than those of two machines may differ, nor begins another life.
 */
export const marksChannel: Target = {
  name: 'marks-channel',
  corpus: [
    JSON.stringify(honest), JSON.stringify({ ...honest, members: ['sl:/a', 'hp:n:*', 'w1', 'hk:n:GET:/a:abc', 'ha'] }), JSON.stringify({ ...honest, floor: '@-8' }), JSON.stringify({ ...honest, incarnation: '-1' }),
    JSON.stringify({ ...honest, clock: '@86400000000' }), JSON.stringify({ ...honest, before: 1, clock: '@86399000000', members: [] }), 'null', '[]', '{"members":[]}', `${JSON.stringify(honest)}\n${JSON.stringify(honest)}`
  ],
  tokens: ['"', '{', '}', '[', ']', ',', ':', '\n', '@', '@-', '1e400', '-1', '9007199254740991', '"members":', '"floor":', '"before":', '"clock":', '"incarnation":', '"-12345"', 'null', '"h"', '"f"', '"c"', '"ht:x"', '"\\u0000"', '{"toString":1}', '__proto__'],
  weight: 0.7,
  check (input) {
    const now = Date.now()
    const text = input.toString().replaceAll(/@(-?\d{1,15})/g, (_, micros: string) => String(now * 1000 + Number(micros)))
    const { marks, entries } = knownBefore(now)
    const { ledger } = marks
    const heard = text.split('\n').map((json) => {
      const message = told(json)
      const before = { verdicts: entries.map((entry) => ledger.verdict(entry, KEY)), current: entries.map(({ filled }) => ledger.isCurrent(filled, KEY)), clock: ledger.clock, floor: ledger.floor }
      const parsed = parseMarksMessage(message, now)
      holds(parsed === undefined || parsed.members.every((member) => MARK.test(member)), 'marks are marks')
      const isEnough = marks.hear(message)
      // Time goes on between the two.
      holds(parsed !== undefined || !isEnough || parseMarksMessage(message, now + 60_000) !== undefined, 'what is no message says nothing')
      entries.forEach((entry, at) => {
        holds(RANK[ledger.verdict(entry, KEY)] <= RANK[before.verdicts[at]!], 'nothing dead or stale is live again')
        holds(before.current[at]! || !ledger.isCurrent(entry.filled, KEY), 'no outdated copy is current again')
      })
      same(ledger.incarnation, LIFE, 'the life')
      holds(ledger.floor >= before.floor && ledger.clock >= before.clock, 'clock and floor only rise')
      holds(ledger.clock < (Date.now() + 86_400_000) * 1000, 'the clock is not far ahead')
      holds(Number.isSafeInteger(ledger.clock) && Number.isSafeInteger(ledger.floor), 'stamps are whole')
      return isEnough
    })
    holds(marks.copyStamp === undefined, 'no copies are kept because of a message')
    obeysWhatIsTold(marks, entries, now)
    return `${heard.slice(0, 3).join(' ')} ${Math.min(ledger.size, 6)} ${entries.map((entry) => ledger.verdict(entry, KEY)[0]).join('')}`
  }
}

/** Whatever was said before: a mark that is set now is learned from its message, or the message is not enough and the marks are read. */
function obeysWhatIsTold (marks: RedisMarks, entries: readonly Labelled[], now: number): void {
  const clock = now * 1000 + 5
  const isEnough = marks.hear(told(JSON.stringify({ incarnation: LIFE, before: String(clock - 3), clock: String(clock), floor: '0', members: ['hn:n'] })))
  for (const entry of entries) {
    if (isEnough && entry.filled.stamp <= now * 1000 - 10) holds(marks.ledger.verdict(entry, KEY) === 'dead', 'what was filled before a mark that is told is dead')
  }
}

const RANK: Readonly<Record<Verdict, number>> = { dead: 0, stale: 1, live: 2 }

/** Some marks, and entries from before, between and after them. */
function knownBefore (now: number): { marks: RedisMarks, entries: Labelled[] } {
  const marks = new RedisMarks({ open: () => { throw new Error('a message alone asks nobody') }, prefix: 'p' })
  const { ledger } = marks
  ledger.restart(LIFE)
  const at = now * 1000 - 10
  ledger.learn([{ kind: 'hard', label: 't:x', stamp: at - 3000 }, { kind: 'soft', label: 'l:/a', stamp: at - 2000 }, { kind: 'changed', label: '1', stamp: at - 1500 }], at)
  ledger.raiseFloor(at - 10_000)
  const stamps = [at - 20_000, at - 10_000, at - 5000, at - 2500, at - 1000, at, at + DAY_MICROS]
  return { marks, entries: [LIFE, '-1'].flatMap((incarnation) => stamps.map((stamp) => ({ filled: { incarnation, stamp }, labels: LABELS }))) }
}

/** A pattern, and a text below it: as a slow and simple reader of globs says. */
export const glob: Target = {
  name: 'glob',
  corpus: ['user:*\nuser:1', '*a*b\\*?\naab*x', '**?**\n', '\\\na', '*:*:*\na:b:c', 'é*\né\ud83d'],
  tokens: ['*', '?', '\\', '\n', 'a', ':', '**', '*?', '\\*', 'user:'],
  weight: 2,
  check (input) {
    const text = input.toString()
    const end = text.indexOf('\n')
    const [pattern, id] = [text.slice(0, end + 1).slice(0, 300), text.slice(end + 1, end + 400)]
    const fits = globMatches(pattern, id)
    same(fits, fitsSlowly(pattern, id), 'a glob')
    holds(globMatches(`*${pattern}`, `x${id}`) || !fits, 'a star in front takes anything')
    holds(globMatches(id.replace(/[*?\\]/g, '\\$&'), id), 'escaped it fits itself')
    return `${fits} ${pattern.includes('*')} ${pattern.includes('\\')} ${pattern.includes('?')}`
  }
}

/** The places of the text that can be reached, one token after the other. */
function fitsSlowly (pattern: string, text: string): boolean {
  let reached = [...Array<boolean>(text.length + 1)].map((_, at) => at === 0)
  for (let at = 0; at < pattern.length; at++) {
    const isEscaped = pattern[at] === '\\' && at + 1 < pattern.length
    if (isEscaped) at++
    const wanted = pattern[at]
    if (!isEscaped && wanted === '*') {
      const first = reached.indexOf(true)
      reached = reached.map((_, place) => first >= 0 && place >= first)
    } else reached = reached.map((_, place) => place > 0 && reached[place - 1]! && ((wanted === '?' && !isEscaped) || wanted === text[place - 1]))
  }
  return reached.at(-1)!
}

/** What to invalidate, as JSON from an event or a request may say. */
export const targets: Target = {
  name: 'targets',
  corpus: ['{"tags":["a"],"keys":["k"],"users":[7,"7"]}', '{"urls":["/a?b=1&a=%32","https://x/y#z"]}', '{"namespaces":["n"],"patterns":["a:*"]}', '{}', '{"tags":null}', '[]', '{"users":[1e400]}', '{"urls":["/A/../b/./c//;x?+=%zz"]}'],
  tokens: ['"', '[', ']', '{', '}', ',', ':', 'null', '"tags":', '"urls":', '"keys":', '"users":', '"namespaces":', '"patterns":', '"__proto__":', '"/', '%', '%2F', '..', ';', '?', '#', '\\ud800', '""'],
  check (input) {
    const given = parsed(input.toString())
    if (given === NOTHING) return 'no JSON'
    const labels = labelsOrError(given)
    if (labels === undefined) return 'no targets'
    holds(new Set(labels).size === labels.length && labels.every((label) => /^[tnpukql]:/.test(label) && label.isWellFormed()), 'labels are labels, each once')
    for (const url of (given as InvalidationTargets).urls ?? []) {
      for (const coversQuery of [true, false]) {
        const carried = urlLabels(url.replace(/^https?:\/\/[^/?#]*/i, '').replace(/#.*$/s, ''), { coversQuery })
        holds(urlMarks(url).some((mark) => carried.includes(mark)), `a response is found by its URL: ${url}`)
      }
    }
    return `${[...new Set(labels.map((label) => label[0]))].sort().join('')}`
  }
}

const NOTHING = Symbol('nothing')

function parsed (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return NOTHING
  }
}

/** Undefined with the one error that is promised. */
function labelsOrError (given: unknown): string[] | undefined {
  try {
    return labelsOf(given)
  } catch (fault) {
    if ((fault as { code?: unknown }).code === 'RESPONSE_CACHE_ERR_TARGET_INVALID') return undefined
    throw fault
  }
}

/** Two patterns of routes. */
export const urlPatterns: Target = {
  name: 'url-patterns',
  corpus: ['/a/:id\n/a/1', '/a/*\n/a/b/c', '/:a(^\\d+)/b\n/x', '/a?\n/', '/A//b\n/a/b', '/:file.:ext\n/a.b'],
  tokens: ['/', ':', '*', '?', '(', ')', '\n', 'a', '//', '.', '-'],
  check (input) {
    const [one = '', other = ''] = input.toString().split('\n')
    const may = mayShareUrl(one, other)
    same(mayShareUrl(other, one), may, 'both ways the same')
    holds(mayShareUrl(one, one), 'a pattern shares URLs with itself')
    holds(mayShareUrl(one, '*') && mayShareUrl(one, one.replaceAll(/[a-z]/g, (letter) => letter.toUpperCase())), 'a rest is anything, and case is nothing')
    return `${may} ${/[*(?]/.test(one)} ${one.includes(':')}`
  }
}
