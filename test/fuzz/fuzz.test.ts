import { test } from 'tap'
import { report, runTargets } from './run-targets.ts'
import { targets } from './targets.ts'

/*
 * A short run of `test/fuzz/run.ts`, which tries as many inputs as it is told to, once with inputs that are always the same and once with others. A failure says how to repeat it.
 */

const folder = new URL('../../lib/', import.meta.url).href
const RANDOM = Number(process.env.SEED ?? Date.now() % 2 ** 31)

for (const [which, seed] of [['the same inputs as always', 1], ['other inputs', RANDOM]] as const) {
  test(`no input breaks a promise, nor takes long: ${which}`, async (t) => {
    t.comment(`seed ${seed}`)
    const results = await runTargets(targets, { seed, cases: 20_000, mostMs: 4000, folder })
    for (const result of results) t.ok(result.failure === undefined && result.cases > 0, report(result))
  })
}

test('an input that breaks a promise is found, and made short', async (t) => {
  const careless = {
    name: 'careless',
    corpus: ['{"a":"b"}'],
    tokens: ['max', 'age', '"'],
    check (input: Buffer) {
      const text = input.toString('latin1')
      if (text.includes('max') && text.includes('age')) throw new Error('broken')
      return text.includes('max') ? 'max' : 'nothing'
    }
  }
  const [found] = await runTargets([careless], { seed: 1, cases: 100_000, folder })
  const text = found?.failure?.input.toString('latin1') ?? ''
  t.ok(text === 'maxage' || text === 'agemax', text)
  t.match(report(found!), '--only careless --input')
})
