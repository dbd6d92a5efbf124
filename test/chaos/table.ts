import { MAX_BLIND_MS } from './fleet.ts'
import type { Left, Row } from './matrix.ts'
import type { Cell } from './cells.ts'

const HEAD = ['fault', 'operation', 'requests', 'errors', 'p99 ms (without cache)', 'stale as fresh', 'normal after', 'unhandled', 'connections, timers, heap after − before']
const LONGEST_NORMAL_MS = 2000
/** Those of clients that reconnect come and go. */
const MORE_TIMERS = 8
/** Commands, marks and the ends of leases, for six processes. Some are opened when they are needed for the first time. */
const MOST_CONNECTIONS = 3 * 6

/** One line for each fault and operation, in Markdown. What belongs to the whole fault stands in its first line. */
export function matrixTable (rows: readonly Row[]): string {
  const lines = rows.flatMap((row) => row.cells.map((cell, at) => [
    at === 0 ? row.fault.description : '', cell.operation, String(cell.requests), String(cell.errors.length),
    `${ms(cell.p99)} (${ms(cell.plainP99)})`, staleText(cell), cell.normalAfterMs === undefined ? 'never' : seconds(cell.normalAfterMs),
    at === 0 ? String(row.uncaught.length) : '', at === 0 ? leftText(row) : ''
  ]))
  return [HEAD, HEAD.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

export function oracleLine ({ oracle, idleP99 }: Row): string {
  const { invalidations, responses, hits, violations, oldCopies, delays } = oracle
  return `oracle: ${invalidations} invalidations, ${responses} reads, ${hits.redis + hits.memory} hits, ${violations} stale; ${oldCopies} old copies in memory, the latest ${Math.round(delays.at(-1) ?? 0)} ms late; p99 without cache and fault ${Math.round(idleP99)} ms`
}

/** What was promised and is not so. `isBusy`: other programs use the machine, so how soon things are normal again is not judged. */
export function brokenPromises (row: Row, { isBusy = false } = {}): string[] {
  const { fault: { name }, cells, oracle, oracleFaults, uncaught, before, after } = row
  const broken = cells.flatMap((cell) => brokenBy(cell, isBusy).map((text) => `${name} × ${cell.operation}: ${text}`))
  if (oracle.violations > 0) broken.push(`${name}: ${oracle.violations} stale answers in the oracle: ${oracle.examples[0]!}`)
  if ((oracle.delays.at(-1) ?? 0) > MAX_BLIND_MS) broken.push(`${name}: a copy in memory was used ${Math.round(oracle.delays.at(-1)!)} ms after the invalidation`)
  for (const fault of oracleFaults) broken.push(`${name}: the oracle has stopped: ${fault}`)
  for (const fault of uncaught) broken.push(`${name}: ${fault}`)
  if (after.connections > MOST_CONNECTIONS) broken.push(`${name}: ${after.connections} connections to Redis, expected ${MOST_CONNECTIONS} at most`)
  if (timers(after) > timers(before) + MORE_TIMERS) broken.push(`${name}: ${timers(after)} timers instead of ${timers(before)}`)
  return broken
}

function brokenBy (cell: Cell, isBusy: boolean): string[] {
  const { errors, stale, stalePending, latestMs, normalAfterMs, examples } = cell
  const broken: string[] = []
  if (errors.length > 0) broken.push(`${errors.length} errors: ${errors[0]!}`)
  if (stale > 0) broken.push(`${stale} stale answers: ${examples[0]!}`)
  if (stalePending > 0) broken.push(`${stalePending} stale answers of the process that could not confirm the invalidation`)
  if (latestMs > MAX_BLIND_MS) broken.push(`a copy in memory was used ${Math.round(latestMs)} ms after the invalidation`)
  if (normalAfterMs === undefined) broken.push('not normal again')
  else if (normalAfterMs >= LONGEST_NORMAL_MS && !isBusy) broken.push(`normal after ${seconds(normalAfterMs)} only`)
  return broken
}

function staleText ({ stale, oldCopies, latestMs }: Cell): string {
  return oldCopies === 0 ? String(stale) : `${stale} (copies up to ${Math.ceil(latestMs)} ms late)`
}

function leftText ({ before, after }: Row): string {
  const megabytes = (after.heapBytes - before.heapBytes) / 2 ** 20
  return `${signed(after.connections - before.connections)}, ${signed(timers(after) - timers(before))}, ${megabytes < 0 ? '−' : '+'}${Math.abs(megabytes).toFixed(1)} MB`
}

function timers ({ handles }: Left): number {
  return handles.Timeout ?? 0
}

function signed (number: number): string {
  return number < 0 ? `−${-number}` : `+${number}`
}

function ms (number: number): string {
  return Number.isNaN(number) ? '–' : String(Math.round(number))
}

function seconds (number: number): string {
  return `${(number / 1000).toFixed(1)} s`
}
