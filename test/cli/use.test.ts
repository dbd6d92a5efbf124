import { join } from 'node:path'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { spawnPlain } from '../helpers/plain-process.ts'
import { freePort } from '../helpers/free-port.ts'
import { startRedisServer, useRedis } from '../helpers/redis.ts'
import { openCache } from '../helpers/open-cache.ts'
import { builtProgram } from '../helpers/built-program.ts'
import { ended } from './process.ts'
import { adminArgs, AUTHORIZATION, cli, PATIENT, startApp } from './scene.ts'

t.test('what is written in a wrong way ends with 2, says on standard error what was expected, and nothing on standard output', async (t) => {
  const redis = ['--redis', 'redis://127.0.0.1:1']
  const cases: Array<[args: string[], says: RegExp, env?: Record<string, string>]> = [
    [[], /Usage:/],
    [['nonsense'], /unknown command 'nonsense'/],
    [['stat', ...redis], /Did you mean stats/],
    [['stats'], /--redis redis:\/\/HOST:6379/],
    [['stats', '--last', '2h', ...redis], /Allowed choices are 1h, 24h/],
    [['stats', '--interval', '1ms', ...redis], /Expected a duration/],
    [['keys', '--limit', '0', ...redis], /Expected a whole number from 1/],
    [['keys', '--redis', 'http://x'], /--redis: expected a URL/],
    [['keys', '--admin', 'redis://x'], /expected the URL of the admin routes/],
    [['keys', '--admin', 'http://x', '--admin-header', 'secret-without-name'], /one without a name/],
    [['keys', '--timeout', 'soon', ...redis], /--timeout: expected a duration/],
    [['keys', '--secret-file', '/does/not/exist', ...redis], /--secret-file: expected a file/],
    [['inspect', ...redis], /missing required argument 'key'/],
    [['inspect', 'a', '--body', '-1', ...redis], /Expected a whole number from 0/],
    [['invalidate', ...redis, '--yes'], /--tag, --namespace/],
    [['invalidate', '--all', '--tag', 'x', ...redis, '--yes'], /not both/],
    [['explain', '/x', ...redis], /--admin/],
    [['explain', '/x', '--admin', 'http://x', '--against-header', 'a: b'], /--against/],
    [['warm', import.meta.filename, '--base', 'http://x/path'], /--base/],
    [['doctor'], /--redis/],
    [['keys'], /REDIS_URL/, { REDIS_URL: 'http://u:sesame@x' }],
    [['keys'], /CACHE_PREFIX/, { REDIS_URL: 'redis://x', CACHE_PREFIX: 'a b' }],
    [['keys'], /CACHE_ADMIN_URL/, { CACHE_ADMIN_URL: 'x' }]
  ]
  for (const [args, says, env = {}] of cases) {
    const ran = await cli(args, { env })
    t.match({ code: ran.code, stdout: ran.stdout }, { code: 2, stdout: '' }, args.join(' '))
    t.match(ran.stderr, says, args.join(' '))
    t.notMatch(ran.stderr, /sesame|secret-without-name/)
  }
})

t.test('what the client refuses is wrong use as well', async (t) => {
  const { url, prefix } = await useRedis(t)
  for (const args of [['keys', '--namespace', 'a:b'], ['invalidate', '--url', 'users', '--yes'], ['inspect', ''], ['keys', '--prefix', 'a b']]) {
    t.match(await cli([args[0]!, '--redis', url, '--prefix', prefix, ...args.slice(1)]), { code: 2, stdout: '', stderr: /expected/i }, args.join(' '))
  }
})

t.test('the same through the admin routes', async (t) => {
  const { origin } = await startApp(t)
  for (const args of [['keys', '--match', ''], ['keys', '--namespace', ''], ['inspect', ''], ['invalidate', '--url', 'users', '--yes'], ['invalidate', '--tag', '', '--yes'], ['explain', 'users'], ['invalidate', '--yes', ...Array.from({ length: 101 }, () => ['--tag', 'x']).flat()]]) {
    t.match(await cli([...args, ...adminArgs(origin)]), { code: 2, stdout: '', stderr: /expected/i }, args.slice(0, 5).join(' '))
  }
})

