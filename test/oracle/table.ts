import { percentile } from './judge.ts'
import type { Outcome } from './oracle.ts'

const HEAD = ['scenario', 'invalidations', 'refused', 'disturbed', 'seconds', 'responses', 'hits', 'of memory', 'violations', 'old results', 'old copies', 'invalidations with old copies', 'delay p50', 'p99', 'p99.9', 'max ms', 'bound ms']

/** One line for each outcome, in Markdown. */
export function oracleTable (outcomes: readonly Outcome[]): string {
  const rows = [HEAD, HEAD.map(() => '---'), ...outcomes.map(row)]
  return rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function row (outcome: Outcome): string[] {
  const { scenario, invalidations, refused, disturbances, seconds, responses, hits, violations, oldCopies, oldResults, delays } = outcome
  const late = delays.length - delays.findLastIndex((delay) => delay === 0) - 1
  const delay = (share: number): string => scenario.memory === undefined ? '' : percentile(delays, share).toFixed(2)
  return [
    scenario.name, String(invalidations), String(refused), String(disturbances), seconds.toFixed(1), String(responses),
    percent((hits.redis + hits.memory) / responses), percent(hits.memory / responses), String(violations), String(oldResults), String(oldCopies), String(late),
    delay(0.5), delay(0.99), delay(0.999), delay(1), String(scenario.memory?.maxBlindMs ?? '')
  ]
}

function percent (share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
