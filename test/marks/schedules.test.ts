import t from 'tap'
import { tagLabel } from '../../lib/marks/labels.ts'
import type { FillStamp, Verdict } from '../../lib/marks/ledger.ts'
import { saved, scene, settle, type Scene } from './processes.ts'
import { generator } from './seeded.ts'

/* A failure tells the seed of its schedule: with it as `SEED` that schedule is the first. */

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32))
const [X, Y, Z] = ['x', 'y', 'z'].map(tagLabel) as [string, string, string]

for (const losses of [false, true]) {
  t.test(`in random schedules of marks, refreshes, fills${losses ? ', losses' : ''} and evictions nothing invalidated is used`, async (t) => {
    t.comment(`SEED=${SEED}`)
    const scenes = [await scene(t, 3), await scene(t, 3, 6)]
    for (let schedule = 0; schedule < 60; schedule++) {
      const wrong = await runSchedule(scenes[schedule % 2]!, SEED + schedule, losses)
      if (wrong === undefined) continue
      t.fail(`SEED=${SEED + schedule}: ${wrong}`)
      return
    }
  })
}

/** Begins with another life of the marks. */
async function runSchedule (one: Scene, seed: number, losses: boolean): Promise<string | undefined> {
  await one.client.del(one.key)
  await settle(one.processes)
  const { processes } = one
  const random = generator(seed)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const labels = [X, Y, Z, ...[1, 2, 3, 4, 5, 6].map((at) => tagLabel(String(at)))]
  const fills: Array<{ filled: FillStamp, label: string, truth: Verdict }> = []
  const log: string[] = []
  let lose = await saved(one)
  for (let step = 0; step < 40; step++) {
    const at = Math.floor(random() * processes.length)
    const { marks, fill } = processes[at]!
    const [dice, label] = [random(), pick(labels)]
    if (dice < 0.35) {
      fills.push({ filled: fill(), label, truth: 'live' })
      log.push(`${at} fill ${label}`)
    } else if (dice < 0.65) {
      const kind = random() < 0.6 ? 'hard' : 'soft'
      await marks.mark(kind, [label])
      for (const one of fills) if (one.label === label && one.truth !== 'dead') one.truth = kind === 'hard' ? 'dead' : 'stale'
      log.push(`${at} ${kind} ${label}`)
    } else if (dice < 0.85) {
      await marks.refresh()
      log.push(`${at} refresh`)
      lose = random() < 0.5 ? await saved(one) : lose
    } else if (dice < 0.95) {
      if (losses) await lose()
      log.push('lose')
    } else {
      await one.client.del(one.key)
      await settle(processes)
      lose = await saved(one)
      for (const one of fills) one.truth = 'dead'
      log.push('evict')
    }
  }
  await settle(processes)
  for (const { filled, label, truth } of fills) {
    for (const [at, { judge }] of processes.entries()) {
      const verdict = judge(filled, label)
      const isWrong = truth === 'dead' ? verdict !== 'dead' : truth === 'stale' && verdict === 'live'
      if (isWrong) return `${label} of ${filled.stamp} is ${truth}, ${at} judged ${verdict}\n${log.join('\n')}`
    }
  }
}
