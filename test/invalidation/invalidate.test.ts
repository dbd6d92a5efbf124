import { createClient, RESP_TYPES } from 'redis'
import { createCache, type ConnectedRedis, type InvalidationTargets, type RouteCacheOptions } from 'fastify-response-cache'
import type { FastifyInstance } from 'fastify'
import { test, type Test } from 'tap'
import { startRedisCluster } from '../helpers/redis-cluster.ts'
import { useRedis } from '../helpers/redis.ts'
import { cached, inEveryStore, open, setUser, unique, type Site } from '../safety/helpers.ts'

const READ = { read: '10s', write: '10s' }

/** The responses that are hits now, by path. */
async function hits (site: Site, paths: readonly string[], headers?: Record<string, string>): Promise<string[]> {
  const found: string[] = []
  for (const path of paths) {
    if ((await site.ask(path, headers === undefined ? {} : { headers })).field('x-cache') === 'HIT') found.push(path)
  }
  return found
}

const PATHS = ['/users/1', '/users/1?sort=name', '/users/1?sort=age&x=1', '/users/2', '/places/1']

function declare (app: FastifyInstance): void {
  app.get('/users/:id', cached({ namespace: 'user', tags: (request) => [`user:${request.params.id}`, 'people'] }), unique())
  app.get('/places/:id', cached({ namespace: 'place', tags: ['places'] }), async (request, reply) => {
    reply.cacheTags('from:handler', 'again')
    return 'a place'
  })
}

const CASES: Array<[title: string, targets: InvalidationTargets, gone: string[]]> = [
  ['a tag of a route', { tags: ['places'] }, ['/places/1']],
  ['a tag of a request', { tags: ['user:1'] }, ['/users/1', '/users/1?sort=name', '/users/1?sort=age&x=1']],
  ['a tag of many', { tags: ['people'] }, PATHS.slice(0, 4)],
  ['a tag that the handler added', { tags: ['from:handler'] }, ['/places/1']],
  ['a namespace', { namespaces: ['user'] }, PATHS.slice(0, 4)],
  ['several at once', { tags: ['user:2'], namespaces: ['place'] }, ['/users/2', '/places/1']],
  ['a URL, with every query', { urls: ['/users/1'] }, PATHS.slice(0, 3)],
  ['a URL with its query', { urls: ['/users/1?sort=name'] }, ['/users/1?sort=name']],
  ['a URL with its query in another order', { urls: ['http://localhost/users/1/?x=1&sort=age'] }, ['/users/1?sort=age&x=1']],
  ['a pattern', { patterns: ['user:GET:/users/1*'] }, PATHS.slice(0, 3)],
  ['a pattern of everything below', { patterns: ['*:/places/*'] }, ['/places/1']],
  ['what nothing carries', { tags: ['other', 'people '], namespaces: ['use', 'users'], users: ['1'], urls: ['/users'], patterns: ['users*'], keys: ['user'] }, []],
  ['nothing', { tags: [] }, []]
]

inEveryStore('an invalidation reaches what it means and nothing else', async (t, cache) => {
  const site = await open(t, declare, { cache })
  await hits(site, PATHS)
  for (const [title, targets, gone] of CASES) {
    t.strictSame(await hits(site, PATHS), PATHS, 'all are there')
    t.strictSame(await site.app.cache.invalidate(targets), { ...targets, soft: false })
    t.strictSame(await hits(site, PATHS), PATHS.filter((path) => !gone.includes(path)), title)
  }
  t.strictSame(await hits(site, PATHS), PATHS)
  await site.app.cache.invalidateAll()
  t.strictSame(await hits(site, PATHS), [])
})

inEveryStore('the short forms mean what they say', async (t, cache) => {
  const site = await open(t, declare, { cache })
  const client = site.app.cache
  const forms: Array<[() => Promise<unknown>, string[]]> = [
    [() => client.invalidateTags('user:2'), ['/users/2']],
    [() => client.invalidateTags(['user:2', 'places']), ['/users/2', '/places/1']],
    [() => client.invalidateNamespace('place'), ['/places/1']],
    [() => client.invalidatePattern('place:*'), ['/places/1']],
    [() => client.invalidateUrl('/users/2'), ['/users/2']],
    [() => client.invalidateUrl('/users/2', { soft: true }), ['/users/2']]
  ]
  for (const [run, gone] of forms) {
    await hits(site, PATHS)
    await run()
    t.strictSame(await hits(site, PATHS), PATHS.filter((path) => !gone.includes(path)))
  }
})

