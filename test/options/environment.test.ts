import { optionsFromEnv } from 'fastify-response-cache'
import { test } from 'tap'
import { appWith, appWithRoute, secondStatus } from './apps.ts'

const DURATION = 'expected seconds as a number (300) or a string with a unit (\'500ms\', \'30s\', \'5m\', \'1h\', \'1d\'), from 0 to ten years'
const TRUTH = 'expected true or false (also 1 or 0, yes or no, on or off)'
const PREFIX = 'expected a string of 1 to 64 letters, digits, "_", ".", ":", "-", "{" or "}"'

type Environment = Parameters<typeof optionsFromEnv>[0]

const read: Array<[env: Environment, options: object]> = [
  [{}, {}],
  [{ HOME: '/root', NODE_ENV: 'production' }, {}],
  [{ REDIS_PORT: '6380', REDIS_DB: '1', REDIS_USERNAME: 'u', REDIS_PASSWORD: 'p', REDIS_TLS: 'true' }, {}],
  [{ REDIS_URL: '', REDIS_HOST: '', CACHE_ENABLED: '', CACHE_PREFIX: '', CACHE_TTL_LONG: '' }, {}],
  [{ REDIS_URL: 'redis://127.0.0.1:6379' }, { redis: 'redis://127.0.0.1:6379' }],
  [{ REDIS_URL: 'rediss://user:p%40ss@redis.example:6380/2' }, { redis: 'rediss://user:p%40ss@redis.example:6380/2' }],
  [{ REDIS_HOST: 'redis.example' }, { redis: { socket: { host: 'redis.example', port: 6379 } } }],
  [{ REDIS_HOST: 'redis.example', REDIS_PORT: '6380' }, { redis: { socket: { host: 'redis.example', port: 6380 } } }],
  [{ REDIS_HOST: 'h', REDIS_PORT: '65535' }, { redis: { socket: { host: 'h', port: 65535 } } }],
  [{ REDIS_HOST: 'h', REDIS_DB: '0' }, { redis: { socket: { host: 'h', port: 6379 }, database: 0 } }],
  [{ REDIS_HOST: 'h', REDIS_DB: '15', REDIS_USERNAME: 'app', REDIS_PASSWORD: 'p ss:@/' }, { redis: { socket: { host: 'h', port: 6379 }, database: 15, username: 'app', password: 'p ss:@/' } }],
  [{ REDIS_HOST: 'h', REDIS_TLS: 'true' }, { redis: { socket: { host: 'h', port: 6379, tls: true } } }],
  [{ REDIS_HOST: 'h', REDIS_TLS: 'false' }, { redis: { socket: { host: 'h', port: 6379 } } }],
  [{ REDIS_URL: 'redis://url.example', REDIS_HOST: 'host.example', REDIS_PORT: '1' }, { redis: 'redis://url.example' }],
  [{ CACHE_PREFIX: 'app-1' }, { prefix: 'app-1' }],
  [{ REDIS_CACHE_KEY_PREFIX: 'app:2' }, { prefix: 'app:2' }],
  [{ CACHE_PREFIX: 'first', REDIS_CACHE_KEY_PREFIX: 'second' }, { prefix: 'first' }],
  [{ CACHE_PREFIX: '', REDIS_CACHE_KEY_PREFIX: 'second' }, { prefix: 'second' }],
  [{ CACHE_ENABLED: 'false' }, { enabled: false }],
  [{ REDIS_CACHE_ENABLED: 'false' }, { enabled: false }],
  [{ REDIS_ENABLED: 'false' }, { enabled: false }],
  [{ CACHE_ENABLED: 'true', REDIS_CACHE_ENABLED: 'false', REDIS_ENABLED: 'false' }, { enabled: true }],
  [{ REDIS_CACHE_ENABLED: 'true', REDIS_ENABLED: 'false' }, { enabled: true }],
  [{ CACHE_TTL_SHORT: '30' }, { ttls: { short: 30 } }],
  [{ CACHE_TTL_SHORT: '500ms', CACHE_TTL_MEDIUM: '2m', CACHE_TTL_LONG: '2h', CACHE_TTL_DAY: '0' }, { ttls: { short: 0.5, medium: 120, long: 7200, day: 0 } }],
  [{ CACHE_TTL_LONG: ' 90 ', CACHE_ENABLED: ' on ', REDIS_URL: ' redis://h ' }, { redis: 'redis://h', enabled: true, ttls: { long: 90 } }]
]

for (const [env, options] of read) {
  const names = Object.entries(env).map(([name, value]) => `${name}=${name === 'REDIS_PASSWORD' ? '…' : value}`).join(' ')
  test(`the environment "${names}" is read, and gives options the plugin takes`, async (t) => {
    t.strictSame(optionsFromEnv(env), options)
    t.ok(await (await appWith(t, optionsFromEnv({ ...env, REDIS_HOST: env.REDIS_HOST && '127.0.0.1', REDIS_PORT: '1', REDIS_URL: env.REDIS_URL && 'redis://127.0.0.1:1' }))).ready())
  })
}

