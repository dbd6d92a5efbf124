import type { Test } from 'tap'
import { runSchedule } from './schedule.ts'
import type { Counts, Faults } from './world.ts'

/*
 * Random schedules of several processes in virtual time, see `schedule.ts`. Each has a seed, and a failure tells it:
 * `SEED=7 npx tap test/model/outages.test.ts` runs that schedule alone and tells all that happens in it. `SCHEDULES` is their number, and
 * `FROM` the first seed: always the same one by default, so that a change is judged by what it does, and `FROM=random` to look for more. The
 * long form, for changes of what is modelled: `SCHEDULES=2500 FROM=random npx tap test/model`.
 */

/** Runs schedules until one goes wrong; gives what happened in all of them. */
export async function runSchedules (t: Test, faults: Faults): Promise<Counts> {
  const { SEED, FROM = '1446336000', SCHEDULES = '250' } = process.env
  const from = Number(SEED ?? (FROM === 'random' ? Math.floor(Math.random() * 2 ** 31) : FROM))
  const schedules = SEED === undefined ? Number(SCHEDULES) : 1
  const startedAt = performance.now()
  const total: Counts = { reads: 0, memoryHits: 0, hits: 0, invalidations: 0, sets: 0, faults: 0 }
  for (let seed = from; seed < from + schedules; seed++) {
    const { wrong, counts } = await runSchedule(seed, { faults })
    for (const name of Object.keys(total) as Array<keyof Counts>) total[name] += counts[name]
    if (wrong.length === 0 && SEED === undefined) continue
    const { log } = await runSchedule(seed, { faults, isLogged: true })
    t.strictSame(wrong, [], `SEED=${seed}`)
    for (const line of log) t.comment(line)
    if (wrong.length > 0) break
  }
  t.comment(`${schedules} schedules from SEED=${from} in ${Math.round(performance.now() - startedAt)} ms: ${JSON.stringify(total)}`)
  return total
}

/** A model in which nothing is ever a hit would find nothing wrong. */
export function sane (t: Test, counts: Counts, { least }: { least: number }): void {
  if (process.env.SEED !== undefined) return
  t.ok(counts.hits > least * counts.reads, `${counts.hits} hits of ${counts.reads} reads`)
  t.ok(counts.memoryHits > counts.reads / 20, `${counts.memoryHits} of them from memory, without asking Redis`)
  t.ok(counts.invalidations > counts.reads / 100, `${counts.invalidations} invalidations were confirmed`)
}
