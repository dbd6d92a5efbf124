import { setTimeout } from 'node:timers/promises'
import { createClient } from 'redis'
import t, { type Test } from 'tap'
import { KeptConnection, type OwnedRedis } from '../../lib/store/kept-connection.ts'
import { echoes, SilenceWatch } from '../../lib/store/silence.ts'
import { startFaultyProxy, type FaultyProxy } from '../helpers/faulty-proxy.ts'
import { startRedisServer } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'

/** So many tries, so long each, in milliseconds. */
const TRIES = 3
const TRY_MS = 1000

t.jobs = 6 // they have nothing in common, and mostly wait

/** How a server answers to a question: it echoes, sends something else, rejects, or says nothing; the first two also after so many milliseconds. */
type Answer = true | false | 'rejects' | 'silent' | { readonly after: number, readonly is: boolean }

interface Scene {
  readonly watch: SilenceWatch
  readonly counts: { asked: number, renewed: number }
  readonly faults: unknown[]
}

/** A watch whose questions get these answers, one after another, and the last one from then on. */
function scene (answers: readonly Answer[], { renew = async () => {} }: { renew?: () => Promise<void> } = {}): Scene {
  const counts = { asked: 0, renewed: 0 }
  const faults: unknown[] = []
  const ask = async (): Promise<boolean> => {
    const answer = answers[Math.min(counts.asked++, answers.length - 1)]!
    if (answer === 'rejects') throw new Error('the connection was lost')
    if (answer === 'silent') await new Promise(() => {})
    if (typeof answer === 'object') return await setTimeout(answer.after, answer.is, { ref: false })
    return answer === true
  }
  const watch = new SilenceWatch({
    ask,
    renew: async () => {
      counts.renewed++
      await renew()
    },
    onFault: (fault) => { faults.push(fault) },
    tryMs: TRY_MS
  })
  return { watch, counts, faults }
}

/** Until it has found out with so many questions: then the next suspicion makes it ask once more. */
async function untilFound ({ watch, counts }: Scene, asked: number): Promise<void> {
  await until(() => counts.asked === asked)
  await until(() => { watch.suspect(); return counts.asked > asked })
}

t.test('a connection on which the answer comes is kept, and asked once', async (t) => {
  const all = scene([true])
  for (let i = 0; i < 10; i++) all.watch.suspect()
  t.strictSame(all.counts, { asked: 1, renewed: 0 }, 'whoever suspects it meanwhile need not ask')
  await untilFound(all, 1)
  t.strictSame(all.counts, { asked: 2, renewed: 0 })
})

t.test('an answer that is none to what was asked ends the connection at once', async (t) => {
  const { watch, counts, faults } = scene([false])
  const startedAt = performance.now()
  watch.suspect()
  await until(() => counts.renewed === 1)
  t.ok(performance.now() - startedAt < TRY_MS, `after ${performance.now() - startedAt} ms`)
  t.strictSame([counts.asked, faults], [1, []])
})

t.test('a connection on which nothing comes back is given up after three tries, and not sooner', async (t) => {
  const { watch, counts } = scene(['silent'])
  const startedAt = performance.now()
  watch.suspect()
  await until(() => counts.renewed > 0)
  const ms = performance.now() - startedAt
  t.ok(ms > TRIES * TRY_MS - 50 && ms < 3 * TRIES * TRY_MS, `${ms} ms`)
  t.strictSame(counts, { asked: TRIES, renewed: 1 })
})

t.test('an answer that comes late is one: the connection is slow, and kept', async (t) => {
  const late = scene(['silent', 'silent', { after: TRY_MS / 2, is: true }])
  const slow = scene([{ after: 1.5 * TRY_MS, is: true }, 'silent', true])
  const wrong = scene(['silent', false])
  for (const { watch } of [late, slow, wrong]) watch.suspect()
  await Promise.all([untilFound(late, 3), untilFound(slow, 2), until(() => wrong.counts.renewed === 1)])
  t.strictSame(late.counts, { asked: 4, renewed: 0 }, 'the third in time')
  t.strictSame(slow.counts, { asked: 3, renewed: 0 }, 'the first, while the second is waited for')
  t.equal(wrong.counts.asked, 2)
})

t.test('when a question was lost, what comes is the answer to the next one, and taken for the answer to it', async (t) => {
  const { watch, counts } = scene([{ after: 1.2 * TRY_MS, is: false }, 'silent'])
  watch.suspect()
  const startedAt = performance.now()
  await until(() => counts.renewed === 1)
  t.ok(performance.now() - startedAt < 2 * TRY_MS, `after ${performance.now() - startedAt} ms`)
  t.equal(counts.asked, 2)
})

