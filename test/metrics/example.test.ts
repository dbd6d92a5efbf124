import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'tap'
import { spawnPlain } from '../helpers/plain-process.ts'
import { runProgram } from '../helpers/run-program.ts'
import { until } from '../helpers/until.ts'
import { readMetrics } from './read-metrics.ts'

const folder = join(import.meta.dirname, '..', '..', 'examples', 'observability')

test('the shop tells what its cache does for its visitors, and both stop when they are told to', async (t) => {
  const { problem } = await runProgram(join(folder, 'server.ts'), {
    visit: async (origin) => {
      const visitors = spawnPlain(process.execPath, ['--import', 'tsx', join(folder, 'visitors.ts'), origin], { stdio: 'inherit' })
      const exit = once(visitors, 'exit')
      try {
        await until(async () => {
          const read = readMetrics(await (await fetch(new URL('/metrics', origin))).text())
          return ['hit', 'miss', 'bypass', 'refused'].every((outcome) => read.sum('response_cache_requests_total', { outcome }) > 0)
        })
      } finally {
        visitors.kill('SIGTERM')
      }
      t.strictSame(await exit, [0, null])
    }
  })
  t.equal(problem, undefined)
})
