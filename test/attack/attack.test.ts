import t, { test } from 'tap'
import { useRedis } from '../helpers/redis.ts'
import { attacks } from './suite.ts'

/** A short form of `npm run attack`, which attacks more routes of the same apps: each group by itself, and every probe with its advisory in what is reported. */

t.setTimeout(600_000)

test('attacks get nothing that was not meant for them', async (t) => {
  const { url } = await useRedis(t)
  const names = new Set<string>()
  for (const [title, run] of Object.entries(attacks(url, { isShort: true }))) {
    await t.test(title, async (t) => {
      const outcomes = await run()
      for (const { probe, isCheck } of outcomes) if (isCheck !== true) names.add(probe)
      t.strictSame(outcomes.filter(({ broken }) => broken !== undefined), [])
    })
  }
  t.ok(names.size >= 75, `${names.size} probes`)
})

test('what attacks is told apart: none of the names of the probes is used twice', async (t) => {
  const { socketProbes } = await import('./socket-probes.ts')
  const { sceneProbes } = await import('./scene-probes.ts')
  const { allProbes } = await import('../../lib/audit/probes/index.ts')
  const names = [...allProbes({ names: {}, allowUnsafe: true }), ...socketProbes, ...sceneProbes].map(({ name }) => name)
  t.strictSame(names.filter((name, at) => names.indexOf(name) !== at), [])
})
