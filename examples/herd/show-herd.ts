// The herd: many requests at one moment for what is not stored, over several processes that share a Redis.
import { herd, type Herd } from '../../bench/herd/herd.ts'
import { percentile } from '../../bench/herd/latencies.ts'
import { findOnPath } from '../../test/helpers/find-on-path.ts'
import { answers } from '../../test/helpers/redis-ping.ts'
import { printTable } from '../places/table.ts'

interface Shown {
  readonly name: string
  readonly handlerRuns: number
  readonly p50: number
  readonly p99: number
  readonly slowest: number
}

const SIZE = { processes: 4, requests: 1000, handlerMs: 300 }
const BAR_WIDTH = 50
const LABEL_WIDTH = 22

const redis = await findRedis()
if ('missing' in redis) {
  console.error(redis.missing)
  process.exitCode = 1
} else await show(redis.url)

/** `REDIS_URL`, or else a server of its own, which ends with this process. */
async function findRedis (): Promise<{ readonly url: string | undefined } | { readonly missing: string }> {
  const url = process.env.REDIS_URL
  if (url === undefined || url === '') {
    return findOnPath(['redis-server', 'valkey-server']) === undefined ? { missing: howToGetRedis('no redis-server or valkey-server is on the PATH') } : { url: undefined }
  }
  return await answers(url, 2000).then(() => ({ url }), (error: Error) => ({ missing: howToGetRedis(`none answers at REDIS_URL: ${error.message}`) }))
}

function howToGetRedis (why: string): string {
  return `The herd runs in ${SIZE.processes} processes that share a Redis, and ${why}. Do one of these:
  - install one (apt-get install redis-server, brew install redis), and leave REDIS_URL unset
  - start one and say where: docker run -d -p 6379:6379 redis, then REDIS_URL=redis://127.0.0.1:6379 npm run demo -- --herd`
}

async function show (redisUrl: string | undefined): Promise<void> {
  const { processes, requests, handlerMs } = SIZE
  console.log(`${count(requests)} requests come at one moment for a page that is not stored.
${processes} processes share ${redisUrl === undefined ? 'a Redis that was started for this' : 'the Redis of REDIS_URL'}; the handler takes ${handlerMs} ms.
`)
  const without = await run('without, lock: false', { redisUrl, protection: false })
  const with_ = await run('with, the default', { redisUrl, protection: true })
  const both = [without, with_]

  printTable(['protection', 'handler runs', 'p50 ms', 'p99 ms', 'slowest ms'], both.map(({ name, handlerRuns, p50, p99, slowest }) => [
    name, String(handlerRuns), p50.toFixed(0), p99.toFixed(0), slowest.toFixed(0)
  ]))
  printBars('How often the handler ran', both.map(({ name, handlerRuns }) => [name, handlerRuns]))
  printBars('How long the slowest request took, in ms', both.map(({ name, slowest }) => [name, slowest]))
  console.log(`
With protection one request runs the handler, and ${count(requests - 1)} get its response, in all ${processes} processes. They wait for it about as
long as for a run of their own. This handler only sleeps, however many run at once: a database that is asked
${count(requests)} things at one moment needs longer for each of them, and may fail.`)
}

async function run (name: string, how: { redisUrl: string | undefined, protection: boolean }): Promise<Shown> {
  console.log(`${name} …`)
  const { protection, redisUrl } = how
  const result = await herd({ ...SIZE, protection, ...redisUrl === undefined ? {} : { redisUrl } })
  for (const fault of faultsOf(result, protection)) {
    console.error(`FAULT ${name}: ${fault}`)
    process.exitCode = 1
  }
  const ms = result.latencies.toSorted((a, b) => a - b)
  return { name, handlerRuns: result.handlerRuns, p50: percentile(ms, 0.5), p99: percentile(ms, 0.99), slowest: percentile(ms, 1) }
}

function faultsOf ({ handlerRuns, errors }: Herd, protection: boolean): string[] {
  return [
    ...errors > 0 ? [`${errors} requests were not answered with 200`] : [],
    ...protection && handlerRuns !== 1 ? [`expected the handler to run once, it ran ${handlerRuns} times`] : []
  ]
}

function printBars (title: string, rows: ReadonlyArray<readonly [name: string, value: number]>): void {
  const most = Math.max(...rows.map(([, value]) => value))
  console.log(`\n${title}`)
  for (const [name, value] of rows) console.log(`  ${name.padEnd(LABEL_WIDTH)}${bar(value / most)} ${count(Math.round(value))}`)
}

/** At least a sliver, so that one is not taken for none. */
function bar (share: number): string {
  const eighths = Math.max(1, Math.round(share * BAR_WIDTH * 8))
  return '█'.repeat(Math.floor(eighths / 8)) + ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8]!
}

function count (value: number): string {
  return value.toLocaleString('en')
}
