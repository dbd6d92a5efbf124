import { Readable } from 'node:stream'
import { test } from 'tap'
import { cached, inEveryStore, open, unique, type Ask } from './helpers.ts'

/*
 * Option functions decide about safety. One that fails, or answers with what it should not, never opens the cache.
 */

/** What functions of an option give that were not checked by TypeScript. */
function of (answer: unknown): never {
  return (typeof answer === 'function' ? answer : () => answer) as never
}

function throws (): never {
  throw new Error('no database')
}

inEveryStore('a request that the route wants to skip neither gets nor fills a response', async (t, cache) => {
  const site = await open(t, (app) => app.get('/', cached({ skip: (request) => 'x-admin' in request.headers }), unique()), { cache })
  const admin = { headers: { 'x-admin': '1' } }
  const [first, second] = [await site.ask('/', admin), await site.ask('/', admin)]
  t.not(second.text, first.text)
  t.match(second.field('cache-status'), /fwd=bypass; detail=skip$/)
  const plain = await site.ask('/')
  t.equal(plain.field('x-cache'), 'MISS')
  t.equal((await site.ask('/')).text, plain.text)
  t.not((await site.ask('/', admin)).text, plain.text)
})

test('whatever skip answers but no, the request skips the cache', async (t) => {
  for (const answer of ['1', 1, {}, [], async () => true, async () => false, throws, Symbol('yes')]) {
    const site = await open(t, (app) => app.get('/', cached({ skip: of(answer) }), unique()))
    const [first, second] = [await site.ask('/'), await site.ask('/')]
    t.strictSame([first.status, second.status], [200, 200])
    t.not(second.text, first.text, String(answer))
    t.equal(second.field('x-cache'), 'BYPASS', String(answer))
  }
  for (const answer of [false, undefined, null, 0, '']) {
    const site = await open(t, (app) => app.get('/', cached({ skip: of(answer) }), unique()))
    await site.ask('/')
    t.equal((await site.ask('/')).field('x-cache'), 'HIT', String(answer))
  }
})

test('whatever storeIf answers but yes, the response is not stored', async (t) => {
  for (const answer of [false, undefined, null, 0, '', Number.NaN, async () => false, async () => true, throws]) {
    const site = await open(t, (app) => {
      let made = 0
      app.get('/text', cached({ storeIf: of(answer) }), async () => `${++made}`)
      app.get('/stream', cached({ storeIf: of(answer) }), async () => Readable.from([`${++made}`]))
    })
    for (const path of ['/text', '/stream']) {
      const [first, second] = [await site.ask(path), await site.ask(path)]
      t.strictSame([first.status, second.status], [200, 200])
      t.not(second.text, first.text, `${path}: ${String(answer)}`)
      t.equal(second.field('x-cache'), 'MISS', `${path}: ${String(answer)}`)
    }
  }
})

test('a ttl that is none keeps the response from being stored', async (t) => {
  for (const answer of [undefined, null, 0, '0s', -1, Number.NaN, Number.POSITIVE_INFINITY, '5', 'never', {}, async () => 60, throws, 0.0001]) {
    const site = await open(t, (app) => {
      app.get('/text', cached({ ttl: of(answer) }), unique())
      let made = 0
      app.get('/stream', cached({ ttl: of(answer) }), async () => Readable.from([`${++made}`]))
    })
    for (const path of ['/text', '/stream']) {
      const [first, second] = [await site.ask(path), await site.ask(path)]
      t.strictSame([first.status, second.status], [200, 200])
      t.not(second.text, first.text, `${path}: ${String(answer)}`)
    }
  }
})

test('a key that is none keeps the request from the cache', async (t) => {
  for (const answer of [undefined, null, '', 1, {}, [], async () => 'key', throws, Symbol('key')]) {
    const site = await open(t, (app) => app.get('/', cached({ key: of(answer) }), unique()))
    const [first, second] = [await site.ask('/'), await site.ask('/')]
    t.strictSame([first.status, second.status], [200, 200])
    t.match(second.field('cache-status'), /fwd=bypass; detail=function-error$/, String(answer))
    t.not(second.text, first.text)
    t.equal(site.warnings.length, 1, 'logged once')
  }
})

test('own keys that hold what keys are made of do not run into each other (Litestar CVE-2026-25480)', async (t) => {
  const site = await open(t, (app) => app.get('/:index', cached({
    key: (request) => keys[Number(request.params.index)]!, varyByHeaders: ['x-a']
  }), unique()))
  const keys = ['a', 'a:b', 'a;f1:b', ';r', 'a;f-', '1:a', '\ud800', '\udbff', '\ufffd', 'a\0', '', '__proto__', 'a'.repeat(8000), 'a'.repeat(8001)].filter((key) => key !== '')
  const seen: string[] = []
  for (const index of keys.keys()) {
    for (const headers of [{}, { 'x-a': 'b' }] as Array<Record<string, string>>) {
      const response = await site.ask(`/${index}`, { headers })
      t.equal(response.field('x-cache'), 'MISS')
      t.notOk(seen.includes(response.text), `${keys[index]!.slice(0, 20)} ${JSON.stringify(headers)}`)
      seen.push(response.text)
    }
  }
})

test('own keys that requests for one URL choose stay apart', async (t) => {
  const site = await open(t, (app) => app.get('/', cached({ key: (request) => String(request.headers['x-plan']) }), unique()))
  const plan = (name: string): Ask => ['/', { headers: { 'x-plan': name } }]
  const [free, paid] = [await site.ask(...plan('free')), await site.ask(...plan('paid'))]
  t.not(paid.text, free.text)
  for (let round = 0; round < 2; round++) {
    t.equal((await site.ask(...plan('free'))).text, free.text)
    t.equal((await site.ask(...plan('paid'))).text, paid.text)
  }
})
