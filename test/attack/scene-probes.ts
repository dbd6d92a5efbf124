import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { RouteCacheOptions } from 'fastify-response-cache'
import { fieldOf, isServed, textOf, type Answer } from '../../lib/audit/exchange.ts'
import { CANARY, withSite, type Site, type SiteOptions } from './site.ts'

/* Attacks that need time to pass, two requests at once, or a route with options. Each has an app of its own. */

export interface SceneProbe {
  readonly name: string
  readonly reference: string
  run (): Promise<string | undefined>
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown

interface Scene extends SiteOptions {
  readonly route?: RouteCacheOptions
  readonly handler: Handler
  readonly declare?: (app: FastifyInstance) => unknown
}

function scene ({ route = {}, handler, declare, ...options }: Scene, play: (site: Site) => Promise<string | undefined>): SceneProbe['run'] {
  return async () => await withSite(async (app) => {
    app.get('/*', { config: { cache: route } }, async (request, reply) => await handler(request, reply))
    await declare?.(app)
  }, play, options)
}

const leaks = (answer: Answer, text = CANARY): boolean => textOf(answer).includes(text)

/** What steers apps, reflected. */
const reflecting: Handler = (request) => ({ base: request.headers['x-forwarded-host'] ?? request.host, who: request.headers.authorization ?? null })

const poison = { headers: { 'x-forwarded-host': CANARY, authorization: `Bearer ${CANARY}` } }
const steered = { headers: { 'x-forwarded-host': CANARY } }

const refresh = (options: typeof poison | typeof steered): SceneProbe['run'] => scene({ route: { ttl: '1m', staleWhileRevalidate: '1h' }, handler: reflecting }, async (site) => {
  await site.send('/')
  site.pass(90_000)
  await site.send('/', options)
  const stale = await site.send('/')
  await refreshed(site)
  const next = await site.send('/')
  return leaks(stale) || leaks(next) ? 'the refresh was made with what another client had sent' : undefined
})

/** Asks until what runs behind is over; it ends soon, or the test does. */
async function refreshed (site: Site): Promise<void> {
  for (let time = 0; time < 200 && fieldOf(await site.send('/'), 'x-cache') !== 'HIT'; time++) await new Promise((resolve) => { setImmediate(resolve) })
}

const failing: Handler = (request, reply) => request.headers['x-fail'] === undefined ? { fine: true } : reply.code(500).send({ error: CANARY })

const failure = (route: RouteCacheOptions): SceneProbe['run'] => scene({ route: { ttl: '1m', ...route }, handler: failing }, async (site) => {
  await site.send('/')
  site.pass(90_000)
  await site.send('/', { headers: { 'x-fail': '1' } })
  await site.send('/', { headers: { 'x-fail': '1' } })
  for (let time = 0; time < 3; time++) {
    const answer = await site.send('/')
    if (answer.status !== 200 || leaks(answer)) return `others got ${answer.status} after one request had made the handler fail`
  }
  return undefined
})

/** A handler that goes on when so many requests have come to the app. */
function held (handler: Handler, count: number): { handler: Handler, arrive: () => Promise<void> } {
  let arrived = 0
  let go = (): void => {}
  const gone = new Promise<void>((resolve) => { go = resolve })
  return {
    arrive: async () => {
      // Behind the look-up, which comes in the same turn.
      if (++arrived === count) setImmediate(() => { setImmediate(go) })
    },
    handler: async (request, reply) => {
      await gone
      return await handler(request, reply)
    }
  }
}

/** One leads, others wait for it. */
const waiters = (handler: Handler, [leader, waiter]: readonly [Record<string, string>, Record<string, string>], options: SiteOptions & { route?: RouteCacheOptions } = {}): SceneProbe['run'] => async () => {
  const hold = held(handler, 3)
  let started = (): void => {}
  const leading = new Promise<void>((resolve) => { started = resolve })
  const declare = (app: FastifyInstance): unknown => app.addHook('onRequest', async () => {
    started()
    await hold.arrive()
  })
  return await scene({ ...options, handler: hold.handler, declare }, async (site) => {
    const asked = [site.send('/', { headers: leader })]
    await leading
    asked.push(site.send('/', { headers: waiter }), site.send('/', { headers: waiter }))
    const [, ...answers] = await Promise.all(asked)
    return answers.some((answer) => leaks(answer)) ? 'who waited got the response of who led' : undefined
  })()
}

const late: Handler = (request) => {
  if (request.headers['x-magic'] !== undefined) Object.assign(request, { user: { id: request.headers['x-magic'] } })
  return { hello: request.headers['x-magic'] ?? 'stranger' }
}

/** The same when half of the response is on its way. */
const lateStream: Handler = (request, reply) => reply.type('text/plain').send(Readable.from((async function * () {
  yield 'hello '
  await new Promise((resolve) => { setImmediate(resolve) })
  yield JSON.stringify(late(request, reply))
})()))

const user: SiteOptions = { cache: { user: (request) => request.headers['x-magic'] === undefined ? undefined : String(request.headers['x-magic']) } }

/** More URLs than there is room for. */
const flood = (of: (number: number) => readonly [string, Record<string, string>], handler: Handler): SceneProbe['run'] => scene({ cache: { memory: { maxBytes: 200_000 } }, handler }, async (site) => {
  for (let number = 0; number < 300; number++) {
    const [path, headers] = of(number)
    await site.send(path, { headers })
  }
  let kept = 0
  for (let number = 0; number < 300; number++) {
    const [path, headers] = of(number)
    if (isServed(await site.send(path, { headers }))) kept++
  }
  return kept * 4000 > 200_000 ? `${kept} responses of 4 kB are kept where 200 kB are allowed` : undefined
})

/** Users who look alike. */
const users = (one: unknown, other: unknown): SceneProbe['run'] => scene({
  route: { varyByUser: true },
  handler: (request) => ({ token: request.headers['x-magic'] }),
  declare: (app) => app.addHook('onRequest', async (request) => { Object.assign(request, { user: request.headers['x-magic'] === CANARY ? one : other }) })
}, async (site) => {
  await site.send('/', { headers: { 'x-magic': CANARY } })
  return leaks(await site.send('/', { headers: { 'x-magic': 'b' } })) ? `${JSON.stringify(other)} got the response of ${JSON.stringify(one)}` : undefined
})

const bodies = (one: readonly [string, string], other: readonly [string, string]): SceneProbe['run'] => scene({
  handler: () => 'x',
  declare: (app) => {
    app.addContentTypeParser(['application/x-www-form-urlencoded', 'text/csv'], { parseAs: 'string' }, (request, body, done) => { done(null, body) })
    app.post('/search', { config: { cache: { varyByBody: true } } }, async (request) => ({ type: request.headers['content-type'], found: request.body }))
  }
}, async (site) => {
  const post = async ([type, body]: readonly [string, string]): Promise<Answer> => await site.send('/search', { method: 'POST', headers: { 'content-type': type }, body })
  await post(one)
  return isServed(await post(other)) ? `${other[1]} was answered with the response to ${one[1]}` : undefined
})

const rewritten = (field: string): SceneProbe['run'] => scene({
  handler: (request) => ({ page: (request.params as Record<string, string>)['*'] }),
  fastify: { rewriteUrl: (request) => request.headers[field] === undefined ? request.url ?? '/' : String(request.headers[field]) }
}, async (site) => {
  await site.send('/home', { headers: { [field]: `/${CANARY}` } })
  return leaks(await site.send('/home')) ? 'one URL was answered with the page of another one' : undefined
})

const refusedWrite: SceneProbe['run'] = scene({ handler: () => 'x', declare: (app) => { app.post('/x', async (request, reply) => await reply.code(403).send()) } }, async (site) => {
  await site.send('/x')
  await site.send('/x', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } })
  return isServed(await site.send('/x')) ? undefined : 'a refused request has emptied the cache'
})

