/**
 * What a failover and a slot that moves cost, in figures, on a machine that does nothing else:
 * `npx tsx test/topology/run.ts [--phase 10000] [--only '0;Sentinel: the master is killed']`. The tests beside it hold to what is promised
 * on any machine, without figures.
 */
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { play, type Outcome } from './phases.ts'
import { SCENARIOS } from './scenarios.ts'

const { values: options } = parseArgs({ options: { phase: { type: 'string', default: '10000' }, only: { type: 'string' } } })
const wanted = options.only?.split(';')
const scenarios = SCENARIOS.filter(({ name }, at) => wanted === undefined || wanted.includes(name) || wanted.includes(String(at)))
if (scenarios.length === 0) throw new Error(`--only: expected numbers or names, separated by semicolons, of ${SCENARIOS.map(({ name }) => name).join('; ')}`)

const outcomes: Outcome[] = []
for (const scenario of scenarios) {
  const endings: Array<() => Promise<void>> = []
  try {
    const outcome = await play({ teardown (end) { endings.unshift(end) } }, scenario, { enough: () => setTimeout(Number(options.phase)) })
    outcomes.push(outcome)
    console.error(details(outcome))
  } finally {
    for (const end of endings) await end()
  }
}
console.log([
  '| fault | client errors | p99 during the fault | p99 without a cache | stale as fresh | back to normal | unhandled rejections |',
  '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
  ...outcomes.map(row)
].join('\n'))

function row (outcome: Outcome): string {
  const all = Object.values(outcome.counts)
  const sum = (count: 'clientErrors' | 'staleAsFresh'): number => all.reduce((total, counts) => total + counts[count], 0)
  const cells = [outcome.name, sum('clientErrors'), ms(outcome.p99DuringMs), ms(outcome.p99UncachedMs), sum('staleAsFresh'), outcome.isBack ? ms(outcome.backToNormalMs) : 'not', outcome.unhandled.length]
  return `| ${cells.join(' | ')} |`
}

function details ({ name, counts, faultMs, unhandled, backToNormalMs, isBack, noticedMs }: Outcome): string {
  const lines = [`${name}: not whole for ${ms(faultMs)}, ${isBack ? 'back to normal' : 'NOT back to normal'} after ${ms(backToNormalMs)} (seeing that takes ${ms(noticedMs)})`]
  for (const [phase, { requests, acknowledged, unacknowledged, staleAsFresh, oldCopies, oldestCopyMs, examples, clientErrors }] of Object.entries(counts)) {
    lines.push(`  ${phase}: ${requests} requests, ${clientErrors} errors, ${acknowledged} invalidations acknowledged, ${unacknowledged} not, ${staleAsFresh} stale as fresh, ${oldCopies} old copies (the oldest ${ms(oldestCopyMs)})`, ...examples.map((example) => `    ${example}`))
  }
  return [...lines, ...unhandled.map((fault) => `  unhandled: ${String(fault)}`)].join('\n')
}

function ms (number: number): string {
  return `${number.toFixed(number < 10 ? 1 : 0)} ms`
}
