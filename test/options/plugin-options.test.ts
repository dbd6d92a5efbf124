import { createCache } from 'fastify-response-cache'
import { createClient } from 'redis'
import { test } from 'tap'
import { appWith } from './apps.ts'

const WHERE = 'the options of fastify-response-cache'
const DURATION = 'expected seconds as a number (300) or a string with a unit (\'500ms\', \'30s\', \'5m\', \'1h\', \'1d\'), from 0 to ten years'
const TIMER = `${DURATION}, above 0 and below 25 days`
const PREFIX = 'expected a string of 1 to 64 letters, digits, "_", ".", ":", "-", "{" or "}"'
const WHOLE = 'expected a whole number above 0'
const MS = 'expected a number of milliseconds, 0 or more'
const TOKEN = 'expected a token such as \'my-api\' (RFC 9211 section 2)'
const FIELDS = 'expected a list of header field or cookie names such as [\'accept-language\']'
const AUDIT = 'expected \'warn\' or \'refuse\''
const STORE = 'expected an object with the methods get, set, delete, expire, ttlMs, ping, connect and close'

const nothing = (): undefined => undefined
const store = { get: nothing, set: nothing, delete: () => false, expire: () => false, ttlMs: nothing, ping: nothing, connect: nothing, close: nothing }

/** Values that each option takes. None of them needs a Redis: boot never waits for one. */
const accepted: Record<string, unknown[]> = {
  redis: ['redis://127.0.0.1:1', 'rediss://user:password@redis.example:6380/2', {}, { url: 'redis://127.0.0.1:1' }, { socket: { host: '127.0.0.1', port: 1 } }, undefined],
  store: [store, Object.create(store)],
  prefix: ['a', 'my-app_1.0:x', '{tag}', 'x'.repeat(64)],
  enabled: [true, false],
  memory: [{}, { maxBytes: 1 }, { maxBytes: 2 ** 40 }, { maxBytes: undefined }, { maxBlindMs: undefined }, undefined],
  ttls: [{}, { short: 5, blink: '50ms' }, { never: 0 }],
  namespaces: [{}, { user: {} }, { user: { ttl: '1h', varyByUser: true }, 'a.b-c_1': { ttl: 'short' } }],
  defaults: [{}, { ttl: 60 }, { namespace: 'x', ttl: 'day', shared: true }],
  timeouts: [{}, { read: 5 }, { read: '20ms', write: '2s', invalidate: '3s' }],
  breaker: [{}, { failures: 1, openFor: '250ms' }, false, undefined],
  limits: [{}, { variants: 1 }, { keyLength: 300, tags: undefined }],
  clock: [() => 0, Date.now],
  logger: [console, { info () {}, warn () {} }],
  user: [() => 'me', () => undefined],
  name: ['api', 'my-api.example:8080', '*'],
  debugHeaders: [true, false],
  targetedFields: [[], ['CDN-Cache-Control'], ['my-cache-control', 'Surrogate-Control'], Object.freeze(['CDN-Cache-Control'])],
  audit: ['warn', 'refuse', undefined]
}

