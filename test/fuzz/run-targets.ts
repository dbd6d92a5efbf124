import { Coverage } from './coverage.ts'
import { fuzz, type Fuzzed } from './fuzz.ts'
import type { Target } from './target.ts'

export interface Result extends Fuzzed {
  readonly name: string
  readonly seed: number
}

export interface RunOptions {
  readonly seed: number
  /** Of all targets together. */
  readonly cases: number
  /** Whose code counts, as a URL. */
  readonly folder: string
  readonly mostMs?: number
  readonly onResult?: (result: Result) => void
}

/** One target after the other, each with the same seed, so that one alone does the same again. */
export async function runTargets (targets: readonly Target[], { seed, cases, folder, mostMs, onResult }: RunOptions): Promise<Result[]> {
  using coverage = new Coverage(folder)
  const weights = targets.reduce((sum, { weight = 1 }) => sum + weight, 0)
  const results: Result[] = []
  for (const target of targets) {
    const share = (target.weight ?? 1) / weights
    const fuzzed = await fuzz(target, { seed, cases: Math.ceil(cases * share), coverage, ...mostMs === undefined ? {} : { mostMs: mostMs * share } })
    const result = { name: target.name, seed, ...fuzzed }
    results.push(result)
    onResult?.(result)
  }
  return results
}

/** One line, and more for a failure. */
export function report ({ name, seed, cases, ms, corpus, blocks, outcomes, failure }: Result): string {
  const line = `${name}: ${cases} cases in ${(ms / 1000).toFixed(1)} s, ${outcomes.size} outcomes, ${blocks} blocks, corpus ${corpus}`
  if (failure === undefined) return line
  const { input, fault } = failure
  return [
    line, `  ${fault instanceof Error ? fault.stack ?? fault.message : String(fault)}`, `  input of ${input.length} bytes: ${JSON.stringify(input.toString('latin1').slice(0, 300))}`,
    `  again: npx tsx test/fuzz/run.ts --only ${name} --input ${input.toString('base64').slice(0, 4000)}`, `  or:    npx tsx test/fuzz/run.ts --only ${name} --seed ${seed} --cases ${cases}`
  ].join('\n')
}