test('yes and no may be written in the usual ways', async (t) => {
  for (const text of ['true', 'TRUE', '1', 'yes', 'on', 'On']) t.strictSame(optionsFromEnv({ CACHE_ENABLED: text }), { enabled: true }, text)
  for (const text of ['false', 'False', '0', 'no', 'off', 'OFF']) t.strictSame(optionsFromEnv({ CACHE_ENABLED: text }), { enabled: false }, text)
})

const wrong: Record<string, Array<[value: string, text: string]>> = {
  REDIS_PORT: [['redis', 'expected a whole number from 0 to 65535, got "redis" (string)'], ['65536', 'expected a whole number from 0 to 65535, got "65536" (string)'], ['-1', 'expected a whole number from 0 to 65535, got "-1" (string)'], ['6379.5', 'expected a whole number from 0 to 65535, got "6379.5" (string)']],
  REDIS_DB: [['main', 'expected a whole number from 0 to 65535, got "main" (string)'], ['1e3', 'expected a whole number from 0 to 65535, got "1e3" (string)']],
  REDIS_TLS: [['tls', `${TRUTH}, got "tls" (string)`]],
  CACHE_ENABLED: [['maybe', `${TRUTH}, got "maybe" (string)`], ['2', `${TRUTH}, got "2" (string)`]],
  REDIS_CACHE_ENABLED: [['nope', `${TRUTH}, got "nope" (string)`]],
  REDIS_ENABLED: [['nein', `${TRUTH}, got "nein" (string)`]],
  CACHE_PREFIX: [['a b', `${PREFIX}, got "a b" (string)`], ['x'.repeat(65), `${PREFIX}, got a string of 65 characters`]],
  REDIS_CACHE_KEY_PREFIX: [['a*', `${PREFIX}, got "a*" (string)`]],
  CACHE_TTL_SHORT: [['soon', `${DURATION}, got "soon" (string)`], ['-1', `${DURATION}, got "-1" (string)`]],
  CACHE_TTL_MEDIUM: [['5 5', `${DURATION}, got "5 5" (string)`]],
  CACHE_TTL_LONG: [['Infinity', `${DURATION}, got "Infinity" (string)`], ['long', `${DURATION}, got "long" (string)`]],
  CACHE_TTL_DAY: [['NaN', `${DURATION}, got "NaN" (string)`]]
}

for (const [name, values] of Object.entries(wrong)) {
  test(`a wrong ${name} is an error that names the variable, whether or not anything needs it`, async (t) => {
    for (const [value, text] of values) {
      for (const others of [{}, { REDIS_HOST: 'h' }, { REDIS_URL: 'redis://h' }]) {
        t.throws(() => optionsFromEnv({ ...others, [name]: value }), {
          code: 'RESPONSE_CACHE_ERR_ENV_INVALID', message: `Invalid environment variable ${name}: ${text}.`
        })
      }
    }
  })
}

test('a wrong REDIS_URL is an error that names the variable and never its content', async (t) => {
  for (const url of ['secret', 'http://user:secret@redis.example', 'redis://', 'redis:secret', 'redis://user:secret@redis.example:port', 'redis://:secret@redis.example:99999', '://secret']) {
    t.throws(() => optionsFromEnv({ REDIS_URL: url }), {
      code: 'RESPONSE_CACHE_ERR_ENV_INVALID',
      message: 'Invalid environment variable REDIS_URL: expected a URL such as redis://user:password@host:6379/0.'
    }, url)
  }
})

test('no password is in the text of an error about another variable', async (t) => {
  for (const name of Object.keys(wrong)) {
    const env = { REDIS_HOST: 'h', REDIS_USERNAME: 'app', REDIS_PASSWORD: 'very-secret', [name]: 'no way!' }
    try {
      optionsFromEnv(env)
      t.fail(`${name} was accepted`)
    } catch (error) {
      t.notMatch(String((error as Error).stack), 'very-secret', name)
    }
  }
})

test('nothing but what is passed in is read', async (t) => {
  process.env.CACHE_TTL_DAY = '77'
  t.teardown(() => { delete process.env.CACHE_TTL_DAY })
  t.strictSame(optionsFromEnv({}), {})
  t.strictSame(optionsFromEnv(process.env).ttls, { day: 77 })
})

test('ttls from the environment are those of the routes that name them', async (t) => {
  const now = Date.parse('2026-11-21T12:00:00Z')
  const app = await appWithRoute(t, 'long', { plugin: { ...optionsFromEnv({ CACHE_TTL_LONG: '2h' }), clock: () => now } })
  t.equal(await secondStatus(app), 'hit; ttl=7200')
})

test('the environment is not changed', async (t) => {
  const env = Object.freeze({ REDIS_HOST: 'h', REDIS_PASSWORD: 'p', CACHE_TTL_LONG: '1h', CACHE_ENABLED: 'yes' })
  t.ok(optionsFromEnv(env))
})
