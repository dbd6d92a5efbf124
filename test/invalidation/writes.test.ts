import responseCache, { type RouteCacheConfig, type RouteCacheOptions } from 'fastify-response-cache'
import Fastify, { type FastifyInstance } from 'fastify'
import { test } from 'tap'
import { mayShareUrl } from '../../lib/route/url-patterns.ts'
import { useRedis } from '../helpers/redis.ts'
import { cached, inEveryStore, open, unique, type Site } from '../safety/helpers.ts'

async function isHit (site: Site, path: string): Promise<boolean> {
  return (await site.ask(path)).field('x-cache') === 'HIT'
}

/** Asked twice, so that it is there. */
async function filled (site: Site, ...paths: string[]): Promise<void> {
  for (const path of paths) {
    await site.ask(path)
    if (!await isHit(site, path)) throw new Error(`${path} is not cached`)
  }
}

inEveryStore('a successful write invalidates before its client has the answer, a failed one does not', async (t, cache) => {
  let name = 'old'
  const site = await open(t, (app) => {
    app.get('/people/:id', cached({ tags: (request) => [`person:${request.params.id}`] }), async () => ({ name }))
    app.post('/rename/:id/:to/:status', { config: { cache: { invalidates: (request) => ({ tags: [`person:${request.params.id}`] }) } } }, async (request, reply) => {
      const { to, status } = request.params as Record<string, string>
      if (status === '500') throw new Error('refused')
      name = to!
      return reply.code(Number(status)).send({ done: true })
    })
  }, { cache })
  await filled(site, '/people/1', '/people/2')
  for (const status of ['200', '201', '302']) {
    await site.ask(`/rename/1/name${status}/${status}`, { method: 'POST' })
    t.match(await site.ask('/people/1'), { text: `{"name":"name${status}"}` }, status)
    t.ok(await isHit(site, '/people/1'))
  }
  for (const status of ['400', '404', '500']) {
    await site.ask(`/rename/1/no/${status}`, { method: 'POST' })
    t.ok(await isHit(site, '/people/1'), status)
  }
  t.ok(await isHit(site, '/people/2'), 'not meant')
})

inEveryStore('a handler invalidates with reply.cacheInvalidate, when its answer is a success', async (t, cache) => {
  const site = await open(t, (app) => {
    app.get('/a', cached({ tags: ['a'] }), unique())
    app.get('/b', cached({ tags: ['b'] }), unique())
    app.delete('/:status', async (request, reply) => {
      reply.cacheInvalidate({ tags: ['a'] }).cacheInvalidate({ tags: ['b'], urls: ['/x'] })
      return reply.code(Number((request.params as { status: string }).status)).send()
    })
  }, { cache })
  await filled(site, '/a', '/b')
  await site.ask('/500', { method: 'DELETE' })
  t.ok(await isHit(site, '/a'))
  await site.ask('/204', { method: 'DELETE' })
  t.strictSame([await isHit(site, '/a'), await isHit(site, '/b')], [false, false])
})

inEveryStore('an unsafe method invalidates its URL and those its answer names on this host (RFC 9111 section 4.4)', async (t, cache) => {
  const site = await open(t, (app) => {
    for (const url of ['/people', '/people/:id', '/places/:name', '/other']) app.get(url, cached(), unique())
    const write = async (): Promise<string> => 'done'
    app.put('/people/:person', write)
    app.delete('/people/:person', async (request, reply) => reply.code(404).send())
    app.post('/people', async (request, reply) => reply.code(201).header('location', '/people/9').header('content-location', `http://${request.host}/places/a`).send())
    app.patch('/people/:person', async (request, reply) => reply.header('location', 'http://other.example/other').send('moved'))
    app.options('/people', write)
  }, { cache })
  const all = ['/people', '/people?page=2', '/people/1', '/people/1?full', '/people/2', '/people/9', '/places/a', '/other']
  const writes: Array<[method: string, path: string, gone: string[]]> = [
    ['PUT', '/people/1', ['/people/1', '/people/1?full']],
    ['PUT', '/people/1?full', ['/people/1', '/people/1?full']],
    ['DELETE', '/people/2', []],
    ['POST', '/people', ['/people', '/people?page=2', '/people/9', '/places/a']],
    ['PATCH', '/people/2', ['/people/2']],
    ['OPTIONS', '/people', []]
  ]
  for (const [method, path, gone] of writes) {
    await filled(site, ...all)
    await site.ask(path, { method })
    const left: string[] = []
    for (const one of all) if (await isHit(site, one)) left.push(one)
    t.strictSame(left, all.filter((one) => !gone.includes(one)), `${method} ${path}`)
  }
})

