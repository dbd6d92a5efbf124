import type { RouteOptions } from 'fastify'
import { test } from 'tap'
import { hasZstd } from '../../lib/coding.ts'
import { appWithRoute, secondStatus } from './apps.ts'

const WHERE = 'config.cache of GET /items/:id'
const INVALID = 'RESPONSE_CACHE_ERR_OPTION_INVALID'
const CONFLICT = 'RESPONSE_CACHE_ERR_OPTION_CONFLICT'
const NAME = 'expected a name of 1 to 64 letters, digits, "_", "." or "-"'
const BOOLEAN = 'expected true or false'
const OR_FUNCTION = 'expected true or false, or a function'
const FUNCTION = 'expected a function'
const FIELDS = 'expected a list of header field or cookie names such as [\'accept-language\']'
const QUERY = 'expected true or false, or a list of parameter names'
const STATUS = 'expected a list of status codes from 200 to 599 but 206, 304, 412 and 416'
const HOOK = 'expected \'preHandler\' or \'onRequest\''
const WHOLE = 'expected a whole number above 0'
const DURATION = 'seconds as a number (300) or a string with a unit (\'500ms\', \'30s\', \'5m\', \'1h\', \'1d\'), from 0 to ten years'
const REVALIDATE = `expected false, or ${DURATION}`
const DOWNSTREAM = 'expected false, or an object such as { maxAge: \'30s\', cdnMaxAge: \'1h\', tags: \'surrogate-key\' }'
const COMPRESS = 'expected true or false, or \'br\' or \'gzip\' or \'zstd\''

const accepted: Record<string, unknown[]> = {
  namespace: ['user', 'a.b-c_1', 'x'.repeat(64), 'constructor'],
  ttl: [0, 1, 0.5, 300, '500ms', '5m', 'short', 'medium', 'long', 'day', () => 5, 'http', { http: true }, { http: true, heuristic: '1d' }, { 200: 'http', 404: '10s' }, () => 'http'],
  varyByUser: [true, false, () => 'me'],
  varyByQuery: [true, false, [], ['page', 'sort[by]', 'ä']],
  varyByHeaders: [[], ['accept-language', 'X-Kind']],
  varyByCookies: [[], ['lang', '__Host-theme']],
  varyByBody: [true, false],
  key: [() => 'k'],
  skip: [() => true],
  shared: [true, false, 'http'],
  storeIf: [() => true],
  hook: ['preHandler', 'onRequest'],
  unguarded: [false],
  statusCodes: [[200], [200, 204, 301, 404, 410, 500, 599]],
  maxBytes: [1, 10_000_000],
  revalidate: [false, 0, 60, '10m', '2w'],
  obeyRequestDirectives: [true, false, () => true],
  downstream: [false, {}, { maxAge: 0 }, { maxAge: '30s', cdnMaxAge: 3600, tags: 'surrogate-key' }, { tags: 'cache-tag' }, { maxAge: undefined, cdnMaxAge: '1d', tags: undefined }],
  compress: [true, false, 'br', 'gzip', ...hasZstd ? ['zstd'] : []]
}

