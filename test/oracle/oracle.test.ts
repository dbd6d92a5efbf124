import t from 'tap'
import { runScenario, SHORT_SCENARIOS } from './oracle.ts'
import { oracleTable } from './table.ts'

// The long form: npx tsx test/oracle/run.ts --invalidations 100000
const INVALIDATIONS = 1200

for (const scenario of SHORT_SCENARIOS) {
  t.test(`nobody is served as fresh what was invalidated: ${scenario.name}`, async (t) => {
    const outcome = await runScenario(scenario, INVALIDATIONS)
    const { byForm, delays, disturbances, examples, hits, invalidations, responses, violations } = outcome
    t.comment(oracleTable([outcome]))
    t.comment(JSON.stringify(byForm))
    t.equal(violations, 0, examples.join('; '))
    t.ok(invalidations >= INVALIDATIONS)
    t.ok(disturbances > 0 || scenario.disturbances?.includes('mute') === true, 'something was disturbed')
    t.ok((hits.redis + hits.memory) / responses > 0.3, 'there are hits')
    if (scenario.memory === undefined) return
    t.ok(hits.memory / responses > 0.1, 'there are hits from memory')
    t.ok(delays.at(-1)! <= scenario.memory.maxBlindMs, `the oldest copy was used ${delays.at(-1)} ms after the acknowledgment`)
  })
}
