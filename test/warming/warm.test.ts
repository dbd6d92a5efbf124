import t, { type Test } from 'tap'
import type { WarmTargets } from '../../lib/warming/targets.ts'
import { LocalLeases } from '../../lib/leases.ts'
import { Warmer, type WarmerOptions } from '../../lib/warming/warmer.ts'
import type { WarmProgress } from '../../lib/warming/warming.ts'
import { openCache } from '../helpers/open-cache.ts'
import { noValues, recordingApp, recordingLogger, settle } from './doubles.ts'

function warmer (t: Test, options: Partial<WarmerOptions> = {}): Warmer {
  const one = new Warmer({ getOrSet: noValues, leases: new LocalLeases({ clock: Date.now }), logger: recordingLogger(), ...options })
  t.teardown(() => { one.close() })
  return one
}

/** What a text is matched by. */
function startingWith (text: string): RegExp {
  return new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`)
}

const never = async (): Promise<never> => await new Promise(() => {})
const silent = { onProgress: false } as const

t.test('URLs are requested with their header fields, values produced, and the report says what was done', async (t) => {
  const app = recordingApp(async ({ url }) => url === '/bad' ? { outcome: 'failed', reason: 'it answered 500' } : { outcome: url === '/b' ? 'fresh' : 'filled' })
  const cache = await openCache(t)
  await cache.set('rates:usd', 1, { ttl: '1h' })
  const report = await warmer(t, { app, getOrSet: (...args) => cache.getOrSet(...args) }).warm([
    '/a?x=1',
    { url: '/b', headers: { 'Accept-Language': 'de' } },
    '/bad',
    { key: 'rates:eur', produce: async () => ({ usd: 1.1 }), ttl: '1h', tags: ['rates'] },
    { key: 'rates:usd', produce: never, ttl: '1h' },
    { key: 'rates:gbp', produce () { throw new Error('no connection') }, ttl: '1h' },
    { key: 'rates:chf', produce: () => undefined, ttl: '1h' },
    { key: 'rates:sek', produce: () => 1 }
  ], { ...silent, headers: { Host: 'example.com', 'accept-language': 'en' } })
  t.match(report, { filled: 2, fresh: 2, failed: 4 })
  t.strictSame(report.failures.map(({ target }) => target).sort(), ['/bad', 'rates:chf', 'rates:gbp', 'rates:sek'])
  t.match(report.failures.map(({ reason }) => reason).sort(), [/^No ttl/, 'it answered 500', 'no connection', /undefined/])
  t.strictSame(app.fills.map(({ url, headers, freshForMs }) => ({ url, headers, freshForMs })), [
    { url: '/a?x=1', headers: { host: 'example.com', 'accept-language': 'en' }, freshForMs: 0 },
    { url: '/b', headers: { host: 'example.com', 'accept-language': 'de' }, freshForMs: 0 },
    { url: '/bad', headers: { host: 'example.com', 'accept-language': 'en' }, freshForMs: 0 }
  ])
  t.strictSame(await cache.get('rates:eur'), { usd: 1.1 })
  await cache.invalidateTags('rates')
  t.equal(await cache.get('rates:eur'), undefined)
})

t.test('tags may be a function of the value', async (t) => {
  const cache = await openCache(t)
  await warmer(t, { getOrSet: (...args) => cache.getOrSet(...args) })
    .warm([{ key: 'user:1', produce: async () => ({ id: 1 }), ttl: '1h', tags: (user: { id: number }) => [`user:${user.id}`] }], silent)
  t.strictSame(await cache.get('user:1'), { id: 1 })
  await cache.invalidateTags('user:1')
  t.equal(await cache.get('user:1'), undefined)
})

async function * later (...urls: string[]): AsyncGenerator<string> {
  for (const url of urls) yield await Promise.resolve(url)
}

const ways: Record<string, WarmTargets> = {
  'a list': ['/a', '/b'],
  'a set': new Set(['/a', '/b']),
  'an iterable': ['/a', '/b'].values(),
  'an async iterable': later('/a', '/b'),
  'a function': () => ['/a', '/b'],
  'an async function': async () => ['/a', '/b'],
  'a generator function': function * () { yield '/a'; yield '/b' },
  'an async generator function': () => later('/a', '/b')
}

for (const [what, targets] of Object.entries(ways)) {
  t.test(`${what} gives targets`, async (t) => {
    const app = recordingApp()
    t.match(await warmer(t, { app }).warm(targets, silent), { filled: 2, failures: [] })
    t.strictSame(app.fills.map(({ url }) => url), ['/a', '/b'])
  })
}

t.test('no more than `concurrency` targets are filled at the same time, by default two, and as many are taken from an iterable', async (t) => {
  for (const [options, most] of [[silent, 2], [{ ...silent, concurrency: 5 }, 5]] as const) {
    let running = 0
    let highest = 0
    let taken = 0
    const app = recordingApp(async () => {
      highest = Math.max(highest, ++running)
      await settle()
      running--
      return { outcome: 'filled' }
    })
    function * targets () {
      for (; taken < 20; taken++) {
        t.ok(taken - app.fills.length < 1, 'nothing is taken ahead')
        yield `/${taken}`
      }
    }
    t.match(await warmer(t, { app }).warm(targets(), options), { filled: 20 })
    t.equal(highest, most)
  }
})

t.test('a slow target does not keep the others waiting', async (t) => {
  let finish = (): void => {}
  const app = recordingApp(async ({ url }) => {
    if (url === '/slow') await new Promise<void>((resolve) => { finish = resolve })
    return { outcome: 'filled' }
  })
  const report = warmer(t, { app }).warm(['/slow', '/a', '/b', '/c', '/d'], silent)
  await settle()
  t.equal(app.fills.length, 5)
  finish()
  t.match(await report, { filled: 5 })
})

t.test('progress is told after each target', async (t) => {
  const told: WarmProgress[] = []
  const app = recordingApp(async ({ url }) => url === '/b' ? { outcome: 'failed', reason: '' } : { outcome: 'filled' })
  const options = { concurrency: 1, onProgress: (progress: WarmProgress) => { told.push(progress) } }
  await warmer(t, { app }).warm(['/a', '/b', { key: 'k', produce: () => 1 }], options)
  t.strictSame(told.splice(0), [
    { done: 1, total: 3, failed: 0, target: '/a' },
    { done: 2, total: 3, failed: 1, target: '/b' },
    { done: 3, total: 3, failed: 1, target: 'k' }
  ])
  await warmer(t, { app }).warm(later('/a', '/b'), options)
  t.strictSame(told, [{ done: 1, total: undefined, failed: 0, target: '/a' }, { done: 2, total: undefined, failed: 1, target: '/b' }])
})

t.test('the hottest are requested again as they were, and counted in the total', async (t) => {
  const app = recordingApp()
  const asked: number[] = []
  const hot: WarmerOptions['hot'] = { async top (count) { asked.push(count); return [{ url: '/x', headers: { host: 'b.example' } }, { url: '/y', headers: {} as Record<string, string> }] }, close () {} }
  const totals = new Set<number | undefined>()
  const report = await warmer(t, { app, hot }).warm(['/a', { hottest: 50 }], { headers: { host: 'a.example' }, onProgress: ({ total }) => { totals.add(total) } })
  t.match(report, { filled: 3 })
  t.strictSame(asked, [50])
  t.strictSame([...totals], [3])
  t.strictSame(app.fills.map(({ url, headers }) => [url, headers.host]), [['/a', 'a.example'], ['/x', 'b.example'], ['/y', undefined]])
})

t.test('only so many failures are listed', async (t) => {
  const app = recordingApp(async () => ({ outcome: 'failed', reason: 'no' }))
  const report = await warmer(t, { app }).warm(Array.from({ length: 150 }, (_, i) => `/${i}`), silent)
  t.equal(report.failed, 150)
  t.equal(report.failures.length, 100)
})

t.test('what is no target is refused before anything is filled', async (t) => {
  const app = recordingApp()
  const hot = { async top () { return [] }, close () {} }
  const one = warmer(t, { app, hot })
  const wrong: Array<[unknown, string]> = [
    ['https://example.com/a', 'Invalid "url" in warm(): expected a path of the app such as \'/countries?page=2\', which begins with one slash and has no #, got "https://example.com/a" (string).'],
    ['//example.com/a', 'Invalid "url"'],
    ['/\\example.com', 'Invalid "url"'],
    ['countries', 'Invalid "url"'],
    ['', 'Invalid "url"'],
    ['/a#b', 'Invalid "url"'],
    [{ url: new URL('http://example.com/') }, 'Invalid "url"'],
    [{ url: '/a', header: {} }, 'Unknown option "header" in the target /a in warm(). Did you mean "headers"?'],
    [{ url: '/a', headers: { 'accept-language': 7 } }, 'Invalid option "headers"'],
    [{ url: '/a', headers: { 'x-a': 'b\r\nc: d' } }, 'Invalid option "headers"'],
    [{ key: 'k' }, 'Invalid "produce" in warm(): expected a function that produces the value of "k"'],
    [{ key: 'k', produce: 1 }, 'Invalid option "produce"'],
    [{ key: 'k', produce () {}, tags: [''] }, 'Invalid option "tags"'],
    [{ hottest: 0 }, 'Invalid option "hottest"'],
    [{ hottest: 1001 }, 'Invalid option "hottest"'],
    [{}, 'Invalid "target"'],
    [7, 'Invalid "target"'],
    [null, 'Invalid "target"']
  ]
  for (const [target, message] of wrong) {
    await t.rejects(one.warm(['/fine', target as string], silent), { message: startingWith(message), code: /TARGET_INVALID|OPTION/ })
  }
  for (const targets of ['/a', { hottest: 5 }, undefined, 7, () => '/a', async () => undefined]) {
    await t.rejects(one.warm(targets as never, silent), { code: 'RESPONSE_CACHE_ERR_TARGET_INVALID', message: /^Invalid "targets"/ })
  }
  t.equal(app.fills.length, 0)
})

t.test('wrong options are refused', async (t) => {
  const one = warmer(t, { app: recordingApp() })
  for (const options of [{ concurrency: 0 }, { concurrency: '2' }, { onProgress: true }, { signal: {} }, { headers: [] }]) {
    await t.rejects(one.warm(['/a'], options as never), { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID' }, JSON.stringify(options))
  }
  await t.rejects(one.warm(['/a'], { onprogress: false } as never), { code: 'RESPONSE_CACHE_ERR_OPTION_UNKNOWN', message: /Did you mean "onProgress"/ })
})

t.test('a URL is sent as browsers send it', async (t) => {
  const app = recordingApp()
  await warmer(t, { app }).warm(['/länder/a b?c=%20'], silent)
  t.equal(app.fills[0]!.url, '/l%C3%A4nder/a%20b?c=%20')
})

t.test('without an app URLs are refused, and without counted hits the hottest', async (t) => {
  const without = warmer(t)
  await t.rejects(without.warm(['/a'], silent), { code: 'RESPONSE_CACHE_ERR_TARGET_INVALID', message: /no Fastify app/ })
  await t.rejects(without.warm([{ hottest: 5 }], silent), { code: 'RESPONSE_CACHE_ERR_TARGET_INVALID', message: /no Fastify app/ })
  await t.rejects(warmer(t, { app: recordingApp() }).warm([{ hottest: 5 }], silent), { code: 'RESPONSE_CACHE_ERR_TARGET_INVALID', message: /countHits: true/ })
  t.match(await without.warm([{ key: 'k', produce: () => 1 }], silent), { filled: 1 })
})

t.test('a wrong target of an iterable ends the warming, and so does an iterable that throws', async (t) => {
  const app = recordingApp()
  await t.rejects(warmer(t, { app }).warm(['/a', 'b'].values(), silent), { code: 'RESPONSE_CACHE_ERR_TARGET_INVALID' })
  await t.rejects(warmer(t, { app }).warm((async function * () { yield '/a'; throw new Error('no database') }()), silent), { message: 'no database' })
  await t.rejects(warmer(t, { app }).warm(async () => { throw new Error('no list') }, silent), { message: 'no list' })
})

t.test('what onProgress throws ends the warming and what runs next to it', async (t) => {
  const app = recordingApp(async ({ url }) => url === '/a' ? { outcome: 'filled' } : await never())
  await t.rejects(warmer(t, { app }).warm(['/slow', '/a', '/b'], { onProgress () { throw new Error('mine') } }), { message: 'mine' })
  t.ok(app.fills[0]!.signal.aborted)
  await settle()
  t.equal(app.fills.length, 2)
})

const endings: Record<string, (one: Warmer, controller: AbortController) => void> = {
  'close()': (one) => { one.close() },
  'the signal': (_one, controller) => { controller.abort(new Error('enough')) }
}

for (const [what, end] of Object.entries(endings)) {
  const expected = what === 'close()' ? { code: 'RESPONSE_CACHE_ERR_CLOSED' } : { message: 'enough' }
  const hanging: Record<string, WarmTargets> = {
    handler: ['/slow', '/b', '/c'],
    producer: [{ key: 'k', produce: never }],
    iterable: { [Symbol.asyncIterator]: () => ({ next: never }) },
    function: never
  }
  for (const [where, targets] of Object.entries(hanging)) {
    t.test(`${what} ends it at once while a ${where} hangs`, async (t) => {
      const app = recordingApp(never)
      const controller = new AbortController()
      const one = warmer(t, { app })
      const warmed = one.warm(targets, { ...silent, signal: controller.signal })
      await settle()
      end(one, controller)
      await t.rejects(warmed, expected)
      await settle()
      t.ok(app.fills.length <= 2, 'nothing more is begun')
      t.ok(app.fills.every(({ signal }) => signal.aborted), 'who fills hears of it')
      await t.rejects(one.warm(['/a'], { ...silent, signal: controller.signal }), expected)
    })
  }
}

t.test('an iterable is told that nobody wants more of it', async (t) => {
  let isClosed = false
  function * endless () {
    try {
      for (let i = 0; ; i++) yield `/${i}`
    } finally {
      isClosed = true
    }
  }
  const controller = new AbortController()
  const app = recordingApp(async () => {
    if (app.fills.length > 10) controller.abort()
    return { outcome: 'filled' }
  })
  await t.rejects(warmer(t, { app }).warm(endless(), { ...silent, signal: controller.signal }), { name: 'AbortError' })
  await settle()
  t.ok(isClosed)
})
