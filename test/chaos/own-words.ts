import type { Row } from './matrix.ts'
import { brokenPromises } from './table.ts'

/** What clients saw, in some lines. */
export function wordsFor (row: Row): { readonly text: string, readonly isKept: boolean } {
  const { cells, fault: { description } } = row
  const reading = cells.filter(({ operation }) => operation !== 'invalidate')
  const broken = brokenPromises(row)
  const requests = cells.reduce((sum, cell) => sum + cell.requests, 0)
  const errors = cells.reduce((sum, cell) => sum + cell.errors.length, 0)
  const stale = cells.reduce((sum, cell) => sum + cell.stale, 0)
  const normal = reading.map(({ normalAfterMs }) => normalAfterMs)
  const slowest = Math.max(...reading.map(({ p99 }) => p99))
  const plain = Math.max(...reading.map(({ plainP99 }) => plainP99))
  const lines = [
    `${broken.length === 0 ? 'ok    ' : 'BROKEN'}  ${description}`,
    `        ${requests} requests, ${errors === 0 ? 'all answered' : `${errors} failed`}; ${stale === 0 ? 'nothing stale' : `${stale} answers stale`}`,
    `        slowest 1 % meanwhile: ${Math.round(slowest)} ms (${Math.round(plain)} ms without a cache)`,
    `        hits again: ${normal.some((one) => one === undefined) ? 'not seen' : `${(Math.max(...normal.map(Number)) / 1000).toFixed(1)} s after it ended`}`,
    ...broken.map((text) => `        broken: ${text}`)
  ]
  return { text: lines.join('\n'), isKept: broken.length === 0 }
}
