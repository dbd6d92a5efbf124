import Fastify, { type FastifyInstance } from 'fastify'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { digest, encodeValue } from '../../lib/cache-key.ts'
import responseCache, { type ResponseCacheOptions } from '../../lib/index.ts'
import { isPerUser } from '../../lib/inspect/key-material.ts'
import { detailsOf, type EntryDetails } from '../../lib/inspect/summaries.ts'
import { MarkLedger } from '../../lib/marks/ledger.ts'
import type { EntryHeader } from '../../lib/store/store.ts'
import { openCache } from '../helpers/open-cache.ts'
import { useRedis } from '../helpers/redis.ts'

const setUps: Record<string, (t: Test) => Promise<ResponseCacheOptions>> = {
  'in memory': async () => ({}),
  'in Redis': async (t) => {
    const { url, prefix } = await useRedis(t)
    return { redis: url, prefix, timeouts: { read: '5s', write: '5s' } }
  }
}

const BOMB = gzipSync(Buffer.alloc(50_000_000))

async function appOf (t: Test, options: ResponseCacheOptions, routes: (app: FastifyInstance) => void): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache, { debugHeaders: true, ...options })
  routes(app)
  await app.ready()
  await app.cache.connect()
  return app
}

/** The key of what the answer was stored under, when it is stored. */
async function keyOf (app: FastifyInstance, url: string, headers: Record<string, string> = {}): Promise<string> {
  const ask = () => app.inject({ url, headers })
  await ask()
  const giveUpAt = performance.now() + 10_000
  for (;;) {
    const answer = await ask()
    if (answer.headers['x-cache'] === 'HIT') return idOf(app, String(answer.headers['x-cache-key']))
    if (performance.now() > giveUpAt) throw new Error(`never a hit: ${answer.headers['cache-status']}`)
  }
}

function idOf (app: FastifyInstance, shown: string): string {
  const prefix = kPrefix.get(app) ?? 'cache'
  return shown.slice(prefix.length + 1)
}

const kPrefix = new WeakMap<FastifyInstance, string>()

const LONG_TEXT = 'Brotli makes this text shorter. '.repeat(500)

