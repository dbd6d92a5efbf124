import t from 'tap'
import { openScene } from './damaged-scene.ts'
import { fill, openSite, type Site } from './damaged-site.ts'
import { until } from '../helpers/until.ts'

const ONE_DAY_MS = 86_400_000

/*
 * Whatever stands under the keys of our own bookkeeping: marks, leases, events, the hottest.
 */

t.test('a foreign type under the key of the marks is one line in the log, and handlers answer until it is gone', async (t) => {
  const scene = await openScene(t)
  await scene.client.hSet(`${scene.prefix}:marks`, 'of', 'another program')
  const { ask, lines, app } = await openSite(t, scene)
  for (let i = 0; i < 10; i++) t.match(await ask('/own'), { status: 200, cache: 'MISS' })
  await t.rejects(app.cache.invalidateTags('a'))
  t.match(lines.filter(({ state }) => state === 'store-error'), { length: 1, 0: { level: 'warn' } })
  t.equal(await scene.client.hGet(`${scene.prefix}:marks`, 'of'), 'another program', 'what is somebody else\'s is left alone')
  await scene.client.unlink(`${scene.prefix}:marks`)
  await until(async () => (await ask('/own')).cache === 'HIT')
})

t.test('marks that lack a part are made anew, and nothing that was filled before is used', async (t) => {
  for (const part of ['i', 'f', 'c']) {
    const scene = await openScene(t)
    const { ask, app } = await openSite(t, scene)
    await app.cache.invalidateTags('a')
    await fill(scene, { ask } as Site, '/own')
    const before = await ask('/own')
    await scene.client.zRem(`${scene.prefix}:marks`, part)
    const { status, cache, body } = await ask('/own')
    t.strictSame([status, cache], [200, 'MISS'], part)
    t.not(body, before.body)
    await until(async () => (await ask('/own')).cache === 'HIT')
    await app.cache.invalidateTags('a')
  }
})

t.test('marks of a clock that was days ahead and is right again are made anew, and nothing that was filled before is used', async (t) => {
  const scene = await openScene(t)
  const { ask, app } = await openSite(t, scene)
  const ahead = (Date.now() + 2 * ONE_DAY_MS) * 1000
  const later = [() => ask('/own'), async () => { await app.cache.invalidateTags('a'); return await ask('/own') }]
  for (const whatComesNext of later) {
    await fill(scene, { ask } as Site, '/own')
    const before = await ask('/own')
    await scene.client.zAdd(`${scene.prefix}:marks`, [{ value: 'ht:b', score: ahead - 2 }, { value: 'c', score: ahead }])
    const { status, cache, body } = await whatComesNext()
    t.strictSame([status, cache], [200, 'MISS'])
    t.not(body, before.body)
    await until(async () => (await ask('/own')).cache === 'HIT')
    t.equal(await scene.client.zScore(`${scene.prefix}:marks`, 'ht:b'), null)
    t.ok((await scene.client.zScore(`${scene.prefix}:marks`, 'c'))! < (Date.now() + ONE_DAY_MS) * 1000)
  }
})

t.test('a foreign type under the key of a lease is nobody\'s lease', async (t) => {
  const scene = await openScene(t)
  const { store } = await scene.open()
  for (const put of [() => scene.client.hSet(`${scene.prefix}:lease:one`, 'a', '1'), () => scene.client.set(`${scene.prefix}:lease:one`, 'text'), () => scene.client.set(`${scene.prefix}:lease:one`, 'h:token:')]) {
    await scene.client.unlink(`${scene.prefix}:lease:one`)
    await put()
    const answer = await store.leases.acquire('one', { leaseMs: 5000, waitMs: 0 })
    t.equal(answer.outcome, 'granted')
    if (answer.outcome === 'granted') await answer.lease.release('stored')
  }
})

t.test('foreign types under the keys of events and of the hottest fail what needs them, and no request', async (t) => {
  const scene = await openScene(t)
  await scene.client.set(`${scene.prefix}:events`, 'text')
  await scene.client.set(`${scene.prefix}:hot`, 'text')
  const { app, ask } = await openSite(t, scene)
  t.match(await ask('/own'), { status: 200 })
  await t.rejects(app.cache.publish('changed', 1), { code: 'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE' })
  const { store } = await scene.open()
  await t.rejects(store.hot.add(new Map([['/', 1]])), /WRONGTYPE/)
  await t.rejects(store.hot.top(3), /WRONGTYPE/)
  t.match(await ask('/own'), { status: 200 })
})
