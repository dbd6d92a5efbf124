import { unlessAborted } from '../../warming/warming.ts'
import { assertPlace, type Context, type Declare } from '../context.ts'
import { examineApp } from '../doctor/admin-doctor.ts'
import type { Check } from '../doctor/checks.ts'
import { examineRedis } from '../doctor/redis-doctor.ts'
import { EXIT } from '../exit.ts'
import type { Cell, Output } from '../output.ts'
import type { Places } from '../places.ts'
import type { Mood } from '../style.ts'

export const declareDoctor: Declare = (program, perform) => {
  program.command('doctor')
    .description('connection, latency, version, eviction, memory, rights, clock, topology, and what to do; ends with 1 when there are risks')
    .action(async (_options: object, command) => { await perform(command, doctor) })
}

async function doctor ({ io: { signal }, output, places }: Context): Promise<number> {
  assertPlace(places)
  const found = await unlessAborted(signal, examined(places))
  // A server may repeat what it was sent.
  const checks = found.map((check) => check.result === 'failed' ? { ...check, text: output.withoutSecrets(check.text) } : check)
  const problems = checks.filter(({ result }) => result === 'risk' || result === 'failed').length
  output.result({ isFine: problems === 0, checks }, () => { show(output, checks, problems) })
  return problems === 0 ? EXIT.ok : EXIT.failed
}

async function examined ({ redis, admin }: Places): Promise<Check[]> {
  return [...redis === undefined ? [] : await examineRedis(redis), ...admin === undefined ? [] : await examineApp(admin)]
}

const MOODS: Readonly<Record<Check['result'], Mood>> = { ok: 'good', note: 'doubtful', risk: 'bad', failed: 'bad', unknown: 'faint' }

function show (output: Output, checks: readonly Check[], problems: number): void {
  for (const { name, result, text, docs } of checks) {
    const cell: Cell = { text: result.padEnd(7), mood: MOODS[result] }
    output.list([[cell, name.padEnd(11), text]])
    if (docs !== undefined && result !== 'ok') output.line(`${' '.repeat(22)}see ${docs}`)
  }
  output.line()
  output.line(problems === 0 ? 'No risks.' : problems === 1 ? '1 problem.' : `${problems} problems.`)
}