inEveryStore('the responses of one user are found by the user, whatever type it has', async (t, cache) => {
  const users: Record<string, unknown> = { ann: { sub: '7', iss: 'https://a.example' }, bob: { id: 8 }, carl: 'nine' }
  const site = await open(t, (app) => {
    app.decorateRequest('user', null)
    app.addHook('onRequest', async (request) => { setUser(request, users[String(request.headers['x-seat'])]) })
    app.get('/mine', cached({ varyByUser: true }), unique())
  }, { cache })
  const seats = Object.keys(users)
  const areHits = async (): Promise<boolean[]> => {
    const found: boolean[] = []
    for (const seat of seats) found.push((await hits(site, ['/mine'], { 'x-seat': seat })).length > 0)
    return found
  }
  await areHits()
  t.strictSame(await areHits(), [true, true, true])
  for (const [index, user] of ['7', 8, 'nine'].entries()) {
    await site.app.cache.invalidateUser(user)
    t.strictSame(await areHits(), seats.map((_, seat) => seat !== index), String(user))
  }
})

inEveryStore('a URL is invalidated in every variant that its route keeps, also one that is selected by less than the query', async (t, cache) => {
  const routes: Record<string, RouteCacheOptions> = { '/some': { varyByQuery: ['q'] }, '/none': { varyByQuery: false }, '/own': { key: () => 'one' } }
  const site = await open(t, (app) => { for (const [url, options] of Object.entries(routes)) app.get(url, cached(options), unique()) }, { cache })
  for (const url of Object.keys(routes)) {
    for (const target of [url, `${url}?q=1&utm=2`, `${url}?q=1`, url.toUpperCase(), `${url}/`, `/a/..${url}`]) {
      await site.ask(`${url}?q=1&utm=2`)
      t.strictSame(await hits(site, [`${url}?q=1&utm=2`]), [`${url}?q=1&utm=2`])
      await site.app.cache.invalidateUrl(target)
      t.strictSame(await hits(site, [`${url}?q=1&utm=2`]), [], target)
    }
  }
})

inEveryStore('what is invalidated while its handler runs is never served, by tags known before or added inside', async (t, cache) => {
  let version = 1
  let release = (): void => {}
  let started = (): void => {}
  const site = await open(t, (app) => {
    app.get('/:way', cached({ tags: (request) => request.params.way === 'before' ? ['thing'] : [] }), async (request, reply) => {
      const read = version
      const released = new Promise<void>((resolve) => { release = resolve })
      started()
      if (version === 1) await released
      if ((request.params as { way: string }).way === 'inside') reply.cacheTags('thing')
      return { read }
    })
  }, { cache })
  for (const way of ['before', 'inside']) {
    version = 1
    const running = new Promise<void>((resolve) => { started = resolve })
    const slow = site.ask(`/${way}`)
    await running
    version = 2
    await site.app.cache.invalidateTags('thing')
    release()
    t.match((await slow).text, '"read":1', 'who asked before gets what was then')
    const next = await site.ask(`/${way}`)
    t.strictSame([next.field('x-cache'), next.text], ['MISS', '{"read":2}'], way)
    t.equal((await site.ask(`/${way}`)).field('x-cache'), 'HIT')
  }
})

inEveryStore('values are invalidated like responses, and a value set afterwards is there', async (t, cache) => {
  const site = await open(t, () => {}, { cache })
  const client = site.app.cache
  const targets: InvalidationTargets[] = [{ keys: ['user:1:profile'] }, { tags: ['blue'] }, { namespaces: ['user'] }, { patterns: ['user:?:pro*'] }]
  for (const target of targets) {
    await client.setMany({ 'user:1:profile': 'ann', 'place:1': 'here' }, { tags: ['blue', 'green'] })
    await client.set('place:1', 'here')
    await client.invalidate(target)
    t.strictSame([await client.get('user:1:profile'), await client.has('user:1:profile'), await client.ttl('user:1:profile')], [undefined, false, undefined])
    t.strictSame([await client.expire('user:1:profile', '1h'), await client.delete('user:1:profile')], [false, false], 'nothing brings it back')
    t.equal(await client.get('place:1'), 'here')
    t.equal(await client.set('user:1:profile', 'new'), true)
    t.equal(await client.get('user:1:profile'), 'new')
  }
  const value = await client.getOrSet('user:1:made', async () => {
    await client.invalidateNamespace('user')
    return 'old'
  })
  t.strictSame([value, await client.get('user:1:made')], ['old', undefined], 'made before the invalidation')
})

inEveryStore('who asks after an invalidation does not get what is being made since before it', async (t, cache) => {
  const site = await open(t, () => {}, { cache })
  const client = site.app.cache
  for (const target of [{ tags: ['blue'] }, { namespaces: ['user'] }, { keys: ['user:1'] }, { tags: ['other'] }] satisfies InvalidationTargets[]) {
    await client.delete('user:1')
    let version = 1
    let release = (): void => {}
    const released = new Promise<void>((resolve) => { release = resolve })
    let calls = 0
    let begun = (): void => {}
    const running = new Promise<void>((resolve) => { begun = resolve })
    const make = async (): Promise<number> => {
      const read = version
      begun()
      if (++calls === 1) await released
      return read
    }
    const early = client.getOrSet('user:1', make, { tags: ['blue'] })
    await running
    version = 2
    await client.invalidate(target)
    const late = client.getOrSet('user:1', make, { tags: ['blue'] })
    if (target.tags?.[0] !== 'other') t.equal(await late, 2, JSON.stringify(target))
    else await client.get('user:1') // comes back when the look-up of the other has
    release()
    t.equal(await early, 1)
    const isMeant = target.tags?.[0] !== 'other'
    t.strictSame([await late, calls, await client.get('user:1')], isMeant ? [2, 2, 2] : [1, 1, 1], JSON.stringify(target))
  }
})

