import { InvalidArgumentError } from 'commander'
import { durationToMs } from '../options/duration.ts'

/** Reads a whole number. */
export function wholeNumber (least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= least && value <= most) return value
    throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`)
  }
}

/** Reads a duration as milliseconds. */
export function milliseconds (least: number, most: number): (text: string) => number {
  return (text) => {
    const ms = durationToMs(text)
    if (ms !== undefined && ms >= least && ms <= most) return ms
    throw new InvalidArgumentError(`Expected a duration from ${least}ms to ${most / 1000}s, such as 2s or 500ms.`)
  }
}

/** Collects an option that may be there several times. */
export function several (text: string, before: readonly string[] = []): string[] {
  return [...before, text]
}
