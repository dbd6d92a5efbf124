import fc, { type Arbitrary } from 'fast-check'
import Fastify, { type FastifyInstance } from 'fastify'
import type { InjectOptions } from 'light-my-request'
import t from 'tap'
import responseCache, { type RouteCacheOptions } from '../../lib/index.ts'
import { runs, seedOf } from '../properties/runs.ts'

/*
 * What is told of a request is what comes of it when it is sent next: for any options of a route, any requests before it, whatever time has passed,
 * and whatever was invalidated. And telling it changes nothing.
 */

interface Asked {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'DELETE'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: { readonly q: number } | string
}

/** What handlers answer with. */
type Answering = 'plain' | 'fails' | 'throws' | 'not found' | 'says 304' | readonly [field: string, value: string]

type Step =
  | { readonly ask: Asked, readonly answering: Answering }
  | { readonly passSeconds: number }
  | { readonly invalidate: 'url' | 'tag' | 'namespace', readonly soft: boolean }

/** A few at a time: most of what contradicts itself is refused. */
const OPTIONS: ReadonlyArray<Partial<RouteCacheOptions>> = [
  { staleWhileRevalidate: '20s' }, { staleWhileRevalidate: '1m' }, { staleIfError: '15s' }, { staleIfError: '2m' }, { staleIfError: '2m', refreshThrottle: '30s' }, { staleIfError: '2m', refreshThrottle: '30s' },
  { obeyRequestDirectives: true }, { obeyRequestDirectives: true }, { obeyRequestDirectives: true, staleIfError: '2m' }, { shared: true }, { shared: 'http' },
  { varyByUser: true }, { varyByUser: () => { throw new Error('nobody knows') } }, { varyByHeaders: ['x-a'] }, { varyByHeaders: ['authorization'] }, { varyByCookies: ['theme'] },
  { varyByQuery: ['a'] }, { varyByQuery: false }, { varyByBody: true }, { key: () => 'one for all' }, { key: (request) => request.params.id! }, { key: () => { throw new Error('no key') } },
  { skip: (request) => request.headers['x-skip'] !== undefined }, { lock: false }, { statusCodes: [200, 404] }, { hook: 'onRequest' }
]
const ttl = fc.constantFrom<Array<NonNullable<RouteCacheOptions['ttl']>>>('10s', '10s', '10s', '1h', 'http', 'http', 0)
const options: Arbitrary<RouteCacheOptions> = fc.tuple(ttl, fc.array(fc.constantFrom(...OPTIONS), { maxLength: 4 })).map(([ttl, others]) => Object.assign({ ttl }, ...others) as RouteCacheOptions)

const FIELDS: ReadonlyArray<readonly [name: string, value: string]> = [
  ['x-a', '1'], ['x-a', '2'], ['x-name', 'ann'], ['x-name', 'bob'], ['accept-language', 'de'], ['accept-language', 'en'], ['accept-language', 'de;q=1'],
  ['x-forwarded-host', 'a.example'], ['authorization', 'Bearer 1'], ['authorization', 'Bearer 2'], ['cookie', 'theme=dark'], ['cookie', 'sid=1'], ['cookie', '_ga=1'],
  ...['no-cache', 'no-store', 'max-age=0', 'max-age=5', 'max-stale', 'max-stale=7', 'min-fresh=6', 'only-if-cached', 'only-if-cached, max-stale'].map((value) => ['cache-control', value] as const),
  ['cache-control', 'max-stale'],
  ['if-none-match', '"1"'], ['if-none-match', '"2"'], ['range', 'bytes=0-1'], ['upgrade', 'other'], ['x-skip', 'yes'], ['x-refused', 'yes']
]

function mostly<T> (usual: T, ...others: T[]): Arbitrary<T> {
  return fc.oneof({ weight: 3 * others.length, arbitrary: fc.constant(usual) }, { weight: others.length, arbitrary: fc.constantFrom(...others) })
}

const asked: Arbitrary<Asked> = fc.record({
  method: mostly<Asked['method']>('GET', 'HEAD', 'POST', 'DELETE'),
  url: mostly('/things/1', '/things/1?a=1', '/things/1?b=1', '/things/2', '/plain', '/nowhere', '/things/%zz'),
  headers: fc.oneof(fc.constant([]), fc.uniqueArray(fc.constantFrom(...FIELDS), { selector: ([name]) => name, maxLength: 2 })).map((fields) => Object.fromEntries(fields)),
  body: fc.record({ q: fc.constantFrom(1, 2) })
}).map(({ body, ...one }) => one.method === 'POST' ? { ...one, body } : one)

