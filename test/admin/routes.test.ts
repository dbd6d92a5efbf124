import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import type { RouteCacheConfig } from 'fastify-response-cache'
import { test } from 'tap'
import { useRedis } from '../helpers/redis.ts'
import { ask, createScene, listening, outcomeOf, SIGNED_IN } from './scene.ts'

interface Listed { key: string, namespace: string, isPerUser: boolean, tags: string[] }

async function entriesOf (app: FastifyInstance, query = ''): Promise<Listed[]> {
  const { entries } = (await ask(app, `entries${query}`)).json() as { entries: Listed[] }
  return entries
}

async function keyOf (app: FastifyInstance, path: string): Promise<string> {
  const entry = (await entriesOf(app)).find(({ key }) => key.includes(`:${path}:`))
  if (entry === undefined) throw new Error(`no entry of ${path}`)
  return entry.key
}

test('stats are those of the client, with the hit rates', async (t) => {
  const app = await createScene(t)
  for (let turn = 0; turn < 4; turn++) await outcomeOf(app, '/users/1')
  await outcomeOf(app, '/session')
  await outcomeOf(app, '/places', { authorization: 'Bearer a' })
  const stats = (await ask(app, 'stats')).json()
  const own = JSON.parse(JSON.stringify(app.cache.stats()))
  for (const [name, value] of Object.entries(own)) if (name !== 'routes' && name !== 'namespaces') t.strictSame(stats[name], value, name)
  t.match(stats, { hits: 3, misses: 2, bypasses: 1, hitRate: 3 / 5, bypassReasons: { credentials: 1 }, notStoredReasons: { 'set-cookie': 1 } })
  t.equal(stats.boundsMs.length + 1, stats.cached.classes.length)
  const route = stats.routes.find(({ route }: { route: string }) => route === 'GET /users/:id')
  t.match(route, { namespace: 'user', hits: 3, misses: 1, hitRate: 0.75 })
  t.match(stats.namespaces['user'], { hits: 3, misses: 1, hitRate: 0.75 })
})

test('routes are those with config.cache, also those that nobody has requested', async (t) => {
  const app = await createScene(t)
  await outcomeOf(app, '/places')
  const { routes } = (await ask(app, 'routes')).json()
  t.strictSame(routes.map(({ route }: { route: string }) => route).sort(), ['GET /me', 'GET /places', 'GET /session', 'GET /users/:id'])
  t.match(routes.find(({ url }: { url: string }) => url === '/places'), { methods: ['GET'], namespace: 'place', misses: 1 })
})

