/* Numbers as people read them. An absent number is a dash. */

export const NONE = '–'

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })
const time = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
const hour = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
const day = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' })

/** @param {number | undefined} value */
export function count (value) {
  return value === undefined ? NONE : whole.format(value)
}

/** @param {number | undefined} value */
export function short (value) {
  return value === undefined ? NONE : value < 10_000 ? whole.format(value) : compact.format(value)
}

/**
 * What is nearly all is not called all.
 * @param {number | undefined} share
 */
export function percent (share) {
  if (share === undefined) return NONE
  const rounded = Math.round(share * 1000) / 10
  const shown = share < 1 && rounded === 100 ? 99.9 : rounded
  return `${shown === 100 || shown === 0 ? shown : shown.toFixed(1)} %`
}

/** @param {number | undefined} value */
export function bytes (value) {
  if (value === undefined) return NONE
  if (value < 1000) return `${whole.format(value)} B`
  const units = ['kB', 'MB', 'GB', 'TB', 'PB']
  let [left, at] = [value / 1000, 0]
  while (left >= 999.5 && at < units.length - 1) {
    left /= 1000
    at++
  }
  return `${digits(left)} ${units[at]}`
}

/**
 * A duration of a response: milliseconds.
 * @param {number | undefined} ms
 */
export function latency (ms) {
  if (ms === undefined) return NONE
  return ms >= 1000 ? `${digits(ms / 1000)} s` : `${digits(ms)} ms`
}

/**
 * A long duration: milliseconds.
 * @param {number | undefined} ms
 */
export function duration (ms) {
  if (ms === undefined) return NONE
  const seconds = ms / 1000
  if (seconds < 0.9995) return `${Math.round(ms)} ms`
  if (seconds < 59.95) return `${digits(seconds)} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.round(seconds / 3600)
  if (minutes < 24 * 60) return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
  return hours % 24 === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/**
 * Seconds, as of an age or a lifetime.
 * @param {number | undefined} value
 */
export function seconds (value) {
  if (value === undefined) return NONE
  return value < 0 ? `${duration(-value * 1000)} ago` : duration(value * 1000)
}

/** @param {number} value Per second. */
export function rate (value) {
  return `${digits(value)} / s`
}

/** @param {number} at */
export function clock (at) {
  return time.format(at)
}

/** @param {number} at */
export function clockMinutes (at) {
  return hour.format(at)
}

/** @param {number} at */
export function moment (at) {
  return day.format(at)
}

/** @param {number} value */
function digits (value) {
  if (value === 0) return '0'
  return value >= 100 ? whole.format(value) : value >= 10 ? value.toFixed(1).replace(/\.0$/, '') : value.toFixed(2).replace(/\.?0+$/, '') || '0'
}