const refused: Record<string, Array<[value: unknown, text: string]>> = {
  prefix: [['', `${PREFIX}, got "" (string)`], ['a b', `${PREFIX}, got "a b" (string)`], ['x'.repeat(65), `${PREFIX}, got a string of 65 characters`], ['a*', `${PREFIX}, got "a*" (string)`], [5, `${PREFIX}, got 5 (number)`], [null, `${PREFIX}, got null`]],
  enabled: [['true', 'expected true or false, got "true" (string)'], [1, 'expected true or false, got 1 (number)'], [null, 'expected true or false, got null']],
  memory: [[true, 'expected an object, or false, got true (boolean)'], [64, 'expected an object, or false, got 64 (number)'], [[], 'expected an object, or false, got an array of 0']],
  'memory.maxBytes': [[0, `${WHOLE}, got 0 (number)`], [-1, `${WHOLE}, got -1 (number)`], [1.5, `${WHOLE}, got 1.5 (number)`], ['64mb', `${WHOLE}, got "64mb" (string)`], [Infinity, `${WHOLE}, got Infinity (number)`], [NaN, `${WHOLE}, got NaN (number)`]],
  'memory.maxBlindMs': [[-1, `${MS}, got -1 (number)`], [0.5, `${MS}, got 0.5 (number)`], ['5s', `${MS}, got "5s" (string)`], [NaN, `${MS}, got NaN (number)`], [Infinity, `${MS}, got Infinity (number)`]],
  ttls: [['5m', 'expected an object, got "5m" (string)'], [[60], 'expected an object, got an array of 1']],
  'ttls.long': [['300', `${DURATION}, got "300" (string)`], [-1, `${DURATION}, got -1 (number)`], [NaN, `${DURATION}, got NaN (number)`], ['short', `${DURATION}, got "short" (string)`]],
  namespaces: [[['user'], 'expected an object, got an array of 1'], ['user', 'expected an object, got "user" (string)']],
  defaults: [['5m', 'expected an object, got "5m" (string)'], [60, 'expected an object, got 60 (number)'], [true, 'expected an object, got true (boolean)']],
  timeouts: [['50ms', 'expected an object, got "50ms" (string)']],
  'timeouts.read': [['300', `${TIMER}, got "300" (string)`], [Infinity, `${TIMER}, got Infinity (number)`], [0, `${TIMER}, got 0 (number)`]],
  'timeouts.write': [[-5, `${TIMER}, got -5 (number)`], [true, `${TIMER}, got true (boolean)`]],
  'timeouts.invalidate': [['0s', `${TIMER}, got "0s" (string)`], ['25d', `${TIMER}, got "25d" (string)`]],
  breaker: [[true, 'expected an object, or false, got true (boolean)']],
  'breaker.failures': [[0, `${WHOLE}, got 0 (number)`]],
  'breaker.openFor': [[0, `${TIMER}, got 0 (number)`]],
  limits: [[10, 'expected an object, got 10 (number)']],
  'limits.variants': [[0, `${WHOLE}, got 0 (number)`]],
  clock: [[0, 'expected a function, got 0 (number)'], [new Date(0), 'expected a function, got an object of type Date']],
  logger: [[{}, 'expected a logger with the methods info and warn, got an object of type Object'], [console.log, 'expected a logger with the methods info and warn, got a function'], [true, 'expected a logger with the methods info and warn, got true (boolean)']],
  store: [[{}, `${STORE}, got an object of type Object`], [new Map(), `${STORE}, got an object of type Map`], ['memory', `${STORE}, got "memory" (string)`], [{ ...store, ping: undefined }, `${STORE}, got an object of type Object`]],
  user: [['sub', 'expected a function, got "sub" (string)'], [true, 'expected a function, got true (boolean)']],
  name: [['', `${TOKEN}, got "" (string)`], ['my api', `${TOKEN}, got "my api" (string)`], ['1api', `${TOKEN}, got "1api" (string)`], ['é', `${TOKEN}, got "é" (string)`], [7, `${TOKEN}, got 7 (number)`]],
  debugHeaders: [['yes', 'expected true or false, got "yes" (string)'], [0, 'expected true or false, got 0 (number)']],
  targetedFields: [['CDN-Cache-Control', `${FIELDS}, got "CDN-Cache-Control" (string)`], [['CDN-Cache-Control: max-age'], `${FIELDS}, got an array of 1`], [[''], `${FIELDS}, got an array of 1`], [[5], `${FIELDS}, got an array of 1`], [false, `${FIELDS}, got false (boolean)`]],
  audit: [[true, `${AUDIT}, got true (boolean)`], [false, `${AUDIT}, got false (boolean)`], ['error', `${AUDIT}, got "error" (string)`], ['Warn', `${AUDIT}, got "Warn" (string)`]]
}

for (const [name, values] of Object.entries(accepted)) {
  test(`the plugin takes every form of ${name}`, async (t) => {
    for (const value of values) t.ok(await (await appWith(t, { [name]: value })).ready())
  })
}

/** Options in which `path`, such as `memory.maxBytes`, has this value. */
function optionsWith (path: string, value: unknown): Record<string, unknown> {
  const [outer = '', inner] = path.split('.')
  return { [outer]: inner === undefined ? value : { [inner]: value } }
}