t.test('with nobody there it says so, what to do, and no password', async (t) => {
  const port = await freePort()
  const redis = await cli(['keys', '--json', '--redis', `redis://shop:sesame@127.0.0.1:${port}`, '--timeout', '60s'])
  t.match(redis, { code: 1, stdout: '' })
  t.match(redis.stderr, /ECONNREFUSED.*Is Redis running/)
  const admin = await cli(['keys', '--json', '--admin', `http://shop:sesame@127.0.0.1:${port}/admin`, '--admin-header', 'cookie: sid=sesame'])
  t.match(admin, { code: 1, stdout: '' })
  t.match(admin.stderr, /ECONNREFUSED.*Is the app running/)
  t.notMatch(redis.stderr + admin.stderr, /sesame/)
})

t.test('a refused password is said, and not shown', async (t) => {
  const { url } = await startRedisServer(t, { args: ['--requirepass', 'sesame'] })
  const { host } = new URL(url)
  for (const command of ['keys', 'doctor']) {
    const { code, stdout, stderr } = await cli([command, '--timeout', '60s'], { env: { REDIS_URL: `redis://:wrong-sesame@${host}` } })
    t.equal(code, 1)
    t.match(stdout + stderr, /password, or the user, is missing or wrong/i)
    t.notMatch(stdout + stderr, /wrong-sesame/)
  }
})

t.test('the guard of the admin routes is said to refuse, credentials go to no other address, and an address that is none is said to be', async (t) => {
  const { origin } = await startApp(t)
  const where = ['--admin', `${origin}/admin/cache`]
  t.match((await cli(['keys', ...where])).stderr, /refuses with 401.*--admin-header/)
  t.match(await cli(['keys', ...where], { env: { CACHE_ADMIN_HEADER: `authorization: ${AUTHORIZATION}` } }), { code: 0 })
  t.match((await cli(['keys', '--admin', `${origin}/elsewhere`])).stderr, /answered 404, expected 200 with what the admin routes say/)
  const heard: string[] = []
  const other = createServer((request, response) => {
    heard.push(request.headers.authorization ?? '')
    response.writeHead(302, { location: `${origin}/admin/cache${request.url}` }).end()
  }).listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const away = `http://u:sesame@127.0.0.1:${(other.address() as AddressInfo).port}/`
  const { code, stderr } = await cli(['keys', '--admin', away])
  t.match({ code, stderr }, { code: 1, stderr: /answered 302/ })
  t.same(heard, [`Basic ${btoa('u:sesame')}`])
})

t.test('what a stranger put into keys and tags does nothing to a terminal, in JSON neither', async (t) => {
  const { url, prefix } = await useRedis(t)
  const cache = await openCache(t, { redis: url, prefix, defaults: { ttl: '5m' }, timeouts: PATIENT })
  const wild = 'a:\x1b]0;title\x07\x9b2J\u202egpj.exe\u200b\x7f'
  await cache.set(wild, 'x', { tags: ['\x1b[31mred'] })
  const where = ['--redis', url, '--prefix', prefix]
  // eslint-disable-next-line no-control-regex
  const obeyed = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u200b]/
  for (const args of [['keys'], ['keys', '--json'], ['inspect', wild, '--body', '100'], ['invalidate', '--key', wild, '--preview'], ['invalidate', '--key', wild, '--yes'], ['inspect', '\x1b[2Jnone']]) {
    const { stdout, stderr } = await cli([...args, ...where])
    t.notMatch(stdout + stderr, obeyed, args.join(' '))
  }
  t.match((await cli(['keys', ...where])).stdout, 'a:\\x1b]0;title\\x07\\x9b2J\\u202egpj.exe\\u200b\\x7f')
  t.equal((await cli(['keys', '--json', ...where])).json().entries[0].key, wild, 'the value is the same')
})

