import { createCache } from 'fastify-response-cache'
import { test } from 'tap'
import { appWith, appWithRoute } from './apps.ts'

const code = 'RESPONSE_CACHE_ERR_OPTION_UNKNOWN'
const PLUGIN = 'the options of fastify-response-cache'
const ROUTE = 'config.cache of GET /items/:id'

for (const [wrong, meant] of [
  ['namespace', 'namespaces'], ['ttl', 'ttls'], ['default', 'defaults'], ['Redis', 'redis'], ['debugHeader', 'debugHeaders'], ['timeout', 'timeouts'],
  ['enable', 'enabled'], ['memmory', 'memory'], ['users', 'user'], ['log', 'logger'], ['NAME', 'name'], ['stores', 'store'], ['targetedField', 'targetedFields'], ['audits', 'audit']
] as const) {
  test(`the plugin option ${wrong} is refused, and ${meant} suggested`, async (t) => {
    await t.rejects(appWith(t, { [wrong]: 1 }), { code, message: wrong === 'log' ? `Unknown option "log" in ${PLUGIN}. Known are: ` : `Unknown option "${wrong}" in ${PLUGIN}. Did you mean "${meant}"?` })
  })
}

for (const [wrong, meant] of [
  ['varyByQueries', 'varyByQuery'], ['varyByHeader', 'varyByHeaders'], ['varyBycookies', 'varyByCookies'], ['varyUser', 'varyByUser'], ['tll', 'ttl'], ['TTL', 'ttl'],
  ['nameSpace', 'namespace'], ['statusCode', 'statusCodes'], ['maxbytes', 'maxBytes'], ['share', 'shared'], ['storeif', 'storeIf'], ['hooks', 'hook'],
  ['keys', 'key'], ['skipIf', 'skip'], ['unguard', 'unguarded'], ['varybybody', 'varyByBody'],
  ['revalidation', 'revalidate'], ['obeyRequestDirective', 'obeyRequestDirectives'], ['downStream', 'downstream'], ['compression', 'compress']
] as const) {
  test(`the route option ${wrong} is refused, and ${meant} suggested`, async (t) => {
    await t.rejects(appWithRoute(t, { ttl: 60, [wrong]: true }), { code, message: `Unknown option "${wrong}" in ${ROUTE}. Did you mean "${meant}"?` })
  })
}

test('a name that is like none is answered with all names', async (t) => {
  await t.rejects(appWithRoute(t, { ttl: 60, strategy: true }), {
    code,
    message: `Unknown option "strategy" in ${ROUTE}. Known are: namespace, ttl, varyByUser, varyByQuery, varyByHeaders, varyByCookies, varyByBody, key, skip, shared, tags, invalidates, storeIf, hook, unguarded, statusCodes, maxBytes, lock, staleWhileRevalidate, staleIfError, refreshThrottle, softTimeout, hardTimeout, refreshAhead, adaptiveTtl, jitter, maxConcurrentFills, revalidate, obeyRequestDirectives, downstream, compress.`
  })
  await t.rejects(appWith(t, { compression: true }), {
    code,
    message: `Unknown option "compression" in ${PLUGIN}. Known are: redis, store, prefix, enabled, memory, ttls, namespaces, defaults, timeouts, breaker, integrity, limits, clock, advice, logger, invalidateOnWrite, user, name, targetedFields, debugHeaders, warm, audit.`
  })
})

test('unknown names inside of options are refused with the place they stand in', async (t) => {
  for (const [options, message] of [
    [{ memory: { maxByte: 1 } }, `Unknown option "maxByte" in memory in ${PLUGIN}. Did you mean "maxBytes"?`],
    [{ limits: { variant: 1 } }, `Unknown option "variant" in limits in ${PLUGIN}. Did you mean "variants"?`],
    [{ timeouts: { reed: 1 } }, `Unknown option "reed" in timeouts in ${PLUGIN}. Did you mean "read"?`],
    [{ defaults: { varyByQueries: [] } }, `Unknown option "varyByQueries" in defaults in ${PLUGIN}. Did you mean "varyByQuery"?`],
    [{ defaults: { downstream: { sMaxage: 1 } } }, `Unknown option "sMaxage" in downstream in defaults in ${PLUGIN}. Did you mean "maxAge"?`],
    [{ namespaces: { user: { downstream: { ttl: 1 } } } }, `Unknown option "ttl" in downstream in namespaces.user in ${PLUGIN}. Known are: maxAge, cdnMaxAge, tags.`],
    [{ namespaces: { user: { tll: 1 } } }, `Unknown option "tll" in namespaces.user in ${PLUGIN}. Did you mean "ttl"?`]
  ] as const) {
    await t.rejects(appWith(t, options), { code, message })
  }
})

test('names of Object.prototype are unknown like any other', async (t) => {
  for (const name of ['constructor', 'toString', '__proto__']) {
    await t.rejects(appWithRoute(t, JSON.parse(`{ "ttl": 60, "${name}": 1 }`)), { code, message: new RegExp(`Unknown option "${name}"`) })
  }
})

test('a name is refused even when its value is undefined', async (t) => {
  await t.rejects(appWithRoute(t, { ttl: 60, varyByQueries: undefined }), { code })
})

test('createCache refuses what only a server needs', async (t) => {
  for (const name of ['user', 'name', 'debugHeaders', 'invalidateOnWrite', 'warm', 'targetedFields', 'audit']) {
    t.throws(() => createCache({ [name]: undefined }), { code, message: new RegExp(`^Unknown option "${name}" in createCache\\(\\)\\. `) })
  }
})

test('what is no object is refused as options', async (t) => {
  const code = 'RESPONSE_CACHE_ERR_OPTION_INVALID'
  for (const [options, got] of [['redis://x', '"redis://x" (string)'], [[], 'an array of 0'], [null, 'null'], [5, '5 (number)']] as const) {
    t.throws(() => createCache(options as never), { code, message: `Invalid option "options" in createCache(): expected an object, got ${got}.` })
  }
  t.throws(() => createCache({ namespaces: { user: '5m' as never } }), { code, message: 'Invalid option "options" in namespaces.user in createCache(): expected an object, got "5m" (string).' })
})
