import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify from 'fastify'
import responseCache, { type CacheOptions } from 'fastify-response-cache'
import t, { type Test } from 'tap'
import cacheAdmin from '../../lib/admin/index.ts'
import { builtProgram } from '../helpers/built-program.ts'
import { openCache } from '../helpers/open-cache.ts'
import { spawnPlain } from '../helpers/plain-process.ts'
import { asked } from '../helpers/redis-admin.ts'
import { startRedisServer, useRedis } from '../helpers/redis.ts'
import { startRedisCluster } from '../helpers/redis-cluster.ts'
import { startSentinelFleet } from '../helpers/redis-sentinel.ts'
import { startTlsRedis, tlsProblem } from '../helpers/redis-tls.ts'
import { ended } from './process.ts'
import { cli, PATIENT } from './scene.ts'

t.setTimeout(300_000)

const MANY = Array.from({ length: 40 }, (_, at) => `thing:${at}`)

/** A cache with 40 values. */
async function filled (t: Test, options: CacheOptions) {
  const cache = await openCache(t, { prefix: 'shop', defaults: { ttl: '5m' }, timeouts: PATIENT, ...options })
  await cache.setMany(MANY.map((key) => [key, key] as const), { tags: ['things'] })
  return cache
}

/** What a cache has, looked at, invalidated and looked at again. */
async function promises (t: Test, cache: Awaited<ReturnType<typeof filled>>, where: readonly string[], topology: RegExp): Promise<void> {
  const run = async (...args: string[]) => await cli([...args, '--prefix', 'shop', '--timeout', '60s', ...where])
  t.same((await run('keys', '--json')).json().entries.map(({ key }: { key: string }) => key).sort(), MANY.toSorted())
  t.match(await run('inspect', 'thing:7', '--body', '20'), { code: 0, stdout: /thing:7/ })
  t.match((await run('stats', '--json')).json().contents.namespaces, { thing: { entries: 40 } })
  t.match(await run('invalidate', '--tag', 'things', '--preview'), { code: 0, stdout: /^40 entries/ })
  t.match(await run('invalidate', '--tag', 'things', '--yes'), { code: 0, stderr: '' })
  t.equal(await cache.get('thing:7'), undefined)
  t.match((await run('doctor')).stdout, topology)
  const ending = new AbortController()
  const monitoring = cli(['monitor', '--interval', '100ms', '--prefix', 'shop', '--timeout', '60s', ...where], { signal: ending.signal, onOutput: (text) => { if (text.includes('tag "heard"')) ending.abort() } })
  while (!ending.signal.aborted) await cache.invalidateTags('heard')
  t.match(await monitoring, { code: 0 })
}

t.test('a Cluster is shown whole, whichever of its servers is named, and without --cluster not in part', async (t) => {
  const { rootNodes } = await startRedisCluster(t)
  const cache = await filled(t, { redis: { rootNodes } })
  await promises(t, cache, ['--cluster', '--redis', rootNodes[0]!.url], /^ok +topology +a Cluster of 3 masters with all slots$/m)
  for (const { url } of rootNodes) {
    t.match(await cli(['stats', '--cluster', '--redis', url, '--prefix', 'shop', '--timeout', '60s']), { code: 0 })
    for (const prefix of ['shop', await prefixOf(url)]) {
      t.match(await cli(['keys', '--redis', url, '--prefix', prefix, '--timeout', '60s']), { code: 1, stdout: '', stderr: /add --cluster/ }, prefix)
      t.match(await cli(['doctor', '--redis', url, '--prefix', prefix, '--timeout', '60s']), { code: 1, stdout: /^failed +connection .*add --cluster/ }, prefix)
    }
  }
})

/** A prefix whose own keys, though not its entries, are all with this server of a Cluster: it answers whatever is asked at first. */
async function prefixOf (url: string): Promise<string> {
  return await asked({ url }, async (client) => {
    for (let number = 0; ; number++) {
      const prefix = `p${number}`
      const answers = await Promise.allSettled(['', 'ping', 'marks', 'advice'].map((name) => client.pTTL(`${prefix}:${name}`)))
      if (answers.every(({ status }) => status === 'fulfilled')) return prefix
    }
  })
}

t.test('a Cluster from single variables of the environment, and one that is none', async (t) => {
  const { rootNodes } = await startRedisCluster(t)
  await filled(t, { redis: { rootNodes } })
  const { hostname, port } = new URL(rootNodes[1]!.url)
  const { entries } = (await cli(['keys', '--cluster', '--json', '--timeout', '60s'], { env: { REDIS_HOST: hostname, REDIS_PORT: port, CACHE_PREFIX: 'shop' } })).json()
  t.equal(entries.length, MANY.length)
  const { url } = await startRedisServer(t)
  t.match(await cli(['keys', '--cluster', '--redis', url, '--timeout', '3s']), { code: 1, stdout: '', stderr: /leave --cluster out/ })
})

