import { RESP_TYPES } from 'redis'
import { decodeEntry, encodeEntry, type StoredResponse } from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { useRedis, type TestRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'
import { cached, open, setUser, unique, type Site, type Ask } from './helpers.ts'

/*
 * What comes out of Redis is no more trusted than what comes from a client: whoever can write there, by mistake or not,
 * gets neither one user's response to another nor the route to fail.
 */

/** An app whose entries are in Redis; users are named by X-Seat. */
async function withRedis (t: Test): Promise<{ redis: TestRedis, site: Site }> {
  const redis = await useRedis(t)
  const site = await open(t, (app) => {
    app.decorateRequest('user', null)
    app.addHook('onRequest', async (request) => { setUser(request, request.headers['x-seat']) })
    app.get('/*', cached({ varyByUser: true }), unique())
  }, { cache: { redis: redis.url, prefix: redis.prefix, timeouts: { read: '10s', write: '10s' } } })
  return { redis, site }
}

async function entryNames ({ client, prefix }: TestRedis): Promise<string[]> {
  const found: string[] = []
  for await (const keys of client.scanIterator({ MATCH: `${prefix}*`, COUNT: 1000 })) found.push(...keys)
  return found.filter((name) => name !== `${prefix}:marks` && !name.startsWith(`${prefix}:stats:`) && !name.startsWith(`${prefix}:lease:`))
}

async function bytesOf ({ client }: TestRedis, name: string): Promise<Buffer> {
  return (await client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).get(name))!
}

/** Fills the entry of one request and gives its name and what was stored. */
async function fill (t: Test, { redis, site }: { redis: TestRedis, site: Site }, ask: Ask): Promise<{ name: string, entry: StoredResponse, text: string }> {
  const before = await entryNames(redis)
  const { text } = await site.ask(...ask)
  let name: string | undefined
  await until(async () => {
    [name] = (await entryNames(redis)).filter((one) => !before.includes(one))
    return name !== undefined
  })
  t.ok(name, 'an entry')
  return { name: name!, entry: decodeEntry(await bytesOf(redis, name!)) as StoredResponse, text }
}

test('an entry that stands under the name of another is not used (ATS, hash collisions)', async (t) => {
  const world = await withRedis(t)
  const ann = await fill(t, world, ['/', { headers: { 'x-seat': 'ann' } }])
  const bob = await fill(t, world, ['/', { headers: { 'x-seat': 'bob' } }])
  const other = await fill(t, world, ['/other', { headers: { 'x-seat': 'bob' } }])
  for (const source of [ann, other]) {
    await world.redis.client.copy(source.name, bob.name, { REPLACE: true })
    const response = await world.site.ask('/', { headers: { 'x-seat': 'bob' } })
    t.strictSame([response.status, response.field('x-cache')], [200, 'MISS'])
    t.not(response.text, source.text)
    t.equal((await world.site.ask('/', { headers: { 'x-seat': 'bob' } })).field('x-cache'), 'HIT', 'and it is replaced')
  }
})

test('an entry of the client is never sent as a response', async (t) => {
  const world = await withRedis(t)
  const { name, entry, text } = await fill(t, world, ['/'])
  await world.redis.client.set(name, encodeEntry({ kind: 'value', key: entry.key, storedAt: entry.storedAt, filled: entry.filled, labels: [], encoding: 'bytes', origin: 'set', body: Buffer.from('value') }))
  const response = await world.site.ask('/')
  t.equal(response.field('x-cache'), 'MISS')
  t.not(response.text, text)
  t.notOk(response.text.includes('value'))
})

test('bytes that are no entry are a miss, and are replaced (fastapi-cache, pickled entries)', async (t) => {
  const world = await withRedis(t)
  const { name } = await fill(t, world, ['/'])
  const good = await bytesOf(world.redis, name)
  const bad: Record<string, Buffer> = {
    nothing: Buffer.alloc(0),
    text: Buffer.from('{"kind":"response"}'),
    'a pickle': Buffer.from('cos\nsystem\n(S\'id\'\ntR.'),
    truncated: good.subarray(0, -1),
    'half of it': good.subarray(0, good.length >> 1),
    'the preamble alone': good.subarray(0, 16),
    longer: Buffer.concat([good, Buffer.from('x')]),
    twice: Buffer.concat([good, good]),
    'another version': Buffer.concat([Buffer.from('FRC\x01'), good.subarray(4)]),
    'a changed body': Buffer.concat([good.subarray(0, -1), Buffer.from('X')]),
    'lengths of 4 GB': Buffer.concat([good.subarray(0, 8), Buffer.alloc(8, 0xff), good.subarray(16)])
  }
  for (const [title, bytes] of Object.entries(bad)) {
    await world.redis.client.set(name, bytes)
    const response = await world.site.ask('/')
    t.strictSame([response.status, response.field('x-cache')], [200, 'MISS'], title)
    t.equal((await world.site.ask('/')).field('x-cache'), 'HIT', `${title}: replaced`)
  }
  await world.redis.client.del(name)
  await world.redis.client.hSet(name, 'a', '1')
  t.equal((await world.site.ask('/')).field('x-cache'), 'MISS', 'a value of another type')
  t.equal(world.site.warnings.length, 0)
})