const answering: Arbitrary<Answering> = fc.oneof(
  { weight: 6, arbitrary: fc.constant('plain' as const) },
  { weight: 4, arbitrary: fc.constantFrom('fails' as const, 'throws' as const, 'not found' as const, 'says 304' as const) },
  {
    weight: 5,
    arbitrary: fc.constantFrom<Array<readonly [string, string]>>(
      ['cache-control', 'max-age=5'], ['cache-control', 'public, max-age=5'], ['cache-control', 'no-store'], ['cache-control', 'private'], ['cache-control', 'no-cache'],
      ['cache-control', 'max-age=5, stale-while-revalidate=20'], ['cache-control', 'max-age=5, must-revalidate'], ['cache-control', 'max-age=5, stale-if-error=100'],
      ['vary', 'accept-language'], ['vary', 'x-a, accept-language'], ['vary', 'authorization'], ['vary', 'x-name'], ['vary', '*'], ['set-cookie', 'a=b']
    )
  }
)

const step: Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ ask: asked, answering }) },
  { weight: 3, arbitrary: fc.record({ passSeconds: fc.constantFrom(1, 4, 8, 15, 40, 4000) }) },
  { weight: 1, arbitrary: fc.record({ invalidate: fc.constantFrom('url' as const, 'tag' as const, 'namespace' as const), soft: fc.boolean() }) }
)

const things = (headers: Asked['headers'] = {}, answering: Answering = 'plain'): Step => ({ ask: { method: 'GET', url: '/things/1', headers }, answering })
/** A text of JSON cannot be sent once more, and so not refreshed behind. */
const posted = (answering: Answering = 'plain'): Step => ({ ask: { method: 'POST', url: '/things/1', headers: { 'content-type': 'application/json' }, body: '"text"' }, answering })

/** So that what is rare happens each time. */
const EXAMPLES: Array<[RouteCacheOptions, Step[]]> = [
  [{ ttl: '10s', staleIfError: '2m', refreshThrottle: '30s' }, [things(), { passSeconds: 15 }, things({}, 'fails'), things()]],
  [{ ttl: '10s', staleWhileRevalidate: '20s' }, [things({}, ['vary', 'x-a']), { passSeconds: 15 }, things({ 'x-a': '1' }), things({})]],
  [{ ttl: '10s', staleIfError: '2m', obeyRequestDirectives: true }, [
    things({ 'cache-control': 'only-if-cached' }), things(), things({ 'cache-control': 'no-cache' }), { passSeconds: 15 }, things({ 'cache-control': 'max-stale=7' }), things({ 'cache-control': 'no-store' })
  ]],
  // Remembered as what cannot be stored: what is there and stale is not asked for.
  [{ ttl: 'http' }, [things({}, ['cache-control', 'max-age=5']), { passSeconds: 8 }, things({}, ['set-cookie', 'a=b']), things()]],
  [{ ttl: '10s', varyByBody: true, staleWhileRevalidate: '2m', refreshThrottle: '30s' }, [posted(), { passSeconds: 15 }, posted('fails'), posted()]],
  // What is made for credentials is for nobody else.
  [{ ttl: '10s', shared: 'http', staleWhileRevalidate: '2m' }, [things({}, ['cache-control', 'public, max-age=5']), { passSeconds: 15 }, things({ authorization: 'Bearer 1' })]],
  [{ ttl: '10s', varyByUser: true, skip: (request) => request.headers['x-skip'] !== undefined }, [things({ cookie: 'sid=1' }), things({ 'x-skip': 'yes' })]]
]

t.test('what is told of a request is what comes of it, and to tell it changes nothing', async (t) => {
  const counts: Record<string, number> = {}
  await fc.assert(fc.asyncProperty(options, fc.array(step, { minLength: 6, maxLength: 40, size: 'max' }), async (route, steps) => {
    const scene = await open(route)
    if (scene === undefined) return // options that contradict each other
    try {
      for (const one of steps) {
        const word = await scene.go(one)
        if (word !== undefined) counts[word] = (counts[word] ?? 0) + 1
      }
    } finally {
      await scene.app.close()
    }
  }), { seed: seedOf(1), ...runs(150), examples: EXAMPLES })
  t.comment(JSON.stringify(counts))
  const missing = WORDS.filter((word) => counts[word] === undefined)
  t.strictSame(missing, [], 'all of this has happened')
})

/** At least. */
const WORDS = [
  'hit', 'miss: uri-miss', 'miss: vary-miss', 'miss: stale', 'miss: request', 'miss: only-if-cached', 'stale: stale-while-revalidate', 'stale: stale-if-error', 'stale: max-stale',
  'bypass: credentials', 'bypass: user-unknown', 'bypass: method', 'bypass: skip', 'bypass: function-error', 'bypass: no-store', 'bypass: upgrade', 'guard: 403', 'guard: 400', 'not-cached', 'no-route'
]

interface Scene {
  readonly app: FastifyInstance
  /** The word for what came of it. */
  go (step: Step): Promise<string | undefined>
}