for (const [path, values] of Object.entries(refused)) {
  test(`the plugin and createCache refuse a wrong ${path} and say what they expected, what came and where`, async (t) => {
    const [outer, inner] = path.split('.')
    const isForBoth = !['user', 'name', 'debugHeaders', 'targetedFields', 'audit'].includes(path)
    for (const [value, text] of values) {
      const options = optionsWith(path, value)
      for (const where of isForBoth ? [WHERE, 'createCache()'] : [WHERE]) {
        const place = inner === undefined ? where : `${outer} in ${where}`
        const expected = { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID', message: `Invalid option "${inner ?? outer}" in ${place}: ${text}.` }
        const refusing = where === WHERE ? appWith(t, options) : Promise.resolve().then(() => createCache(options))
        const error = await refusing.then(() => undefined, (error: unknown) => error)
        t.match(error, expected, `${path}: ${text}`)
        t.ok(error instanceof TypeError)
      }
    }
  })
}

test('targeted fields count in the order they are named in, in any case, and none but them', async (t) => {
  const fields = { 'cache-control': 'max-age=1', 'fastify-cache-control': 'max-age=2', 'cdn-cache-control': 'max-age=3', 'my-cache-control': 'max-age=4' }
  for (const [targetedFields, seconds] of [[undefined, 2], [[], 1], [['CDN-Cache-Control'], 3], [['cdn-cache-control', 'MY-Cache-Control'], 3], [['My-Cache-Control', 'cdn-cache-control'], 4], [['x-other'], 1]] as const) {
    const app = await appWith(t, { targetedFields, clock: () => 0 })
    app.get('/', { config: { cache: 'http' } }, async (request, reply) => reply.headers(fields).send('x'))
    await app.inject('/')
    t.equal((await app.inject('/')).headers['cache-status'], `fastify-response-cache; hit; ttl=${seconds}`, String(targetedFields))
  }
})

test('a node-redis client is taken as it is, connected or not', async (t) => {
  const client = createClient({ url: 'redis://127.0.0.1:1' })
  t.ok(await (await appWith(t, { redis: client })).ready())
})

const REDIS = 'expected a URL such as \'redis://127.0.0.1:6379\', options of a node-redis client (its host and port are in "socket"), cluster or sentinel, or a node-redis client'

test('a wrong redis is refused without a word of what it was, because it may hold a password', async (t) => {
  for (const redis of ['http://user:secret@redis.example', 'redis://', 'secret', '', 6379, true, null]) {
    await t.rejects(appWith(t, { redis }), {
      code: 'RESPONSE_CACHE_ERR_OPTION_INVALID',
      message: `Invalid option "redis" in ${WHERE}: ${REDIS}, got something else of type ${typeof redis}.`
    })
  }
})

test('a redis URL that cannot be parsed is refused at registration, without its password', async (t) => {
  for (const redis of ['redis://:secret@redis.example:99999', 'redis://user:secret@redis.example:port', 'redis://user:secret@[::1', 'redis://user:secret@a b']) {
    const { message, code } = await appWith(t, { redis }).then(() => ({ message: 'accepted', code: undefined }), (error: Error & { code?: string }) => error)
    t.equal(code, 'RESPONSE_CACHE_ERR_OPTION_INVALID', redis)
    t.notMatch(message, 'secret')
  }
})

test('an object that node-redis would silently ignore is refused instead of reaching for localhost', async (t) => {
  class OtherClient {
    status = 'ready'
    get (): void {}
  }
  for (const redis of [['redis://127.0.0.1:1'], new URL('redis://127.0.0.1:1'), new Map([['url', 'redis://127.0.0.1:1']]), new OtherClient()]) {
    await t.rejects(appWith(t, { redis }), { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID', message: /option "redis"/ }, redis.constructor.name)
  }
})

test('memory may stand in front of Redis, and be said not to', async (t) => {
  const redis = 'redis://127.0.0.1:1'
  for (const memory of [{}, { maxBytes: 1 }, { maxBlindMs: 0 }, { maxBytes: 2 ** 30, maxBlindMs: 60_000 }, false, undefined]) {
    t.ok(await (await appWith(t, { redis, memory })).ready())
  }
  t.ok(await (await appWith(t, { store, memory: false })).ready())
  t.ok(await (await appWith(t, { redis: undefined, store, memory: undefined })).ready())
})

test('options of places to keep entries that do not go together are refused', async (t) => {
  const redis = 'redis://127.0.0.1:1'
  const twoPlaces = 'entries are kept in "redis" or in "store"; keep one of them.'
  const inFront = '"memory" stands in front of "redis"; an own "store" has to do that itself.'
  for (const [options, text] of [
    [{ redis, store }, twoPlaces], [{ redis, store, memory: {} }, twoPlaces], [{ redis, store, memory: false }, twoPlaces],
    [{ store, memory: {} }, inFront],
    [{ memory: false }, 'without "memory" entries need a place: add "redis" or "store", or say enabled: false.'],
    [{ memory: { maxBlindMs: 0 } }, '"maxBlindMs" only has a meaning with "redis".']
  ] as const) {
    const expected = (where: string) => ({ code: 'RESPONSE_CACHE_ERR_OPTION_CONFLICT', message: `Conflicting options in ${where}: ${text}` })
    await t.rejects(appWith(t, options), expected(WHERE))
    t.throws(() => createCache(options), expected('createCache()'))
  }
})
