import { getEventListeners } from 'node:events'
import t, { type Test } from 'tap'
import { createClient, createClientPool } from 'redis'
import { LocalLeases, type FillOutcome } from '../../lib/leases.ts'
import { startRedisServer, useRedis } from '../helpers/redis.ts'
import { granted, leasesOf, openLeases, waiting, type LeaseScene } from './leases-scene.ts'
import { until } from '../helpers/until.ts'

const OUTCOMES: FillOutcome[] = ['stored', 'uncacheable', 'failed']

t.test('in one process: one holds it, who waits hears how it ended, and a rest is kept', async (t) => {
  let now = 1000
  const leases = new LocalLeases({ clock: () => now, mostRests: 2 })
  const options = { leaseMs: 10, waitMs: 20_000 }
  for (const how of OUTCOMES) {
    const lease = await granted(leases, 'a')
    t.same(await leases.acquire('a', { ...options, waitMs: 0 }), { outcome: 'held' })
    t.same(await leases.acquire('a', { ...options, waitMs: 5 }), { outcome: 'held' })
    const waits = [leases.acquire('a', options), leases.acquire('a', options)]
    t.equal(lease.isLost, false)
    await lease.release(how)
    await lease.release('stored')
    t.same(await Promise.all(waits), [{ outcome: 'ended', how }, { outcome: 'ended', how }])
  }
  for (const name of ['a', 'b', 'c']) await (await granted(leases, name)).release('failed', { restMs: 100 })
  await (await granted(leases, 'a')).release('stored') // the oldest of three is forgotten
  now += 40
  t.same(await leases.acquire('b', options), { outcome: 'resting', forMs: 60 })
  now -= 41
  await (await granted(leases, 'b')).release('stored') // the clock was set back
  now += 101
  await (await granted(leases, 'c')).release('stored')
})

t.test('who waits in another process hears how it ended', async (t) => {
  const [first, second] = await pair(t)
  for (const how of OUTCOMES) {
    const lease = await granted(first.leases, 'page')
    const { answer } = await waiting(second, 'page')
    t.same(await second.leases.acquire('page', { leaseMs: 2000, waitMs: 0 }), { outcome: 'held' })
    await lease.release(how)
    t.same(await answer, { outcome: 'ended', how })
  }
})

t.test('many callers of a process who wait for one lease ask together', async (t) => {
  const [first, second] = await pair(t)
  const lease = await granted(first.leases, 'page', { leaseMs: 60_000 })
  await listening(first, second)
  const before = second.asked()
  // Redis knows that somebody waits, before the other connection releases.
  const { answer } = await waiting(second, 'page', { leaseMs: 60_000 })
  const answers = [answer, ...Array.from({ length: 99 }, () => second.leases.acquire('page', { leaseMs: 60_000, waitMs: 20_000 }))]
  await lease.release('stored')
  t.equal((await Promise.all(answers)).filter((answer) => answer.outcome === 'ended').length, 100)
  t.ok(second.asked() - before < 5, `${second.asked() - before} commands`)
})

t.test('a holder that lives keeps its lease beyond its time', async (t) => {
  const [first, second] = await pair(t)
  const lease = await granted(first.leases, 'page', { leaseMs: 300 })
  t.same(await second.leases.acquire('page', { leaseMs: 300, waitMs: 1200 }), { outcome: 'held' })
  t.equal(lease.isLost, false)
  await lease.release('stored')
})

t.test('a lease that somebody else has is lost and ends nothing', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const { leases } = await openLeases(t, { url, prefix })
  const lost = await granted(leases, 'page', { leaseMs: 300 })
  const others = 'h:other-1-10000:'
  await client.set(`${prefix}:lease:page`, others, { expiration: { type: 'PX', value: 10_000 } })
  await until(() => lost.isLost)
  await lost.release('failed', { restMs: 10_000 })
  t.equal(lost.isLost, true)
  t.equal(await client.get(`${prefix}:lease:page`), others)
  t.same(await leases.acquire('page', { leaseMs: 300, waitMs: 0 }), { outcome: 'held' })
})

