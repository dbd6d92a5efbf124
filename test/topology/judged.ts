import type { Test } from 'tap'
import { play } from './phases.ts'
import { SCENARIOS } from './scenarios.ts'
import type { Scene } from './scene.ts'

/*
 * How soon things are normal again is a figure, which `run.ts` measures on a machine that does nothing else. Here it is promised that they
 * become so, and what nobody sees meanwhile.
 */

/** With the default deadline a machine that does something else as well looks like a Redis that is slow. */
const TIMEOUTS = { read: '1s', write: '5s' } as const

/** Load of a second or so. */
const enough = (scene: Scene): Promise<void> => scene.untilLoaded({ requests: 300, acknowledged: 40 })

/** What every scenario promises, for the scenarios whose names begin like this. */
export async function promises (t: Test, beginning: string): Promise<void> {
  const scenarios = SCENARIOS.filter(({ name }) => name.startsWith(beginning))
  t.ok(scenarios.length > 0, `there are scenarios: ${beginning}`)
  for (const scenario of scenarios) {
    await t.test(scenario.name, { timeout: 120_000 }, async (t) => {
      const { counts, backToNormalMs, isBack, noticedMs, unhandled, faultMs } = await play(t, scenario, { enough, timeouts: TIMEOUTS })
      t.comment(`not whole for ${Math.round(faultMs)} ms, back to normal after ${Math.round(backToNormalMs)} ms; seeing that takes ${Math.round(noticedMs)} ms`)
      for (const [phase, { requests, acknowledged, clientErrors, staleAsFresh, examples }] of Object.entries(counts)) {
        t.ok(requests > 0 && (phase === 'during' || acknowledged > 0), `${phase}: there was load: ${requests} requests, ${acknowledged} invalidations`)
        t.equal(clientErrors, 0, `${phase}: no client saw an error`)
        t.equal(staleAsFresh, 0, `${phase}: nobody was served as fresh what had been invalidated: ${examples.join('; ')}`)
      }
      t.ok(isBack, `it is back to normal: ${backToNormalMs} ms`)
      t.same(unhandled, [], 'no rejection was left unhandled')
    })
  }
}
