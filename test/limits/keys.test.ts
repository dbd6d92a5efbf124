import { test, type Test } from 'tap'
import { NewKeys } from '../../lib/fills/new-keys.ts'
import { inEveryStore, scene, said, type Scene } from '../freshness/scene.ts'

const HIT = { status: 200, cache: 'HIT' }

/** Handlers answer at once. */
async function busy (t: Test, cache: object, route: object = {}): Promise<Scene> {
  const site = await scene(t, (app, origin) => { app.get('/*', { config: { cache: { ttl: '1h', ...route } } }, origin.handler) }, { cache })
  site.origin.answers((run) => `made ${run}`)
  return site
}

inEveryStore('a request whose key is too long is answered by its handler, and nothing is kept of it', async (t, cache) => {
  const site = await busy(t, { ...cache, limits: { keyLength: 300 } })
  for (const path of [`/${'a'.repeat(300)}`, `/?q=${'a'.repeat(300)}`]) {
    for (const run of [1, 2]) t.match(said(await site.ask(path)), { status: 200, text: /made/, cache: 'BYPASS', why: 'fwd=bypass; detail=key-too-long' }, `request ${run}`)
  }
  t.equal(site.origin.runs.length, 4)
  t.match(site.stats(), { fills: 0, bypasses: 4 })
  await site.ask('/a')
  t.match(said(await site.ask('/a')), HIT, 'others are')
})

test('what the key does not cover may be longer', async (t) => {
  const site = await busy(t, { limits: { keyLength: 300 } }, { varyByQuery: ['id'] })
  await site.ask(`/?id=1&utm=${'a'.repeat(1000)}`)
  t.match(said(await site.ask(`/?utm=${'b'.repeat(2000)}&id=1`)), HIT)
})

test('by default the longest request line that Node takes may be too long for a key, and no usual one is', async (t) => {
  const site = await busy(t, {})
  t.match(said(await site.ask(`/${'a'.repeat(12_000)}`)), { why: 'fwd=bypass; detail=key-too-long' })
  await site.ask(`/?q=${'a'.repeat(3000)}`)
  t.match(said(await site.ask(`/?q=${'a'.repeat(3000)}`)), HIT)
})

test('an own key is bounded as well', async (t) => {
  const site = await busy(t, { limits: { keyLength: 300 } }, { key: () => 'k'.repeat(1_000_000) })
  t.match(said(await site.ask('/')), { status: 200, why: 'fwd=bypass; detail=key-too-long' })
})

test('new keys: ten seconds of them at once, then as many as the rate allows', (t) => {
  let now = 5000
  const keys = new NewKeys({ perSecond: 20, clock: () => now })
  const taken = (): number => {
    let count = 0
    for (let i = 0; i < 1000; i++) if (keys.take()) count++
    return count
  }
  t.equal(taken(), 200)
  t.equal(taken(), 0)
  now += 1000
  t.equal(taken(), 20)
  now += 25
  t.equal(taken(), 0, 'half of one')
  now += 25
  t.equal(taken(), 1, 'and the other half')
  now += 3_600_000
  t.equal(taken(), 200, 'a quiet hour')
  now -= 3_600_000
  t.equal(taken(), 0, 'a clock that was set back gives nothing')
  now += 1000
  t.equal(taken(), 20, 'and takes nothing')
  t.end()
})

inEveryStore('who asks for ever new URLs stores no more of them than the limit allows', async (t, cache) => {
  const site = await busy(t, { ...cache, limits: { newKeysPerSecond: 2 } })
  await site.ask('/known')
  const seen = new Map<string, number>()
  for (let i = 0; i < 60; i++) {
    const { status, cache, why } = said(await site.ask(`/?scan=${i}`))
    t.strictSame([status, cache], [200, 'MISS'])
    seen.set(why!, (seen.get(why!) ?? 0) + 1)
  }
  t.strictSame([...seen], [['fwd=uri-miss; stored', 19], ['fwd=uri-miss; detail=too-many-keys', 41]])
  t.match(said(await site.ask('/known')), HIT)
  t.match(said(await site.ask('/?scan=5')), HIT)
  t.match(said(await site.ask('/?scan=50')), { status: 200, cache: 'MISS' }, 'the handler answers')
  const warnings = site.warnings.filter(({ message }) => message.includes('newKeysPerSecond'))
  t.match(warnings, [{ details: { cache: { route: 'GET /*', outcome: 'miss', reason: 'too-many-keys' } } }])
  t.equal(warnings.length, 1, 'one line')
  site.pass(1000)
  t.match(said(await site.ask('/?scan=58')), { why: 'fwd=uri-miss; stored' })
})

