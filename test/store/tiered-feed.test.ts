import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { createClient } from 'redis'
import { startRedisServer, useRedis } from '../helpers/redis.ts'
import { told } from '../marks/told.ts'
import { until } from '../helpers/until.ts'
import { atOnce, isListening, keyOf, Observer, openTier, responseOf, startTier, warm } from './tiers.ts'

t.test('when the connection to listen breaks, a mark set meanwhile is seen, and later hits do not ask Redis again', async (t) => {
  const { url } = await startRedisServer(t)
  const client = await adminOf(t, url)
  const [tier, other] = [await startTier(t, { redis: url, prefix: 'p' }), await startTier(t, { redis: url, prefix: 'p' })]
  for (let round = 1; round <= 3; round++) {
    const [key, untouched] = [await warm(tier, 'page'), await warm(tier, 'untouched', { labels: ['t:other'] })]
    await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub'])
    await until(() => tier.lines.filter(({ state }) => state === 'deaf').length === round)
    await other.store.marks.mark('hard', ['t:label'])
    await until(() => atOnce(tier, untouched) !== undefined)
    await until(() => atOnce(tier, key) === undefined) // it may have listened again before the mark, which is on its way then
    await until(() => isListening(other))
  }
  t.same(tier.lines.map(({ level, state }) => `${level} ${String(state)}`), ['info listening', ...Array.from({ length: 3 }, () => ['warn deaf', 'info listening']).flat()], 'one line per change')
  t.same(tier.faults, [])
})

t.test('while a process cannot listen each hit reads the marks and no body, and it listens again when it may', async (t) => {
  const { url } = await startRedisServer(t)
  const client = await adminOf(t, url)
  await client.sendCommand(['ACL', 'SETUSER', 'app', 'on', '>secret', '~p:*', '&p:marks', '+@all'])
  const redis = url.replace('//', '//app:secret@')
  const [tier, other] = [await startTier(t, { redis, prefix: 'p' }), await startTier(t, { redis: url, prefix: 'p' })]
  const key = await warm(tier, 'page')
  const observer = await Observer.start(t, { url, prefix: 'p:' })
  await client.sendCommand(['ACL', 'SETUSER', 'app', 'resetchannels']) // ends connections that listen where they may not
  await until(() => !isListening(tier))
  t.same(await observer.during(async () => { t.ok(await tier.store.get(key)) }), ['ZMSCORE'])
  t.same(await observer.during(async () => { await Promise.all(Array.from({ length: 20 }, () => tier.store.get(key))) }), ['ZMSCORE'], 'one for all of a turn')
  await other.store.marks.mark('hard', ['t:label'])
  const found = await tier.store.get(key)
  t.equal(found && tier.store.marks.ledger.verdict(found, key), 'dead')
  await client.sendCommand(['ACL', 'SETUSER', 'app', '&p:marks'])
  await until(() => isListening(tier))
  t.ok(atOnce(tier, await warm(tier, 'page')))
})

t.test('a user that may not use the channel sets marks all the same, and never uses an outdated copy', async (t) => {
  const { url } = await startRedisServer(t)
  const client = await adminOf(t, url)
  await client.sendCommand(['ACL', 'SETUSER', 'app', 'on', '>secret', '~p:*', 'resetchannels', '+@all'])
  const redis = url.replace('//', '//app:secret@')
  const [tier, other] = [openTier(t, { redis, prefix: 'p' }), openTier(t, { redis, prefix: 'p' })]
  for (const { store } of [tier, other]) {
    await store.connect()
    await store.marks.refresh()
  }
  const key = keyOf('page')
  for (let round = 0; round < 5; round++) {
    await tier.store.set(key, responseOf(tier, key), 60_000)
    for (let i = 0; i < 3; i++) t.equal(tier.store.marks.ledger.verdict((await tier.store.get(key))!, key), 'live')
    t.ok(tier.near.get(key), 'there is a copy')
    t.equal(atOnce(tier, key), undefined, 'which is not used without asking')
    await other.store.marks.mark('hard', ['t:label'])
    const found = await tier.store.get(key)
    t.equal(found && tier.store.marks.ledger.verdict(found, key), 'dead')
  }
})