async function open (route: RouteCacheOptions): Promise<Scene | undefined> {
  let now = 1_700_000_000_000
  let calls = 0
  let answers: Answering = 'plain'
  const app = Fastify()
  await app.register(responseCache, { clock: () => now, debugHeaders: true, logger: { info () {}, warn () {} }, user: (request) => request.headers['x-name'] as string | undefined })
  app.addHook('onRequest', async (request, reply) => {
    if (request.headers['x-refused'] !== undefined) return await reply.code(403).send('no')
  })
  const handler = async (_request: unknown, reply: { code (status: number): unknown, header (name: string, value: string): unknown }): Promise<string | undefined> => {
    calls++
    reply.header('etag', '"1"')
    if (answers === 'throws') throw new Error('broken')
    if (answers === 'fails') reply.code(503)
    if (answers === 'not found') reply.code(404)
    if (answers === 'says 304') reply.code(304)
    if (typeof answers === 'object') reply.header(answers[0], answers[1])
    return answers === 'says 304' ? undefined : `made ${calls}`
  }
  try {
    app.route({ method: ['GET', 'POST'], url: '/things/:id', config: { cache: { tags: ['thing'], ...route } }, handler })
    app.get('/plain', handler)
    await app.ready()
  } catch {
    await app.close().catch(() => {})
    return undefined
  }
  const { cache } = app
  const ask = async (asked: Asked): Promise<string> => {
    const request = { ...asked, headers: { 'user-agent': 'test', ...asked.headers, host: 'shop.example' } }
    const [callsBefore, statsBefore] = [calls, { ...cache.stats(), memory: undefined }]
    const told = await cache.explain(request)
    same({ calls, stats: { ...cache.stats(), memory: undefined } }, { calls: callsBefore, stats: statsBefore }, 'to be told runs no handler and counts nothing')
    const { body, ...sent } = request
    const real = await app.inject({ ...sent, ...body === undefined ? {} : { payload: body } } as InjectOptions)
    const found = { word: wordOf(real, { isHandled: calls > callsBefore }), key: real.headers['x-cache-key'] }
    await settle()
    const word = `${told.outcome}${told.reason === undefined ? told.status === undefined ? '' : `: ${told.status}` : `: ${told.reason}`}`
    const isRenewed = real.headers['x-cache'] === 'REVALIDATED' && word === 'miss: request'
    // A request that is explained goes no further than to a route without the cache, and not to guards behind that.
    const isEndedBefore = (word === 'no-route' || word === 'not-cached') && found.word.startsWith('guard: ')
    // A failure that made its lease rest, and then a response that somebody made without the lease: only who asks for the lease knows.
    const isResting = route.refreshThrottle !== undefined && word === 'miss: stale' && found.word === 'stale: stale-if-error'
    if (!isRenewed && !isEndedBefore && !isResting) same(word, found.word, JSON.stringify(asked))
    // Where handlers run at once because the last answer could not be stored, nobody looks for a variant.
    if (found.key !== undefined && !(told.outcome === 'miss' && told.notStored !== undefined)) same(`cache:${told.key}`, found.key, `the key of ${JSON.stringify(asked)}`)
    if (told.outcome === 'hit' || told.outcome === 'stale') same(told.isCached, true, 'what is answered from the cache is cached')
    // What is remembered of the last answer may not be so of the next one.
    if (!told.isCached && (told.notStored ?? 'head') === 'head') same(/; stored/.test(String(real.headers['cache-status'])), false, `not cached because of ${told.notStored ?? word}`)
    return word
  }
  return {
    app,
    async go (step) {
      if ('passSeconds' in step) {
        now += step.passSeconds * 1000
        return undefined
      }
      if ('invalidate' in step) {
        const targets = { url: { urls: ['/things/1'] }, tag: { tags: ['thing'] }, namespace: { namespaces: ['default'] } }[step.invalidate]
        await cache.invalidate(targets, { soft: step.soft })
        return undefined
      }
      answers = step.answering
      return await ask(step.ask)
    }
  }
}

/** What came of a request, in the words of `explain()`. What was served because the handler failed is a miss until then. */
function wordOf ({ headers, statusCode }: { headers: Record<string, unknown>, statusCode: number }, { isHandled }: { isHandled: boolean }): string {
  const status = headers['cache-status'] as string | undefined
  if (status === undefined) return isHandled ? 'not-cached' : statusCode === 404 ? 'no-route' : `guard: ${statusCode}`
  const [, fwd] = /; fwd=([\w-]+)/.exec(status) ?? []
  const [, detail] = /; detail=([\w-]+)/.exec(status) ?? []
  if (fwd === undefined) return detail === undefined ? 'hit' : detail === 'only-if-cached' ? `miss: ${detail}` : `stale: ${detail}`
  return fwd === 'bypass' ? `bypass: ${detail}` : fwd === 'method' ? 'bypass: method' : `miss: ${fwd}`
}

/** Until what runs in the background is through: handlers and store answer at once. */
async function settle (): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => { setImmediate(resolve) })
}

function same (found: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)]
  if (a !== b) throw new Error(`${what}: told ${a}, really ${b}`)
}