t.test('a connection that is known to be lost is not made anew by who asked on it', async (t) => {
  const all = scene(['silent', 'rejects', true])
  all.watch.suspect()
  await untilFound(all, 2)
  t.strictSame(all.counts, { asked: 3, renewed: 0 })
  t.strictSame(all.faults, [])
})

t.test('while a connection is made anew nothing is asked on it, and a failure to make it is told and not the end of watching', async (t) => {
  let fail = (_fault: Error): void => {}
  const all = scene([false], { renew: async () => await new Promise((_resolve, reject) => { fail = reject }) })
  const { watch, counts, faults } = all
  watch.suspect()
  await until(() => counts.renewed === 1)
  for (let i = 0; i < 10; i++) watch.suspect()
  t.equal(counts.asked, 1)
  fail(new Error('of making it'))
  await until(() => faults.length > 0)
  t.match(faults, [{ message: 'of making it' }])
  await untilFound(all, 1)
  t.equal(counts.asked, 2)
  await until(() => counts.renewed === 2)
  fail(new Error('of making it'))
})

interface RealScene {
  readonly proxy: FaultyProxy
  readonly client: OwnedRedis
  readonly watch: SilenceWatch
  readonly counts: { opened: number, renewed: number }
}

/** A connection to a Redis through a network that loses what it is told to. */
async function realScene (t: Test): Promise<RealScene> {
  const server = await startRedisServer(t)
  const proxy = await startFaultyProxy({ port: server.port })
  t.teardown(() => proxy.close())
  const client: OwnedRedis = createClient({ url: `redis://127.0.0.1:${proxy.port}`, disableOfflineQueue: true })
  const counts = { opened: 0, renewed: 0 }
  client.on('error', () => {}) // the network is broken
  client.on('connect', () => { counts.opened++ })
  const closing = new AbortController()
  const kept = new KeptConnection(client, { closed: closing.signal, onFault () {} })
  t.teardown(async () => {
    closing.abort()
    await client.destroy()
  })
  const renew = async (): Promise<void> => {
    counts.renewed++
    await kept.renew()
  }
  await kept.connect()
  return { proxy, client, counts, watch: new SilenceWatch({ ask: () => echoes(client), renew, onFault: (fault) => { t.fail(String(fault)) }, tryMs: TRY_MS }) }
}

t.test('a server that answers after some seconds is found alive, and its connection stays', async (t) => {
  const { proxy, client, watch, counts } = await realScene(t)
  await proxy.set({ kind: 'silence', direction: 'replies' })
  const asked = client.ping!('late')
  watch.suspect()
  await setTimeout(1.5 * TRY_MS)
  await proxy.set({ kind: 'none' })
  t.equal(await asked, 'late')
  await setTimeout(TRIES * TRY_MS)
  t.strictSame([counts, proxy.connections], [{ opened: 1, renewed: 0 }, 1])
})

t.test('a connection that the client itself replaces while an answer is waited for is not replaced once more', async (t) => {
  const { proxy, client, watch, counts } = await realScene(t)
  await proxy.set({ kind: 'silence', direction: 'replies' })
  watch.suspect()
  await setTimeout(1.5 * TRY_MS)
  await proxy.set({ kind: 'none' })
  proxy.cut()
  await until(() => counts.opened === 2 && client.isReady)
  await setTimeout(TRIES * TRY_MS)
  t.strictSame([counts, proxy.connections], [{ opened: 2, renewed: 0 }, 1])
  t.equal(await client.ping!('here'), 'here')
})

t.test('a connection that loses answers is given up for one that has them, once', async (t) => {
  const { proxy, client, watch, counts } = await realScene(t)
  await proxy.set({ kind: 'blackhole', direction: 'replies' })
  watch.suspect()
  await setTimeout(1.5 * TRY_MS)
  await proxy.set({ kind: 'none' }) // this one stays mute, the next one is well
  await until(() => counts.opened === 2 && client.isReady)
  t.strictSame(counts, { opened: 2, renewed: 1 })
  t.equal(await echoes(client), true)
})

t.test('an echo is what was sent and nothing else, and who cannot be asked says nothing against itself', async (t) => {
  const { client } = await realScene(t)
  t.equal(await echoes(client), true)
  const answering = (answer: unknown): OwnedRedis => Object.create(client, { ping: { value: answer === undefined ? undefined : async () => answer } }) as OwnedRedis
  t.equal(await echoes(answering('PONG')), false)
  t.equal(await echoes(answering(null)), false)
  t.equal(await echoes(answering(undefined)), true)
})