test('each route says in words how it is cached', async (t) => {
  const app = await createScene(t, { cache: { defaults: { ttl: '5m', jitter: 0.1 }, ttls: { long: '2h' } } })
  const declared: Array<[url: string, cache: RouteCacheConfig, words: Record<string, string | undefined>]> = [
    ['/plain', true, {
      ttl: '5 minutes; up to 10 % of it taken off at random',
      key: 'protocol and host, the path, all of the query, what the response names in Vary',
      bypass: 'requests with credentials that the key does not cover',
      stored: 'status 200; bodies up to 1,048,576 bytes',
      'found by': 'namespace, URL, key, tags that its handler adds',
      stale: undefined,
      handler: 'runs once for those that miss at the same time; the others wait for it, 10 seconds at most',
      'look-up': 'behind the guards and the validation of the route',
      clients: undefined
    }],
    ['/named', { ttl: 'long', jitter: 0, varyByQuery: ['page', 'sort'], varyByHeaders: ['Accept-Language'], varyByCookies: ['theme'], tags: ['a', 'b'] }, {
      ttl: 'long, 2 hours',
      key: 'protocol and host, the path, of the query only page, sort, as the handler sees it, header accept-language, cookie theme, what the response names in Vary',
      'found by': 'namespace, URL, key, tags a, b'
    }],
    ['/user', { varyByUser: true, varyByQuery: false, skip: () => false, storeIf: () => true, maxBytes: 1000, compress: true }, {
      key: 'protocol and host, the path, nothing of the query, which the handler does not see, the user, what the response names in Vary',
      bypass: 'requests with credentials of which no user is found; requests for which the skip function of the route says so',
      stored: 'status 200; bodies up to 1,000 bytes; where the storeIf function of the route agrees; compressed with brotli',
      'found by': 'namespace, URL, key, user, tags that its handler adds'
    }],
    ['/status', { ttl: { 200: '90s', 404: 0, 410: { until: 'midnight', timeZone: 'Europe/Berlin' } }, jitter: 0, shared: true }, {
      ttl: 'status 200: 90 seconds, status 404: 0: nothing is stored, status 410: until midnight in Europe/Berlin',
      bypass: undefined,
      stored: 'status 200, 404, 410; bodies up to 1,048,576 bytes; one response for everybody, credentials or not'
    }],
    ['/http', { ttl: { http: true, heuristic: '1d' }, shared: 'http', jitter: 0, obeyRequestDirectives: true }, {
      ttl: 'what the header fields of the response say, or else a tenth of the time since Last-Modified, up to 1 day',
      bypass: 'requests with Cache-Control: no-store, where what they ask for counts',
      stored: 'every status whose header fields allow it; bodies up to 1,048,576 bytes; responses to requests with credentials where they say that they are for everybody',
      handler: 'runs once for those that miss at the same time; the others wait for it, 10 seconds at most; may answer 304 for 10 minutes after the end of a response with a validator of its own'
    }],
    ['/late', { ttl: () => 60, staleWhileRevalidate: '1h', staleIfError: '1d', softTimeout: '200ms', hardTimeout: '2s', maxConcurrentFills: 5, refreshAhead: true, adaptiveTtl: { min: '1s', max: '1h' }, downstream: { maxAge: '1m', tags: 'surrogate-key' } }, {
      ttl: 'what the function of the route says; up to 10 % of it taken off at random; then as often as it changes, from 1 second to 1 hour, so that at most 1 % of what is served is outdated',
      stale: 'for 1 hour more, while a new one is made in the background; for 1 day more, when the handler fails; it is tried again after 5 seconds; when the handler takes longer than 200 milliseconds',
      handler: 'runs once for those that miss at the same time; the others wait for it, 10 seconds at most; is not waited for longer than 2 seconds; runs 5 times at once at most; runs shortly before the end of what is asked for often',
      clients: 'may keep it for 1 minute; a CDN finds the tags in surrogate-key'
    }],
    ['/early', { ttl: new Date(0), key: () => 'k', hook: 'onRequest', lock: false }, {
      ttl: 'until 1970-01-01T00:00:00.000Z; up to 10 % of it taken off at random',
      key: 'protocol and host, what the key function of the route returns, what the response names in Vary',
      handler: 'runs for each request that misses',
      'look-up': 'before the body is read'
    }]
  ]
  app.route({ url: '/several', method: ['GET', 'DELETE'], config: { cache: true }, handler: async () => 'x' })
  declared.push(['/several', true, { bypass: 'requests with credentials that the key does not cover; the method DELETE' }])
  for (const [url, cache] of declared.slice(0, -1)) app.get(url, { config: { cache } }, async () => 'x')
  const { routes } = (await ask(app, 'routes')).json() as { routes: Array<{ url: string, policy: Array<{ about: string, text: string }> }> }
  for (const [url, , words] of declared) {
    const told = new Map(routes.find((route) => route.url === url)?.policy.map(({ about, text }) => [about, text]))
    for (const [about, text] of Object.entries(words)) t.equal(told.get(about), text, `${url} ${about}`)
  }
})

