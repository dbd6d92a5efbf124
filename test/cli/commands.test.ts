import t, { type Test } from 'tap'
import { useRedis } from '../helpers/redis.ts'
import { adminArgs, cli, load, startApp } from './scene.ts'

/** An app with a known load, and the options that lead to its cache. */
async function loaded (t: Test) {
  const { url, prefix } = await useRedis(t)
  const { app, origin } = await startApp(t, { redis: url, prefix })
  await app.cache.connect()
  await load(origin)
  const ways = { 'through Redis': ['--redis', url, '--prefix', prefix, '--timeout', '10s'], 'through the admin routes': adminArgs(origin) }
  await app.cache.stats({ fleet: true }) // tells what was counted until now
  return { app, origin, ways, url }
}

async function keyOf (path: string, where: readonly string[]): Promise<string> {
  const { entries } = (await cli(['keys', '--json', ...where])).json()
  return entries.find(({ key }: { key: string }) => key.includes(`:${path}:`)).key
}

for (const how of ['through Redis', 'through the admin routes'] as const) {
  t.test(how, async (t) => {
    const { app, origin, ways } = await loaded(t)
    const where = ways[how]

    await t.test('stats are those of a known load', async (t) => {
      const { fleet, contents } = (await cli(['stats', '--json', ...where])).json()
      t.match(fleet, { hits: 13, misses: 6, stale: 0, bypasses: 1, refused: 0, bypassReasons: { credentials: 1 }, notStoredReasons: { 'set-cookie': 1 } })
      t.match(contents.namespaces, { user: { entries: 4 }, place: { entries: 1 } })
      const { code, stdout, stderr } = await cli(['stats', '--last', '24h', ...where])
      t.equal(code, 0, stderr)
      t.match(stdout, /the last 24 hours/)
      t.match(stdout, /^hit rate +68\.4 %/m)
      t.match(stdout, /^hits +13$/m)
      t.match(stdout, /^misses +6 +5 responses stored$/m)
      t.match(stdout, /^bypass +credentials +1$/m)
      t.match(stdout, /^cached +13 /m)
      t.match(stdout, /^place +6 +80\.0 % .* 29 B/m)
      t.notMatch(stdout, /\x1b/, 'no colours without a terminal') // eslint-disable-line no-control-regex
    })

    await t.test('top orders routes, and those without a hit rate are last', async (t) => {
      const routes = async (...args: string[]): Promise<string[]> => (await cli(['top', '--json', ...args, ...where])).json().routes.map(({ route }: { route: string }) => route)
      t.same((await routes()).slice(0, 2), ['GET /users/:id', 'GET /places'])
      t.same((await routes('--by', 'hit-rate')).slice(0, 2), ['GET /places', 'GET /users/:id'])
      t.equal((await routes('--by', 'hit-rate', '--bottom')).at(-1), 'GET /places')
      t.equal((await routes('--limit', '1')).length, 1)
      const { stdout, stderr } = await cli(['top', '--limit', '2', ...where])
      t.match(stdout, /^GET \/users\/:id +user +12 +75\.0 %/m)
      t.match(stderr, /2 more/)
    })

    await t.test('keys can be narrowed, and inspect shows one', async (t) => {
      const lines = async (...args: string[]): Promise<string[]> => (await cli(['keys', ...args, ...where])).stdout.trimEnd().split('\n').slice(1)
      t.equal((await lines()).length, 5)
      t.equal((await lines('--namespace', 'place')).length, 1)
      t.equal((await lines('--match', '*/users/2:*')).length, 1)
      const some = await cli(['keys', '--limit', '2', ...where])
      t.equal(some.stdout.trimEnd().split('\n').length, 3)
      t.notMatch((await cli(['keys', '--json', ...where])).stdout, /"ann"|"labels"/, 'whose an entry is, and what else it is found by, is told of one that is asked for')
      t.match(some.stderr, /There may be more/)
      t.match(await cli(['keys', '--namespace', 'nobody', ...where]), { code: 0, stdout: 'No such entries.\n' })

      const key = await keyOf('/users/1', where)
      const { stdout } = await cli(['inspect', key, '--body', '5', ...where])
      t.match(stdout, /^tags +user:1, users$/m)
      t.match(stdout, /^state +fresh$/m)
      t.match(stdout, /^body, 5 B of it\n\{"id"$/m)
      t.notMatch((await cli(['inspect', key, ...where])).stdout, /^body/m, 'the body is left out unless it is asked for')
      const none = await cli(['inspect', 'user:none', ...where])
      t.match(none, { code: 1, stdout: '' })
      t.match(none.stderr, /no entry under "user:none"/)
    })

    await t.test('the body of an entry for one user is shown only when that is asked for', async (t) => {
      const key = await keyOf('/me', where)
      const withheld = await cli(['inspect', key, '--body', '100', ...where])
      t.notMatch(withheld.stdout + withheld.stderr, /of ann/)
      t.match(withheld.stderr, /--per-user/)
      t.notMatch((await cli(['inspect', key, '--body', '100', '--json', ...where])).stdout, /of ann/)
      t.match((await cli(['inspect', key, '--body', '100', '--per-user', ...where])).stdout, /\{"secret":"of ann"\}/)
    })

    await t.test('a preview says what an invalidation would hit, which then happens', async (t) => {
      const outcomeOf = async (path: string): Promise<string | null> => (await fetch(`${origin}${path}`)).headers.get('x-cache')
      await outcomeOf('/users/1')
      const preview = await cli(['invalidate', '--tag', 'users', '--preview', ...where])
      t.match(preview.stdout, /^3 entries would be hit/)
      t.equal(await outcomeOf('/users/1'), 'HIT', 'nothing was invalidated')
      t.match(await cli(['invalidate', '--tag', 'user:1', ...where]), { code: 2, stdout: '' }, 'without a terminal there is nobody to ask')
      t.match(await cli(['invalidate', '--tag', 'user:1', ...where], { typed: 'no\n' }), { code: 1, stdout: '' })
      t.equal(await outcomeOf('/users/1'), 'HIT')
      const asked = await cli(['invalidate', '--tag', 'user:1', ...where], { typed: 'yes\n' })
      t.match(asked, { code: 0, stdout: 'Invalidated: tag "user:1"\n' })
      t.match(asked.stderr, /1 entry would be hit/)
      t.equal(await outcomeOf('/users/1'), 'MISS')
      for (const args of [['--url', '/users/1'], ['--namespace', 'user'], ['--pattern', 'user:*'], ['--key', await keyOf('/users/1', where)], ['--all'], ['--tag', 'x', '--tag', 'users', '--user', 'bob']]) {
        t.equal(await outcomeOf('/users/1'), 'HIT')
        t.match(await cli(['invalidate', ...args, '--yes', ...where]), { code: 0 }, args.join(' '))
        t.equal(await outcomeOf('/users/1'), 'MISS', args.join(' '))
      }
      await load(origin)
    })

    await t.test('monitor tells requests and invalidations as they happen', async (t) => {
      const ending = new AbortController()
      const isAll = (text: string): boolean => /GET \/places {2}.*hit/.test(text) && /invalidated: tag "user:77"/.test(text)
      let [isBegun, isSent] = [false, false]
      const running = cli(['monitor', '--interval', '100ms', ...where], { signal: ending.signal, onOutput: (text) => { if (isAll(text)) ending.abort() } })
      // It tells what comes behind its beginning, so things happen until it has begun, and is told the numbers that processes tell every 5 s.
      while (!ending.signal.aborted) {
        await (await fetch(`${origin}/places`)).text()
        await app.cache.invalidateTags('user:77')
        await app.cache.stats({ fleet: true })
        isBegun ||= isSent
        isSent = true
      }
      const { code, stdout } = await running
      t.equal(code, 0, 'to end it is no failure')
      t.ok(isAll(stdout) && isBegun)
    })
  })
}

t.test('explain says which rule applies, and in what two keys differ', async (t) => {
  const { origin, url, ways } = await loaded(t)
  const where = ways['through the admin routes']
  await (await fetch(`${origin}/places`)).text()
  t.match((await cli(['explain', '/places', ...where])).stdout, /^outcome +hit$/m)
  t.match((await cli(['explain', '/places', '--header', 'authorization: Bearer x', ...where])).stdout, /^outcome +bypass \(credentials\)$/m)
  t.match((await cli(['explain', '/plain', ...where])).stdout, /^outcome +not-cached$/m)
  t.match((await cli(['explain', '/places?a=1', '--against', '/places?a=2', ...where])).stdout, /^query a +1 +2$/m)
  const me = await cli(['explain', '/me', '--header', 'x-user: ann', '--against', '/me', '--against-header', 'x-user: bob', '--json', ...where])
  t.match(me.json().differences, [{ part: 'user', first: 'ann', second: 'bob' }])
  t.match(await cli(['explain', '/places', '--redis', url]), { code: 2, stdout: '' }, 'Redis does not know the routes')
})

t.test('stats --watch shows them again and again until it is ended, with --json a line each', async (t) => {
  const { ways } = await loaded(t)
  for (const args of [['--json'], []]) {
    const ending = new AbortController()
    let looks = 0
    const { code, stdout } = await cli(['stats', '--watch', '--interval', '100ms', ...args, ...ways['through Redis']], {
      signal: ending.signal,
      onOutput: (text) => {
        looks = args.length > 0 ? text.split('\n').length - 1 : text.split(/^hit rate/m).length - 1
        if (looks === 3) ending.abort()
      }
    })
    t.equal(code, 0)
    t.equal(looks, 3)
    if (args.length > 0) for (const line of stdout.trimEnd().split('\n')) t.type(JSON.parse(line).fleet.hits, 'number')
  }
})