t.test('a lease that has run out is its holder\'s again when nobody else has it', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const [first, second] = [await openLeases(t, { url, prefix }), await openLeases(t, { url, prefix })]
  const lease = await granted(first.leases, 'page', { leaseMs: 300 })
  const key = `${prefix}:lease:page`
  const before = await client.get(key)
  await client.del(key)
  await until(async () => await client.get(key) === before)
  t.equal(lease.isLost, false)
  t.ok(await client.pTTL(key) <= 300)
  t.same(await second.leases.acquire('page', { leaseMs: 300, waitMs: 0 }), { outcome: 'held' })
  await lease.release('stored')
  t.equal(await client.exists(key), 0)
})

t.test('after a failure nobody gets it for its rest, and who waited hears of the failure', async (t) => {
  const [first, second] = await pair(t)
  const lease = await granted(first.leases, 'page')
  const { answer } = await waiting(second, 'page')
  await lease.release('failed', { restMs: 400 })
  t.same(await answer, { outcome: 'ended', how: 'failed' })
  for (const waitMs of [0, 1000]) {
    const resting = await second.leases.acquire('page', { leaseMs: 2000, waitMs })
    t.ok(resting.outcome === 'resting' && resting.forMs > 0 && resting.forMs <= 400, JSON.stringify(resting))
  }
  await until(async () => (await first.leases.acquire('page', { leaseMs: 2000, waitMs: 0 })).outcome === 'granted')
})

t.test('a wait ends with its time, its signal, and the cache', async (t) => {
  const [first, second] = await pair(t)
  const lease = await granted(first.leases, 'page')
  const startedAt = performance.now()
  t.same(await second.leases.acquire('page', { leaseMs: 2000, waitMs: 30 }), { outcome: 'held' })
  const controller = new AbortController()
  const { answer } = await waiting(second, 'page', { signal: controller.signal })
  controller.abort()
  t.same(await answer, { outcome: 'held' })
  t.same(await second.leases.acquire('page', { leaseMs: 2000, waitMs: 20_000, signal: controller.signal }), { outcome: 'held' })
  const atClose = await waiting(second, 'page')
  second.close()
  t.same(await atClose.answer, { outcome: 'held' })
  t.ok(performance.now() - startedAt < 10_000, 'long before the time of the waits is over')
  await lease.release('stored')
})

t.test('names may have any characters', async (t) => {
  const [first, second] = await pair(t)
  for (const name of ['user:GET:/a%7Bb%7D?x=*:hash', '{tag}é漢🎉 "quoted"\\', 'half \ud83c', '']) {
    const lease = await granted(first.leases, name, { leaseMs: 20_000 })
    const { answer } = await waiting(second, name, { leaseMs: 20_000 })
    await lease.release('stored')
    t.same(await answer, { outcome: 'ended', how: 'stored' }, name)
  }
})

t.test('what is under the key and no lease is replaced', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const { leases } = await openLeases(t, { url, prefix })
  const key = `${prefix}:lease:page`
  const foreign: Array<() => Promise<unknown>> = [
    () => client.set(key, 'text of another program'), () => client.set(key, 'h:token:'), () => client.hSet(key, 'field', 'value')
  ]
  for (const put of foreign) {
    await client.del(key)
    await put()
    await (await granted(leases, 'page')).release('stored')
    t.equal(await client.exists(key), 0)
  }
})

t.test('what is held, or rests, for longer than it was given, because the clock of Redis was set back, is over', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const { leases } = await openLeases(t, { url, prefix })
  for (const restMs of [0, 5000]) {
    const lease = await granted(leases, 'page', { leaseMs: 60_000 })
    if (restMs > 0) await lease.release('failed', { restMs })
    t.match(await leases.acquire('page', { leaseMs: 60_000, waitMs: 0 }), { outcome: restMs > 0 ? 'resting' : 'held' })
    await client.pExpire(`${prefix}:lease:page`, 3_600_000)
    await (await granted(leases, 'page')).release('stored')
    await lease.release('failed')
    t.equal(await client.exists(`${prefix}:lease:page`), 0)
  }
})