inEveryStore('what names nothing is an error, never everything', async (t, cache) => {
  const site = await open(t, declare, { cache })
  await hits(site, PATHS)
  const wrong: unknown[] = [
    undefined, null, 'user:1', ['user:1'], { tags: 'user:1' }, { tags: [''] }, { namespaces: [''] }, { patterns: [''] }, { keys: [''] }, { urls: [''] }, { users: [''] },
    { tags: [undefined] }, { tags: [1] }, { users: [NaN] }, { users: [{ id: 1 }] }, { tag: ['a'] }, { tags: ['people', ''] }
  ]
  for (const targets of wrong) await t.rejects(site.app.cache.invalidate(targets as InvalidationTargets), { code: 'RESPONSE_CACHE_ERR_TARGET_INVALID' }, JSON.stringify(targets))
  await t.rejects(site.app.cache.invalidate({ tags: ['people'] }, { hard: true } as object), { code: 'RESPONSE_CACHE_ERR_OPTION_UNKNOWN' })
  t.strictSame(await hits(site, PATHS), PATHS)
})

/** Two apps with connections of their own, as in two processes. */
async function two (t: Test, cache: object): Promise<[Site, Site]> {
  return [await open(t, declare, { cache }), await open(t, declare, { cache })]
}

test('an acknowledged invalidation is seen by every process that shares the Redis', async (t) => {
  const { url, prefix } = await useRedis(t)
  const [one, other] = await two(t, { redis: url, prefix, timeouts: READ })
  await hits(one, PATHS)
  t.strictSame(await hits(other, PATHS), PATHS, 'filled by the other')
  await one.app.cache.invalidateTags('user:1')
  t.strictSame(await hits(other, PATHS), ['/users/2', '/places/1'])
  await other.app.cache.invalidateNamespace('place')
  t.strictSame(await hits(one, PATHS), PATHS.slice(0, 4))
  await using late = createCache({ redis: url, prefix, timeouts: READ })
  await late.connect()
  await late.invalidateAll()
  t.strictSame([await hits(one, PATHS), (await hits(other, PATHS)).length], [[], PATHS.length])
})

test('when the marks are lost, nothing that was filled before is served', async (t) => {
  const { client, url, prefix } = await useRedis(t)
  const [one, other] = await two(t, { redis: url, prefix, timeouts: READ })
  for (const lose of [
    () => client.del(`${prefix}:marks`),
    async () => { await client.rename(`${prefix}:marks`, `${prefix}:away`) }
  ]) {
    await hits(one, PATHS)
    await one.app.cache.invalidateTags('user:1')
    await lose()
    t.strictSame(await hits(other, PATHS), [])
    t.strictSame(await hits(one, PATHS), PATHS)
  }
})

test('on a Cluster, invalidations reach entries on every node', async (t) => {
  const { rootNodes } = await startRedisCluster(t)
  const [one, other] = await two(t, { redis: { rootNodes }, prefix: 'shop', timeouts: READ })
  await hits(one, PATHS)
  t.strictSame(await hits(other, PATHS), PATHS)
  await one.app.cache.invalidate({ tags: ['user:1'], namespaces: ['place'] })
  t.strictSame(await hits(other, PATHS), ['/users/2'])
})

test('a client of the app may give replies of any type', async (t) => {
  const { url, prefix } = await useRedis(t)
  const client = createClient({ url, commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer, [RESP_TYPES.DOUBLE]: String } } })
  await client.connect()
  t.teardown(() => client.close())
  const [one, other] = [await open(t, declare, { cache: { redis: client as unknown as ConnectedRedis, prefix, timeouts: READ } }), await open(t, declare, { cache: { redis: url, prefix, timeouts: READ } })]
  await hits(one, PATHS)
  await other.app.cache.invalidateTags('user:1')
  t.strictSame(await hits(one, PATHS), ['/users/2', '/places/1'])
  await one.app.cache.invalidateNamespace('place')
  t.strictSame(await hits(other, PATHS), PATHS.slice(0, 4))
})

test('without Redis an invalidation rejects', async (t) => {
  await using cache = createCache({ redis: 'redis://127.0.0.1:1', timeouts: { invalidate: '100ms' } })
  await t.rejects(cache.invalidateTags('a'), { code: 'RESPONSE_CACHE_ERR_INVALIDATION_PENDING' })
})
