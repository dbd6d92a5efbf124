import { once } from 'node:events'
import { openSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { StdioOptions } from 'node:child_process'
import { PassThrough } from 'node:stream'
import t, { before, type Test } from 'tap'
import { builtProgram } from '../helpers/built-program.ts'
import { openCache } from '../helpers/open-cache.ts'
import { spawnPlain } from '../helpers/plain-process.ts'
import { startRedisServer, useRedis } from '../helpers/redis.ts'
import { ended } from './process.ts'
import { cli, PATIENT } from './scene.ts'

t.setTimeout(120_000)

let program: string

before(async () => { program = await builtProgram(join(import.meta.dirname, '../../lib/cli/main.ts')) })

function start (t: Test, args: readonly string[], { url, prefix, stdio = ['ignore', 'pipe', 'pipe'] }: { url: string, prefix: string, stdio?: StdioOptions }) {
  const child = spawnPlain(process.execPath, [program, ...args], { env: { ...process.env, REDIS_URL: url, CACHE_PREFIX: prefix }, stdio })
  t.teardown(() => { child.kill('SIGKILL') })
  return child
}

async function filled (t: Test) {
  const { url, prefix } = await useRedis(t)
  const cache = await openCache(t, { redis: url, prefix, defaults: { ttl: '5m' }, timeouts: PATIENT })
  await cache.setMany(Array.from({ length: 2000 }, (_, at) => [`thing:${at}`, at] as const))
  return { cache, url, prefix }
}

t.test('who reads no further, as head does, ends it without a word, and a full disk is a failure', async (t) => {
  const where = await filled(t)
  for (const args of [['keys', '--limit', '5000'], ['keys', '--limit', '5000', '--json'], ['stats', '--watch', '--interval', '100ms'], ['--help']]) {
    const child = start(t, args, where)
    await once(child.stdout!, 'data')
    child.stdout!.destroy()
    t.match(await ended(child), { code: 0, signal: null, stderr: '' }, args.join(' '))
  }
  const wrong = start(t, ['keys', '--limit', '0'], where)
  wrong.stderr!.destroy()
  t.match(await ended(wrong), { code: 2, signal: null }, 'nobody to tell is no crash')
  const full = start(t, ['keys', '--json'], { ...where, stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'] })
  t.match(await ended(full), { code: 1, stderr: /cannot be written.*ENOSPC/ })
})

t.test('Ctrl+C ends what waits for a Redis that is silent', async (t) => {
  const server = await startRedisServer(t)
  const watching = start(t, ['stats', '--watch', '--interval', '100ms', '--timeout', '5m'], { url: server.url, prefix: 'shop' })
  const monitoring = start(t, ['monitor', '--timeout', '5m'], { url: server.url, prefix: 'shop' })
  const looking = start(t, ['keys', '--cluster', '--timeout', '5m'], { url: server.url, prefix: 'shop' })
  const wait = async (child: typeof watching, name: 'stdout' | 'stderr'): Promise<void> => { await new Promise((resolve) => { child[name]!.once('data', resolve) }) }
  const ends = [watching, monitoring, looking].map(ended)
  await Promise.all([wait(watching, 'stdout'), wait(monitoring, 'stderr')])
  await server.pause()
  const beganAt = performance.now()
  for (const child of [watching, monitoring, looking]) child.kill('SIGINT')
  const [watched, monitored, looked] = await Promise.all(ends)
  t.ok(performance.now() - beganAt < 10_000, `after ${Math.round(performance.now() - beganAt)} ms`)
  t.match(watched, { code: 0, signal: null, stderr: '' })
  t.match(monitored, { code: 0, signal: null })
  t.match(looked, { code: 130, signal: null, stdout: '', stderr: '' })
  await server.resume()
})

t.test('a Sentinel that says nothing does not keep it', async (t) => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => { silent.close() })
  const url = `redis://127.0.0.1:${(silent.address() as AddressInfo).port}`
  const [looking, examining] = [['keys'], ['doctor', '--json']].map((args) => ended(start(t, [...args, '--sentinel', 'mymaster', '--timeout', '500ms'], { url, prefix: 'shop' })))
  t.match(await looking, { code: 1, signal: null, stdout: '', stderr: /no answer within 500 ms/ })
  t.match(JSON.parse((await examining!).stdout), { isFine: false, checks: [{ result: 'failed' }] })
})

t.test('Ctrl+C at the question invalidates nothing', async (t) => {
  const { url, prefix, cache } = await filled(t)
  const ending = new AbortController()
  const asked = await cli(['invalidate', '--all', '--redis', url, '--prefix', prefix, '--timeout', '60s'], { typed: new PassThrough(), signal: ending.signal, onNote: (text) => { if (text.includes('Type yes')) ending.abort() } })
  t.match(asked, { code: 130, stdout: '' })
  t.equal(await cache.get('thing:1'), 1)
})

t.test('an invalidation that Redis does not confirm has failed, and is not promised to be kept', async (t) => {
  const server = await startRedisServer(t)
  const terminal = new PassThrough()
  const asking = cli(['invalidate', '--all', '--redis', server.url, '--timeout', '2s'], {
    typed: terminal,
    onNote: (text) => {
      if (!text.includes('Type yes')) return
      void server.pause().then(() => { terminal.write('yes\n') })
    }
  })
  t.match(await asking, { code: 1, stdout: '', stderr: /did not confirm the invalidation within 2000 ms.*Run the command again/ })
  await server.resume()
})

t.test('an invalidation under a prefix that no app has says so', async (t) => {
  const { url, prefix } = await filled(t)
  const invalidate = async (own: string) => await cli(['invalidate', '--tag', 'x', '--yes', '--redis', url, '--prefix', own, '--timeout', '60s'])
  t.match(await invalidate(prefix), { code: 0, stderr: '' })
  t.match(await invalidate(`${prefix}-typo`), { code: 0, stdout: 'Invalidated: tag "x"\n', stderr: /no sign of an app.*Is that its prefix/ })
})

t.test('monitor goes on when Redis was away, and where Redis tells no invalidations', async (t) => {
  const server = await startRedisServer(t)
  const cache = await openCache(t, { redis: server.url, prefix: 'shop', defaults: { ttl: '5m' }, timeouts: PATIENT })
  const ending = new AbortController()
  let [shown, said] = ['', '']
  const monitoring = cli(['monitor', '--interval', '100ms', '--redis', server.url, '--prefix', 'shop', '--timeout', '1s'], { signal: ending.signal, onOutput: (text) => { shown = text }, onNote: (text) => { said = text } })
  while (!shown.includes('tag "before"')) await cache.invalidateTags('before').catch(() => {})
  await server.stop()
  await untilTrue(() => /requests cannot be read/.test(said))
  await server.start()
  while (!shown.includes('tag "after"')) await cache.invalidateTags('after').catch(() => {})
  ending.abort()
  t.match(await monitoring, { code: 0 })
  t.equal(said.match(/requests cannot be read/g)!.length, 1, 'once')
})

/** What is written has no event of its own beyond this one. */
async function untilTrue (isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => { setImmediate(resolve) })
}

t.test('a terminal that knows only lines is not drawn on, and what stands above is left to any', async (t) => {
  const { url, prefix } = await filled(t)
  for (const [env, clears] of [[{ TERM: 'dumb' }, false], [{ TERM: 'xterm' }, true]] as const) {
    const ending = new AbortController()
    const { stdout } = await cli(['stats', '--watch', '--redis', url, '--prefix', prefix, '--timeout', '60s'], { isTerminal: true, env, signal: ending.signal, onOutput: (text) => { if (/^thing/m.test(text)) ending.abort() } })
    t.equal(stdout.includes('\x1b[2J'), clears)
    t.notOk(stdout.includes('\x1b[3J'))
  }
})
