// npx tsx bench/against.ts REF: a memory hit of the library as it is over one of the library as it was at a commit.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pickCores } from './cores.ts'
import { memoryHit } from './contestants.ts'
import { pickLoad } from './load.ts'
import { compare } from './measure.ts'

const ref = process.argv[2]
if (ref === undefined) throw new Error('Expected a commit, such as HEAD~1')
const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'bench-against-'))
try {
  execFileSync('npm', ['run', 'build', '--silent'], { cwd: root, stdio: 'inherit' })
  execFileSync('sh', ['-c', 'git archive "$1" | tar -x -C "$2"', 'sh', ref, folder], { cwd: root })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  execFileSync('npm', ['run', 'build', '--silent'], { cwd: folder, stdio: 'inherit' })
  rmSync(join(folder, 'bench'), { recursive: true })
  cpSync(join(root, 'bench/servers'), join(folder, 'bench/servers'), { recursive: true })
  symlinkSync(join(root, 'bench/node_modules'), join(folder, 'bench/node_modules'))
  const cores = pickCores()
  const before = { ...memoryHit, name: `memory hit at ${ref}`, file: join(folder, 'bench/servers/memory-hit.js') }
  const comparison = { id: 'against', title: `memory hit / memory hit at ${ref}`, subject: memoryHit, baseline: before, path: '/places/42' }
  const bench = { load: pickLoad(cores?.load), server: { core: cores?.server, env: {} }, effort: { launches: 4, pairs: 4, rounds: 1, seconds: 1, warmUpSeconds: 2 } }
  const { ratio, cpuRatio, isDisturbed, subject, baseline } = await compare(comparison, bench)
  console.log(`${comparison.title}: requests ${show(ratio)}, CPU ${show(cpuRatio)}${isDisturbed ? ', disturbed' : ''}`)
  console.log(`CPU us per request: ${subject.cpuMicrosPerRequest.toFixed(1)} now, ${baseline.cpuMicrosPerRequest.toFixed(1)} then`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function show ({ median, min, max, count }: { median: number, min: number, max: number, count: number }): string {
  return `${median.toFixed(3)} (${min.toFixed(3)} to ${max.toFixed(3)}, ${count} pairs)`
}