t.test('the master is found through any Sentinel, with the user and database of the URL, and what is wrong is said', async (t) => {
  const { options, master } = await startSentinelFleet(t).then((fleet) => ({ options: fleet.options, master: () => fleet.master() }))
  const cache = await filled(t, { redis: { ...options, sentinelRootNodes: [...options.sentinelRootNodes], nodeClientOptions: { database: 3 } } })
  const [{ host, port }] = options.sentinelRootNodes as [{ host: string, port: number }]
  const sentinel = `redis://default:of-nobody@${host}:${port}`
  await promises(t, cache, ['--sentinel', options.name, '--redis', `${sentinel}/3`], /^ok +topology +a master$/m)
  t.match(await cli(['keys', '--redis', sentinel, '--timeout', '60s']), { code: 1, stdout: '', stderr: /add --sentinel/ })
  t.match(await cli(['keys', '--sentinel', 'nobody', '--redis', sentinel, '--timeout', '3s']), { code: 1, stdout: '', stderr: /the name is the one/ })
  t.match(await cli(['keys', '--sentinel', options.name, '--redis', (await master()).url, '--timeout', '3s']), { code: 1, stdout: '', stderr: /those of a Sentinel/ })
})

t.test('entries that are signed are shown with the secrets, and without them nothing is', async (t) => {
  const { url, prefix } = await useRedis(t)
  const [first, second] = ['first-'.repeat(6), 'second-'.repeat(6)]
  await filled(t, { redis: url, prefix, integrity: { secret: first } })
  const file = join(t.testdir({}), 'secrets')
  const shown = async (...args: string[]) => await cli(['inspect', 'thing:7', '--body', '20', '--redis', url, '--prefix', prefix, '--timeout', '60s', ...args])
  writeFileSync(file, `${second}\r\n\n${first}\n`)
  t.match(await shown('--secret-file', file), { code: 0, stdout: /thing:7/ })
  t.match(await shown(), { code: 1, stdout: '' })
  writeFileSync(file, `${second}\n`)
  t.match(await shown('--secret-file', file), { code: 1, stdout: '' })
  for (const wrong of ['', '\n\n', 'too-short\n']) {
    writeFileSync(file, wrong)
    const { code, stdout, stderr } = await shown('--secret-file', file)
    t.match({ code, stdout, stderr }, { code: 2, stdout: '', stderr: /secret/ }, JSON.stringify(wrong))
    t.notMatch(stderr, /too-short/)
  }
})

const skip = tlsProblem() ?? false

t.test('rediss:// and https:// with an authority of your own, which NODE_EXTRA_CA_CERTS names', { skip }, async (t) => {
  const { url, ca, cert, key } = await startTlsRedis(t, { asksClients: false })
  const app = Fastify({ https: { cert, key } })
  t.teardown(async () => { await app.close() })
  await app.register(responseCache, { defaults: { ttl: '5m' } })
  await app.register(cacheAdmin, { prefix: '/admin/cache', public: true })
  const admin = `${(await app.listen({ port: 0, host: '127.0.0.1' })).replace('127.0.0.1', 'localhost')}/admin/cache`
  const folder = t.testdir({})
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'ca.pem'), ca)
  const program = await builtProgram(join(import.meta.dirname, '../../lib/cli/main.ts'))
  const run = async (args: string[], env: Record<string, string> = {}) => {
    const child = spawnPlain(process.execPath, [program, ...args, '--timeout', '60s'], { env: { PATH: process.env.PATH!, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    t.teardown(() => { child.kill('SIGKILL') })
    return await ended(child)
  }
  const trusted = { NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') }
  const { hostname, port } = new URL(url)
  for (const [args, env] of [[['keys', '--redis', url], {}], [['keys'], { REDIS_HOST: hostname, REDIS_PORT: port, REDIS_TLS: 'true' }], [['doctor', '--redis', url], {}], [['keys', '--admin', admin], {}]] as Array<[string[], Record<string, string>]>) {
    const [withIt, without] = await Promise.all([run(args, { ...env, ...trusted }), run(args, env)])
    t.match(withIt, args[0] === 'doctor' ? { stdout: /^ok +connection / } : { code: 0, stdout: 'No such entries.\n', stderr: '' }, args.join(' '))
    t.match({ ...without, said: without.stdout + without.stderr }, { code: 1, said: /NODE_EXTRA_CA_CERTS/ }, args.join(' '))
  }
  t.match(await run(['keys', '--redis', url.replace('rediss:', 'redis:')]), { code: 1, stdout: '', stderr: /rediss:\/\/ is for TLS/ })
})

t.test('a server that wants a certificate of its clients is said to', { skip }, async (t) => {
  const { url, ca } = await startTlsRedis(t)
  const folder = t.testdir({ 'ca.pem': ca })
  const program = await builtProgram(join(import.meta.dirname, '../../lib/cli/main.ts'))
  const child = spawnPlain(process.execPath, [program, 'keys', '--redis', url, '--timeout', '60s'], { env: { PATH: process.env.PATH!, NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') }, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => { child.kill('SIGKILL') })
  t.match(await ended(child), { code: 1, stdout: '', stderr: /certificate of its clients.*--admin/ })
})
