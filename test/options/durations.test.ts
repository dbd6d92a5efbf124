import { createCache } from 'fastify-response-cache'
import { test } from 'tap'
import { appWithRoute, secondStatus } from './apps.ts'

const DURATION = 'expected seconds as a number (300) or a string with a unit (\'500ms\', \'30s\', \'5m\', \'1h\', \'1d\'), from 0 to ten years'
const NAMES = 'or one of \'short\', \'medium\', \'long\', \'day\''
const TEN_YEARS = 10 * 365.25 * 86_400
const now = Date.parse('2026-11-21T12:00:00Z')

const durations: Array<[ttl: string | number, seconds: number]> = [
  [1, 1], [300, 300], [0.25, 0.25], [TEN_YEARS, TEN_YEARS],
  ['500ms', 0.5], ['30s', 30], ['5m', 300], ['1h', 3600], ['1d', 86_400], ['2w', 1_209_600], ['1.5h', 5400], ['0.5s', 0.5], ['5 m', 300],
  ['5M', 300], ['1min', 60], ['10 minutes', 600], ['10y', TEN_YEARS],
  ['short', 60], ['medium', 300], ['long', 3600], ['day', 86_400]
]

for (const [ttl, seconds] of durations) {
  test(`${typeof ttl === 'number' ? ttl : `'${ttl}'`} means ${seconds} seconds, as config.cache, as ttl and for the client`, async (t) => {
    for (const cache of [ttl, { ttl }]) {
      const app = await appWithRoute(t, cache, { plugin: { clock: () => now } })
      t.equal(await secondStatus(app), `hit; ttl=${Math.ceil(seconds)}`)
    }
    await using cache = createCache({ clock: () => now })
    await cache.set('key', 1, { ttl })
    t.equal(await cache.ttl('key'), seconds)
  })
}

test('zero means: do not store, however it is written', async (t) => {
  for (const ttl of [0, -0, '0s', '0ms', '0.0h', '0 m']) {
    const app = await appWithRoute(t, { ttl })
    t.equal(await secondStatus(app), 'fwd=uri-miss; detail=ttl', String(ttl))
    t.equal(await app.cache.set('key', 1, { ttl }), false)
  }
})

const wrong: Array<[ttl: unknown, got: string]> = [
  ['300', '"300" (string)'], ['', '"" (string)'], [' ', '" " (string)'], ['m', '"m" (string)'], ['5x', '"5x" (string)'], ['0x', '"0x" (string)'], ['-5m', '"-5m" (string)'],
  ['+5m', '"+5m" (string)'], ['5m5s', '"5m5s" (string)'], ['1e3s', '"1e3s" (string)'], [' 5m', '" 5m" (string)'], ['5m ', '"5m " (string)'], ['1,5h', '"1,5h" (string)'], ['.5h', '".5h" (string)'],
  ['5  m', '"5  m" (string)'], ['٣m', '"٣m" (string)'], ['Short', '"Short" (string)'], ['forever', '"forever" (string)'], ['Infinity', '"Infinity" (string)'],
  ['toString', '"toString" (string)'], ['11y', '"11y" (string)'], ['3653d', '"3653d" (string)'],
  [-1, '-1 (number)'], [-0.001, '-0.001 (number)'], [NaN, 'NaN (number)'], [Infinity, 'Infinity (number)'], [-Infinity, '-Infinity (number)'], [TEN_YEARS + 1, `${TEN_YEARS + 1} (number)`],
  [null, 'null'], [true, 'true (boolean)'], [5n, '5 (bigint)'], [{}, 'an object of type Object'], [[5], 'an array of 1'], ['9'.repeat(61) + 's', 'a string of 62 characters']
]

for (const [ttl, got] of wrong) {
  test(`a ttl that is ${got} is refused, with the forms it may have`, async (t) => {
    const { code, message } = await appWithRoute(t, { ttl }).then(() => ({ code: undefined, message: 'accepted' }), (error: Error & { code?: string }) => error)
    t.equal(code, 'RESPONSE_CACHE_ERR_OPTION_INVALID')
    t.ok(message.startsWith(`Invalid option "ttl" in config.cache of GET /items/:id: ${DURATION}, `), message)
    t.ok(message.endsWith(`, got ${got}.`), message)
    if (typeof ttl === 'string') t.match(message, NAMES)
  })
}

test('the plugin\'s ttls add names and change those that are built in, for routes, defaults, namespaces and the client', async (t) => {
  const ttls = { short: '10s', blink: 2 }
  const plugin = { ttls, clock: () => now }
  for (const [ttl, seconds] of [['short', 10], ['blink', 2], ['medium', 300]] as const) {
    t.equal(await secondStatus(await appWithRoute(t, ttl, { plugin })), `hit; ttl=${seconds}`)
    t.equal(await secondStatus(await appWithRoute(t, true, { plugin: { ...plugin, defaults: { ttl } } })), `hit; ttl=${seconds}`)
    t.equal(await secondStatus(await appWithRoute(t, { namespace: 'n' }, { plugin: { ...plugin, namespaces: { n: { ttl } } } })), `hit; ttl=${seconds}`)
    await using cache = createCache(plugin)
    await cache.set('key', 1, { ttl })
    t.equal(await cache.ttl('key'), seconds)
  }
})

test('a ttl that is no known name is refused with the names there are, the own ones too', async (t) => {
  for (const place of ['route', 'defaults', 'namespaces'] as const) {
    const plugin = { ttls: { blink: 2 }, ...place === 'defaults' && { defaults: { ttl: 'blnk' } }, ...place === 'namespaces' && { namespaces: { n: { ttl: 'blnk' } } } }
    const where = { route: 'config.cache of GET /items/:id', defaults: 'defaults in the options of fastify-response-cache', namespaces: 'namespaces.n in the options of fastify-response-cache' }[place]
    await t.rejects(appWithRoute(t, place === 'route' ? 'blnk' : 60, { plugin }), {
      code: 'RESPONSE_CACHE_ERR_OPTION_INVALID',
      message: `Invalid option "ttl" in ${where}: ${DURATION}, ${NAMES}, 'blink', or a valid Date, or { until: 'midnight' } or { until: '09:30', timeZone: 'Europe/Berlin' }, or 'http', or { http: true, heuristic: '1d' }, or one of these by status such as { 200: '5m', 404: '10s' }, got "blnk" (string).`
    })
  }
})
