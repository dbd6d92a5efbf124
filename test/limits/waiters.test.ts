import { test } from 'tap'
import { inEveryStore, said, scene } from '../freshness/scene.ts'

inEveryStore('more requests than may wait for a response run their handlers and do not store', async (t, cache) => {
  const site = await scene(t, {}, { cache: { ...cache, limits: { waiters: 3 } } })
  const first = site.ask('/')
  const leading = await site.origin.run(1)
  const waiting = site.many(3, '/')
  await site.arrived(4)
  t.equal(site.origin.runs.length, 1)
  const crowd = site.many(2, '/')
  const others = [await site.origin.run(2), await site.origin.run(3)]
  for (const run of others) run.answer('of the crowd')
  for (const answer of await Promise.all(crowd)) t.match(said(answer), { status: 200, text: 'of the crowd', cache: 'MISS', why: 'fwd=uri-miss; detail=lock-timeout' })
  leading.answer('of the first')
  t.match(said(await first), { text: 'of the first', why: 'fwd=uri-miss; stored' })
  for (const answer of await Promise.all(waiting)) t.match(said(answer), { status: 200, text: 'of the first', why: 'fwd=uri-miss; collapsed' })
  t.match(said(await site.ask('/')), { text: 'of the first', cache: 'HIT' })
  t.equal(site.origin.runs.length, 3)
})

test('each response has waiters of its own', async (t) => {
  const site = await scene(t, (app, origin) => { app.get('/*', { config: { cache: { ttl: '1m' } } }, origin.handler) }, { cache: { limits: { waiters: 2 } } })
  const asked = [...site.many(3, '/a'), ...site.many(3, '/b')]
  await site.arrived(6)
  t.equal(site.origin.runs.length, 2)
  for (const run of site.origin.runs) run.answer('made')
  for (const answer of await Promise.all(asked)) t.match(said(answer), { status: 200, text: 'made' })
})

test('a crowd runs no more handlers than maxConcurrentFills allows', async (t) => {
  const site = await scene(t, { maxConcurrentFills: 4 }, { cache: { limits: { waiters: 2 } } })
  const asked = site.many(3, '/')
  await site.arrived(3)
  const crowd = site.many(20, '/')
  await site.arrived(23)
  t.equal(site.origin.runs.length, 4)
  for (const run of site.origin.runs) run.answer('made')
  const statuses = (await Promise.all(crowd)).map(({ status }) => status)
  t.equal(statuses.filter((status) => status === 200).length, 3)
  t.equal(statuses.filter((status) => status === 503).length, 17)
  for (const answer of await Promise.all(asked)) t.match(said(answer), { status: 200 })
})
