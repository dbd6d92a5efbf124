// npm run chaos -- [--redis URL] [--seconds N]
import { parseArgs } from 'node:util'
import { openOwnRedis, type OwnRedis } from './own-redis.ts'
import { ownFaults } from './own-faults.ts'
import { wordsFor } from './own-words.ts'
import { runFaults, type Times } from './matrix.ts'
import { startOrigin } from './versions.ts'

const HELP = `Shows what clients of a cached app see while its Redis fails.

  npm run chaos -- [--redis URL] [--seconds N]

  --redis URL   a single Redis (redis:// or rediss://). Default: REDIS_URL, else a redis-server from the PATH is started for it.
  --seconds N   how long each fault lasts, 1 to 60. Default: 3. The whole takes about a minute.

A small app runs in several processes and uses the Redis through a proxy, which delays, loses, cuts and garbles what they say. The Redis
itself goes on: nothing is configured, stopped or flushed. Only keys below a prefix of its own are written, and they are removed at the end.
Only connections of its own are killed.

Exit code: 0 when all promises were kept, 1 when one was broken, 2 when it could not begin.`

const { values: options } = parseArgs({
  options: { redis: { type: 'string' }, seconds: { type: 'string', default: '3' }, help: { type: 'boolean', default: false } }
})

if (options.help) console.log(HELP)
else process.exitCode = await main()

async function main (): Promise<number> {
  const faultMs = 1000 * Number(options.seconds)
  if (!(faultMs >= 1000 && faultMs <= 60_000)) return refuse(`--seconds: expected 1 to 60, got ${options.seconds}`)
  let redis: OwnRedis
  try {
    redis = await openOwnRedis(options.redis ?? (process.env.REDIS_URL || undefined))
  } catch (fault) {
    return refuse((fault as Error).message)
  }
  try {
    return await shake(redis, faultMs)
  } finally {
    await redis.close()
  }
}

function refuse (why: string): number {
  console.error(`${why}\n\nnpm run chaos -- --help says more.`)
  return 2
}

/** Gives the exit code. */
async function shake (redis: OwnRedis, faultMs: number): Promise<number> {
  const times: Times = { warmUpMs: 2000, beforeMs: 500, faultMs, afterMs: 2500, patienceMs: 8000 }
  const origin = await startOrigin()
  console.log(`Redis: ${redis.origin}. Keys: ${redis.prefix}:*`)
  const { faults, skipped } = await ownFaults(redis)
  for (const text of skipped) console.log(`Left out: ${text}`)
  console.log(`${faults.length} faults of ${faultMs / 1000} s each, under load.\n`)
  let broken = 0
  try {
    await runFaults({
      faults,
      ground: { proxy: redis.proxy },
      settings: { cache: { redis: redis.option, prefix: redis.prefix }, versionsUrl: origin.url, operations: ['look-up', 'invalidate', 'feed'] },
      times,
      onRow (row) {
        const { text, isKept } = wordsFor(row)
        if (!isKept) broken++
        console.log(text)
      }
    })
  } finally {
    origin.close()
  }
  console.log(broken === 0 ? '\nAll promises were kept.' : `\nPromises were broken by ${broken} of ${faults.length} faults.`)
  return broken === 0 ? 0 : 1
}
