/**
 * Feeds everything that takes bytes or text from outside with made-up inputs: `npx tsx test/fuzz/run.ts --cases 1000000`.
 *
 *   --cases N       cases of all targets together. Default: 1,000,000
 *   --only TARGET   this target alone
 *   --seed S        the same inputs again. Default: another one each time
 *   --input BASE64  this one input, with --only
 *
 * Ends with 1 when a promise was broken, and says how to repeat it.
 */
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { report, runTargets } from './run-targets.ts'
import { targets } from './targets.ts'

const { values: { cases, only, seed, input } } = parseArgs({ options: { cases: { type: 'string', default: '1000000' }, only: { type: 'string' }, seed: { type: 'string', default: String(Date.now() % 2 ** 31) }, input: { type: 'string' } } })

const chosen = only === undefined ? targets : targets.filter(({ name }) => name === only)
if (chosen.length === 0) throw new Error(`expected --only to be one of ${targets.map(({ name }) => name).join(', ')}, got ${only}`)

if (input !== undefined) {
  for (const target of chosen) console.log(await target.check(Buffer.from(input, 'base64')))
} else {
  const folder = pathToFileURL('lib/').href
  console.log(`seed ${seed}`)
  const results = await runTargets(chosen, { seed: Number(seed), cases: Number(cases), folder, onResult: (result) => { console.log(report(result)) } })
  const all = results.reduce((sum, { cases, ms }) => ({ cases: sum.cases + cases, ms: sum.ms + ms }), { cases: 0, ms: 0 })
  console.log(`${all.cases} cases in ${(all.ms / 1000).toFixed(0)} s`)
  process.exitCode = results.some(({ failure }) => failure !== undefined) ? 1 : 0
}