const refused: Record<string, Array<[value: unknown, text: string]>> = {
  namespace: [['', `${NAME}, got "" (string)`], ['a b', `${NAME}, got "a b" (string)`], ['a:b', `${NAME}, got "a:b" (string)`], ['x'.repeat(65), `${NAME}, got a string of 65 characters`], [5, `${NAME}, got 5 (number)`], [null, `${NAME}, got null`], [['user'], `${NAME}, got an array of 1`]],
  varyByUser: [['id', `${OR_FUNCTION}, got "id" (string)`], [1, `${OR_FUNCTION}, got 1 (number)`], [null, `${OR_FUNCTION}, got null`], [['id'], `${OR_FUNCTION}, got an array of 1`]],
  varyByQuery: [['page', `${QUERY}, got "page" (string)`], [[1], `${QUERY}, got an array of 1`], [{ page: true }, `${QUERY}, got an object of type Object`], [new Set(['page']), `${QUERY}, got an object of type Set`]],
  varyByHeaders: [['accept', `${FIELDS}, got "accept" (string)`], [[''], `${FIELDS}, got an array of 1`], [['a b'], `${FIELDS}, got an array of 1`], [[7], `${FIELDS}, got an array of 1`], [true, `${FIELDS}, got true (boolean)`]],
  varyByCookies: [['sid', `${FIELDS}, got "sid" (string)`], [['a=b'], `${FIELDS}, got an array of 1`], [['a;b'], `${FIELDS}, got an array of 1`]],
  varyByBody: [['true', `${BOOLEAN}, got "true" (string)`], [() => true, `${BOOLEAN}, got a function`]],
  key: [['k', `${FUNCTION}, got "k" (string)`], [['k'], `${FUNCTION}, got an array of 1`]],
  skip: [[true, `${FUNCTION}, got true (boolean)`], ['/x', `${FUNCTION}, got "/x" (string)`]],
  shared: [['yes', `${BOOLEAN}, or 'http', got "yes" (string)`], [1, `${BOOLEAN}, or 'http', got 1 (number)`], ['HTTP', `${BOOLEAN}, or 'http', got "HTTP" (string)`]],
  storeIf: [[false, `${FUNCTION}, got false (boolean)`]],
  hook: [['onSend', `${HOOK}, got "onSend" (string)`], ['prehandler', `${HOOK}, got "prehandler" (string)`], [true, `${HOOK}, got true (boolean)`]],
  unguarded: [[1, `${BOOLEAN}, got 1 (number)`]],
  statusCodes: [
    [200, `${STATUS}, got 200 (number)`], [['200'], `${STATUS}, got an array of 1`], [[99], `${STATUS}, got an array of 1`], [[101], `${STATUS}, got an array of 1`], [[600], `${STATUS}, got an array of 1`],
    [[206], `${STATUS}, got an array of 1`], [[200, 304], `${STATUS}, got an array of 2`], [[412], `${STATUS}, got an array of 1`], [[416], `${STATUS}, got an array of 1`], [[200.5], `${STATUS}, got an array of 1`]
  ],
  maxBytes: [[0, `${WHOLE}, got 0 (number)`], [-1, `${WHOLE}, got -1 (number)`], [1.5, `${WHOLE}, got 1.5 (number)`], ['1mb', `${WHOLE}, got "1mb" (string)`], [Infinity, `${WHOLE}, got Infinity (number)`], [NaN, `${WHOLE}, got NaN (number)`]],
  revalidate: [[true, `${REVALIDATE}, got true (boolean)`], ['300', `${REVALIDATE}, got "300" (string)`], [-1, `${REVALIDATE}, got -1 (number)`], ['short', `${REVALIDATE}, got "short" (string)`], [null, `${REVALIDATE}, got null`]],
  obeyRequestDirectives: [['no-cache', `${OR_FUNCTION}, got "no-cache" (string)`], [1, `${OR_FUNCTION}, got 1 (number)`], [['no-cache'], `${OR_FUNCTION}, got an array of 1`]],
  downstream: [[true, `${DOWNSTREAM}, got true (boolean)`], ['1h', `${DOWNSTREAM}, got "1h" (string)`], [60, `${DOWNSTREAM}, got 60 (number)`], [[], `${DOWNSTREAM}, got an array of 0`]],
  compress: [['brotli', `${COMPRESS}, got "brotli" (string)`], ['deflate', `${COMPRESS}, got "deflate" (string)`], [5, `${COMPRESS}, got 5 (number)`], [['br'], `${COMPRESS}, got an array of 1`], [{ coding: 'br' }, `${COMPRESS}, got an object of type Object`]]
}

for (const [name, values] of Object.entries(accepted)) {
  test(`a route takes every form of ${name}`, async (t) => {
    for (const value of values) t.ok(await (await appWithRoute(t, { ttl: 60, [name]: value })).ready())
  })
}

for (const [name, values] of Object.entries(refused)) {
  test(`a wrong ${name} is refused with what was expected, what came and which route it was`, async (t) => {
    for (const [value, text] of values) {
      const error = await appWithRoute(t, { ttl: 60, [name]: value }).then(() => undefined, (error: unknown) => error)
      t.match(error, { code: INVALID, message: `Invalid option "${name}" in ${WHERE}: ${text}.` }, `${name}: ${text}`)
      t.ok(error instanceof TypeError)
    }
  })
}

test('what is wrong inside of downstream is refused with the place it stands in', async (t) => {
  for (const [name, value, text] of [
    ['maxAge', '300', `expected ${DURATION}, got "300" (string)`], ['maxAge', -1, `expected ${DURATION}, got -1 (number)`], ['cdnMaxAge', true, `expected ${DURATION}, got true (boolean)`],
    ['tags', 'Surrogate-Key', 'expected \'surrogate-key\' or \'cache-tag\', got "Surrogate-Key" (string)'], ['tags', true, 'expected \'surrogate-key\' or \'cache-tag\', got true (boolean)']
  ] as const) {
    await t.rejects(appWithRoute(t, { ttl: 60, downstream: { [name]: value } }), { code: INVALID, message: `Invalid option "${name}" in downstream in ${WHERE}: ${text}.` })
  }
})

