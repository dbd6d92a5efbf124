import { setTimeout } from 'node:timers/promises'
import { createClient } from 'redis'
import t, { type Test } from 'tap'
import { startRedisServer } from '../helpers/redis.ts'
import { ask, buildApp, PATIENT, until, type App, type Source } from './app.ts'

const NO_ROOM = '1'
const MEMORY = [false, {}] as const

t.test('with noeviction and no room left, routes answer, hits stay hits, and an invalidation is confirmed', async (t) => {
  for (const memory of MEMORY) {
    const { admin, apps: [first, second], source } = await fleet(t, 'noeviction', memory)
    await filled([first, second])
    await admin.configSet('maxmemory', NO_ROOM)
    for (const app of [first, second]) {
      t.match(await ask(app, '/plain/1'), { status: 200, cache: 'HIT' })
      for (let i = 0; i < 10; i++) t.match(await ask(app, `/plain/new-${i}`), { status: 200, cache: 'MISS' })
    }
    for (const soft of [false, true]) {
      source.version++
      await first.app.cache.invalidateTags('id:1', { soft })
      t.match(await ask(first, '/plain/1'), { status: 200, body: `version ${source.version}` })
      await until('the other process knows', async () => (await ask(second, '/plain/1')).body === `version ${source.version}`)
    }
    t.equal(first.lines.filter(({ level }) => level !== 'info').length, 1, 'one line')
    t.match(first.lines.find(({ level }) => level === 'warn'), { message: /fails to write/, reason: /OOM/ })
    await admin.configSet('maxmemory', '0')
    await filled([first, second])
    t.match(await ask(first, '/plain/1'), { body: `version ${source.version}` }, 'nothing of before comes back')
  }
})

t.test('with noeviction the first invalidation ever, in an empty Redis without room, is confirmed', async (t) => {
  const { admin, apps: [first] } = await fleet(t, 'noeviction', false)
  await admin.flushAll()
  await admin.configSet('maxmemory', NO_ROOM)
  await first.app.cache.invalidateTags('id:1')
  t.equal(await admin.exists('app:marks'), 1)
  t.match(await ask(first, '/plain/1'), { status: 200, cache: 'MISS' })
})

t.test('a memory that fills up while a handler runs keeps nobody waiting for its end', async (t) => {
  const { admin, apps: [first, second], source } = await fleet(t, 'noeviction', false)
  source.slowAsked = Infinity
  const led = ask(first, '/slow')
  await until('the lease is held', async () => (await admin.keys('app:lease:*')).length > 0)
  const waited = ask(second, '/slow')
  await until('somebody waits', async () => {
    const [name] = await admin.keys('app:lease:*')
    return name === undefined || String(await admin.get(name)).startsWith('w')
  })
  const startedAt = performance.now()
  await admin.configSet('maxmemory', NO_ROOM)
  source.slowAsked = 0 // now the handler ends
  for (const answer of await Promise.all([led, waited])) t.equal(answer.status, 200)
  t.ok(performance.now() - startedAt < 1500, 'less than the lease of 2 seconds')
})

for (const policy of ['allkeys-lru', 'allkeys-lfu', 'allkeys-random', 'volatile-lru', 'volatile-random', 'volatile-ttl', 'noeviction']) {
  t.test(`under constant pressure with ${policy} nothing invalidated is served, no client sees an error, and hits come back`, async (t) => {
    for (const memory of MEMORY) {
      const { admin, apps, source } = await fleet(t, policy, memory)
      await filled(apps)
      const { isOver, done } = press(t, admin, Number((await admin.info('memory')).match(/^used_memory:(\d+)/m)![1]))
      const { stale, confirmed, refused } = await traffic(apps, source, { rounds: 25, memory: memory !== false })
      isOver.abort()
      await done
      t.same(stale, [], 'stale as fresh')
      if (policy !== 'noeviction') t.ok(Number(/^evicted_keys:(\d+)/m.exec(await admin.info('stats'))?.[1]) > 0, 'there was pressure')
      t.ok(confirmed > 0, `${confirmed} invalidations were confirmed, ${refused} were not`)
      await admin.configSet('maxmemory', '0')
      await filled(apps)
      for (const app of apps) t.match(await ask(app, '/plain/1'), { body: `version ${source.version}` })
    }
  })
}

