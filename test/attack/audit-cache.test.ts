import { randomBytes, randomUUID } from 'node:crypto'
import Fastify, { type FastifyInstance } from 'fastify'
import responseCache from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { auditCache } from '../../lib/audit/index.ts'
import { useRedis } from '../helpers/redis.ts'

async function appWith (t: Test, declare: (app: FastifyInstance) => unknown, cache: object = {}): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache, { defaults: { ttl: '1m' }, ...cache })
  await declare(app)
  return app
}

const agent = { config: { cache: true } }

test('auditCache finds the cached routes, and says which of them need a URL', async (t) => {
  const asked = new Set<string>()
  const app = await appWith(t, (app) => {
    app.addHook('onRequest', async (request) => { asked.add(request.url.split(/[/?;%]/)[1] ?? '') })
    app.get('/agent', agent, async (request) => ({ agent: request.headers['user-agent'] ?? null }))
    app.get('/users/:id', agent, async () => 'x')
    app.get('/files/*', agent, async () => 'x')
    app.get('/uncached', async () => 'x')
    app.post('/search', { config: { cache: { varyByBody: true } } }, async () => 'x')
  })
  const report = await auditCache(app, { urls: ['/users/1'] })
  t.strictSame(report.routes.map(({ url, isCached, status }) => [url, isCached, status]), [['/agent', true, 200], ['/users/1', true, 200]])
  t.strictSame(report.notAudited, ['/files/*'])
  t.notOk(asked.has('uncached'))
  t.notOk(asked.has('search'))
  t.ok(report.probes > 60, `${report.probes} probes`)
  t.ok(report.requests > report.probes)
  t.match(report.findings, [{ probe: 'User-Agent is not in the key', route: '/agent', severity: 'high', advice: /varyByHeaders/, reference: /PortSwigger/, evidence: /user-agent/ }])
  t.equal(new Set(report.findings.map(({ route }) => route)).size, 1, 'nothing else')
})

test('an audit sends safe methods only, unless it is allowed others', async (t) => {
  const methods = new Set<string>()
  const app = await appWith(t, (app) => {
    app.addHook('onRequest', async (request) => { methods.add(request.method) })
    app.get('/', agent, async () => 'x')
  })
  await auditCache(app)
  t.strictSame([...methods].sort(), ['GET', 'HEAD', 'OPTIONS'])
  await auditCache(app, { allowUnsafe: true })
  t.ok(methods.has('POST'))
})

test('an audit leaves nothing behind that a client could get', async (t) => {
  const { url, prefix } = await useRedis(t)
  const redis = { redis: url, prefix, timeouts: { read: '10s', write: '10s' } }
  for (const [cache, host] of [[{}, undefined], [{}, 'www.example'], [redis, undefined]] as const) {
    const app = await appWith(t, (app) => app.get('/', agent, async (request) => ({ agent: request.headers['user-agent'] ?? null })), cache)
    const { findings } = await auditCache(app, host === undefined ? {} : { host })
    t.ok(findings.length > 0, 'there was something to leave behind')
    const answer = await app.inject({ url: '/', headers: { host: 'www.example' } })
    t.equal(answer.headers['x-cache'], 'MISS')
    t.notMatch(answer.body, 'audit')
  }
})

test('responses that are never the same twice are no finding', async (t) => {
  let count = 0
  const app = await appWith(t, (app) => {
    app.get('/clock', agent, async () => ({ now: new Date(), hr: performance.now() }))
    app.get('/count', agent, async () => ({ count: ++count }))
    app.get('/ids', agent, async (request) => ({ id: request.id, uuid: randomUUID() }))
    app.get('/bytes', agent, async () => randomBytes(20_000))
    app.get('/host', agent, async (request) => ({ host: request.host, url: request.url }))
    app.get('/slow', agent, async () => await new Promise((resolve) => { setImmediate(resolve, { at: Date.now() }) }))
  })
  const { findings, routes } = await auditCache(app, { users: [{ authorization: 'Bearer a' }, { Authorization: 'Bearer b' }] })
  t.equal(routes.filter(({ isCached }) => isCached).length, 6)
  t.strictSame(findings, [])
})

test('what is wrong with the answers of the test users is found without their names', async (t) => {
  const balances: Record<string, string> = { 'Bearer a': 'twelve', 'Bearer b': 'seven' }
  const declare = (shared: boolean) => (app: FastifyInstance) => app.get('/account', { config: { cache: { shared } } }, async (request, reply) => {
    const balance = balances[request.headers.authorization ?? '']
    return balance === undefined ? await reply.code(401).send() : { balance, at: new Date() }
  })
  const users = [{ authorization: 'Bearer a' }, { authorization: 'Bearer b' }]
  const wrong = await auditCache(await appWith(t, declare(true)), { users })
  t.ok(wrong.findings.some(({ probe }) => probe === 'one user gets the response of another'))
  t.ok(wrong.findings.some(({ probe }) => probe === 'a hit skips the guard'))
  const right = await auditCache(await appWith(t, declare(false)), { users })
  t.strictSame(right.findings, [])
})

test('names of the app are tried where the caller tells them', async (t) => {
  const app = await appWith(t, (app) => app.get('/', { config: { cache: { shared: true, key: () => 'k' } } }, async (request) => ({
    plan: request.headers['x-plan'] ?? null, cookie: /plan=(\w+)/.exec(request.headers.cookie ?? '')?.[1] ?? null, parameter: (request.query as Record<string, unknown>).plan ?? null
  })))
  const silent = await auditCache(app)
  t.strictSame(silent.findings, [])
  const { findings } = await auditCache(app, { names: { headers: ['x-plan'], cookies: ['plan'], query: ['plan'] } })
  t.strictSame(findings.map(({ probe }) => probe), ['x-plan is not in the key', 'the cookie plan is not in the key', 'the parameter plan is not in the key'])
})

test('an answer that breaks off or does not come does not end the audit', async (t) => {
  const app = await appWith(t, (app) => app.get('/', agent, async (request, reply) => {
    if (request.headers.range !== undefined) reply.raw.destroy()
    return 'x'
  }))
  const { routes } = await auditCache(app)
  t.strictSame(routes.map(({ isCached }) => isCached), [true])
})

test('an audit of nothing is refused', async (t) => {
  const bare = Fastify()
  t.teardown(() => bare.close())
  await t.rejects(auditCache(bare), { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID', message: /"app"/ })
  const empty = await appWith(t, (app) => app.get('/users/:id', agent, async () => 'x'))
  await t.rejects(auditCache(empty), { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID', message: /"urls".*at least one URL/ })
  await t.rejects(auditCache(empty, { urls: ['users/1'] }), { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID', message: /users\/1/ })
})
