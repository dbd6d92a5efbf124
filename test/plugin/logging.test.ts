import { Writable } from 'node:stream'
import Fastify from 'fastify'
import responseCache, { type ResponseCacheOptions, type Store } from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { createApp, serve, type Service } from './serve.ts'

interface Line {
  level: number
  msg: string
  cache?: { route?: string, outcome?: string, reason?: string, state?: string }
  err?: { message: string }
}

const INFO = 30
const WARN = 40

/** A stream for Fastify's logger that keeps what the cache writes. */
function logOf () {
  const lines: Line[] = []
  let text = ''
  const stream = new Writable({
    write (chunk: Buffer, encoding, done) {
      text += chunk.toString()
      const line = JSON.parse(chunk.toString()) as Line
      if (line.cache !== undefined) lines.push(line)
      done()
    }
  })
  return { lines, stream, text: () => text }
}

async function serveLogged (t: Test, declare: Parameters<typeof serve>[1], cache?: ResponseCacheOptions): Promise<Service & ReturnType<typeof logOf>> {
  const log = logOf()
  return { ...await serve(t, declare, { fastify: { logger: { stream: log.stream, level: 'info' } }, ...cache && { cache } }), ...log }
}

test('hits, misses and bypasses by rule are no news: the cache writes nothing', async (t) => {
  const { get, lines } = await serveLogged(t, (app) => {
    app.get('/', { config: { cache: { ttl: 60, skip: (request) => request.query.skip === '1' } } }, async () => 'x')
  })
  for (const path of ['/', '/', '/?skip=1']) await get(path)
  await get('/', { headers: { authorization: 'Bearer secret' } })
  t.strictSame(lines, [])
})

test('a user that varyByUser does not find is a warning, once per route, and without the credentials', async (t) => {
  const { get, lines, text } = await serveLogged(t, (app) => {
    for (const path of ['/a', '/b']) app.get(path, { config: { cache: { ttl: 60, varyByUser: true } }, exposeHeadRoute: false }, async () => 'x')
  })
  for (const path of ['/a', '/a', '/b', '/a', '/b']) await get(path, { headers: { authorization: 'Bearer very-secret', cookie: 'sid=very-secret' } })
  t.match(lines, [
    { level: WARN, cache: { route: 'GET /a', outcome: 'bypass', reason: 'user-unknown' }, msg: /varyByUser found no user/ },
    { level: WARN, cache: { route: 'GET /b', reason: 'user-unknown' } }
  ])
  t.equal(lines.length, 2)
  t.notMatch(text(), 'very-secret')
})

test('an option function that fails at look-up is a warning with its error, once per route', async (t) => {
  const { get, lines } = await serveLogged(t, (app) => {
    app.get('/', { config: { cache: { ttl: 60, skip: () => { throw new Error('skip is broken') } } } }, async () => 'x')
  })
  for (let time = 0; time < 3; time++) await get('/')
  t.match(lines, [{ level: WARN, err: { message: 'skip is broken' }, cache: { route: 'GET /', outcome: 'bypass', reason: 'function-error' } }])
  t.equal(lines.length, 1)
})

test('a request that no key can be made of is a warning, once per route', async (t) => {
  const { get, lines } = await serveLogged(t, (app) => {
    app.addContentTypeParser('x/map', (request, payload, done) => {
      payload.resume()
      done(null, new Map())
    })
    app.post('/', { config: { cache: { ttl: 60, varyByBody: true } } }, async () => 'x')
  })
  for (let time = 0; time < 3; time++) {
    const response = await get('/', { method: 'POST', headers: { 'content-type': 'x/map' }, body: 'x' })
    t.equal(response.field('cache-status'), 'fastify-response-cache; fwd=bypass; detail=unkeyable')
  }
  t.match(lines, [{ level: WARN, err: { message: /type Map/ }, cache: { route: 'POST /', outcome: 'bypass', reason: 'unkeyable' } }])
  t.equal(lines.length, 1)
})

