import { createCache } from 'fastify-response-cache'
import { test } from 'tap'
import { cacheSettings } from '../../lib/options/resolve.ts'
import { appWith } from '../options/apps.ts'

const redis = 'redis://127.0.0.1:1'
const SECRET = 'only this fleet knows these words'
const code = 'RESPONSE_CACHE_ERR_OPTION_INVALID'
const WHOLE = 'expected a whole number above 0'

const defaults = {
  keyLength: 8192,
  newKeysPerSecond: 1000,
  variants: 50,
  tags: 128,
  tagLength: 256,
  headerBytes: 32_768,
  waiters: 10_000,
  marks: 100_000,
  pendingWrites: 1000,
  pendingWriteBytes: 64 * 1024 * 1024,
  pendingInvalidations: 10_000
}

test('every limit has a default, and what is set replaces it alone', (t) => {
  t.strictSame(cacheSettings({}).limits, defaults)
  t.strictSame(cacheSettings({ limits: { tags: 3, waiters: undefined } as never }).limits, { ...defaults, tags: 3 })
  t.end()
})

for (const name of Object.keys(defaults)) {
  test(`limits.${name} is a whole number above 0`, async (t) => {
    for (const [value, got] of [[0, '0 (number)'], [-1, '-1 (number)'], [1.5, '1.5 (number)'], [Infinity, 'Infinity (number)'], [NaN, 'NaN (number)'], ['10', '"10" (string)'], [false, 'false (boolean)'], [null, 'null']] as const) {
      await t.rejects(appWith(t, { limits: { [name]: value } }), { code, message: `Invalid option "${name}" in limits in the options of fastify-response-cache: ${WHOLE}, got ${got}.` })
      t.throws(() => createCache({ limits: { [name]: value } }), { code })
    }
    t.equal(cacheSettings({ limits: { [name]: 1 } }).limits[name as keyof typeof defaults], 1)
  })
}

test('a limit that does not exist is refused', async (t) => {
  await t.rejects(appWith(t, { limits: { tag: 1 } }), { code: 'RESPONSE_CACHE_ERR_OPTION_UNKNOWN', message: /"tag" in limits in .* Did you mean "tags"\?/ })
  await t.rejects(appWith(t, { limits: 5 }), { code, message: /expected an object, got 5/ })
})

test('deadlines are above 0 and no longer than a timer can wait', async (t) => {
  const { readMs, writeMs, invalidateMs } = cacheSettings({})
  t.strictSame({ readMs, writeMs, invalidateMs }, { readMs: 50, writeMs: 1000, invalidateMs: 1000 })
  t.match(cacheSettings({ timeouts: { read: '1ms', write: 2, invalidate: '24 days' } }), { readMs: 1, writeMs: 2000, invalidateMs: 24 * 86_400_000 })
  for (const name of ['read', 'write', 'invalidate']) {
    for (const value of [0, '0ms', '0.1ms', '25d', '300', -1, Infinity, null]) {
      await t.rejects(appWith(t, { timeouts: { [name]: value } }), { code, message: new RegExp(`"${name}" in timeouts in .* above 0 and below 25 days, got `) }, `${name}: ${value}`)
    }
  }
})

test('the breaker opens after 5 failures for a second, or as it is told, or not at all', async (t) => {
  t.strictSame(cacheSettings({}).breaker, { failures: 5, openMs: 1000 })
  t.strictSame(cacheSettings({ breaker: {} }).breaker, { failures: 5, openMs: 1000 })
  t.strictSame(cacheSettings({ breaker: { failures: 1, openFor: '250ms' } }).breaker, { failures: 1, openMs: 250 })
  t.equal(cacheSettings({ breaker: false }).breaker, undefined)
  for (const [breaker, message] of [
    [true, /"breaker" in .* expected an object, or false, got true/],
    [5, /"breaker" in .* expected an object, or false, got 5/],
    [{ failures: 0 }, /"failures" in breaker in .* above 0, got 0/],
    [{ failures: 2.5 }, /"failures" in breaker in .* above 0, got 2.5/],
    [{ openFor: 0 }, /"openFor" in breaker in .* above 0 and below 25 days, got 0/],
    [{ openFor: '25d' }, /"openFor" in breaker in .* above 0 and below 25 days, got "25d"/]
  ] as const) await t.rejects(appWith(t, { breaker }), { code, message })
  await t.rejects(appWith(t, { breaker: { failure: 5 } }), { code: 'RESPONSE_CACHE_ERR_OPTION_UNKNOWN', message: /Did you mean "failures"\?/ })
})

test('secrets are taken one or many, the one that signs first, and are kept apart from what the user gave', (t) => {
  t.equal(cacheSettings({ redis }).secrets, undefined)
  t.strictSame(cacheSettings({ redis, integrity: { secret: SECRET } }).secrets, [SECRET])
  const secret = [SECRET, SECRET.toUpperCase()]
  const { secrets } = cacheSettings({ redis, integrity: { secret } })
  secret.pop()
  t.strictSame(secrets, [SECRET, SECRET.toUpperCase()])
  t.end()
})

test('a secret that is no secret is refused, and never shown', async (t) => {
  const short = 'x'.repeat(31)
  for (const integrity of [{ secret: short }, { secret: [SECRET, short] }, { secret: [] }, { secret: undefined }, {}, { secret: 5 }, { secret: { of: SECRET } }, SECRET, [SECRET], null, true]) {
    const error = await appWith(t, { redis, integrity }).then(() => undefined, (error: unknown) => error as Error)
    t.match(error, { code }, JSON.stringify(integrity))
    t.notMatch(error?.message, SECRET)
    t.notMatch(error?.message, short)
  }
})

test('integrity is about entries in Redis', async (t) => {
  await t.rejects(appWith(t, { integrity: { secret: SECRET } }), { code: 'RESPONSE_CACHE_ERR_OPTION_CONFLICT', message: /"integrity" is about entries in "redis"/ })
})