/** Entries that are encoded well and cannot have been written by us. */
const FORGED: Record<string, (entry: StoredResponse) => Record<string, unknown>> = {
  'a line break in a field': (entry) => ({ ...entry, headers: [['x-a', 'b\r\nset-cookie: sid=evil']] }),
  'a line feed in one line of a field': (entry) => ({ ...entry, headers: [['x-a', ['b', 'c\nd']]] }),
  'a NUL in a field': (entry) => ({ ...entry, headers: [['x-a', 'b\0']] }),
  'a letter outside Latin-1 in a field': (entry) => ({ ...entry, headers: [['x-a', '€']] }),
  'a line break in a name': (entry) => ({ ...entry, headers: [['x-a\r\nset-cookie', 'b']] }),
  'a name with a space': (entry) => ({ ...entry, headers: [['x a', 'b']] }),
  'an empty name': (entry) => ({ ...entry, headers: [['', 'b']] }),
  'a number for a field': (entry) => ({ ...entry, headers: [['x-a', 1]] }),
  'an object for a field': (entry) => ({ ...entry, headers: [['x-a', { toString: 1 }]] }),
  'an object for fields': (entry) => ({ ...entry, headers: { 'x-a': 'b' } }),
  'a status that cannot be sent': (entry) => ({ ...entry, status: 777 }),
  'a status of an interim response': (entry) => ({ ...entry, status: 101 }),
  'a status in words': (entry) => ({ ...entry, status: '200' }),
  'no end': (entry) => ({ ...entry, staleAt: null }),
  'no vary': (entry) => ({ ...entry, vary: undefined }),
  'a vary of numbers': (entry) => ({ ...entry, vary: [[1, 2]] }),
  'no key': (entry) => ({ ...entry, key: undefined }),
  'another kind': (entry) => ({ ...entry, kind: 'redirect' }),
  'a prototype': (entry) => JSON.parse(JSON.stringify({ ...entry, body: undefined }).replace('"kind":"response"', '"__proto__":{"kind":"response"}'))
}

test('a forged entry is a miss, and never an error (fastapi-cache, response splitting)', async (t) => {
  const world = await withRedis(t)
  const { name, entry } = await fill(t, world, ['/'])
  for (const [title, forge] of Object.entries(FORGED)) {
    await t.test(title, async (t) => {
      await world.redis.client.set(name, encodeEntry({ body: entry.body, ...forge(entry) } as unknown as StoredResponse))
      const response = await world.site.ask('/')
      t.strictSame([response.status, response.field('x-cache')], [200, 'MISS'])
      t.equal(response.field('set-cookie'), undefined)
      t.match(JSON.parse(response.text), { made: Number })
    })
  }
})

test('a response that could not be sent is not stored either (CPDoS)', async (t) => {
  const site = await open(t, (app) => app.get('/', cached(), async (request, reply) => {
    reply.header('x-file', decodeURIComponent(String(request.headers['x-name'] ?? 'a.pdf')))
    return 'body'
  }))
  for (const name of ['%E2%82%AC.pdf', 'a%0D%0Aset-cookie:%20sid=evil', 'a%00']) {
    const host = `${name.length}.example`
    const poisoned = await site.ask('/', { headers: { host, 'x-name': name } })
    t.equal(poisoned.status, 500, 'the server itself refuses the field')
    const next = await site.ask('/', { headers: { host } })
    t.strictSame([next.status, next.text], [200, 'body'], name)
  }
})

test('an entry is not used after its time, also when the store still has it', async (t) => {
  const world = await withRedis(t)
  const { name, entry } = await fill(t, world, ['/'])
  await world.redis.client.set(name, encodeEntry({ ...entry, staleAt: Date.now() - 1 }))
  t.equal((await world.site.ask('/')).field('x-cache'), 'MISS')
})

test('the names of entries in Redis do not let a client choose their slot or hide in a pattern', async (t) => {
  const redis = await useRedis(t)
  const site = await open(t, (app) => app.get('/*', cached(), unique()), { cache: { redis: redis.url, prefix: redis.prefix, timeouts: { read: '10s', write: '10s' } } })
  const paths = ['/{slot}', '/a*b', '/a?b', '/[a-z]', '/%0d%0a', '/\\', '/"', `/${'a'.repeat(3000)}`]
  for (const path of paths) t.equal((await site.ask(path)).field('x-cache'), 'MISS', path.slice(0, 20))
  let names: string[] = []
  await until(async () => (names = await entryNames(redis)).length >= paths.length)
  t.equal(names.length, paths.length)
  for (const name of names) {
    t.match(name, /^[\w.:/%~!$&'()+,;=@-]+$/)
    t.ok(name.length < 400, `${name.length} characters`)
  }
})
