import { once } from 'node:events'
import { readdir, readFile, symlink } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { test } from 'tap'
import { findOnPath } from './helpers/find-on-path.ts'
import { startRedisServer } from './helpers/redis.ts'
import { runProgram } from './helpers/run-program.ts'
import { visitFirstRoute } from './helpers/visit.ts'

/** Every example runs as its reader would run it. See helpers/sandbox.ts for what happens to ports. */

t.setTimeout(300_000)

const root = join(import.meta.dirname, '..')

/** The file that `npm start` and the like run. */
async function fileOfScript (name: string): Promise<string> {
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  return join(root, scripts[name]?.split(' ').at(-1) ?? '')
}

test('npm start serves the places', async (t) => {
  const { problem, output } = await runProgram(await fileOfScript('start'), {
    visit: async (origin) => {
      for (const expected of ['MISS', 'HIT']) {
        const response = await fetch(new URL('/places/2657896', origin))
        t.equal(response.status, 200)
        t.equal(response.headers.get('x-cache'), expected)
        t.match(await response.json(), { name: 'Zürich' })
      }
    }
  })
  t.equal(problem, undefined)
  t.match(output, 'curl', 'it says what to try')
})

test('npm run demo shows a factor for every endpoint, in memory and with Redis', async (t) => {
  const redis = await startRedisServer(t)
  for (const [kind, env] of [['memory', {}], ['Redis', { REDIS_URL: redis.url }]] as const) {
    const { problem, output } = await runProgram(await fileOfScript('demo'), { env, timeoutMs: 120_000 })
    t.equal(problem, undefined)
    t.match(output, `Cached in ${kind}`)
    const rows = output.split('\n').filter(line => /MISS, HIT .* \d+x$/.test(line))
    t.ok(rows.length >= 10, `${rows.length} endpoints became faster`)
  }
})

test('npm run demo -- --herd shows that the handler runs once', async (t) => {
  const redis = await startRedisServer(t)
  const { problem, output } = await runProgram(await fileOfScript('demo'), { args: ['--herd'], env: { REDIS_URL: redis.url }, timeoutMs: 120_000 })
  t.equal(problem, undefined)
  const [without] = /(?<=^without\S* .* )\d+(?= +\d+ +\d+ +\d+$)/m.exec(output) ?? []
  // What comes late, because the machine is busy, finds the first response stored.
  t.ok(Number(without) > 500, `without protection it runs for each request: ${without}\n${output}`)
  t.match(output, /^with, .* 1 +\d+ +\d+ +\d+$/m, 'with protection for one')
  t.match(output, /█{50} [\d,]+\n.* ▏ 1\n/, 'bars show it')
})

test('npm run demo -- --herd says what to do when there is no Redis', async (t) => {
  const path = t.testdir()
  await symlink(findOnPath(['env'])!, join(path, 'env')) // what starts programs here
  for (const [env, why] of [[{ PATH: path, REDIS_URL: '' }, 'no redis-server'], [{ REDIS_URL: 'redis://127.0.0.1:1' }, 'ECONNREFUSED']] as const) {
    const { problem, output } = await runProgram(await fileOfScript('demo'), { args: ['--herd'], env })
    t.match(problem, 'it ended with 1')
    t.match(output, why)
    t.match(output, 'apt-get install redis-server')
    t.notMatch(output, /\n +at /, 'no stack')
  }
})

test('the reverse proxy keeps what its origin allows', async (t) => {
  let answers = 0
  const origin = createServer((_request, response) => {
    response.setHeader('cache-control', 'max-age=60').end(`answer ${++answers}`)
  }).listen(0, '127.0.0.1')
  t.teardown(() => origin.close())
  await once(origin, 'listening')
  const { problem } = await runProgram(join(root, 'examples', 'reverse-proxy.ts'), {
    args: [`http://127.0.0.1:${(origin.address() as AddressInfo).port}`],
    visit: async (proxy) => {
      for (const expected of ['MISS', 'HIT']) {
        const response = await fetch(new URL('/some/page', proxy))
        t.equal(response.headers.get('x-cache'), expected)
        t.equal(await response.text(), 'answer 1')
      }
    }
  })
  t.equal(problem, undefined)
})

test('every other example runs', async (t) => {
  const files = (await readdir(join(root, 'examples'))).filter(name => /\.[cm]?[jt]s$/.test(name) && name !== 'reverse-proxy.ts')
  const redis = await startRedisServer(t)
  for (const file of files.map(name => join(root, 'examples', name))) {
    const source = await readFile(file, 'utf8')
    const { problem } = await runProgram(file, { redisPort: redis.port, visit: origin => visitFirstRoute(origin, source) })
    t.equal(problem, undefined, file)
  }
})
