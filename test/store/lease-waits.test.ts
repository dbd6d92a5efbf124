import { getEventListeners } from 'node:events'
import t from 'tap'
import { Wait } from '../../lib/store/lease-wait.ts'
import { useRedis } from '../helpers/redis.ts'
import { timersAlive, usersAlive } from '../reliability/alive.ts'
import { until } from '../helpers/until.ts'
import { granted, openLeases, waiting, type LeaseScene } from './leases-scene.ts'

/*
 * Whoever waits for the end of a lease leaves nothing behind when the wait is over, however it ended: a process that lives for months waits
 * for millions of names.
 */

const NAMES = Array.from({ length: 50 }, (_, i) => `page ${i}`)
/** Who waits asks so often, or more often. */
const ASK_AGAIN_MS = 200
const LONG = { leaseMs: 60_000, waitMs: 60_000 }

/** Who waits does so by joining others, or nobody yet. */
const waitsAlive = usersAlive(Wait, 'join')

/** Waits for each name at once, which somebody holds, and does something then. */
type Ending = (other: LeaseScene, held: { release: () => Promise<void> }) => Promise<string[]>

const endings: Record<string, Ending> = {
  'with the end of the lease': async (other, { release }) => {
    const answers = await Promise.all(NAMES.map((name) => waiting(other, name, LONG)))
    await release()
    return await outcomes(answers.map(({ answer }) => answer))
  },
  'by its deadline': async (other) => await outcomes(NAMES.map((name) => other.leases.acquire(name, { ...LONG, waitMs: 30 }))),
  'because the caller has gone': async (other) => {
    const gone = new AbortController()
    const answers = NAMES.map((name) => other.leases.acquire(name, { ...LONG, signal: gone.signal }))
    gone.abort()
    const all = await outcomes(answers)
    return getEventListeners(gone.signal, 'abort').length === 0 ? all : ['listeners']
  },
  'with others that go on for a while': async (other) => {
    const answers = NAMES.flatMap((name) => [30, 60, 90].map((waitMs) => other.leases.acquire(name, { ...LONG, waitMs })))
    return await outcomes(answers)
  },
  'with the cache': async (other) => {
    const answers = await Promise.all(NAMES.map((name) => waiting(other, name, LONG)))
    other.close()
    return await outcomes(answers.map(({ answer }) => answer))
  }
}

async function outcomes (answers: ReadonlyArray<Promise<{ outcome: string }>>): Promise<string[]> {
  return [...new Set((await Promise.all(answers)).map(({ outcome }) => outcome))]
}

for (const [title, end] of Object.entries(endings)) {
  t.test(`nothing is left of waits for a lease that ended ${title}`, async (t) => {
    const { url, prefix } = await useRedis(t)
    const [holder, other] = [await openLeases(t, { url, prefix }), await openLeases(t, { url, prefix })]
    const leases = await Promise.all(NAMES.map((name) => granted(holder.leases, name, { leaseMs: 60_000 })))
    await granted(holder.leases, 'another', { leaseMs: 60_000 })
    const release = async (): Promise<void> => { await Promise.all(leases.map((lease) => lease.release('stored'))) }
    t.strictSame(await end(other, { release }), [title.startsWith('with the end') ? 'ended' : 'held'])
    // What is on its way to Redis for them is answered first.
    await until(() => waitsAlive() === 0)
    const before = other.asked()
    await holder.leases.acquire('another', { ...LONG, waitMs: 2 * ASK_AGAIN_MS })
    t.equal(other.asked(), before, 'nothing is asked for those who have gone')
  })
}

t.test('a wait that ended by its deadline is not joined by those who come later', async (t) => {
  const { url, prefix } = await useRedis(t)
  const [holder, other] = [await openLeases(t, { url, prefix }), await openLeases(t, { url, prefix })]
  const lease = await granted(holder.leases, 'page', { leaseMs: 60_000 })
  t.same(await other.leases.acquire('page', { ...LONG, waitMs: 30 }), { outcome: 'held' })
  await lease.release('stored')
  t.match(await other.leases.acquire('page', { ...LONG, waitMs: 5000 }), { outcome: 'granted' })
})

t.test('who waits has a timer and listens to the caller, no longer than that', async (t) => {
  const caller = new AbortController()
  const heard = (): number => getEventListeners(caller.signal, 'abort').length
  const timers = timersAlive()
  const ways: Array<(wait: Wait) => void> = [
    (wait) => { wait.endAll({ outcome: 'ended', how: 'stored' }) },
    (wait) => { for (let i = 0; i < 20; i++) wait.endOne({ outcome: 'held' }) },
    (wait) => { wait.failAll(new Error('away')) }
  ]
  for (const end of ways) {
    let ends = 0
    const wait = new Wait(() => { ends++ })
    const callers = Promise.allSettled(Array.from({ length: 20 }, () => wait.join(60_000, caller.signal)))
    const paused = wait.pause(60_000)
    t.equal(heard(), 20)
    end(wait)
    t.strictSame([ends, wait.isOver, heard()], [1, true, 0])
    await Promise.all([callers, paused])
  }
  const since = timersAlive()
  t.ok(since < timers + 20, `${timers} timers before, ${since} since`)
})