test('namespaces have their entries and their numbers', async (t) => {
  const app = await createScene(t)
  for (const id of [1, 2, 2]) await outcomeOf(app, `/users/${id}`)
  await app.cache.set('color:sky', 'blue', { ttl: '10s' })
  const { isComplete, namespaces } = (await ask(app, 'namespaces')).json()
  t.equal(isComplete, true)
  t.match(namespaces.find((one: { namespace: string }) => one.namespace === 'user'), { entries: 2, hits: 1, misses: 2, bytes: 20 })
  t.match(namespaces.find((one: { namespace: string }) => one.namespace === 'color'), { entries: 1, ttl: { classes: [1, 0, 0, 0, 0] } })
})

test('entries are listed a page at a time, and narrowed', async (t) => {
  const app = await createScene(t)
  for (let id = 0; id < 25; id++) await outcomeOf(app, `/users/${id}`)
  await outcomeOf(app, '/places')
  const found = new Set<string>()
  let cursor: string | undefined
  for (let page = 0; page < 20; page++) {
    const answer = (await ask(app, `entries?limit=10${cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`}`)).json() as { entries: Listed[], cursor?: string }
    t.ok(answer.entries.length <= 10)
    for (const { key } of answer.entries) found.add(key)
    cursor = answer.cursor
    if (cursor === undefined) break
  }
  t.equal(found.size, 26)
  t.equal((await entriesOf(app, '?namespace=place')).length, 1)
  t.equal((await entriesOf(app, '?match=user:GET:/users/1?:*')).length, 10)
  t.equal((await ask(app, 'entries?cursor=nonsense')).status, 400)
})

test('an entry is shown with its header fields and the beginning of its body, as text where it is text', async (t) => {
  const app = await createScene(t)
  await outcomeOf(app, '/users/1')
  const key = encodeURIComponent(await keyOf(app, '/users/1'))
  const plain = (await ask(app, `entry?key=${key}`)).json()
  t.match(plain, { status: 200, tags: ['user:1', 'users'], state: 'fresh', preview: undefined })
  const { preview } = (await ask(app, `entry?key=${key}&body=5`)).json()
  t.strictSame(preview, { encoding: 'utf8', text: '{"id"', bytes: 5 })
  await app.cache.set('bytes:one', Buffer.from([0, 1, 255]), { ttl: '1m' })
  t.strictSame((await ask(app, 'entry?key=bytes:one&body=100')).json().preview, { encoding: 'base64', text: 'AAH/', bytes: 3 })
  await app.cache.set('bytes:two', Buffer.from('aé'), { ttl: '1m' })
  t.equal((await ask(app, 'entry?key=bytes:two&body=2')).json().preview.text, 'a', 'half a character is left out')
  t.match(await ask(app, 'entry?key=none'), { status: 404 })
})

test('the body of an entry for one user is shown only to who asks for it', async (t) => {
  const app = await createScene(t)
  await outcomeOf(app, '/me', { 'x-user': 'ada' })
  const key = encodeURIComponent(await keyOf(app, '/me'))
  const withheld = await ask(app, `entry?key=${key}&body=1000`)
  t.match(withheld.json(), { isPerUser: true, isBodyWithheld: true, preview: undefined })
  t.notMatch(withheld.text, /of ada/)
  t.notMatch((await ask(app, `entry?key=${key}&body=1000&perUser=false`)).text, /of ada/)
  t.match((await ask(app, `entry?key=${key}&body=1000&perUser=true`)).json(), { preview: { text: '{"secret":"of ada"}' } })
  const [{ url }] = [{ url: '/me' }]
  const others = [await ask(app, 'entries?match=*secret*'), await ask(app, 'entries'), await ask(app, 'invalidate', { body: { users: ['ada'], preview: true } }), await ask(app, 'explain', { body: { first: { url, headers: { 'x-user': 'ada' } } } })]
  for (const { status, text } of others) t.match([status, text.includes('of ada')], [200, false])
})

test('what was selected by a credential or a session is for one user, and its secret is nowhere', async (t) => {
  const app = await createScene(t)
  app.get('/token', { config: { cache: { varyByHeaders: ['authorization', 'accept-language'], varyByCookies: ['sid'] } } }, async ({ headers }) => ({ of: headers.authorization ?? headers.cookie ?? 'nobody' }))
  const asked: Array<[isPerUser: boolean, headers: Record<string, string>]> = [
    [true, { authorization: 'Bearer sekret', 'accept-language': 'de' }],
    [true, { cookie: 'sid=sekret', 'accept-language': 'fr' }],
    [false, { 'accept-language': 'en' }]
  ]
  for (const [, headers] of asked) await outcomeOf(app, '/token', headers)
  const { entries } = (await ask(app, 'entries')).json() as { entries: Listed[] }
  t.strictSame(entries.map(({ isPerUser }) => isPerUser), asked.map(([isPerUser]) => isPerUser))
  for (const { key, isPerUser } of entries) {
    const { text } = await ask(app, `entry?key=${encodeURIComponent(key)}&body=1000`)
    t.notMatch(text, /sekret/)
    t.equal(text.includes('nobody'), !isPerUser)
  }
  for (const [, headers] of asked) t.notMatch((await ask(app, 'explain', { body: { first: { url: '/token', headers } } })).text, /sekret/)
  t.notMatch((await ask(app, 'entries')).text, /sekret/)
})

const REDIS = 'Redis'
for (const where of ['memory', REDIS]) {
  test(`a preview tells what an invalidation hits, and hits nothing: ${where}`, async (t) => {
    const { url, prefix } = where === REDIS ? await useRedis(t) : { url: '', prefix: '' }
    const app = await createScene(t, where === REDIS ? { cache: { redis: url, prefix, memory: false, timeouts: { read: '5s', write: '5s' } } } : {})
    await app.ready()
    await app.cache.connect()
    const paths = ['/users/1', '/users/1?sort=name', '/users/2', '/places']
    for (const path of paths) await outcomeOf(app, path)
    await outcomeOf(app, '/me', { 'x-user': 'ada' })
    while ((await app.cache.entries()).entries.length < 5) await new Promise(setImmediate) // responses do not wait for Redis
    const targets: Array<[hits: number, body: object]> = [
      [2, { tags: ['user:1'] }],
      [3, { tags: ['users'] }],
      [4, { namespaces: ['user'] }],
      [2, { patterns: ['user:GET:/users/1:*'] }],
      [2, { urls: ['/users/1'] }],
      [1, { urls: ['/users/1?sort=name'] }],
      [1, { users: ['ada'] }],
      [0, { users: ['eve'] }],
      [1, { keys: [await keyOf(app, '/places')] }],
      [3, { tags: ['user:2'], urls: ['/places'], users: ['ada'] }],
      [5, { all: true }]
    ]
    for (const [hits, body] of targets) {
      const { preview } = (await ask(app, 'invalidate', { body: { ...body, preview: true } })).json()
      t.match(preview, { entries: hits, isComplete: true }, JSON.stringify(body))
      t.equal(preview.keys.length, hits)
    }
    for (const path of paths) t.equal(await outcomeOf(app, path), 'HIT', path)
    t.equal((await ask(app, 'events')).json().events.length, 0)
  })
}

test('a preview reads no bodies, and others have their turn meanwhile', async (t) => {
  const app = await createScene(t)
  await Promise.all(Array.from({ length: 300 }, async (_, at) => { await app.cache.set(`${'a'.repeat(490)}:${at}`, 'x', { ttl: '1m' }) }))
  app.cache.inspect = async () => { throw new Error('read') }
  const tried: Array<[hits: number, body: object]> = [[0, { urls: ['/a'] }], [0, { users: ['ada'] }], [1, { keys: [`${'a'.repeat(490)}:7`] }]]
  for (const [entries, body] of tried) t.match((await ask(app, 'invalidate', { body: { ...body, preview: true } })).json(), { preview: { entries, scanned: 300, isComplete: true } })
  // As slow as patterns can be.
  let [turns, isEnd] = [0, false]
  const turn = (): void => {
    turns++
    if (!isEnd) setImmediate(turn)
  }
  turn()
  const patterns = Array.from({ length: 100 }, () => `*${'a'.repeat(245)}b`)
  const { preview } = (await ask(app, 'invalidate', { body: { patterns, preview: true } })).json()
  isEnd = true
  t.equal(preview.entries, 0)
  t.ok(turns > 3 * preview.scanned, `${turns} turns, ${preview.scanned} entries`)
})

test('what is invalidated is a miss for the next request, and is among the events', async (t) => {
  const app = await createScene(t)
  for (const path of ['/users/1', '/users/2', '/places']) await outcomeOf(app, path)
  t.match((await ask(app, 'invalidate', { body: { tags: ['user:1'] } })).json(), { invalidated: { tags: ['user:1'], soft: false } })
  t.strictSame([await outcomeOf(app, '/users/1'), await outcomeOf(app, '/users/2')], ['MISS', 'HIT'])
  t.match((await ask(app, 'invalidate', { body: { namespaces: ['place'], soft: true } })).json(), { invalidated: { soft: true } })
  t.equal(await outcomeOf(app, '/places'), 'STALE')
  t.equal((await ask(app, 'invalidate', { body: { all: true } })).status, 200)
  t.equal(await outcomeOf(app, '/users/2'), 'MISS')
  const { events } = (await ask(app, 'events')).json()
  t.match(events.map(({ kinds, soft, isConfirmed }: Record<string, unknown>) => ({ kinds, soft, isConfirmed })), [
    { kinds: { all: [] }, soft: false, isConfirmed: true },
    { kinds: { namespaces: ['place'] }, soft: true, isConfirmed: true },
    { kinds: { tags: ['user:1'] }, soft: false, isConfirmed: true }
  ])
})

test('what an event has invalidated is among them, with its name', async (t) => {
  const app = await createScene(t)
  app.cache.invalidateOn('user.changed', () => ({ tags: ['user:1'] }))
  await app.cache.publish('user.changed')
  const { events } = (await ask(app, 'events')).json()
  t.match(events, [{ event: 'user.changed', kinds: { tags: ['user:1'] }, soft: false }])
})

test('what is warmed is what clients of the same address ask for, or of another that is named', async (t) => {
  const app = await createScene(t)
  const origin = await listening(app)
  const post = async (path: string, body: unknown) => await fetch(`${origin}/admin/cache/${path}`, { method: 'POST', headers: { ...SIGNED_IN, 'content-type': 'application/json' }, body: JSON.stringify(body) })
  const outcome = async (path: string) => (await fetch(origin + path)).headers.get('x-cache')
  t.equal((await post('warm', { urls: ['/users/7'] })).status, 200)
  t.equal(await outcome('/users/7'), 'HIT')
  t.equal((await post('warm', { urls: ['/users/8'], headers: { Host: 'elsewhere.example' } })).status, 200)
  t.equal(await outcome('/users/8'), 'MISS')
  t.equal(await outcomeOf(app, '/users/8', { host: 'elsewhere.example' }), 'HIT')
})

test('events are bounded, whatever they name', async (t) => {
  const app = await createScene(t)
  await app.cache.invalidateTags(Array.from({ length: 50 }, (_, at) => `${at} ${'x'.repeat(1000)}`))
  const [{ kinds, omitted }] = (await ask(app, 'events')).json().events
  t.match({ length: kinds.tags.length, longest: kinds.tags[0].length, omitted }, { length: 20, longest: 200, omitted: 30 })
  for (let turn = 0; turn < 120; turn++) await app.cache.invalidateTags(`t${turn}`)
  const { events } = (await ask(app, 'events')).json()
  t.equal(events.length, 100)
  t.strictSame(events[0].kinds, { tags: ['t119'] })
})

test('requests that mean nothing are refused with a word on what was expected', async (t) => {
  const app = await createScene(t)
  const refused: Array<[path: string, body: unknown, message: RegExp]> = [
    ['invalidate', {}, /something to invalidate/],
    ['invalidate', { tags: [] }, /something to invalidate/],
    ['invalidate', { tag: ['a'] }, /got "tag"/],
    ['invalidate', { tags: 'a' }, /body\.tags: expected a list/],
    ['invalidate', { tags: [''] }, /body\.tags\[0\]: expected a text of 1/],
    ['invalidate', { tags: Array.from({ length: 101 }, () => 'a') }, /at most 100 items/],
    ['invalidate', { urls: ['user'] }, /paths such as/],
    ['invalidate', { namespaces: ['a:b'] }, /without a colon/],
    ['invalidate', { all: 'true' }, /true or false/],
    ['invalidate', [], /body: expected an object/],
    ['explain', {}, /"first"/],
    ['explain', { first: { url: 'users' } }, /a path such as/],
    ['explain', { first: { url: '/', headers: { a: 1 } } }, /headers\.a/],
    ['warm', { urls: ['/a', 1] }, /urls\[1\]/],
    ['entries?limit=0', undefined, /from 1 to 1000/],
    ['entries?limit=many', undefined, /from 1 to 1000/],
    ['entries?unknown=1', undefined, /got "unknown"/],
    ['entry', undefined, /"key"/],
    ['entry?key=a&key=b', undefined, /query\.key: expected a text/],
    ['entry?key=a&body=1000000', undefined, /65536/],
    ['stats/fleet?last=2h', undefined, /one of 1h, 24h/]
  ]
  for (const [path, body, message] of refused) {
    const answer = await ask(app, path, body === undefined ? {} : { body })
    t.equal(answer.status, 400, `${path} ${JSON.stringify(body)?.slice(0, 60)}`)
    t.match(answer.json().message, message)
  }
  const huge = await app.inject({ method: 'POST', url: '/admin/cache/invalidate', headers: { cookie: 'sid=operator', 'content-type': 'application/json' }, payload: `{"tags":["${'x'.repeat(70_000)}"]}` })
  t.equal(huge.statusCode, 413)
  const poisoned = await app.inject({ method: 'POST', url: '/admin/cache/invalidate', headers: { cookie: 'sid=operator', 'content-type': 'application/json' }, payload: '{"__proto__":{"all":true}}' })
  t.equal(poisoned.statusCode, 400)
  const deep = await app.inject({ method: 'POST', url: '/admin/cache/explain', headers: { cookie: 'sid=operator', 'content-type': 'application/json' }, payload: `{"first":{"method":"POST","url":"/users/1","body":${'['.repeat(30_000)}${']'.repeat(30_000)}}}` })
  t.equal(deep.statusCode, 400)
  t.equal((await app.inject({ method: 'POST', url: '/admin/cache/invalidate', headers: { cookie: 'sid=operator' } })).statusCode, 400, 'no body')
  t.equal(({} as { all?: unknown }).all, undefined)
})

test('it works whatever validator and serializer the app has, and its routes are never cached', async (t) => {
  const app = await createScene(t, {
    plugins (app) {
      app.setValidatorCompiler(() => { throw new Error('this validator takes other schemas') })
      app.setSerializerCompiler(() => { throw new Error('this serializer takes other schemas') })
      app.addHook('onRoute', (route) => { if (route.method === 'GET') route.config = { cache: '1m', ...route.config } })
    }
  })
  await outcomeOf(app, '/users/1')
  t.equal((await ask(app, 'entries?limit=5')).status, 200)
  t.equal((await ask(app, 'entries?limit=0')).status, 400)
  const twice = [await ask(app, 'stats'), await ask(app, 'stats')]
  for (const { headers } of twice) t.equal(headers['x-cache'], undefined)
})

test('warming fills what was asked for', async (t) => {
  const app = await createScene(t)
  t.match((await ask(app, 'warm', { body: { urls: ['/users/1', '/nowhere'] } })).json(), { filled: 1, failed: 1, failures: [{ target: '/nowhere' }] })
})

test('a request is explained, also what tells it from another one', async (t) => {
  const app = await createScene(t)
  await outcomeOf(app, '/users/1?sort=name')
  const hit = (await ask(app, 'explain', { body: { first: { url: '/users/1?sort=name' } } })).json()
  t.match(hit, { method: 'GET', route: 'GET /users/:id', isCached: true, outcome: 'hit', namespace: 'user', entry: { state: 'fresh' } })
  t.equal(hit.key, await keyOf(app, '/users/1'))
  const two = (await ask(app, 'explain', { body: { first: { url: '/users/1?sort=name' }, second: { url: '/users/1?sort=age' } } })).json()
  t.match(two.differences, [{ part: 'query sort' }])
  t.match((await ask(app, 'explain', { body: { first: { url: '/users/1', headers: { authorization: 'Bearer a' } } } })).json(), { outcome: 'bypass', reason: 'credentials' })
})

test('health and advice are those of the client', async (t) => {
  const app = await createScene(t)
  t.match((await ask(app, 'health')).json(), { status: 'ok', isAlive: true, store: 'memory' })
  t.ok(Array.isArray((await ask(app, 'advice')).json().advice))
})

test('numbers of the fleet come from Redis', async (t) => {
  const { url, prefix } = await useRedis(t)
  const options = { cache: { redis: url, prefix, timeouts: { read: '5s', write: '5s' } } }
  const apps = await Promise.all([createScene(t, options), createScene(t, options)])
  for (const app of apps) {
    await app.ready()
    await app.cache.connect()
    for (let turn = 0; turn < 3; turn++) await outcomeOf(app, '/session')
  }
  const [first] = apps
  while ((await ask(first!, 'stats/fleet')).json().misses !== 6) await new Promise((resolve) => setTimeout(resolve, 50)) // the other one tells it by and by
  t.match((await ask(first!, 'stats/fleet?last=24h')).json(), { processes: 2, misses: 6, hitRate: 0, notStoredReasons: { 'set-cookie': 6 } })
})

test('@fastify/swagger shows the JSON routes, and not the page', async (t) => {
  const app = await createScene(t, { plugins: (app) => app.register(swagger, { openapi: { info: { title: 'Cache', version: '1' } } }) })
  await app.ready()
  const { paths = {} } = app.swagger() as { paths?: Record<string, Record<string, { parameters?: Array<{ name: string }>, requestBody?: object, responses?: Record<string, object> }>> }
  const own = Object.keys(paths).filter((path) => path.startsWith('/admin/')).map((path) => path.slice('/admin/cache/'.length)).sort()
  t.strictSame(own, ['advice', 'entries', 'entry', 'events', 'explain', 'health', 'invalidate', 'namespaces', 'routes', 'stats', 'stats/fleet', 'warm'])
  t.strictSame(paths['/admin/cache/entries']?.['get']?.parameters?.map(({ name }) => name), ['namespace', 'match', 'cursor', 'limit'])
  t.match(paths['/admin/cache/invalidate']?.['post'], { requestBody: { content: { 'application/json': { schema: { properties: { tags: { type: 'array' } } } } } } })
  for (const path of own) for (const route of Object.values(paths[`/admin/cache/${path}`] ?? {})) t.match(route.responses, { 200: { content: { 'application/json': { schema: { type: 'object' } } } } }, path)
})

test('the page is where the prefix ends with a slash, with relative names only', async (t) => {
  const app = await createScene(t, { admin: { public: true } })
  const { headers, statusCode } = await app.inject('/admin/cache?a=b')
  t.match({ statusCode, location: headers.location }, { statusCode: 302, location: './cache/' })
  const page = await app.inject('/admin/cache/')
  t.equal(page.headers['content-type'], 'text/html; charset=utf-8')
  const names = [...page.body.matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, name]) => name!)
  t.strictSame(names.sort(), ['assets/icon.svg', 'assets/main.js', 'assets/style.css'])
  t.notMatch(page.body, /<style|style=|<script(?! type="module" src=)|\son\w+=/, 'nothing inline')
  for (const name of names) t.equal((await app.inject(`/admin/cache/${name}`)).statusCode, 200, name)
})