t.test('a forged message ends nothing, a lost one is made up for', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const [first, second] = [await openLeases(t, { url, prefix }), await openLeases(t, { url, prefix })]
  await listening(first, second)
  const lease = await granted(first.leases, 'page', { leaseMs: 400 })
  const { answer } = await waiting(second, 'page', { leaseMs: 400 })
  const before = second.asked()
  for (const text of ['page', '{"name":"page","how":"stored"}', 'other']) await client.publish(`${prefix}:leases`, text)
  await until(() => second.asked() > before)
  t.equal(await Promise.race([answer, 'waits']), 'waits')
  // As a release whose message nobody hears.
  const value = await client.get(`${prefix}:lease:page`)
  await client.set(`${prefix}:lease:page`, value!.replace(/^w(.*)$/, 'e$1stored'), { expiration: { type: 'PX', value: 1400 } })
  t.same(await answer, { outcome: 'ended', how: 'stored' })
  await lease.release('stored')
})

t.test('who may not use the channel polls', async (t) => {
  const { url } = await startRedisServer(t)
  const admin = await openAdmin(t, url)
  await admin.aclSetUser('app', ['on', '>secret', '~*', 'resetchannels', '+@all'])
  const options = { url, prefix: 'p', username: 'app', password: 'secret' }
  const [first, second] = [await openLeases(t, options), await openLeases(t, options)]
  for (const how of OUTCOMES) {
    const lease = await granted(first.leases, 'page', { leaseMs: 20_000 })
    const { answer } = await waiting(second, 'page', { leaseMs: 20_000 })
    const startedAt = performance.now()
    await lease.release(how)
    t.same(await answer, { outcome: 'ended', how })
    t.ok(performance.now() - startedAt < 1000)
  }
})

t.test('who loses the connection that messages come by still hears of the end', async (t) => {
  const server = await startRedisServer(t)
  const [first, second] = [await openLeases(t, { url: server.url, prefix: 'p' }), await openLeases(t, { url: server.url, prefix: 'p' })]
  const admin = await openAdmin(t, server.url)
  await listening(first, second)
  const lease = await granted(first.leases, 'page', { leaseMs: 60_000 })
  const { answer } = await waiting(second, 'page', { leaseMs: 60_000 })
  await admin.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub'])
  await lease.release('stored')
  t.same(await answer, { outcome: 'ended', how: 'stored' })
})

t.test('pools and clients with RESP 2 wait as well', async (t) => {
  const { url, prefix } = await useRedis(t)
  const pool = createClientPool({ url }, { minimum: 1, maximum: 4 })
  await pool.connect()
  const pooled = leasesOf(pool, { prefix })
  t.teardown(async () => {
    pooled.close()
    await pool.close()
  })
  const scenes = [pooled, await openLeases(t, { url, prefix, RESP: 2 })] as const
  for (const [holder, waiter] of [scenes, scenes.toReversed() as [LeaseScene, LeaseScene]]) {
    await listening(holder, waiter)
    const before = waiter.asked()
    const lease = await granted(holder.leases, 'page', { leaseMs: 60_000 })
    const answer = waiter.leases.acquire('page', { leaseMs: 60_000, waitMs: 20_000 })
    await until(() => waiter.asked() > before)
    await lease.release('stored')
    t.ok(['ended', 'granted'].includes((await answer).outcome))
  }
})

