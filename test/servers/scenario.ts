import type { Test } from 'tap'
import type { ResponseCacheOptions } from '../../lib/index.ts'
import { ask, buildApp, until, type App, type Source } from './app.ts'

export type Part = 'events' | 'walks'

/**
 * Everything that a cache in Redis does, once: two processes of one app, with or without memory in front. Rejects, or fails `t`, when a
 * part of it does not work. Ends with both apps closed.
 */
export async function useEverything (t: Test, options: ResponseCacheOptions, without: readonly Part[] = []): Promise<{ lines: App['lines'] }> {
  const source: Source = { version: 1 }
  const first = await buildApp(t, { ...options, warm: { countHits: true } }, source)
  const second = await buildApp(t, { ...options, warm: { countHits: true } }, source)
  const both = [first, second] as const
  for (const { app } of both) {
    await app.ready()
    await app.cache.connect()
  }
  const heard: unknown[] = []
  const onPrice = (data: unknown) => {
    heard.push(data)
    return { tags: ['id:event'] }
  }
  if (!without.includes('events')) second.app.cache.invalidateOn('price_changed', onPrice)
  await responses(t, both)
  await invalidations(t, both, source)
  await variants(t, both)
  await waits(t, both, source)
  await values(t, first)
  if (!without.includes('walks')) await walks(t, both)
  await warming(t, first)
  if (!without.includes('events')) await events(both, { heard, source })
  await Promise.all(both.map(async ({ app }) => { await app.close() }))
  return { lines: both.flatMap(({ lines }) => lines) }
}

type Both = readonly [App, App]

/** Stored, and a hit in both processes, twice: with memory, the second one gives a copy. */
async function stored ([first, second]: Both, url: string, headers: Record<string, string> = {}): Promise<void> {
  await until(`a hit of ${url}`, async () => (await ask(first, url, headers)).cache === 'HIT')
  for (let i = 0; i < 4; i++) {
    for (const one of [first, second]) await until(`a hit of ${url}`, async () => (await ask(one, url, headers)).cache === 'HIT')
  }
}

async function responses (t: Test, both: Both): Promise<void> {
  await stored(both, '/plain/1')
  await stored(both, '/mine', { 'x-user': 'ada' })
  await stored(both, '/stale')
  t.equal((await ask(both[0], '/mine', { 'x-user': 'eve' })).cache, 'MISS')
}

async function invalidations (t: Test, both: Both, source: { version: number }): Promise<void> {
  const [first, second] = both
  const { cache } = first.app
  const kinds: Record<string, () => Promise<unknown>> = {
    tag: () => cache.invalidateTags('id:1'),
    namespace: () => cache.invalidateNamespace('plain'),
    url: () => cache.invalidateUrl('/plain/1'),
    pattern: () => cache.invalidatePattern('plain:*'),
    all: () => cache.invalidateAll(),
    write: () => first.app.inject({ method: 'PUT', url: '/plain/1' }),
    soft: () => cache.invalidateTags('id:1', { soft: true }),
    user: () => cache.invalidateUser('ada')
  }
  for (const [kind, invalidate] of Object.entries(kinds)) {
    const [url, headers] = kind === 'user' ? ['/mine', { 'x-user': 'ada' }] : ['/plain/1', {}]
    await stored(both, url, headers)
    source.version++
    const version = `version ${source.version + (kind === 'write' ? 1 : 0)}`
    await invalidate()
    t.match(await ask(first, url, headers), { cache: 'MISS', body: version }, kind)
    await until(`the other process knows: ${kind}`, async () => (await ask(second, url, headers)).body === version)
  }
  await stored(both, '/stale')
  await cache.invalidateTags('stale', { soft: true })
  t.equal((await ask(first, '/stale')).cache, 'STALE')
  await until('it is made anew', async () => (await ask(first, '/stale')).body === `version ${source.version}`)
}

async function variants (t: Test, both: Both): Promise<void> {
  for (const language of ['de', 'en']) await stored(both, '/language', { 'accept-language': language })
  t.match((await ask(both[1], '/language', { 'accept-language': 'de' })).body, / in de$/)
  await both[0].app.cache.invalidateUrl('/language')
  t.equal((await ask(both[0], '/language', { 'accept-language': 'en' })).cache, 'MISS')
}

/** One process waits for the handler of the other. */
async function waits (t: Test, [first, second]: Both, source: Source): Promise<void> {
  const before = first.runs() + second.runs()
  const askers = [first, second, first, second]
  source.slowAsked = askers.length
  const answers = await Promise.all(askers.map((one) => ask(one, '/slow')))
  t.same(new Set(answers.map(({ status }) => status)), new Set([200]))
  t.equal(first.runs() + second.runs() - before, 1, 'the handler ran once')
}

async function values (t: Test, { app: { cache } }: App): Promise<void> {
  t.equal(await cache.set('user:1', { name: 'Ada' }, { ttl: '1m', tags: ['user'] }), true)
  for (let i = 0; i < 3; i++) t.same(await cache.get('user:1'), { name: 'Ada' })
  t.equal(await cache.has('user:1'), true)
  t.equal(await cache.expire('user:1', '2m'), true)
  t.ok(await cache.ttl('user:1') ?? 0 > 60)
  t.same(await cache.setMany([['user:2', 2], ['user:3', 3]], { ttl: '1m' }), [true, true])
  t.same(await cache.getMany(['user:2', 'user:3']), [2, 3])
  t.equal(await cache.delete('user:2'), true)
  t.equal(await cache.deleteMany(['user:3']), 1)
  await cache.invalidateKey('user:1')
  t.equal(await cache.get('user:1'), undefined)
  for (let i = 0; i < 2; i++) t.equal(await cache.getOrSet('user:4', () => 'made', { ttl: '1m' }), 'made')
  await cache.ping()
}

async function walks (t: Test, [first, second]: Both): Promise<void> {
  const { cache } = first.app
  await cache.set('walk:1', 1, { ttl: '1m' })
  t.equal(await cache.deletePattern('walk:*'), 1)
  await cache.invalidateAll()
  t.ok((await second.app.cache.sweep()).removed > 0)
  const { entries } = await cache.entries({ limit: 1000 })
  t.ok((await cache.sample()).scanned >= entries.length)
  t.ok((await cache.stats({ fleet: true })).processes > 0)
}

async function warming (t: Test, first: App): Promise<void> {
  const { app: { cache } } = first
  const quiet = { onProgress: () => {} }
  t.match(await cache.warm(['/plain/7', { key: 'rates:1', produce: () => 1, ttl: '1m' }], quiet), { filled: 2, failed: 0 })
  for (let i = 0; i < 40; i++) await ask(first, '/plain/7') // about one in eight is counted
  const report = await cache.warm([{ hottest: 5 }], quiet)
  t.ok(report.fresh + report.filled > 0, 'what was requested most is known')
}

async function events (both: Both, { heard, source }: { heard: unknown[], source: { version: number } }): Promise<void> {
  const [first, second] = both
  await stored(both, '/plain/event')
  source.version++
  await until('the event is heard', async () => {
    if (heard.length > 0) return true
    await first.app.cache.publish('price_changed', { id: 1 })
    return false
  })
  await until('it has taken effect', async () => (await ask(second, '/plain/event')).body === `version ${source.version}`)
}