t.test('colours are for terminals that want them', async (t) => {
  const { url, prefix } = await useRedis(t)
  const cache = await openCache(t, { redis: url, prefix, defaults: { ttl: '5m' }, timeouts: PATIENT })
  await cache.set('a:1', 'x')
  const isColoured = async (isTerminal: boolean, env: Record<string, string> = {}): Promise<boolean> => (await cli(['keys', '--redis', url, '--prefix', prefix], { isTerminal, env })).stdout.includes('\x1b[32m')
  t.same([await isColoured(true), await isColoured(false), await isColoured(true, { NO_COLOR: '1' }), await isColoured(true, { TERM: 'dumb' }), await isColoured(false, { FORCE_COLOR: '1' })], [true, false, false, false, true])
})

t.test('doctor ends with 0 where nothing is risky, and with 1 where something is', async (t) => {
  const good = await startRedisServer(t, { args: ['--maxmemory', '64mb', '--maxmemory-policy', 'allkeys-lru'] })
  const fine = await cli(['doctor', '--redis', good.url])
  t.equal(fine.code, 0, fine.stdout)
  for (const name of ['connection', 'latency', 'version', 'memory', 'eviction', 'persistence', 'rights', 'clock', 'topology']) t.match(fine.stdout, new RegExp(`^ok +${name} `, 'm'))
  const risky = await startRedisServer(t, { args: ['--maxmemory', '64mb', '--maxmemory-policy', 'noeviction'] })
  const { code, stdout } = await cli(['doctor', '--json', '--redis', risky.url])
  t.equal(code, 1)
  t.match(JSON.parse(stdout).checks.filter(({ result }: { result: string }) => result === 'risk'), [{ name: 'eviction', docs: 'docs/advice.md#noeviction' }])
  const { origin } = await startApp(t)
  t.match((await cli(['doctor', ...adminArgs(origin)])).stdout, /^ok +app .*\nok +health +entries are in memory$/m)
  t.match(await cli(['doctor', '--admin', `${origin}/none`]), { code: 1, stdout: /^failed +app /m })
})

t.test('doctor says which rights a user lacks', async (t) => {
  const { url } = await startRedisServer(t)
  const { createClient } = await import('redis')
  const admin = await createClient({ url }).connect()
  t.teardown(() => { admin.destroy() })
  await admin.sendCommand(['ACL', 'SETUSER', 'shop', 'on', '>pw', '~shop:*', 'resetchannels', '+@all', '-set'])
  const { code, stdout } = await cli(['doctor', '--redis', url.replace('redis://', 'redis://shop:pw@'), '--prefix', 'shop'])
  t.equal(code, 1)
  t.match(stdout, /^risk +rights .*without set nothing is cached/m)
})

t.test('as a process it ends by itself, with its code, and by Ctrl+C', async (t) => {
  const { url, prefix } = await useRedis(t)
  const program = await builtProgram(join(import.meta.dirname, '../../lib/cli/main.ts'))
  const env = { ...process.env, REDIS_URL: url, CACHE_PREFIX: prefix }
  const listing = start(t, [program, 'keys', '--json'], env)
  const wrong = start(t, [program, 'keys', '--limit', 'x'], env)
  const [one, other] = await Promise.all([ended(listing), ended(wrong)])
  t.match(one, { code: 0, signal: null, stderr: '' })
  t.match(other, { code: 2, stderr: /whole number/ })
  const watching = start(t, [program, 'stats', '--watch', '--interval', '100ms'], env)
  watching.stdout!.once('data', () => { watching.kill('SIGINT') })
  t.match(await ended(watching), { code: 0, signal: null })
})

function start (t: Test, args: string[], env: NodeJS.ProcessEnv) {
  const child = spawnPlain(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => { child.kill('SIGKILL') })
  return child
}
