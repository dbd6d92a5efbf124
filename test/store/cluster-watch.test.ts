import t, { type Test } from 'tap'
import { watchCluster, type WatchedCluster } from '../../lib/store/cluster-watch.ts'
import { until } from '../helpers/until.ts'

/** From one look to the next, and how long a server may take to answer, in milliseconds. */
const PAUSE_MS = 500
const SILENT_MS = 1000

t.jobs = 8 // they have nothing in common, and only wait

type Node = WatchedCluster['masters'][number]

interface Told {
  /** How often each server was asked for a sign of life. */
  readonly asked: Record<string, number>
  /** Those of which others were asked who has their slots. */
  readonly silent: string[][]
  readonly faults: string[]
}

interface Scene extends Told {
  close (): void
  /** Until the next look has begun, or so many. */
  looks (times?: number): Promise<void>
}

interface SceneOptions {
  readonly answers: Record<string, () => Promise<unknown>>
  readonly unready?: readonly string[]
  readonly feed?: () => Promise<unknown>
  readonly rediscover?: () => Promise<void>
}

const fine = async (): Promise<string> => 'PONG'
const hangs = async (): Promise<never> => await new Promise(() => {})

/** Watches a cluster of servers that answer so. */
function scene (t: Test, { answers, unready = [], feed, rediscover = async () => {} }: SceneOptions): Scene {
  const told: Told = { asked: {}, silent: [], faults: [] }
  const nodeOf = (address: string, answer: () => Promise<unknown>): Node => ({
    address,
    client: {
      isReady: !unready.includes(address),
      ping: async () => {
        told.asked[address] = (told.asked[address] ?? 0) + 1
        return await answer()
      }
    }
  })
  const closing = new AbortController()
  t.teardown(() => { closing.abort() })
  const cluster: WatchedCluster = {
    masters: [...Object.entries({ ...answers, 'always there': fine }).map(([address, answer]) => nodeOf(address, answer)), { address: 'never connected to' }],
    ...feed === undefined ? {} : { pubSubNode: nodeOf('of the feed', feed) },
    _slots: {
      async rediscover (_startWith, excluded) {
        told.silent.push([...excluded])
        await rediscover()
      }
    }
  }
  watchCluster(cluster, { closed: closing.signal, onFault: (fault) => { told.faults.push(String(fault)) } })
  const count = (): number => told.asked['always there'] ?? 0
  return {
    ...told,
    close: () => { closing.abort() },
    async looks (times = 1) {
      const before = count()
      await until(() => count() >= before + times)
    }
  }
}

t.test('servers that answer are asked again and again, and nobody is asked about them', async (t) => {
  const { looks, silent, faults, asked } = scene(t, { answers: { a: fine }, feed: fine })
  await looks(3)
  t.strictSame([silent, faults], [[], []])
  t.ok(asked.a! >= 3 && asked['of the feed']! >= 3)
})

t.test('of a server that says nothing the others are asked, and not itself', async (t) => {
  const { looks, silent, faults } = scene(t, { answers: { a: fine, b: hangs } })
  await looks(2)
  t.strictSame(silent[0], ['b'])
  t.strictSame(faults, [])
})

t.test('a server that refuses, or has lost its connection, gives no sign of life', async (t) => {
  const refuses = async (): Promise<never> => { throw new Error('lost') }
  const { looks, silent, asked } = scene(t, { answers: { a: refuses, b: fine }, unready: ['b'] })
  await looks(2)
  t.strictSame(silent[0], ['a', 'b'])
  t.equal(asked.b, undefined, 'what has no connection is not asked')
})

t.test('the server of the feed is watched as well', async (t) => {
  const { looks, silent } = scene(t, { answers: {}, feed: hangs })
  await looks(2)
  t.strictSame(silent[0], ['of the feed'])
})

t.test('when nobody can tell who has the slots, that is told, and asked again', async (t) => {
  for (const rediscover of [async () => { throw new Error('nobody knows') }, hangs]) {
    const { looks, faults, silent, close } = scene(t, { answers: { a: async () => { throw new Error('lost') } }, rediscover })
    await looks(3)
    t.ok(silent.length >= 2, `asked ${silent.length} times`)
    t.match(faults[0], rediscover === hangs ? /LateError: no answer within 1000 ms/ : /nobody knows/)
    close()
  }
})

t.test('a cluster that is closed is not looked at any more, and what fails then is not told', async (t) => {
  const pausing = scene(t, { answers: {} })
  await pausing.looks()
  pausing.close()
  const asked = { ...pausing.asked }
  let fail = (): void => {}
  const asking = scene(t, { answers: { a: hangs }, rediscover: async () => { await new Promise((_resolve, reject) => { fail = () => { reject(new Error('closed')) } }) } })
  await until(() => asking.silent.length === 1)
  asking.close()
  fail()
  const before = [asked, { ...asking.asked }]
  await new Promise((resolve) => { setTimeout(resolve, PAUSE_MS + SILENT_MS) })
  t.strictSame([pausing.asked, asking.asked], before)
  t.strictSame([...pausing.faults, ...asking.faults], [])
})
