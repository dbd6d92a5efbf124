// npx tsx test/oracle/run.ts [--invalidations 100000] [--only '0;memory']
import { parseArgs } from 'node:util'
import { runScenario, SCENARIOS, type Outcome } from './oracle.ts'
import { oracleTable } from './table.ts'

const { values: options } = parseArgs({ options: { invalidations: { type: 'string', default: '100000' }, only: { type: 'string' } } })
const scenarios = SCENARIOS.filter(({ name }, at) => options.only === undefined || options.only.split(';').some((wanted) => wanted === name || wanted === String(at)))
if (scenarios.length === 0) throw new Error(`--only: expected numbers or names, separated by semicolons, of ${SCENARIOS.map(({ name }) => name).join('; ')}`)

const outcomes: Outcome[] = []
for (const scenario of scenarios) {
  const outcome = await runScenario(scenario, Math.ceil(Number(options.invalidations) / scenarios.length))
  outcomes.push(outcome)
  console.error(oracleTable([outcome]).split('\n').at(-1))
  for (const example of outcome.examples) console.error(`  ${example}`)
}
const byForm: Record<string, number> = {}
for (const outcome of outcomes) for (const [name, count] of Object.entries(outcome.byForm)) byForm[name] = (byForm[name] ?? 0) + count
console.log(oracleTable(outcomes))
console.log(`\ninvalidations: ${outcomes.reduce((sum, one) => sum + one.invalidations, 0)}, violations: ${outcomes.reduce((sum, one) => sum + one.violations, 0)}`)
console.log(Object.entries(byForm).map(([name, count]) => `${name} ${count}`).join(', '))
if (outcomes.some((one) => one.violations > 0 || one.delays.at(-1)! > (one.scenario.memory?.maxBlindMs ?? 0))) process.exitCode = 1
