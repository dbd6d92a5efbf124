import Fastify from 'fastify'
import responseCache, { createCache, type ResponseCacheOptions } from 'fastify-response-cache'
import { test } from 'tap'
import { appWithRoute, secondStatus } from './apps.ts'

const now = Date.parse('2026-11-21T12:00:00Z')

/** `Cache-Status` of a second request to a route of this `config.cache`. */
async function statusWith (t: Tap, cache: unknown, plugin: ResponseCacheOptions, request?: Parameters<typeof secondStatus>[1]): Promise<string> {
  const app = await appWithRoute(t, cache, { plugin: { clock: () => now, ...plugin }, method: ['GET', 'POST'] })
  return await secondStatus(app, request)
}

type Tap = Parameters<typeof appWithRoute>[0]

test('config.cache may be a number of seconds, a text, true or options', async (t) => {
  const plugin = { defaults: { ttl: '2m' } } as const
  for (const [cache, seconds] of [[90, 90], ['1h', 3600], ['short', 60], [true, 120], [{}, 120], [{ ttl: 5 }, 5]] as const) {
    t.equal(await statusWith(t, cache, plugin), `hit; ttl=${seconds}`, JSON.stringify(cache))
  }
})

test('config.cache: false takes a route out, whatever the defaults say', async (t) => {
  const app = await appWithRoute(t, false, { plugin: { defaults: { ttl: '2m' }, namespaces: { default: { ttl: 5 } } } })
  t.equal(await secondStatus(app), 'undefined')
})

test('a ttl of the route wins over its namespace, and that over the defaults', async (t) => {
  const plugin = { defaults: { ttl: 1 }, namespaces: { user: { ttl: 20 }, empty: {}, default: { ttl: 300 } } }
  for (const [cache, seconds] of [
    [{ namespace: 'user', ttl: 4000 }, 4000], [{ namespace: 'user' }, 20], [{ namespace: 'empty' }, 1], [{ namespace: 'unknown' }, 1], [true, 300], [7, 7]
  ] as const) {
    t.equal(await statusWith(t, cache, plugin), `hit; ttl=${seconds}`, JSON.stringify(cache))
  }
})

test('the namespace of the defaults is that of routes without one', async (t) => {
  const plugin = { defaults: { ttl: 1, namespace: 'user' }, namespaces: { user: { ttl: 20 } } }
  t.equal(await statusWith(t, true, plugin), 'hit; ttl=20')
  t.equal(await statusWith(t, { namespace: 'other' }, plugin), 'hit; ttl=1')
})

const layers: Record<string, { general: object, specific: object, request?: Parameters<typeof secondStatus>[1], before: string, after: string }> = {
  skip: { general: { skip: () => true }, specific: { skip: () => false }, before: 'fwd=bypass; detail=skip', after: 'hit; ttl=60' },
  storeIf: { general: { storeIf: () => false }, specific: { storeIf: () => true }, before: 'fwd=uri-miss; detail=store-if', after: 'hit; ttl=60' },
  statusCodes: { general: { statusCodes: [404] }, specific: { statusCodes: [200] }, before: 'fwd=uri-miss; detail=status', after: 'hit; ttl=60' },
  maxBytes: { general: { maxBytes: 1 }, specific: { maxBytes: 10 }, before: 'fwd=uri-miss; detail=too-large', after: 'hit; ttl=60' },
  shared: { general: { shared: true }, specific: { shared: false }, request: { headers: { authorization: 'x' } }, before: 'hit; ttl=60', after: 'fwd=bypass; detail=credentials' },
  varyByUser: { general: { varyByUser: () => 'me' }, specific: { varyByUser: false }, request: { headers: { authorization: 'x' } }, before: 'hit; ttl=60', after: 'fwd=bypass; detail=credentials' },
  varyByHeaders: { general: { varyByHeaders: ['authorization'] }, specific: { varyByHeaders: [] }, request: { headers: { authorization: 'x' } }, before: 'hit; ttl=60', after: 'fwd=bypass; detail=credentials' },
  varyByCookies: { general: { varyByCookies: ['sid'] }, specific: { varyByCookies: ['lang'] }, request: { headers: { cookie: 'sid=1' } }, before: 'hit; ttl=60', after: 'fwd=bypass; detail=credentials' },
  varyByBody: { general: { varyByBody: true }, specific: { varyByBody: false }, request: { method: 'POST', payload: { a: 1 } }, before: 'hit; ttl=60', after: 'fwd=method' },
  key: { general: { key: () => '' }, specific: { key: () => 'k' }, before: 'fwd=bypass; detail=function-error', after: 'hit; ttl=60' }
}

for (const [name, { general, specific, request, before, after }] of Object.entries(layers)) {
  test(`${name} of a namespace or the defaults counts for its routes, and what is more specific takes its place`, async (t) => {
    const handler = async (): Promise<string> => 'body'
    const status = async (plugin: ResponseCacheOptions, cache: object): Promise<string> => {
      const app = await appWithRoute(t, cache, { plugin: { clock: () => now, ...plugin }, method: ['GET', 'POST'], handler })
      return await secondStatus(app, request)
    }
    const ttl = 60
    t.equal(await status({ defaults: { ttl, ...general } }, {}), before, 'defaults')
    t.equal(await status({ namespaces: { default: { ttl, ...general } } }, {}), before, 'namespace')
    t.equal(await status({}, { ttl, ...general }), before, 'route')
    t.equal(await status({ defaults: { ttl, ...general } }, specific), after, 'route over defaults')
    t.equal(await status({ namespaces: { default: { ttl, ...general } } }, specific), after, 'route over namespace')
    t.equal(await status({ defaults: { ttl, ...general }, namespaces: { default: specific } }, {}), after, 'namespace over defaults')
    t.equal(await status({ defaults: { ttl, ...general }, namespaces: { other: specific } }, {}), before, 'not a namespace of others')
  })
}