test('with invalidateOnWrite: false an unsafe method invalidates nothing by itself', async (t) => {
  const site = await open(t, (app) => {
    app.get('/a', cached(), unique())
    app.put('/a', async () => 'done')
    app.put('/b', { config: { cache: { invalidates: { urls: ['/a'] } } } }, async () => 'done')
  }, { cache: { invalidateOnWrite: false } })
  await filled(site, '/a')
  await site.ask('/a', { method: 'PUT' })
  t.ok(await isHit(site, '/a'))
  await site.ask('/b', { method: 'PUT' })
  t.notOk(await isHit(site, '/a'))
})

test('a write whose invalidation fails is answered, and says so in the log', async (t) => {
  const redis = await useRedis(t)
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { if (line.includes('what this request changed')) lines.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(responseCache, { redis: redis.url, prefix: redis.prefix, timeouts: { invalidate: '100ms', read: '10s' } })
  app.put('/a', { config: { cache: { invalidates: { tags: ['a'] } } } }, async () => 'done')
  app.put('/wrong', { config: { cache: { invalidates: () => ({ tags: [''] }) } } }, async () => 'done')
  await app.cache.connect()
  await redis.client.set(`${redis.prefix}:marks`, 'of another')
  for (const url of ['/a', '/wrong']) {
    const answer = await app.inject({ method: 'PUT', url })
    t.strictSame([answer.statusCode, answer.body], [200, 'done'])
  }
  t.match(lines, [/"level":30.*INVALIDATION_PENDING/, /"level":50.*TARGET_INVALID/])
})

inEveryStore('a write whose answer cannot be sent is answered with the error', async (t, cache) => {
  const site = await open(t, (app) => {
    app.get('/a', cached({ tags: ['a'] }), unique())
    app.put('/a', { config: { cache: { invalidates: { tags: ['a'] } } } }, async (request, reply) => reply.header('x-name', '\u0141ukasz').send('done'))
    app.setErrorHandler((_error, request, reply) => reply.removeHeader('x-name').code(500).send('sorry'))
  }, { cache })
  const answer = await site.ask('/a', { method: 'PUT' })
  t.strictSame([answer.status, answer.text], [500, 'sorry'])
})

test('options of writes that cannot be meant are refused', async (t) => {
  const refused: Array<[config: unknown, code: string]> = [
    [{ invalidates: { tags: [''] } }, 'RESPONSE_CACHE_ERR_TARGET_INVALID'],
    [{ invalidates: { tag: ['a'] } }, 'RESPONSE_CACHE_ERR_TARGET_INVALID'],
    [{ invalidates: ['a'] }, 'RESPONSE_CACHE_ERR_OPTION_INVALID'],
    [{ invalidates: { tags: ['a'] }, ttl: '1m' }, 'RESPONSE_CACHE_ERR_OPTION_CONFLICT'],
    [{ tags: [''], ttl: '1m' }, 'RESPONSE_CACHE_ERR_OPTION_INVALID'],
    [{ tags: 'a', ttl: '1m' }, 'RESPONSE_CACHE_ERR_OPTION_INVALID']
  ]
  for (const [config, code] of refused) {
    const app = Fastify()
    await app.register(responseCache)
    t.throws(() => app.get('/', { config: { cache: config as RouteCacheConfig } }, async () => 'x'), { code }, JSON.stringify(config))
    await app.close()
  }
  for (const options of [{ defaults: { invalidates: { tags: ['a'] } } }, { namespaces: { user: { invalidates: { tags: ['a'] } } } }]) {
    const app = Fastify()
    await t.rejects(async () => { await app.register(responseCache, options as { defaults: RouteCacheOptions }) }, { code: 'RESPONSE_CACHE_ERR_OPTION_CONFLICT' })
    await app.close()
  }
})

test('a handler that names no tag hears of it', async (t) => {
  const app = Fastify() as FastifyInstance
  t.teardown(() => app.close())
  await app.register(responseCache)
  app.get('/tags', async (request, reply) => { reply.cacheTags('') })
  app.post('/targets', async (request, reply) => { reply.cacheInvalidate({ tags: [''] }) })
  for (const [method, url] of [['GET', '/tags'], ['POST', '/targets']] as const) {
    t.match((await app.inject({ method, url })).json(), { code: 'RESPONSE_CACHE_ERR_TARGET_INVALID' })
  }
})

test('a response whose tags function fails is not stored', async (t) => {
  const site = await open(t, (app) => {
    app.get('/list', cached({ tags: () => 'a' as unknown as string[] }), unique())
    app.get('/empty', cached({ tags: () => [''] }), unique())
    app.get('/throws', cached({ tags: () => { throw new Error('no') } }), unique())
  })
  for (const path of ['/list', '/empty', '/throws']) {
    await site.ask(path)
    t.notOk(await isHit(site, path), path)
  }
  t.equal(site.warnings.length, 3)
})

inEveryStore('a URL is invalidated also where its key is made of another query than was sent', async (t, cache) => {
  const querystring = { type: 'object', properties: { page: { type: 'integer', default: 1 } }, additionalProperties: false }
  const site = await open(t, (app) => app.get('/list', { ...cached(), schema: { querystring } }, unique()), { cache })
  const urls = ['/list', '/list?page=1', '/list?page=01', '/list?utm=1']
  for (const filledBy of urls) {
    for (const target of urls) {
      await filled(site, filledBy)
      await site.app.cache.invalidateUrl(target)
      t.notOk(await isHit(site, filledBy), `filled by ${filledBy}, invalidated by ${target}`)
    }
  }
})

inEveryStore('a URL is invalidated by what the client sent and by what rewriteUrl made of it', async (t, cache) => {
  const site = await open(t, (app) => {
    app.get('/things/:id', cached(), unique())
    app.put('/things/:id', async () => 'done')
  }, { cache, fastify: { rewriteUrl: (request) => request.url!.replace(/^\/api/, '') } })
  for (const target of ['/things/7', '/api/things/7']) {
    await filled(site, '/api/things/7')
    await site.app.cache.invalidateUrl(target)
    t.notOk(await isHit(site, '/api/things/7'), target)
  }
  await filled(site, '/api/things/7')
  await site.ask('/api/things/7', { method: 'PUT' })
  t.notOk(await isHit(site, '/api/things/7'), 'by a write')
})

test('a write may find out later what it invalidates, and a wrong answer is logged', async (t) => {
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'error', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(responseCache)
  app.get('/a', cached({ tags: ['a'] }), unique())
  app.put('/later', { config: { cache: { invalidates: async () => ({ tags: ['a'] }) } } }, async () => 'done')
  app.put('/wrong', { config: { cache: { invalidates: () => undefined as unknown as object } } }, async () => 'done')
  await app.inject('/a')
  t.equal((await app.inject({ method: 'PUT', url: '/later' })).body, 'done')
  t.equal((await app.inject('/a')).headers['x-cache'], 'MISS')
  t.equal((await app.inject({ method: 'PUT', url: '/wrong' })).body, 'done')
  t.match(lines, [/TARGET_INVALID/])
  t.equal(lines.length, 1)
})

test('reply.cacheInvalidate says so where it could do nothing', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache)
  app.get('/plain', async (request, reply) => { reply.cacheInvalidate({ tags: ['a'] }) })
  app.get('/cached', cached(), async (request, reply) => { reply.cacheInvalidate({ tags: ['a'] }) })
  app.get('/writes', { config: { cache: { invalidates: {} } } }, async (request, reply) => reply.cacheInvalidate({ tags: ['a'] }).send('done'))
  for (const url of ['/plain', '/cached']) {
    t.match((await app.inject(url)).json(), { code: 'RESPONSE_CACHE_ERR_TARGET_INVALID', message: new RegExp(`GET,?.* ${url}`) })
  }
  t.equal((await app.inject('/writes')).body, 'done')
})

test('patterns that may have a URL in common', async (t) => {
  const shared = [['/a/:id', '/a/:user'], ['/a/*', '/a/:id'], ['/b/:id(^\\d+$)', '/b/:user'], ['/d/7', '/d/:id'], ['/a', '/A/'], ['/x/:id?', '/x'], ['/', ''], ['*', '/a/b'], ['/a-:id', '/a-7']]
  const apart = [['/a', '/b'], ['/a/:id', '/a'], ['/a/:id/x', '/a/:id/y'], ['/a/:id', '/b/:id'], ['/a/7', '/a/8']]
  for (const [one, other] of shared) t.ok(mayShareUrl(one!, other!) && mayShareUrl(other!, one!), `${one} and ${other}`)
  for (const [one, other] of apart) t.notOk(mayShareUrl(one!, other!) || mayShareUrl(other!, one!), `${one} and ${other}`)
})