t.test('when the channel is silent without an end, an outdated copy is used for maxBlindMs at most', async (t) => {
  const maxBlindMs = 300
  const { url, prefix } = await useRedis(t)
  const proxy = await startProxy(t, url)
  const tier = await startTier(t, { redis: proxy.url, prefix, maxBlindMs })
  const other = await startTier(t, { redis: url, prefix })
  for (const pauseMs of [0, 2 * maxBlindMs]) { // asked all the time, and after a pause
    const key = await warm(tier, 'page')
    proxy.hold('silent')
    await other.store.marks.mark('hard', ['t:label'])
    const markedAt = performance.now()
    if (pauseMs === 0) t.ok(atOnce(tier, key), 'it has not heard of it')
    await until(() => performance.now() > markedAt + pauseMs)
    let lastUsedAt = 0
    await until(async () => {
      const askedAt = performance.now()
      const entry = await tier.store.get(key)
      const isUsed = entry !== undefined && tier.store.marks.ledger.verdict(entry, key) === 'live'
      if (isUsed) lastUsedAt = askedAt
      return !isUsed
    })
    t.ok(lastUsedAt < markedAt + maxBlindMs, `asked for ${lastUsedAt - markedAt} ms after the mark and given`)
    proxy.hold('nothing')
  }
})

t.test('a message that was lost is noticed with the next one, and what it said is read', async (t) => {
  const { url, prefix } = await useRedis(t)
  const proxy = await startProxy(t, url)
  const [tier, other] = [await startTier(t, { redis: proxy.url, prefix }), await startTier(t, { redis: url, prefix })]
  const key = await warm(tier, 'page')
  proxy.hold('lost')
  await other.store.marks.mark('hard', ['t:label'])
  await until(() => proxy.lost() > 0)
  t.ok(atOnce(tier, key), 'it has not heard of it')
  proxy.hold('nothing')
  await other.store.marks.mark('hard', ['t:another'])
  await until(() => atOnce(tier, key) === undefined)
  const found = await tier.store.get(key)
  t.equal(found && tier.store.marks.ledger.verdict(found, key), 'dead')
})

t.test('what is no message of ours is dropped, and the next mark is heard', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const [tier, other] = [await startTier(t, { redis: url, prefix }), await startTier(t, { redis: url, prefix })]
  const { incarnation, clock: before } = tier.store.marks.ledger
  const message = { incarnation, before, clock: before + 3, floor: 0, members: [] as unknown }
  const odd = ['', 'x', 'null', '[]', '{}', '7', '{"members":[]}', { ...message, clock: 'x' }, { ...message, members: 7 }, { ...message, members: [7] }, { ...message, floor: -0.5 }]
  for (const one of odd) t.equal(await client.publish(`${prefix}:marks`, told(typeof one === 'string' ? one : JSON.stringify(one))), 2)
  const key = await warm(tier, 'page')
  await other.store.marks.mark('hard', ['t:label'])
  await until(() => atOnce(tier, key) === undefined)
  t.equal(tier.store.marks.ledger.incarnation, incarnation)
  t.equal(tier.lines.length, 1)
})

t.test('members that this version does not know do not make a process deaf', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const tier = await startTier(t, { redis: url, prefix })
  const { incarnation, clock } = tier.store.marks.ledger
  for (const members of [[''], ['z of a later version']]) {
    await client.publish(`${prefix}:marks`, told(JSON.stringify({ incarnation, before: clock, clock: clock + 3, floor: 0, members })))
  }
  const key = await warm(tier, 'page')
  await client.publish(`${prefix}:marks`, told(JSON.stringify({ incarnation, before: clock, clock: clock + 6, floor: 0, members: ['ht:label'] })))
  await until(() => atOnce(tier, key) === undefined)
  t.ok(isListening(tier))
  t.equal(tier.lines.length, 1)
})