t.test('a Redis that does not answer: asking rejects in time, what it grants too late is given back, what is held is not lost', async (t) => {
  const server = await startRedisServer(t)
  const scene = await openLeases(t, { url: server.url, prefix: 'p', commandMs: 100 })
  const held = await granted(scene.leases, 'held', { leaseMs: 300 })
  await server.pause()
  t.teardown(() => server.resume())
  const startedAt = performance.now()
  for (const waitMs of [0, 20_000]) await t.rejects(scene.leases.acquire('page', { leaseMs: 60_000, waitMs }), { message: /no answer within 100 ms/ })
  const ms = performance.now() - startedAt
  t.ok(ms >= 195 && ms < 1000, `two of them after ${ms} ms`)
  t.equal(held.isLost, false)
  const releasedAt = performance.now()
  await held.release('stored')
  t.ok(performance.now() - releasedAt < 1000)
  await server.resume()
  const other = await openLeases(t, { url: server.url, prefix: 'p' })
  const startedAgainAt = performance.now()
  t.same((await other.leases.acquire('page', { leaseMs: 60_000, waitMs: 20_000 })).outcome, 'granted')
  t.ok(performance.now() - startedAgainAt < 10_000)
})

t.test('a Redis that goes while somebody waits makes them reject; one that comes back empty grants again', async (t) => {
  const server = await startRedisServer(t)
  const [first, second] = [await openLeases(t, { url: server.url, prefix: 'p' }), await openLeases(t, { url: server.url, prefix: 'p' })]
  const held = await granted(first.leases, 'page', { leaseMs: 400 })
  const { answer } = await waiting(second, 'page', { leaseMs: 400 })
  await server.stop()
  await t.rejects(answer)
  await held.release('failed')
  await server.start()
  let lease = await second.leases.acquire('page', { leaseMs: 400, waitMs: 0 }).catch(() => undefined)
  await until(async () => {
    lease ??= await second.leases.acquire('page', { leaseMs: 400, waitMs: 0 }).catch(() => undefined)
    return lease !== undefined
  })
  t.equal(lease!.outcome, 'granted')
})

t.test('nothing is left behind', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const [first, second] = [await openLeases(t, { url, prefix }), await openLeases(t, { url, prefix })]
  await listening(first, second)
  const { signal } = new AbortController()
  await until(() => timers() === 0)
  for (const how of OUTCOMES) {
    await (await granted(first.leases, 'alone')).release(how)
    const lease = await granted(first.leases, 'page')
    const { answer } = await waiting(second, 'page', { signal })
    await second.leases.acquire('page', { leaseMs: 2000, waitMs: 5, signal })
    await lease.release(how)
    await answer
  }
  t.equal(getEventListeners(signal, 'abort').length, 0)
  t.equal(timers(), 0)
  const before = second.asked()
  await client.publish(`${prefix}:leases`, 'page')
  await client.publish(`${prefix}:leases`, 'alone')
  await until(async () => await client.exists([`${prefix}:lease:page`, `${prefix}:lease:alone`]) === 0)
  t.equal(second.asked(), before, 'nobody waits who would ask')
})

async function pair (t: Test): Promise<[LeaseScene, LeaseScene]> {
  const { url, prefix } = await useRedis(t)
  return [await openLeases(t, { url, prefix }), await openLeases(t, { url, prefix })]
}

async function openAdmin (t: Test, url: string) {
  const admin = createClient({ url })
  await admin.connect()
  t.teardown(() => admin.close())
  return admin
}

/** Both hear messages: a wait of each has ceased to poll. */
async function listening (...scenes: [LeaseScene, LeaseScene]): Promise<void> {
  for (const [holder, waiter] of [scenes, scenes.toReversed() as [LeaseScene, LeaseScene]]) {
    const lease = await granted(holder.leases, 'first', { leaseMs: 60_000 })
    const { answer } = await waiting(waiter, 'first', { leaseMs: 60_000 })
    let asked = -1
    await until(async () => {
      asked = waiter.asked()
      await new Promise((resolve) => { setTimeout(resolve, 50) })
      return waiter.asked() === asked
    })
    await lease.release('stored')
    await answer
  }
}

/** How many timers would keep this process alive, but for the limit of the test itself. */
function timers (): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
}
