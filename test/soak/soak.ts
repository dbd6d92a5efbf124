/**
 * Steady load with faults at random: `npx tsx test/soak/soak.ts --minutes 15 [--seed 1] [--out memory.svg]`. Says every few seconds what
 * the servers look like, and at the end whether anything has grown or gone wrong; then its exit code is 1.
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { chart } from './chart.ts'
import { soak } from './run.ts'
import { THINGS } from './settings.ts'
import type { Sample } from './verdict.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '15' }, seed: { type: 'string', default: '1' }, out: { type: 'string' } } })
const minutes = Number(values.minutes)
if (!(minutes > 0)) throw new Error(`expected --minutes to be a number above 0, got ${values.minutes}`)

const report = await soak({
  seconds: 60 * minutes,
  seed: Number(values.seed),
  sampleMs: 5000,
  clients: 12,
  things: THINGS,
  pauseMs: 60,
  faultEveryMs: 8000,
  onSample: (sample) => { console.log(textOf(sample)) },
  onFault: ({ at, text }) => { console.log(`${seconds(at)}   ${text}`) }
})
const { counts, lines, problems } = report
if (values.out !== undefined) await writeFile(values.out, chart(report.samples, report.marks))
console.log(`\n${JSON.stringify(counts, null, 2)}\n`)
for (const { name, perHour, grown, last, isFlat } of lines) console.log(`${isFlat ? 'flat' : 'GROWS'}  ${name}: ${last.toFixed(0)} at the end, ${grown.toFixed(0)} more than after the warm-up, ${perHour.toFixed(0)} in an hour`)
console.log(problems.length === 0 ? '\nall is well' : `\n${problems.join('\n')}`)
process.exitCode = problems.length === 0 ? 0 : 1

function textOf ({ at, servers, keys, connections }: Sample): string {
  const parts = Object.entries(servers).map(([name, { rss, heap, timers, sockets, handles }]) => `${name}: ${(rss / 1e6).toFixed(0)} MB, heap ${(heap / 1e6).toFixed(1)} MB, ${timers} timers, ${sockets} sockets, ${handles} handles`)
  return `${seconds(at)} ${parts.join('; ')}; ${keys ?? '?'} keys, ${connections ?? '?'} connections`
}

function seconds (ms: number): string {
  return `${(ms / 1000).toFixed(0)} s`.padStart(6)
}
