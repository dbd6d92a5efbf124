/* Numbers as people read them, each with its unit. An absent one is a dash. */

export const NONE = '–'

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

export function count (value: number | undefined): string {
  return value === undefined ? NONE : whole.format(value)
}

/** Of a share from 0 to 1. What is nearly all is not called all, and what is nearly nothing not nothing. */
export function percent (share: number | undefined): string {
  if (share === undefined) return NONE
  const rounded = Math.round(share * 1000) / 10
  if (rounded === 100 && share < 1) return '99.9 %'
  if (rounded === 0 && share > 0) return '0.1 %'
  return `${rounded.toFixed(1)} %`
}

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

export function bytes (value: number | undefined): string {
  if (value === undefined) return NONE
  let [left, at] = [value, 0]
  while (left >= (at === 0 ? 1000 : 999.5) && at < BYTE_UNITS.length - 1) {
    left /= 1000
    at++
  }
  return `${digits(left)} ${BYTE_UNITS[at]}`
}

const STEPS: ReadonlyArray<readonly [unit: string, ms: number, below: number]> = [
  ['ms', 1, 999.5],
  ['s', 1000, 59_950],
  ['min', 60_000, 3_597_000],
  ['h', 3_600_000, 86_328_000]
]

export function duration (ms: number | undefined): string {
  if (ms === undefined || !Number.isFinite(ms)) return NONE
  const [unit, unitMs] = STEPS.find(([,, below]) => Math.abs(ms) < below) ?? ['d', 86_400_000]
  return `${digits(ms / unitMs)} ${unit}`
}

export function seconds (value: number | undefined): string {
  return duration(value === undefined ? undefined : value * 1000)
}

/** `14:03:59`, in the time of this machine. */
export function timeOfDay (at: number): string {
  return new Date(at).toLocaleTimeString('en-GB')
}

/** An entry may say anything. */
export function moment (at: number): string {
  if (Number.isNaN(new Date(at).getTime())) return NONE
  return new Date(at).toISOString().replace('T', ' ').replace(/\.\d+Z$/, ' UTC')
}

/** Three digits that say something. */
function digits (value: number): string {
  const size = Math.abs(value)
  if (size >= 99.95 || Number.isInteger(value)) return whole.format(value)
  return value.toFixed(size >= 9.995 ? 1 : 2)
}
