import fc from 'fast-check'
import { test } from 'tap'
import { globMatches } from '../../lib/marks/glob.ts'

/** The same in another way: the positions of the text that can be reached, token by token. Slow and simple. */
function reference (pattern: string, text: string): boolean {
  let reached = new Set([0])
  for (let at = 0; at < pattern.length; at++) {
    const isEscaped = pattern[at] === '\\' && at + 1 < pattern.length
    if (isEscaped) at++
    const next = new Set<number>()
    for (const position of reached) {
      if (!isEscaped && pattern[at] === '*') for (let later = position; later <= text.length; later++) next.add(later)
      else if (position < text.length && ((!isEscaped && pattern[at] === '?') || pattern[at] === text[position])) next.add(position + 1)
    }
    reached = next
  }
  return reached.has(text.length)
}

/** Few characters, so that patterns and texts often fit. */
const pattern = fc.string({ unit: fc.constantFrom('*', '?', '\\', 'a', 'b', ':', '\ud83d', '\n'), maxLength: 12 })
const text = fc.string({ unit: fc.constantFrom('a', 'b', ':', '*', '?', '\\', '\ud83d', '\n'), maxLength: 12 })

test('a star is any run of characters, a question mark is one, and a backslash takes the meaning from both', async (t) => {
  const fits: Array<[pattern: string, texts: string[], others: string[]]> = [
    ['user:123:*', ['user:123:', 'user:123:profile', 'user:123:a:b'], ['user:123', 'user:1234:a', 'a user:123:b']],
    ['*:profile', ['user:1:profile', ':profile'], ['user:1:profile:', 'profile']],
    ['user:?:*', ['user:1:', 'user:1:a'], ['user::', 'user:12:a']],
    ['*', ['', 'a', '\n', '*'], []],
    ['a\\*b', ['a*b'], ['ab', 'aab', 'a\\*b']],
    ['a\\?', ['a?'], ['ab', 'a']],
    ['a\\\\*', ['a\\', 'a\\b'], ['a*', 'a']],
    ['a\\', ['a\\'], ['a', 'ab']],
    ['a[bc]', ['a[bc]'], ['ab', 'ac']],
    ['A', ['A'], ['a']],
    ['a**?*b', ['acb', 'accb'], ['ab']],
    ['a*b*c', ['abc', 'abcbc', 'a b b c'], ['abcb', 'acb']]
  ]
  for (const [pattern, texts, others] of fits) {
    for (const text of texts) t.equal(globMatches(pattern, text), true, `${pattern} fits ${text}`)
    for (const text of others) t.equal(globMatches(pattern, text), false, `${pattern} does not fit ${text}`)
  }
})

test('a glob fits what a slow and simple reader of globs says that it fits', async (t) => {
  let fitting = 0
  fc.assert(fc.property(pattern, text, (pattern, text) => {
    const expected = reference(pattern, text)
    if (expected) fitting++
    return globMatches(pattern, text) === expected
  }), { numRuns: 20_000 })
  t.ok(fitting > 500, `${fitting} of 20,000 fitted`)
})

test('a text with each of its characters escaped fits itself and nothing else', async () => {
  fc.assert(fc.property(text, text, (one, other) => globMatches(one.replace(/[^]/g, '\\$&'), other) === (one === other)), { numRuns: 5000 })
  fc.assert(fc.property(text, (one) => globMatches(one.replace(/[^]/g, '\\$&'), one)), { numRuns: 5000 })
})

test('no pattern takes longer than its length times that of the text', async (t) => {
  const length = 512
  const hostile: Array<[pattern: string, text: string]> = [
    ['*a*a*a*a*b', 'a'.repeat(length)],
    ['*a'.repeat(64) + '*b', 'a'.repeat(length)],
    ['*' + 'a'.repeat(255) + 'b', 'a'.repeat(length)],
    ['*?'.repeat(128) + 'b', 'a'.repeat(length)],
    ['*'.repeat(length) + 'b', 'a'.repeat(length)],
    ['*\\a'.repeat(100) + '\\b', 'a'.repeat(length)]
  ]
  for (const [pattern, text] of hostile) {
    const counted = countReads(text)
    t.equal(globMatches(pattern, counted.text), false)
    const most = 2 * pattern.length * (text.length + 1)
    t.ok(counted.reads() <= most, `${counted.reads()} reads of at most ${most} for ${pattern.slice(0, 20)}`)
  }
})

/** A text that counts how often one of its characters is read: no clock is needed to tell how long a comparison takes. */
function countReads (text: string): { text: string, reads: () => number } {
  let reads = 0
  const counting = new Proxy(Object(text) as object, {
    get (target, name) {
      if (name === 'length') return text.length
      if (typeof name === 'string' && /^\d+$/.test(name) && ++reads > 5_000_000) throw new Error('too many reads')
      return Reflect.get(target, name) as unknown
    }
  })
  return { text: counting as unknown as string, reads: () => reads }
}
