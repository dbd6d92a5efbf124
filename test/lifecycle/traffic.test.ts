import { join } from 'node:path'
import t, { type Test } from 'tap'
import { useRedis } from '../helpers/redis.ts'
import { builtProgram } from '../helpers/built-program.ts'
import { runOfFolder } from './run-program.ts'
import type { TrafficReport, TrafficSettings } from './traffic.ts'

t.setTimeout(300_000)

const program = await builtProgram(join(import.meta.dirname, 'traffic.ts'))

/** Handlers take 30 ms, and Redis answers. */
const CLOSES_MS = 5000
const LINGERS_MS = 3000

t.test('an app that closes while it is busy answers every request that has come to it', async (t) => {
  await answersAll(t, { prefix: 'p' })
})

for (const memory of [false, true]) {
  t.test(`${memory ? 'with memory in front of Redis' : 'with Redis'}, an app that closes while it is busy answers every request that has come to it`, async (t) => {
    const { url, prefix } = await useRedis(t)
    await answersAll(t, { redis: url, prefix, memory })
  })
}

async function answersAll (t: Test, settings: TrafficSettings): Promise<void> {
  for (let round = 0; round < 2; round++) {
    const { said: [report], code, lingeredMs, errors } = await runOfFolder<TrafficReport>(t, [program, JSON.stringify(settings)])
    if (report === undefined) throw new Error(`the program has ended with ${code}:\n${errors}`)
    const { ms, underWay, wrong, answered, outcomes, invalidated, lines, unhandled } = report
    t.comment(`closed in ${ms.toFixed(0)} ms with ${underWay} requests under way, ended ${lingeredMs.toFixed(0)} ms later; ${answered} answers ${JSON.stringify(outcomes)}, invalidations ${JSON.stringify(invalidated)} ${lines.join('; ')}`)
    t.ok(underWay > 0, 'requests were under way')
    t.same(wrong, [], 'every answer is right')
    t.same(unhandled, [])
    t.same(lines, [], 'nothing is wrong')
    t.equal(code, 0, errors)
    t.ok(ms < CLOSES_MS, `close() took ${ms} ms`)
    t.ok(lingeredMs < LINGERS_MS, `the process went on for ${lingeredMs} ms`)
  }
}