test('zstd is refused where Node does not have it, with what it has', { skip: hasZstd && 'this version of Node has it' }, async (t) => {
  const expected = (where: string) => ({ code: INVALID, message: `Invalid option "compress" in ${where}: expected true, 'br' or 'gzip', got 'zstd', which this version of Node does not have.` })
  await t.rejects(appWithRoute(t, { ttl: 60, compress: 'zstd' }), expected(WHERE))
  await t.rejects(appWithRoute(t, { ttl: 60 }, { plugin: { defaults: { compress: 'zstd' } } }), expected('defaults in the options of fastify-response-cache'))
})

test('a wrong way to leave the ttl to header fields is refused', async (t) => {
  for (const [ttl, name, text] of [
    [{ http: false }, 'http', 'expected true, got false (boolean)'], [{ http: true, heuristic: '300' }, 'heuristic', `expected ${DURATION}, got "300" (string)`]
  ] as const) {
    await t.rejects(appWithRoute(t, { ttl }), { code: INVALID, message: `Invalid option "${name}" in ttl in ${WHERE}: ${text}.` })
  }
})

test('names of header fields are taken in any case, names of cookies as they are', async (t) => {
  const app = await appWithRoute(t, { ttl: 60, varyByHeaders: ['Accept-Language'], varyByCookies: ['Lang'] })
  const statuses = []
  for (const headers of [{}, { 'accept-language': 'de' }, { 'Accept-Language': 'de' }, { cookie: 'Lang=de' }, { cookie: 'Lang=de' }, { cookie: 'lang=de' }]) {
    statuses.push((await app.inject({ url: '/items/1', headers })).headers['x-cache'])
  }
  t.strictSame(statuses, ['MISS', 'MISS', 'HIT', 'MISS', 'HIT', 'BYPASS'])
})

const TWO_LIFETIMES = '"downstream" says how long clients may keep a response, where the header fields of the handler do with ttl: \'http\' or "revalidate"; keep its "tags" only.'

const conflicts: Array<[options: object, text: string]> = [
  [{ unguarded: true }, '"unguarded" only has a meaning with hook: \'onRequest\'.'],
  [{ unguarded: true, hook: 'preHandler' }, '"unguarded" only has a meaning with hook: \'onRequest\'.'],
  [{ hook: 'onRequest', varyByBody: true }, '"varyByBody" needs the body, which is not read yet in hook: \'onRequest\'.'],
  [{ shared: true, varyByUser: true }, '"shared" says the same response for everyone, "varyByUser" one for each; keep one of them.'],
  [{ shared: true, varyByUser: () => 'me' }, '"shared" says the same response for everyone, "varyByUser" one for each; keep one of them.'],
  [{ shared: 'http', varyByUser: true }, '"shared" says the same response for everyone, "varyByUser" one for each; keep one of them.'],
  [{ shared: 'http', varyByUser: () => 'me' }, '"shared" says the same response for everyone, "varyByUser" one for each; keep one of them.'],
  [{ ttl: 'http', adaptiveTtl: { min: 1, max: 60 } }, 'with ttl: \'http\' the response says how long it is fresh, with "adaptiveTtl" the cache finds out; keep one of them.'],
  [{ ttl: { http: true, heuristic: '1d' }, adaptiveTtl: { min: 1, max: 60 } }, 'with ttl: \'http\' the response says how long it is fresh, with "adaptiveTtl" the cache finds out; keep one of them.'],
  [{ ttl: 'http', downstream: { maxAge: '30s' } }, TWO_LIFETIMES],
  [{ ttl: { http: true }, downstream: { cdnMaxAge: 60 } }, TWO_LIFETIMES],
  [{ revalidate: '1h', downstream: { maxAge: 0, tags: 'cache-tag' } }, TWO_LIFETIMES],
  [{ key: () => 'k', varyByBody: true }, '"key" takes the place of the body; keep "key" or "varyByBody".']
]

for (const [options, text] of conflicts) {
  test(`a route with ${Object.keys(options).join(' and ')} is refused where they exclude each other: ${text}`, async (t) => {
    await t.rejects(appWithRoute(t, { ttl: 60, ...options }), { code: CONFLICT, message: `Conflicting options in ${WHERE}: ${text}` })
  })
}