for (const [where, optionsFor] of Object.entries(setUps)) {
  const open = async (t: Test, routes: (app: FastifyInstance) => void, own: ResponseCacheOptions = {}): Promise<FastifyInstance> => {
    const options = { ...await optionsFor(t), ...own }
    const app = await appOf(t, options, routes)
    if (options.prefix !== undefined) kPrefix.set(app, options.prefix)
    return app
  }

  t.test(`inspect shows a response as it is stored, ${where}`, async (t) => {
    const app = await open(t, (app) => {
      app.get('/users/:id', { config: { cache: { namespace: 'user', ttl: '1h', tags: ['red', 'blue'] } } }, async (_request, reply) => reply.header('x-own', 'yes').send({ name: 'Ada' }))
    })
    const key = await keyOf(app, '/users/1?b=2&a=1')
    const details = (await app.cache.inspect(key, { body: 1000 }))!
    const { storedAt, ttl, freshFor, age, costMs, headers, body, labels, ...rest } = details
    t.same(rest, { key, kind: 'response', namespace: 'user', state: 'fresh', bytes: 14, status: 200, tags: ['red', 'blue'], isPerUser: false, vary: [] })
    t.ok(ttl! > 3000 && freshFor! > 3000 && freshFor! <= ttl! + 1, `${ttl} ${freshFor}`)
    t.ok(age >= 0 && age < 60 && costMs! >= 0 && Math.abs(Date.now() - storedAt) < 60_000)
    t.same(headers!.filter(([name]) => name === 'x-own' || name === 'content-type'), [['x-own', 'yes'], ['content-type', 'application/json; charset=utf-8']])
    t.same(new Set(labels.map(({ kind, value }) => `${kind} ${value}`)), new Set(['namespace user', 'url /users/1', 'url /users/1?a=1&b=2', 'tag red', 'tag blue']))
    t.equal(body!.toString(), '{"name":"Ada"}')
    t.equal((await app.cache.inspect(key, { body: 5 }))!.body!.toString(), '{"nam')
    t.notOk('body' in (await app.cache.inspect(key))!, 'without being asked for')
    t.equal((await app.cache.entries()).entries.filter((entry) => entry.key === key).length, 1)
  })

  t.test(`bodies are decoded, whoever has compressed them, and no further than asked for, ${where}`, async (t) => {
    const app = await open(t, (app) => {
      app.get('/ours', { config: { cache: { ttl: '1h', compress: 'br' } } }, async (_request, reply) => reply.type('text/plain').send(LONG_TEXT))
      app.get('/theirs', { config: { cache: { ttl: '1h' } } }, async (_request, reply) => reply.header('content-encoding', 'gzip').type('text/plain').send(gzipSync(LONG_TEXT)))
      app.get('/wrong', { config: { cache: { ttl: '1h' } } }, async (_request, reply) => reply.header('content-encoding', 'gzip').type('text/plain').send(Buffer.from('no gzip')))
      app.get('/bomb', { config: { cache: { ttl: '1h' } } }, async (_request, reply) => reply.header('content-encoding', 'gzip').type('text/plain').send(BOMB))
    })
    for (const [url, coding] of [['/ours', 'br'], ['/theirs', 'gzip']] as const) {
      const key = await keyOf(app, url, { 'accept-encoding': coding })
      const all = (await app.cache.inspect(key, { body: 100_000 }))!
      t.equal(all.coding, coding, url)
      t.equal(all.body!.toString(), LONG_TEXT, url)
      t.ok(all.bytes < LONG_TEXT.length / 10, `${all.bytes} bytes are stored`)
      t.equal((await app.cache.inspect(key, { body: 33 }))!.body!.toString(), LONG_TEXT.slice(0, 33), url)
    }
    t.equal((await app.cache.inspect(await keyOf(app, '/wrong', { 'accept-encoding': 'gzip' }), { body: 100 }))!.body!.length, 0)
    const key = await keyOf(app, '/bomb', { 'accept-encoding': 'gzip' })
    const before = process.memoryUsage().arrayBuffers
    t.equal((await app.cache.inspect(key, { body: 100 }))!.body!.length, 100)
    const more = process.memoryUsage().arrayBuffers - before
    t.ok(more < 5_000_000, `${more} bytes more, not 50,000,000`)
  })

  t.test(`what is per user says so, and whose it is, ${where}`, async (t) => {
    const app = await open(t, (app) => {
      app.get('/me', { config: { cache: { ttl: '1h', varyByUser: ({ headers }) => headers['x-name'] as string | undefined } } }, async () => 'mine')
      app.get('/all', { config: { cache: { ttl: '1h', shared: true } } }, async (_request, reply) => reply.header('vary', 'accept-language').send('all'))
    })
    const mine = (await app.cache.inspect(await keyOf(app, '/me', { 'x-name': 'ada' })))!
    t.match(mine, { isPerUser: true, user: 'ada' })
    const all = (await app.cache.inspect(await keyOf(app, '/all', { 'accept-language': 'de' })))!
    t.equal(all.isPerUser, false)
    t.same(all.vary, [['accept-language', 'de']])
    const kinds = (await app.cache.entries()).entries.map(({ kind, isPerUser }) => `${kind} ${isPerUser}`).sort()
    t.same(kinds, ['response false', 'response true', 'variants false'])
  })

  t.test(`the state is that of a look-up, and what has invalidated it is said, ${where}`, async (t) => {
    let now = Date.now()
    const app = await open(t, (app) => {
      app.get('/a/:id', { config: { cache: { namespace: 'a', ttl: '1h', staleWhileRevalidate: '1h', jitter: 0, tags: ({ params }) => [`one:${params.id}`], varyByUser: () => 'ada' } } }, async () => 'x')
    }, { clock: () => now, user: () => 'ada' })
    const { cache } = app
    const inspect = async (key: string): Promise<EntryDetails> => (await cache.inspect(key))!
    const stateOf = async (key: string) => {
      const { state, invalidatedBy } = await inspect(key)
      const listed = (await cache.entries({ match: key.replaceAll(/[*?\\]/g, '\\$&') })).entries.map((entry) => entry.state)
      t.same(listed, [state], 'the list says the same')
      return [state, invalidatedBy]
    }
    const causes: Array<[() => Promise<unknown>, string]> = [
      [() => cache.invalidateTags('one:1'), 'tag "one:1"'],
      [() => cache.invalidateNamespace('a'), 'namespace "a"'],
      [() => cache.invalidatePattern('a:*'), 'pattern "a:*"'],
      [() => cache.invalidateUser('ada'), 'user "ada"'],
      [() => cache.invalidateUrl('/a/1'), 'url "/a/1"'],
      [() => cache.invalidateAll(), 'everything']
    ]
    for (const [invalidate, words] of causes) {
      const key = await keyOf(app, '/a/1')
      t.same(await stateOf(key), ['fresh', undefined])
      await invalidate()
      t.same(await stateOf(key), ['invalidated', words])
    }
    const key = await keyOf(app, '/a/1')
    await cache.invalidateKey(key)
    t.same(await stateOf(key), ['invalidated', `key ${JSON.stringify(key)}`])
    await keyOf(app, '/a/1')
    await cache.invalidateTags('one:1', { soft: true })
    t.same(await stateOf(key), ['stale', 'tag "one:1"'])
    t.equal((await inspect(key)).freshFor, 0)

    const other = await keyOf(app, '/a/2')
    now += 90 * 60_000
    const { state, freshFor, age } = await inspect(other)
    t.equal(state, 'stale')
    t.ok(freshFor! < -1700 && freshFor! > -1900 && age > 5300, `${freshFor} ${age}`)
  })
}

