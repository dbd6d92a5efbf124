import { parse } from '@lukeed/ms'

/** A length of time: a number of seconds, or a string with a unit such as `'500ms'`, `'30s'`, `'5m'`, `'1h'`, `'1d'`. */
export type Duration = number | `${number}${DurationUnit}` | (string & {})
type DurationUnit = 'ms' | 's' | 'm' | 'h' | 'd' | 'w'

/** Of bounded length: the time that the parser takes is the square of the number of digits. */
const WITH_UNIT = /^\d{1,20}(\.\d{1,20})? ?[a-z]{1,12}$/i
const LONGEST_MS = 10 * 365.25 * 86_400_000

/** What a duration has to look like, for error texts. */
export const DURATION_EXPECTED = 'seconds as a number (300) or a string with a unit (\'500ms\', \'30s\', \'5m\', \'1h\', \'1d\'), ' +
  'from 0 to ten years'

/** Milliseconds, or `undefined` when the value is no duration. A string without a unit is none: `'300'` could mean either. */
export function durationToMs (value: unknown): number | undefined {
  const ms = typeof value === 'number' ? value * 1000 : typeof value === 'string' ? stringToMs(value) : undefined
  return ms !== undefined && ms >= 0 && ms <= LONGEST_MS ? Math.round(ms) : undefined
}

function stringToMs (text: string): number | undefined {
  if (!WITH_UNIT.test(text)) return undefined
  // The parser gives `undefined` for zero as well as for nonsense.
  return Number.parseFloat(text) === 0 && parse(text.replace(/^[\d.]+/, '1')) !== undefined ? 0 : parse(text)
}
