/** Of sorted values, the one that so large a share of them is not above. */
export function percentile (sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN
}

export function median (values: readonly number[]): number {
  return percentile(values.toSorted((a, b) => a - b), 0.5)
}

export const DISTRIBUTION = ['p50 ms', 'p90', 'p99', 'max']

/** The cells under `DISTRIBUTION`. */
export function distribution (ms: readonly number[]): string[] {
  const sorted = ms.toSorted((a, b) => a - b)
  return [0.5, 0.9, 0.99, 1].map((share) => percentile(sorted, share).toFixed(1))
}