t.test('with maxBlindMs 0 each hit reads the marks: a confirmed mark is seen by the next one', async (t) => {
  const { url, prefix } = await useRedis(t)
  const [tier, other] = [await startTier(t, { redis: url, prefix, maxBlindMs: 0 }), await startTier(t, { redis: url, prefix })]
  const observer = await Observer.start(t, { url, prefix })
  const key = keyOf('page')
  for (let round = 0; round < 20; round++) {
    await tier.store.set(key, responseOf(tier, key), 60_000)
    for (let i = 0; i < 2; i++) await tier.store.get(key)
    t.same(await observer.during(async () => { t.ok(await tier.store.get(key)) }), ['ZMSCORE'])
    await other.store.marks.mark('hard', ['t:label'])
    const found = await tier.store.get(key)
    t.equal(found && tier.store.marks.ledger.verdict(found, key), 'dead')
  }
})

t.test('while Redis is away copies are used until maxBlindMs is over, and then there is no answer', async (t) => {
  const maxBlindMs = 1000
  const server = await startRedisServer(t)
  for (const leave of ['stop', 'pause'] as const) {
    const tier = await startTier(t, { redis: server.url, prefix: `p-${leave}`, maxBlindMs })
    const key = await warm(tier, 'page')
    await tier.store.marks.refresh()
    await server[leave]()
    let used = 0
    let blindMs = 0
    await until(async () => {
      blindMs = tier.store.marks.blindMs
      const found = await Promise.race([Promise.resolve(tier.store.get(key)).catch(() => undefined), late()])
      if (found !== undefined) {
        used++
        t.ok(blindMs < maxBlindMs, 'not for longer')
      }
      return blindMs > maxBlindMs + 200
    })
    t.ok(used > 10, `${leave}: used ${used} times`)
    if (leave === 'stop') await server.start()
  }
  await server.resume()
})

t.test('copies are dead when Redis comes back empty', async (t) => {
  const server = await startRedisServer(t)
  const tier = await startTier(t, { redis: server.url, prefix: 'p' })
  const key = await warm(tier, 'page')
  await server.stop()
  await until(() => !isListening(tier))
  t.ok(await tier.store.get(key), 'while it is away')
  await server.start()
  await until(() => tier.store.ping().then(() => true, () => false))
  t.equal(await tier.store.get(key), undefined)
  await until(() => isListening(tier))
  t.ok(atOnce(tier, await warm(tier, 'page')))
})

async function late (): Promise<undefined> {
  await new Promise((resolve) => { setTimeout(resolve, 50) })
}

async function adminOf (t: Test, url: string) {
  const client = createClient({ url })
  await client.connect()
  t.teardown(() => client.close())
  return client
}

/** Between a process and Redis: what Redis says on connections that listen can be held back, or get lost. */
async function startProxy (t: Test, url: string): Promise<{ url: string, hold: (what: 'nothing' | 'silent' | 'lost') => void, lost: () => number }> {
  const { port, hostname } = new URL(url)
  let state: 'nothing' | 'silent' | 'lost' = 'nothing'
  let lost = 0
  const held: Array<() => void> = []
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    let listens = false
    for (const [from, to] of [[near, far], [far, near]] as Array<[Socket, Socket]>) from.on('error', () => {}).on('close', () => to.destroy())
    near.on('data', (chunk) => {
      listens ||= /subscribe/i.test(chunk.toString('latin1'))
      far.write(chunk)
    })
    far.on('data', (chunk) => {
      if (!listens || state === 'nothing') near.write(chunk)
      else if (state === 'silent') held.push(() => near.write(chunk))
      else lost++
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const hold = (what: typeof state): void => {
    state = what
    if (what === 'nothing') for (const write of held.splice(0)) write()
  }
  return { url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`, hold, lost: () => lost }
}