t.test('whatever of the bookkeeping is evicted at any moment, nothing invalidated is served and hits come back', async (t) => {
  for (const memory of MEMORY) {
    const { admin, apps, source } = await fleet(t, 'noeviction', memory)
    const heard: unknown[] = []
    apps[1].app.cache.invalidateOn('changed', (data) => { heard.push(data); return { tags: ['id:event'] } })
    await filled(apps)
    const evicted = ['app:marks', 'app:events', 'app:hot']
    for (let round = 0; round < 30; round++) {
      await admin.unlink([evicted[round % 3]!, ...await admin.keys('app:lease:*')])
      const { stale } = await traffic(apps, source, { rounds: 2, memory: memory !== false })
      t.same(stale, [])
    }
    await until('an event is heard', async () => {
      await apps[0].app.cache.publish('changed', 1)
      return heard.length > 0
    })
    await filled(apps)
  }
})

interface Fleet { readonly admin: Admin, readonly apps: readonly [App, App], readonly source: Source }

async function fleet (t: Test, policy: string, memory: false | object): Promise<Fleet> {
  const { url } = await startRedisServer(t, { args: ['--maxmemory-policy', policy] })
  const admin = await adminOf(t, url)
  const source = { version: 1 }
  const options = { redis: url, prefix: 'app', memory: memory === false ? memory : { maxBlindMs: 200 }, timeouts: PATIENT }
  const apps = [await buildApp(t, options, source), await buildApp(t, options, source)] as const
  for (const { app } of apps) {
    await app.ready()
    await app.cache.connect()
  }
  return { admin, apps, source }
}

async function adminOf (t: Test, url: string) {
  const client = createClient({ url })
  client.on('error', () => {}) // it ends with its server
  await client.connect()
  t.teardown(() => { client.destroy() })
  return client
}

type Admin = Awaited<ReturnType<typeof adminOf>>

async function filled (apps: readonly App[]): Promise<void> {
  for (const app of apps) for (let i = 0; i < 3; i++) await until('a hit', async () => (await ask(app, '/plain/1')).cache === 'HIT')
}

/** Other programs fill the memory all the time, up to a bound that moves: Redis evicts, or refuses. */
function press (t: Test, admin: Admin, used: number): { isOver: AbortController, done: Promise<void> } {
  const isOver = new AbortController()
  t.teardown(() => { isOver.abort() })
  const run = async (): Promise<void> => {
    await admin.configSet('maxmemory', String(used + 600_000))
    for (let i = 0; !isOver.signal.aborted; i++) {
      const filler = Array.from({ length: 20 }, (_, at) => admin.set(`other:${i % 50}:${at}`, 'x'.repeat(2000), { expiration: { type: 'EX', value: 60 } }).catch(() => {}))
      await Promise.all(filler) // what is refused is what was asked for
      if (i % 10 === 0) await admin.configSet('maxmemory', String(used + (i % 20 === 0 ? 150_000 : 600_000)))
      await setTimeout(1)
    }
  }
  return { isOver, done: run() }
}

/** What one process has confirmed is invalidated is asked for in both. */
async function traffic ([first, second]: readonly [App, App], source: Source, { rounds, memory }: { rounds: number, memory: boolean }): Promise<{ stale: string[], confirmed: number, refused: number }> {
  const stale: string[] = []
  let confirmed = 0
  for (let round = 0; round < rounds; round++) {
    source.version++
    const current = `version ${source.version}`
    const isConfirmed = await first.app.cache.invalidateTags('id:1').then(() => true, () => false)
    if (isConfirmed) confirmed++
    const own = await ask(first, '/plain/1')
    if (isConfirmed && own.body !== current) stale.push(`${own.detail}: ${own.body} for ${current}`)
    if (memory) await until('the other process knows, after maxBlindMs at most', async () => (await ask(second, '/plain/1')).body === current, 2000)
    const other = await ask(second, '/plain/1')
    if (isConfirmed && other.body !== current) stale.push(`${other.detail}: ${other.body} for ${current}`)
    for (const { status, detail } of [own, other, await ask(first, `/plain/${round}`)]) if (status !== 200) stale.push(`${status} ${detail}`)
  }
  return { stale, confirmed, refused: rounds - confirmed }
}
