/**
 * `npm test`, with the arguments of tap: `npm test -- test/some.test.ts`.
 *
 * One Redis for all test files, then tap, then the counts. Without a terminal, files that may have failed because the machine was busy run
 * once more, one at a time; what failed at first stays in the log, and is named at its end. `COVERAGE=1 npm test` also tells the coverage. A
 * single file also runs without this: `npx tap test/some.test.ts`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { repairCoverage } from './helpers/coverage.ts'
import { obtainRedis } from './helpers/redis-server.ts'
import { shortenTap } from './helpers/shorten-tap.ts'

const tap = join(import.meta.dirname, '..', 'node_modules', '.bin', 'tap')

/** These look for answers that were meant for somebody else, or are old and served as fresh. One is one too many. */
const NEVER_AGAIN = /^test\/(?:attack|chaos|fuzz|model|oracle|properties|topology|suites\/safety)\b/
/** When more files fail, it is not the machine. */
const MOST_AGAIN = 4

interface Outcome {
  code: number
  /** Files, where they are known. */
  failed: string[]
  /** The line with which tap ends: `# { total: 5, pass: 3, fail: 1, skip: 1 }`. Without it tap did not get to the end. */
  total: string | undefined
}

async function main (): Promise<number> {
  // The children get the same signal from the terminal and end by themselves; this process waits for them.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

  const redis = await obtainRedis()
  console.log(`Redis for the tests: ${redis.origin}`)
  try {
    const env = { ...process.env, REDIS_URL: redis.url }
    const run = process.stdout.isTTY ? runOnTerminal : runForLog
    // Coverage costs a tenth of the time, and more.
    const isCovered = process.env.COVERAGE !== undefined
    const first = await run(['run', isCovered ? '--coverage-report=none' : '--disable-coverage', ...process.argv.slice(2)], env)
    const { code, total } = mayBeLate(first) ? await runAgain(first, env) : first
    if (isCovered && await repairCoverage()) await once(spawn(tap, ['report', 'text'], { stdio: 'inherit' }), 'exit')
    console.log(counts(total))
    return code
  } finally {
    await redis.dispose()
  }
}

function mayBeLate ({ failed, total }: Outcome): boolean {
  return total !== undefined && failed.length > 0 && failed.length <= MOST_AGAIN && !failed.some((file) => NEVER_AGAIN.test(file))
}

/** The outcome of all files, with that of the second run for those that failed. */
async function runAgain ({ failed, total }: Outcome, env: NodeJS.ProcessEnv): Promise<Outcome> {
  console.log(`\nAgain, one at a time, in case the machine was busy: ${failed.join(', ')}`)
  const again = await runForLog(['run', '--disable-coverage', '--jobs=1', ...failed], env)
  const recovered = failed.filter((file) => !again.failed.includes(file))
  if (recovered.length > 0) console.log(`Passed only when they ran alone: ${recovered.join(', ')}`)
  if (again.total === undefined) return again
  const failures = countOf(again.total, 'fail')
  const passed = countOf(total, 'pass') + countOf(total, 'fail') - failures
  const aside = ['skip', 'todo'].map((name) => `, ${name}: ${countOf(total, name)}`).join('')
  return { ...again, total: `# { pass: ${passed}, fail: ${failures}${aside} }` }
}

/** In a terminal tap draws its own progress. */
async function runOnTerminal (args: string[], env: NodeJS.ProcessEnv): Promise<Outcome> {
  const file = '.tap/all.tap'
  await rm(file, { force: true })
  const child = spawn(tap, [...args, `--output-file=${file}`], { env, stdio: 'inherit' })
  const code = exitCode(await once(child, 'exit'))
  const text = await readFile(file, 'utf8').catch(() => '')
  return { code, failed: [], total: text.split('\n').filter(isTotal).at(-1) }
}

/** Elsewhere its protocol is shortened to what a log needs. */
async function runForLog (args: string[], env: NodeJS.ProcessEnv): Promise<Outcome> {
  const child = spawn(tap, [...args, '--reporter=tap'], { env, stdio: ['inherit', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  const failed: string[] = []
  let total: string | undefined
  for await (const line of shortenTap(createInterface({ input: child.stdout }))) {
    if (isTotal(line)) total = line
    else console.log(line)
    const [, file] = /^FAIL {2}(\S+)/.exec(line) ?? []
    if (file !== undefined) failed.push(file)
  }
  return { code: exitCode(await exit), failed, total }
}

function isTotal (line: string): boolean {
  return line.startsWith('# { total: ')
}

function exitCode ([code]: unknown[]): number {
  return typeof code === 'number' ? code : 1
}

function counts (total: string | undefined): string {
  if (total === undefined) return '0 passed, 1 failed'

  const skipped = countOf(total, 'skip') + countOf(total, 'todo')
  const aside = skipped > 0 ? `${skipped} skipped\n` : ''
  return `${aside}${countOf(total, 'pass')} passed, ${countOf(total, 'fail')} failed`
}

function countOf (total: string | undefined, name: string): number {
  return Number(new RegExp(`\\b${name}: (\\d+)`).exec(total ?? '')?.[1] ?? 0)
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
