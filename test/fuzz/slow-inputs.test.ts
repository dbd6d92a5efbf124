import { test } from 'tap'
import { PARSERS } from './parsers.ts'
import { slowInput } from './slow-inputs.ts'
import { targets } from './targets.ts'

const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31)

for (const [target, name, parse] of PARSERS) {
  test(`${name} takes time in proportion to the length of what it is given`, async (t) => {
    const { corpus, tokens } = targets.find((one) => one.name === target)!
    const texts = corpus.map((input) => Buffer.from(input).toString('latin1'))
    t.equal(slowInput(parse, { corpus: texts, tokens }, { seed: SEED, mostMs: 150 }), undefined, `SEED=${SEED}`)
  })
}

test('a text that takes the square of the time is found', async (t) => {
  // Work of a fixed size, which a regular expression has not: it is first interpreted, then compiled.
  const careless = (text: string): number => {
    const some = (text.split('a').length - 1) / 4
    let work = 0
    for (let i = 0; i < some; i++) for (let j = 0; j < some; j++) work ^= i * j
    return work
  }
  // What else the machine does may hide it once.
  const find = (): string | undefined => slowInput(careless, { corpus: ['a'], tokens: [' ', 'a'] }, { seed: 1, mostMs: 0, enoughMs: 100 })
  t.match(find() ?? find() ?? find() ?? find(), '"a" again and again')
})
