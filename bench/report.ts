import type { ComparisonResult, PeerResult, Spread } from './measure.ts'

export interface Results {
  comparisons: ComparisonResult[]
  /** Titles of comparisons that could not be made, with the reason. */
  skipped: string[]
  peers: PeerResult[]
}

type Row = string[]

/** The same tables for the terminal and for docs/benchmarks.md: Markdown, with padded columns. */
export function tables ({ comparisons, skipped, peers }: Results): string {
  const parts: string[] = []
  if (comparisons.length > 0) {
    parts.push(table(['what', 'ratio (median)', 'min–max', 'floor', '', 'requests/s', 'CPU µs per request', 'CPU ratio'], comparisons.map(comparisonRow)))
  }
  if (skipped.length > 0) parts.push(skipped.map((reason) => `Not measured: ${reason}`).join('\n'))
  if (peers.length > 0) {
    parts.push(table(['contestant', 'requests/s', 'against the memory hit', 'min–max', 'CPU µs per request', 'p50 ms', 'p99 ms', 'what it is'], peers.map(peerRow)))
  }
  return parts.join('\n\n')
}

export function isBelow ({ comparison, ratio, cpuRatio, isDisturbed }: ComparisonResult): boolean {
  return comparison.floor !== undefined && (isDisturbed ? cpuRatio : ratio).median < comparison.floor
}

function verdict (result: ComparisonResult): string {
  if (result.comparison.floor === undefined) return ''
  return `${isBelow(result) ? 'BELOW' : 'ok'}${result.isDisturbed ? ' (by CPU)' : ''}`
}

function comparisonRow (result: ComparisonResult): Row {
  const { comparison, subject, baseline, ratio, cpuRatio } = result
  return [
    comparison.title,
    ratio.median.toFixed(3),
    range(ratio),
    comparison.floor === undefined ? '' : comparison.floor.toFixed(2),
    verdict(result),
    `${thousands(subject.requestsPerSecond)} / ${thousands(baseline.requestsPerSecond)}`,
    `${subject.cpuMicrosPerRequest.toFixed(1)} / ${baseline.cpuMicrosPerRequest.toFixed(1)}`,
    cpuRatio.median.toFixed(3)
  ]
}

function peerRow ({ contestant, run, ratio }: PeerResult): Row {
  return [
    contestant.name,
    thousands(run.requestsPerSecond),
    ratio.median.toFixed(2),
    range(ratio),
    run.cpuMicrosPerRequest.toFixed(1),
    run.p50Ms.toFixed(2),
    run.p99Ms.toFixed(2),
    contestant.description ?? ''
  ]
}

export function table (head: Row, rows: Row[]): string {
  const widths = head.map((cell, column) => Math.max(3, cell.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: Row): string => `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

function range ({ min, max }: Spread): string {
  return `${min.toFixed(2)}–${max.toFixed(2)}`
}

function thousands (value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
