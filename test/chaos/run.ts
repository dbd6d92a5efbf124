// npx tsx test/chaos/run.ts [--quick] [--only FAULT[,FAULT]] [--busy] [--write]
import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { findOnPath } from '../helpers/find-on-path.ts'
import { FAULTS } from './faults.ts'
import { LONG, runMatrix, SHORT, type Row } from './matrix.ts'
import { brokenPromises, matrixTable, oracleLine } from './table.ts'

const PAGE = join(import.meta.dirname, '..', '..', 'docs', 'reliability.md')
const COMMAND = 'npx tsx test/chaos/run.ts --write'
/** One of each sort. */
const QUICK: readonly string[] = ['kill', 'oom', 'silence', 'cut']

// --busy: for a machine that does other things as well. Not for the table of the page.
const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' }, busy: { type: 'boolean', default: false }, write: { type: 'boolean', default: false } }
})
const names = options.only?.split(',') ?? (options.quick ? QUICK : FAULTS.map(({ name }) => name))
const unknown = names.filter((name) => !FAULTS.some((fault) => fault.name === name))
if (unknown.length > 0) throw new Error(`--only: expected names out of ${FAULTS.map(({ name }) => name).join(', ')}, got ${unknown.join(', ')}`)

const rows = await runMatrix({ faults: FAULTS.filter(({ name }) => names.includes(name)), times: options.quick ? SHORT : LONG, isBusy: options.busy, onRow: tell })
const broken = rows.flatMap((row) => brokenPromises(row, { isBusy: options.busy }))
console.log(`\n${matrixTable(rows)}\n`)
console.log(broken.length === 0 ? 'No promise was broken.' : `Broken promises:\n${broken.map((text) => `- ${text}`).join('\n')}`)
if (options.write) await write(rows)
if (broken.length > 0) process.exitCode = 1

function tell (row: Row): void {
  const texts = brokenPromises(row, { isBusy: options.busy })
  console.error(`${row.fault.description}: ${texts.length === 0 ? 'all promises kept' : texts.join('; ')}\n  ${oracleLine(row)}`)
}

async function write (rows: readonly Row[]): Promise<void> {
  const page = await readFile(PAGE, 'utf8')
  const [begin, end] = ['<!-- matrix:begin -->', '<!-- matrix:end -->']
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${PAGE} lacks ${begin} … ${end}`)
  const text = [
    begin,
    `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), Node ${process.version.slice(1)}, ${redisVersion()}: \`${COMMAND}\``,
    '', matrixTable(rows), ''
  ].join('\n')
  await writeFile(PAGE, page.slice(0, from) + text + page.slice(to))
}

function redisVersion (): string {
  const binary = findOnPath(['redis-server', 'valkey-server'])
  if (binary === undefined) return 'Redis in a container'
  const said = execFileSync(binary, ['--version'], { encoding: 'utf8' })
  return `${/^\w+/.exec(said)?.[0] ?? 'Redis'} ${/v=([\d.]+)/.exec(said)?.[1] ?? ''}`
}
