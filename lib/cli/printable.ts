/*
 * Keys, tags, header fields and answers of servers are texts of strangers. Shown as they are, they could move the cursor of a terminal, set
 * its title, or turn the direction of what stands behind them.
 */

/** Control characters, separators of lines, what is invisible, what changes the direction of text, and halves of characters. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/** The text with what a terminal would obey written out: `\x1b`, `\u202e`. */
export function printable (text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.codePointAt(0)!
    return code <= 0xff ? `\\x${hex(code, 2)}` : code <= 0xffff ? `\\u${hex(code, 4)}` : `\\u{${hex(code, 5)}}`
  })
}

/** JSON that is the same value, and shows nothing of that either. */
export function printableJson (json: string): string {
  return json.replace(UNPRINTABLE, (character) => character === '\n' ? character : [...Array(character.length).keys()].map((at) => `\\u${hex(character.charCodeAt(at), 4)}`).join(''))
}

/** Several lines stay several lines. */
export function printableLines (text: string): string {
  return text.split(/\r?\n/).map(printable).join('\n')
}

function hex (code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}

/** To the last `@`: passwords that are not encoded may have one. */
const CREDENTIALS_IN_URL = /:\/\/[^/?#\s]*@/g
const HIDDEN = '***'
/** Shorter secrets are parts of words, and the shortest are words, that have nothing to do with them: what is hidden of these would give them away. */
const [LEAST_HIDDEN, LEAST_HIDDEN_ANYWHERE] = [4, 8]

/** The text without passwords: those that are known, and what stands before the `@` of a URL. */
export function withoutSecrets (text: string, secrets: readonly string[]): string {
  const known = secrets.filter((secret) => secret.length >= LEAST_HIDDEN).sort((a, b) => b.length - a.length)
  return known.reduce((shown, secret) => shown.replace(patternOf(secret), HIDDEN), text).replace(CREDENTIALS_IN_URL, `://${HIDDEN}@`)
}

function patternOf (secret: string): RegExp {
  const literal = secret.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
  return new RegExp(secret.length < LEAST_HIDDEN_ANYWHERE ? `(?<![\\p{L}\\p{N}_])${literal}(?![\\p{L}\\p{N}_])` : literal, 'gu')
}