test('options that a conflict could be suspected in go together', async (t) => {
  for (const options of [
    { shared: true, varyByUser: false }, { shared: false, varyByUser: true }, { key: () => 'k', varyByBody: false }, { hook: 'onRequest', unguarded: true },
    { hook: 'onRequest', varyByBody: false }, { unguarded: false }, { shared: true, varyByHeaders: ['authorization'] }, { key: () => 'k', varyByUser: true },
    { ttl: 'http', adaptiveTtl: false }, { ttl: 'http', statusCodes: [404] }, { shared: 'http', varyByUser: false }, { shared: 'http', ttl: 'http' }, { ttl: { 200: 'http', 404: '10s' }, statusCodes: [404] },
    { varyByUser: true, downstream: { maxAge: '30s', cdnMaxAge: '1h' } }, { compress: true, varyByHeaders: ['accept-encoding'] }, { ttl: 'http', revalidate: false },
    { ttl: 'http', downstream: { tags: 'cache-tag' } }, { ttl: 'http', revalidate: false, downstream: { maxAge: '30s' } }, { revalidate: 0, downstream: { maxAge: '30s' } }
  ]) t.ok(await (await appWithRoute(t, { ttl: 60, ...options })).ready())
})

test('a route turns off what the defaults say', async (t) => {
  const defaults = { ttl: 'http', adaptiveTtl: false, revalidate: false, obeyRequestDirectives: true, downstream: { maxAge: 60 }, compress: true } as const
  const noStore = { headers: { 'cache-control': 'no-store' } }
  const inherits = await appWithRoute(t, { ttl: 60 }, { plugin: { defaults } })
  t.match(await secondStatus(inherits, noStore), /^fwd=bypass; detail=no-store$/)
  t.equal((await inherits.inject('/items/1')).headers['cache-control'], 'public, max-age=60')
  const turnsOff = await appWithRoute(t, { ttl: 60, revalidate: false, obeyRequestDirectives: false, downstream: false, compress: false }, { plugin: { defaults } })
  t.match(await secondStatus(turnsOff, noStore), /^hit; ttl=/)
  t.equal((await turnsOff.inject('/items/1')).headers['cache-control'], undefined)
})

test('config.cache that is neither options nor ttl nor boolean is refused', async (t) => {
  for (const [cache, got] of [[null, 'null'], [[60], 'an array of 1'], [[], 'an array of 0']] as const) {
    await t.rejects(appWithRoute(t, cache), { code: INVALID, message: `Invalid option "options" in ${WHERE}: expected an object, got ${got}.` })
  }
  for (const cache of ['', 'soon', NaN, -1, 5n, Symbol('5m')]) {
    await t.rejects(appWithRoute(t, cache), { code: INVALID, message: `Invalid option "ttl" in ${WHERE}: expected seconds as a number (300)` })
  }
})

test('a route that no method of could ever be cached is refused, with the way out', async (t) => {
  for (const [method, named, options] of [
    ['POST', 'POST', {}], [['PUT', 'DELETE'], 'PUT,DELETE', { varyByBody: true }], ['PATCH', 'PATCH', { key: () => 'k' }], ['OPTIONS', 'OPTIONS', {}]
  ] as Array<[RouteOptions['method'], string, object]>) {
    await t.rejects(appWithRoute(t, { ttl: 60, ...options }, { method }), {
      code: 'RESPONSE_CACHE_ERR_METHOD',
      message: `Cannot cache ${named} /items/:id: expected a GET or HEAD route, or a POST or QUERY route with "varyByBody: true" or an own "key". Add one of them, or remove config.cache.`
    })
  }
  for (const [method, options] of [['POST', { varyByBody: true }], ['POST', { key: () => 'k' }], ['HEAD', {}], [['GET', 'PUT'], {}]] as Array<[RouteOptions['method'], object]>) {
    t.ok(await (await appWithRoute(t, { ttl: 60, ...options }, { method })).ready())
  }
})

test('the route named in an error is the one with its prefix and methods', async (t) => {
  const app = await appWithRoute(t, { ttl: 60 })
  await t.rejects(Promise.resolve(app.register(async (child) => {
    child.route({ method: ['GET', 'POST'], url: '/b', config: { cache: { ttl: 60, maxBytes: -1 } }, handler: async () => 'x' })
  }, { prefix: '/a' })), { code: INVALID, message: /in config\.cache of GET,POST \/a\/b:/ })
})