inEveryStore('so does who invents values of header fields', async (t, cache) => {
  const site = await scene(t, {}, { cache: { ...cache, limits: { newKeysPerSecond: 1 } } })
  site.origin.answers((run, request, reply) => {
    reply.header('vary', 'accept-language')
    return `made ${run}`
  })
  const why: Array<string | undefined> = []
  for (let i = 0; i < 14; i++) why.push(said(await site.ask('/', { headers: { 'accept-language': `x-${i}` } })).why)
  t.strictSame(why.slice(8), ['fwd=vary-miss; stored', 'fwd=vary-miss; stored', ...Array<string>(4).fill('fwd=vary-miss; detail=too-many-keys')])
})

test('those who wait for a response that is not stored for it are given it', async (t) => {
  const site = await busy(t, { limits: { newKeysPerSecond: 1 } })
  for (let i = 0; i < 10; i++) await site.ask(`/?scan=${i}`)
  site.origin.answers(undefined)
  const asked = site.many(5, '/news')
  const run = await site.origin.run(11)
  await site.arrived(15)
  run.answer('news')
  const answers = (await Promise.all(asked)).map(said)
  t.strictSame(answers.map(({ status, text }) => [status, text]), Array(5).fill([200, 'news']))
  t.equal(answers.filter(({ why }) => why === 'fwd=uri-miss; detail=too-many-keys').length, 1)
  t.equal(answers.filter(({ why }) => why === 'fwd=uri-miss; collapsed').length, 4)
  t.equal(site.origin.runs.length, 11)
})

inEveryStore('what replaces a stored response is not counted: refreshed, stale or invalidated', async (t, cache) => {
  const site = await busy(t, { ...cache, limits: { newKeysPerSecond: 1 } }, { ttl: '1m', staleIfError: '1h', tags: ['all'] })
  for (let i = 0; i < 11; i++) await site.ask(`/?scan=${i}`)
  for (let round = 0; round < 12; round++) {
    site.pass(0)
    await site.app.cache.invalidateTags('all', { soft: true })
    t.match(said(await site.ask('/?scan=0')), { why: 'fwd=stale; stored' })
    await site.app.cache.invalidateTags('all')
    t.match(said(await site.ask('/?scan=0')), { why: 'fwd=uri-miss; stored' })
    t.match(said(await site.ask('/?scan=0')), HIT)
  }
  t.match(said(await site.ask('/?scan=11')), { why: 'fwd=uri-miss; detail=too-many-keys' })
})

inEveryStore('warming is not counted', async (t, cache) => {
  const site = await busy(t, { ...cache, limits: { newKeysPerSecond: 1 } })
  const targets = Array.from({ length: 30 }, (_, i) => `/?page=${i}`)
  t.match(await site.app.cache.warm(targets, { headers: { host: 'a.example' } }), { filled: 30 })
  for (const target of targets) t.match(said(await site.ask(target)), HIT)
  t.match(said(await site.ask('/?scan=0')), { why: 'fwd=uri-miss; stored' }, 'and leaves what is allowed to clients')
})

test('what is asked for now and then survives a scan that would fill memory many times over', async (t) => {
  const site = await busy(t, { memory: { maxBytes: 200_000 }, limits: { newKeysPerSecond: 10 } })
  const { app, origin } = site
  const ask = async (path: string): Promise<unknown> => (await app.inject(path)).headers['x-cache']
  const hot = Array.from({ length: 20 }, (_, i) => `/hot/${i}`)
  for (const path of hot) await ask(path)
  const ran = origin.runs.length
  let stored = 0
  for (let i = 0; i < 3000; i++) {
    const { headers } = await app.inject(`/?scan=${i}`)
    if (String(headers['cache-status']).endsWith('stored')) stored++
    if (i % 20 === 0) site.pass(100) // 200 new URLs a second
    if (i % 400 === 0) for (const path of hot) t.equal(await ask(path), 'HIT', `${path} after ${i}`)
  }
  t.equal(origin.runs.length, ran + 3000)
  t.ok(stored > 150 && stored <= 100 + 150, `${stored} of 3000 were stored`)
})