test('an option that is undefined was not said, on every level', async (t) => {
  const defaults = { ttl: 20, maxBytes: 10 }
  t.equal(await statusWith(t, { ttl: undefined, maxBytes: undefined }, { defaults }), 'hit; ttl=20', 'route')
  t.equal(await statusWith(t, { namespace: undefined }, { defaults: { ...defaults, namespace: 'n' }, namespaces: { n: { ttl: 5 } } }), 'hit; ttl=5', 'namespace of a route')
  t.equal(await statusWith(t, {}, { defaults, namespaces: { default: { ttl: undefined as never } } }), 'hit; ttl=20', 'namespace')
  t.equal(await statusWith(t, 20, { defaults: { ttl: undefined as never } }), 'hit; ttl=20', 'defaults')
  t.equal(await statusWith(t, 20, { prefix: undefined as never, enabled: undefined as never, ttls: undefined as never, clock: () => now, user: undefined as never, name: undefined as never }), 'hit; ttl=20', 'plugin')
})

test('a conflict between a route and what it inherits is refused with the route', async (t) => {
  const message = 'Conflicting options in config.cache of GET,POST /items/:id: "shared" says the same response for everyone, "varyByUser" one for each; keep one of them.'
  for (const plugin of [{ defaults: { ttl: 5, shared: true } }, { defaults: { ttl: 5 }, namespaces: { default: { shared: true } } }]) {
    await t.rejects(statusWith(t, { varyByUser: true }, plugin), { code: 'RESPONSE_CACHE_ERR_OPTION_CONFLICT', message })
  }
})

test('a route without any ttl is refused with its name, its namespace and the way out', async (t) => {
  for (const [cache, namespace] of [[true, 'default'], [{}, 'default'], [{ namespace: 'user' }, 'user'], [{ ttl: undefined }, 'default']] as const) {
    await t.rejects(statusWith(t, cache, { namespaces: { other: { ttl: 5 } } }), {
      code: 'RESPONSE_CACHE_ERR_TTL_MISSING',
      message: `No ttl for GET,POST /items/:id: expected one from its own options, from its namespace "${namespace}" (plugin option "namespaces") or from "defaults", for example ttl: '5m'.`
    })
  }
})

test('keys of the client take the ttl of their namespace, and without one that of the defaults', async (t) => {
  await using cache = createCache({ defaults: { ttl: 1 }, namespaces: { user: { ttl: '20s' }, silent: {} }, clock: () => now })
  for (const [key, seconds] of [['user:1', 20], ['user', 20], ['silent:1', 1], ['other:user', 1]] as const) {
    await cache.set(key, 'x')
    t.equal(await cache.ttl(key), seconds, key)
  }
  await cache.set('user:2', 'x', { ttl: 3 })
  t.equal(await cache.ttl('user:2'), 3)
  await using without = createCache({ namespaces: { user: { ttl: 5 } } })
  await t.rejects(without.set('other:1', 'x'), { code: 'RESPONSE_CACHE_ERR_TTL_MISSING', message: 'No ttl for key "other:1": expected one from its own options, from its namespace "other"' })
})

test('names of namespaces are checked, and a namespace has none of its own', async (t) => {
  const where = 'the options of fastify-response-cache'
  for (const name of ['', 'a b', 'a:b', 'x'.repeat(65)]) {
    await t.rejects(statusWith(t, 5, { namespaces: { [name]: {} } }), {
      code: 'RESPONSE_CACHE_ERR_OPTION_INVALID',
      message: `Invalid option "${name}" in namespaces in ${where}: expected a name of 1 to 64 letters, digits, "_", "." or "-".`
    })
  }
  await t.rejects(statusWith(t, 5, { namespaces: { user: { namespace: 'other' } as never } }), {
    code: 'RESPONSE_CACHE_ERR_OPTION_CONFLICT', message: `Conflicting options in ${where}: namespaces.user cannot have a namespace of its own.`
  })
})

test('a route turns off what the defaults say of timeouts, adaptiveTtl and maxConcurrentFills, also with lock: false', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache, {
    defaults: { ttl: '1m', staleIfError: '1h', staleWhileRevalidate: '1m', softTimeout: '1s', hardTimeout: '2s', adaptiveTtl: { min: '1s', max: '1h' }, maxConcurrentFills: 1 }
  })
  const off = { softTimeout: false, hardTimeout: false, adaptiveTtl: false, maxConcurrentFills: false, staleWhileRevalidate: 0, lock: false } as const
  const waiting: Array<(answer: string) => void> = []
  app.get('/', { config: { cache: off } }, async () => await new Promise<string>((resolve) => { waiting.push(resolve) }))
  const asked = [app.inject('/'), app.inject('/')]
  for (const deadline = Date.now() + 5000; waiting.length < 2 && Date.now() < deadline;) await new Promise((resolve) => { setImmediate(resolve) })
  t.equal(waiting.length, 2, 'both run at once')
  for (const answer of waiting) answer('made')
  t.strictSame((await Promise.all(asked)).map(({ statusCode }) => statusCode), [200, 200])
})
