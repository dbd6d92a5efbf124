// npm run bench [-- --quick] [-- --only memory,redis] [-- --write] [-- --load autocannon]
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { comparisons, peers, peersPath } from './contestants.ts'
import { pickCores } from './cores.ts'
import { benchmarksPage } from './docs-page.ts'
import { pickLoad } from './load.ts'
import { describeMachine } from './machine.ts'
import { compare, compareAll, type Bench, type Effort } from './measure.ts'
import { startRedis } from './redis.ts'
import { isBelow, tables, type Results } from './report.ts'

const full: Effort = { launches: 8, pairs: 4, rounds: 10, seconds: 1, warmUpSeconds: 2 }
const quick: Effort = { launches: 1, pairs: 3, rounds: 2, seconds: 1, warmUpSeconds: 1 }

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    only: { type: 'string' },
    load: { type: 'string' }
  }
})
if (options.write && (options.quick || options.only !== undefined)) throw new Error('--write keeps the figures of a whole run: leave out --quick and --only')

const ids = [...comparisons.map(({ id }) => id), 'peers']
const wanted = options.only?.split(',') ?? ids
const unknown = wanted.filter((id) => !ids.includes(id))
if (unknown.length > 0) throw new Error(`--only: expected ${ids.join(', ')}; got ${unknown.join(', ')}`)

build()
const cores = pickCores()
const redis = await startRedis(cores?.load)
const load = pickLoad(cores?.load, options.load)
const machine = describeMachine({ cores, load: load.description, redis: redis?.version })
for (const [label, value] of machine) console.log(`${label.padEnd(9)} ${value}`)
try {
  const env = redis === undefined ? {} : { REDIS_URL: redis.url, BENCH_PREFIX: redis.prefix }
  const bench: Bench = { load, server: { core: cores?.server, env }, effort: options.quick ? quick : full }
  const results = await measure(bench, redis !== undefined)
  console.log(`\n${tables(results)}\n`)
  console.log(verdict(results))
  if (options.write) await writeFile(new URL('../docs/benchmarks.md', import.meta.url), benchmarksPage(machine, bench.effort, results))
} finally {
  await redis?.stop()
}

async function measure (bench: Bench, hasRedis: boolean): Promise<Results> {
  const results: Results = { comparisons: [], skipped: [], peers: [] }
  for (const comparison of comparisons.filter(({ id }) => wanted.includes(id))) {
    if (comparison.subject.needsRedis === true && !hasRedis) {
      results.skipped.push(`${comparison.title}: needs REDIS_URL, or redis-server on the PATH`)
      continue
    }
    console.log(`measuring: ${comparison.title}`)
    results.comparisons.push(await compare(comparison, bench))
  }
  if (wanted.includes('peers')) {
    console.log('measuring: peers')
    results.peers = await compareAll(peers, peersPath, bench)
  }
  return results
}

function verdict ({ comparisons: measured }: Results): string {
  const below = measured.filter(isBelow).map(({ comparison }) => comparison.title)
  return below.length === 0 ? 'All measured floors are met.' : `Below the floor: ${below.join('; ')}`
}

/** What is measured is what users install: the compiled library. */
function build (): void {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const { status } = spawnSync('npm', ['run', 'build', '--silent'], { cwd: root, stdio: 'inherit' })
  if (status !== 0) throw new Error('the library does not build')
}