const hostRoutes: SceneProbe['run'] = scene({
  handler: () => 'x',
  declare: (app) => {
    app.get('/site', { constraints: { host: 'a.example' }, config: { cache: true } }, async () => 'public')
    app.get('/site', { constraints: { host: 'admin.example' }, config: { cache: true } }, async () => CANARY)
  }
}, async (site) => {
  await site.send('/site', { headers: { host: 'admin.example' } })
  const victims = [await site.send('/site'), await site.send('/site', { headers: { 'x-forwarded-host': 'admin.example' } })]
  return victims.some((answer) => leaks(answer)) ? 'one site was answered with the page of another one' : undefined
})

const BIG = 'x'.repeat(4000)
const VAULT = 'PortSwigger, Practical Web Cache Poisoning (2018)'
const CPDOS = 'Nguyen et al., Your Cache Has Fallen (CCS 2019)'

export const sceneProbes: readonly SceneProbe[] = [
  { name: 'a background refresh with the fields of an attacker', reference: VAULT, run: refresh(steered) },
  { name: 'a background refresh with credentials', reference: 'RFC 5861 section 3; RFC 9111 section 3.5', run: refresh(poison) },
  { name: 'a failure replaces what is stored', reference: CPDOS, run: failure({}) },
  { name: 'a failure in a background refresh', reference: CPDOS, run: failure({ staleWhileRevalidate: '1h' }) },
  { name: 'a failure where stale is allowed', reference: 'RFC 5861 section 4', run: failure({ staleIfError: '1h' }) },
  { name: 'late authentication of the one who leads', reference: 'ASP.NET Core 69386', run: waiters(late, [{ 'x-magic': CANARY }, {}]) },
  { name: 'late authentication of others who lead', reference: 'ASP.NET Core 69386', run: waiters(late, [{ 'x-magic': CANARY }, { 'x-magic': 'grace' }]) },
  {
    name: 'late authentication while a stream is sent',
    reference: 'ASP.NET Core 69386',
    run: scene({ handler: lateStream }, async (site) => {
      await site.send('/', { headers: { 'x-magic': CANARY } })
      return leaks(await site.send('/')) ? 'nobody got the stream of a user' : undefined
    })
  },
  { name: 'who waits has another user', reference: 'Souin, request coalescing across variants', run: waiters(late, [{ 'x-magic': CANARY }, { 'x-magic': 'grace' }], { ...user, route: { varyByUser: true } }) },
  { name: 'who waits has other values of Vary', reference: 'RFC 9111 section 4.1', run: waiters((request, reply) => reply.header('vary', 'x-lang').send({ lang: request.headers['x-lang'] ?? 'none' }), [{ 'x-lang': CANARY }, {}]) },
  { name: 'who waits gets a cookie', reference: 'Varnish, waiting list', run: waiters((request, reply) => reply.header('set-cookie', `sid=${String(request.headers['x-magic'])}`).send('x'), [{ 'x-magic': CANARY }, {}]) },
  { name: 'who waits gets what is private', reference: 'Varnish, waiting list', run: waiters((request, reply) => reply.header('cache-control', 'private').send({ you: request.headers['x-magic'] }), [{ 'x-magic': CANARY }, {}]) },
  { name: 'a user whom only the app knows', reference: 'RFC 9111 section 3.5', run: scene({ ...user, handler: (request) => ({ you: request.headers['x-magic'] }) }, async (site) => { await site.send('/', { headers: { 'x-magic': CANARY } }); return leaks(await site.send('/')) ? 'nobody got the response of a user' : undefined }) },
  { name: 'a flood of queries', reference: 'CWE-400', run: flood((number) => [`/?cb=${number}`, {}], () => BIG) },
  { name: 'a flood of paths', reference: 'CWE-400', run: flood((number) => [`/${number}`, {}], () => BIG) },
  { name: 'a flood of hosts', reference: 'CWE-400', run: flood((number) => ['/', { host: `${number}.example` }], () => BIG) },
  { name: 'a flood of variants', reference: 'Apache Traffic Server, limits of variants', run: flood((number) => ['/', { 'x-theme': String(number) }], (request, reply) => reply.header('vary', 'x-theme').send(BIG)) },
  { name: 'users with a number and a text as id', reference: 'Litestar CVE-2026-25480', run: users({ id: 7 }, { id: '7' }) },
  { name: 'users of two issuers', reference: 'RFC 7519 section 4.1.2', run: users({ sub: 'a', iss: 'one' }, { sub: 'a', iss: 'two' }) },
  { name: 'users with delimiters in their names', reference: 'Mercure GHSA-hwr4-mq23-wcv5', run: users({ id: 'a;u3:b' }, { id: 'a' }) },
  { name: 'bodies of a number and a text', reference: 'Litestar CVE-2026-25480', run: bodies(['application/json', '{"a":1}'], ['application/json', '{"a":"1"}']) },
  { name: 'bodies with delimiters', reference: 'Litestar CVE-2026-25480', run: bodies(['application/json', '{"a":"1","b":"2"}'], ['application/json', '{"a":"1,b:2"}']) },
  { name: 'bodies of two arrays', reference: 'Litestar CVE-2026-25480', run: bodies(['application/json', '[["a"],"b"]'], ['application/json', '["a",["b"]]']) },
  { name: 'a rewritten URL', reference: 'Symfony CVE-2021-41267', run: rewritten('x-original-url') },
  { name: 'a rewritten URL by a field of the app', reference: VAULT, run: rewritten('x-page') },
  { name: 'a refused write empties the cache', reference: 'RFC 9111 section 4.4', run: refusedWrite },
  { name: 'routes of two hosts', reference: 'PortSwigger, Host header attacks', run: hostRoutes }
]