for (const [name, option] of [['ttl', { ttl: () => { throw new Error('it is broken') } }], ['storeIf', { ttl: 60, storeIf: () => { throw new Error('it is broken') } }]] as const) {
  test(`a ${name} function that fails is a warning with its error and route, once per route`, async (t) => {
    const { get, lines } = await serveLogged(t, (app) => {
      app.get('/', { config: { cache: option } }, async () => 'x')
    })
    for (let time = 0; time < 3; time++) await get('/')
    t.match(lines, [{ level: WARN, err: { message: 'it is broken' }, cache: { route: 'GET /', outcome: 'miss', reason: 'function-error' } }])
    t.equal(lines.length, 1)
  })
}

test('a store that fails and comes back is one line for each change', async (t) => {
  let now = 0
  let broken = true
  const answer = (): undefined => { if (broken) throw new Error('the store is broken') }
  const no = (): boolean => false
  const store: Store = { get: answer, set: answer, delete: no, expire: no, ttlMs: answer, ping: answer, connect () {}, close () {} }
  const { get, lines } = await serveLogged(t, (app) => {
    app.get('/', { config: { cache: 60 } }, async () => 'x')
  }, { store, clock: () => now, breaker: false })
  for (let time = 0; time < 3; time++) t.equal((await get('/')).text, 'x')
  t.match(lines.splice(0), [{ level: WARN, err: { message: 'the store is broken' }, cache: { state: 'store-error' } }])
  broken = false
  now = 60_000
  for (let time = 0; time < 3; time++) t.equal((await get('/')).text, 'x')
  t.match(lines, [{ level: INFO, cache: { state: 'available' } }])
  t.equal(lines.length, 1)
})

test('a password in the option redis is never written to the log', async (t) => {
  for (const redis of ['redis://:very-secret@redis.example:99999', { url: 'redis://:very-secret@redis.example:99999' }]) {
    const log = logOf()
    const app = Fastify({ logger: { stream: log.stream } })
    t.teardown(() => app.close())
    // Refused at registration, or when the client is made: both are fine here.
    await Promise.resolve(app.register(responseCache, { redis })).then(async () => await app.cache.connect()).catch(() => {})
    t.notMatch(log.text(), 'very-secret')
  }
})

test('the option logger takes the place of the app\'s', async (t) => {
  const warnings: unknown[] = []
  const { get, lines } = await serveLogged(t, (app) => {
    app.get('/', { config: { cache: { ttl: 60, varyByUser: true } } }, async () => 'x')
  }, { logger: { info () {}, warn: (details) => { warnings.push(details) } } })
  await get('/', { headers: { authorization: 'x' } })
  t.strictSame(lines, [])
  t.match(warnings, [{ cache: { reason: 'user-unknown' } }])
})

test('the option logger, left undefined, leaves the app\'s', async (t) => {
  const { get, lines } = await serveLogged(t, (app) => {
    app.get('/', { config: { cache: { ttl: 60, varyByUser: true } } }, async () => 'x')
  }, { logger: undefined as never })
  await get('/', { headers: { authorization: 'x' } })
  t.equal(lines.length, 1)
})

test('an app without a logger works', async (t) => {
  const app = await createApp(t, (app) => {
    app.get('/', { config: { cache: { ttl: 60, varyByUser: true } } }, async () => 'x')
  })
  t.equal((await app.inject({ url: '/', headers: { authorization: 'x' } })).statusCode, 200)
})

test('with the level debug each request of a cached route is one line: what it came to, where, and how long that took', async (t) => {
  const log = logOf()
  const { get } = await serve(t, (app) => {
    app.get('/things/:id', { config: { cache: { namespace: 'things', ttl: 60, skip: (request) => request.query.skip === '1' } } }, async () => 'x')
    app.get('/unstored', { config: { cache: 60 } }, async (request, reply) => reply.header('cache-control', 'private').send('x'))
  }, { fastify: { logger: { stream: log.stream, level: 'debug' } } })
  for (const path of ['/things/1', '/things/1', '/things/1?skip=1', '/unstored']) await get(path)
  t.match(log.lines.map(({ cache }) => cache), [
    { outcome: 'miss', reason: 'uri-miss', stored: true, namespace: 'things', key: /^things:GET:\/things\/1:/, ms: Number },
    { outcome: 'hit', namespace: 'things', bytes: 1, ms: Number },
    { outcome: 'bypass', reason: 'skip', namespace: 'things' },
    { outcome: 'miss', stored: 'private' }
  ])
  t.ok(log.lines.every((line) => 'reqId' in line))
})