t.test('values are shown as text that people read, and bytes as they are', async (t) => {
  const cache = await openCache(t, { defaults: { ttl: '10m' } })
  await cache.set('map', new Map([['a', { b: [1, 2] }]]))
  await cache.set('bytes', Buffer.from([0, 255, 1]))
  t.equal((await cache.inspect('map', { body: 100 }))!.body!.toString(), "Map(1) { 'a' => { b: [ 1, 2 ] } }")
  t.same((await cache.inspect('bytes', { body: 100 }))!.body, Buffer.from([0, 255, 1]))
  t.equal((await cache.inspect('map', { body: 3 }))!.body!.toString(), 'Map')
  await cache.set('euro', '€'.repeat(100))
  t.ok((await cache.inspect('euro', { body: 10 }))!.body!.length <= 10)
  const body = (await cache.inspect('bytes', { body: 3 }))!.body!
  body.fill(7)
  t.same(await cache.get('bytes'), Buffer.from([0, 255, 1]), 'what was given is a copy')
})

t.test('to look at an entry is not to use it', async (t) => {
  const cache = await openCache(t, { memory: { maxBytes: 4000 }, defaults: { ttl: '10m' } })
  await cache.set('first', 1)
  await cache.inspect('first', { body: 10 })
  await cache.entries()
  for (let i = 0; i < 6; i++) await cache.set(`later:${i}`, i)
  t.equal(await cache.get('first'), undefined, 'it went first to make room')
})

t.test('request header fields that say who asked are hidden', (t) => {
  const header: EntryHeader = {
    kind: 'response', key: 'a:GET:2:/a', storedAt: 0, staleAt: 1, filled: { incarnation: 'x', stamp: 1 }, labels: ['x', 'z:new'], ageMs: 0, costMs: 0, isValidatable: false, whileRevalidateMs: 0, ifErrorMs: 0, status: 200, headers: [], removed: [], vary: [['authorization', 'SECRET'], ['cookie', 'SECRET'], ['x-api-key', null], ['accept', 'a/b']]
  }
  const details = detailsOf({ id: 'a:GET:/a:hash', header, bodyBytes: 0, ttlMs: undefined }, { ledger: new MarkLedger(), now: 1000 })
  t.same(details.vary, [['authorization', 'hidden'], ['cookie', 'hidden'], ['x-api-key', null], ['accept', 'a/b']])
  t.same(details.labels, [{ kind: 'other', value: 'x' }, { kind: 'other', value: 'z:new' }])
  t.notOk('ttl' in details, 'one that stays has none')
  t.end()
})

t.test('what cannot be read counts as per user', (t) => {
  const cases: Array<[string, boolean]> = [
    ['a:GET:2:/a;r2:/a;h8:http://x', false],
    ['a:GET:2:/a;r2:/a;h8:http://x;u4:s1:a', true],
    ['a:GET:5:/;u1:;r2:/a', false], // a path is no part
    ['a:GET:2:/a;r5:;u1:x;h-', false], // what is in a part is none
    ['a:GET:2:/a;u-', true],
    ['a:GET:2:/a;f13:authorization;v3:abc', true],
    ['a:GET:2:/a;f13:authorization;v-', false], // the request had none
    ['a:GET:2:/a;f15:accept-language;v13:authorization', false],
    ['a:GET:2:/a;o3:sid;v3:abc', true],
    [`a:GET:2:/a;o3:sid;v43:${digest(encodeValue([]))}`, false],
    ['a:GET:2:/aand more', true],
    ['whatever', true]
  ]
  for (const [key, expected] of cases) t.equal(isPerUser({ kind: 'response', key, labels: [] }), expected, key)
  t.equal(isPerUser({ kind: 'response', key: cases[0]![0], labels: ['u:7'] }), true)
  t.end()
})

t.test('no key, and no number of bytes', async (t) => {
  const cache = await openCache(t, {})
  for (const key of ['', 7, undefined, 'x'.repeat(2049)]) await t.rejects(cache.inspect(key as string), { code: 'RESPONSE_CACHE_ERR_KEY_INVALID' })
  for (const body of [-1, 0.5, '5', Infinity]) await t.rejects(cache.inspect('a', { body: body as number }), { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID' })
  t.equal(await cache.inspect('never stored'), undefined)
})
