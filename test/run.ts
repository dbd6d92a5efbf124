/**
 * `npm test`, with the arguments of tap: `npm test -- test/some.test.ts`.
 *
 * One Redis for all test files, then tap, then the counts. `COVERAGE=1 npm test` also tells the coverage. A single file also runs without this:
 * `npx tap test/some.test.ts`.
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

interface Outcome {
  code: number
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
    const { code, total } = await run(['run', isCovered ? '--coverage-report=none' : '--disable-coverage', ...process.argv.slice(2)], env)
    if (isCovered && await repairCoverage()) await once(spawn(tap, ['report', 'text'], { stdio: 'inherit' }), 'exit')
    console.log(counts(total))
    return code
  } finally {
    await redis.dispose()
  }
}

/** In a terminal tap draws its own progress. */
async function runOnTerminal (args: string[], env: NodeJS.ProcessEnv): Promise<Outcome> {
  const file = '.tap/all.tap'
  await rm(file, { force: true })
  const child = spawn(tap, [...args, `--output-file=${file}`], { env, stdio: 'inherit' })
  const code = exitCode(await once(child, 'exit'))
  const text = await readFile(file, 'utf8').catch(() => '')
  return { code, total: text.split('\n').filter(isTotal).at(-1) }
}

/** Elsewhere its protocol is shortened to what a log needs. */
async function runForLog (args: string[], env: NodeJS.ProcessEnv): Promise<Outcome> {
  const child = spawn(tap, [...args, '--reporter=tap'], { env, stdio: ['inherit', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  let total: string | undefined
  for await (const line of shortenTap(createInterface({ input: child.stdout }))) {
    if (isTotal(line)) total = line
    else console.log(line)
  }
  return { code: exitCode(await exit), total }
}

function isTotal (line: string): boolean {
  return line.startsWith('# { total: ')
}

function exitCode ([code]: unknown[]): number {
  return typeof code === 'number' ? code : 1
}

function counts (total: string | undefined): string {
  if (total === undefined) return '0 passed, 1 failed'

  const count = (name: string) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(total)?.[1] ?? 0)
  const skipped = count('skip') + count('todo')
  const aside = skipped > 0 ? `${skipped} skipped\n` : ''
  return `${aside}${count('pass')} passed, ${count('fail')} failed`
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
