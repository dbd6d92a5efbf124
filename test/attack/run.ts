// npm run attack: harmless attacks on the examples and on a careless app; exits with 1 when one gets through.
import { obtainRedis } from '../helpers/redis-server.ts'
import { attacks, type Outcome } from './suite.ts'

async function main (): Promise<number> {
  const redis = await obtainRedis()
  const all: Outcome[] = []
  try {
    for (const [title, run] of Object.entries(attacks(redis.url))) {
      const startedAt = performance.now()
      const found = await run()
      all.push(...found)
      const broken = found.filter((outcome) => outcome.broken !== undefined).length
      console.error(`${title}: ${found.length - broken} held, ${broken} broken, ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
    }
  } finally {
    await redis.dispose()
  }
  console.log(table(all))
  const broken = all.filter((outcome) => outcome.broken !== undefined)
  const names = new Set(all.filter(({ isCheck }) => isCheck !== true).map(({ probe }) => probe))
  console.log(`\n${names.size} probes, ${all.length} runs: ${all.length - broken.length} held, ${broken.length} broken`)
  return broken.length > 0 ? 1 : 0
}

/** A line for each probe with the apps where it held, and one for each app where it did not. */
function table (all: readonly Outcome[]): string {
  const rows = [...new Set(all.map(({ probe }) => probe))].flatMap((probe) => {
    const runs = all.filter((outcome) => outcome.probe === probe)
    const held = runs.filter(({ broken }) => broken === undefined)
    return [
      ...held.length > 0 ? [row(held[0]!, held.map(({ app }) => app).join(', '), 'held')] : [],
      ...runs.filter(({ broken }) => broken !== undefined).map((run) => row(run, run.app, `BROKEN: ${run.broken}`))
    ]
  })
  const [probe, reference] = [0, 1].map((column) => Math.max(...rows.map((cells) => cells[column]!.length)))
  return [['probe', 'reference', 'held or broken', 'apps'], ...rows].map((cells) => `${cells[0]!.padEnd(probe!)}  ${cells[1]!.padEnd(reference!)}  ${cells[2]}  ${cells[3]}`).join('\n')
}

function row ({ probe, reference }: Outcome, apps: string, state: string): readonly string[] {
  return [probe, reference, state, apps]
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error)
  process.exitCode = 1
}
