import { readFile } from 'node:fs/promises'
import t from 'tap'
import type { ExplainedRequest, RouteCacheOptions } from '../../lib/index.ts'
import { openScene } from './scene.ts'

interface Case {
  readonly route: RouteCacheOptions
  readonly request?: Partial<ExplainedRequest>
  readonly enabled?: boolean
}

/** One request for each word. */
const cases: Record<string, Case> = {
  disabled: { route: {}, enabled: false },
  method: { route: {}, request: { method: 'POST', body: { a: 1 } } },
  upgrade: { route: {}, request: { headers: { upgrade: 'websocket' } } },
  'request-body': { route: {}, request: { body: 'text', headers: { 'content-type': 'text/plain' } } },
  skip: { route: { skip: () => true } },
  credentials: { route: {}, request: { headers: { authorization: 'Bearer secret' } } },
  'user-unknown': { route: { varyByUser: true }, request: { headers: { authorization: 'Bearer secret' } } },
  unkeyable: { route: { varyByBody: true }, request: { method: 'POST', body: 'x=1', headers: { 'content-type': 'application/x-map' } } },
  'key-too-long': { route: {}, request: { url: `/things?long=${'x'.repeat(9000)}` } },
  'function-error': { route: { key: () => { throw new Error('broken') } } },
  'no-store': { route: { obeyRequestDirectives: true }, request: { headers: { 'cache-control': 'no-store' } } }
}

for (const [reason, { route, request, enabled = true }] of Object.entries(cases)) {
  t.test(`a request that bypasses the cache for ${reason} is told so, without its handler and without a word in the log`, async (t) => {
    const { app, calls, lines } = await openScene(t, { enabled }, (app, handler) => {
      app.addContentTypeParser('application/x-map', { parseAs: 'string' }, (_request, _body, done) => { done(null, new Map()) })
      app.route({ method: ['GET', 'POST'], url: '/things', config: { cache: route }, handler })
    })
    const asked = { url: '/things', ...request }
    const told = await app.cache.explain(asked)
    t.match(told, { method: asked.method ?? 'GET', url: asked.url, route: 'GET,POST /things', namespace: 'default', outcome: 'bypass', reason, isCached: false })
    t.equal(told.key, undefined)
    t.strictSame(calls, [])
    t.strictSame(lines, [])
    t.match(app.cache.stats(), { bypasses: 0, misses: 0, hits: 0 })
    const [page, anchor] = told.docs!.split('#')
    t.match(await readFile(page!, 'utf8'), `<a id="${anchor}"></a>\`${reason}\``)
  })
}

t.test('every word that a bypass may have is explained here', async (t) => {
  const source = await readFile('lib/http/cache-status.ts', 'utf8')
  const [, words] = /export type BypassReason =\n((?: {2}\| '.*'\n)+)/.exec(source)!
  t.strictSame([...words!.matchAll(/'(.*)'/g)].map((match) => match[1]).sort(), Object.keys(cases).sort())
})

t.test('where one of two requests bypasses the cache, that is the difference', async (t) => {
  const { app } = await openScene(t, {}, (app, handler) => { app.get('/things', { config: { cache: true } }, handler) })
  const told = await app.cache.explain('/things', { url: '/things', headers: { cookie: 'session=1' } })
  t.strictSame(told.differences, [{ part: 'outcome', first: 'miss: uri-miss', second: 'bypass: credentials' }])
  t.match(told, { outcome: 'miss', other: { outcome: 'bypass', reason: 'credentials' } })
})
