import { createCluster } from 'redis'
import t from 'tap'
import { startReplicatedCluster } from '../helpers/redis-cluster.ts'
import { promises } from './judged.ts'
import { MAX_BLIND_MS, Scene } from './scene.ts'
import { marksOf } from './scenarios.ts'

// Fleets of servers take their time to start and to fail over where the machine does something else as well.
t.setTimeout(300_000)

t.test('the cache works on while the slot of the marks moves', async (t) => {
  await promises(t, 'Cluster: the slot of the marks moves')
})

t.test('entries and marks in one slot are found, stored and invalidated while it moves: clients are asked to ask elsewhere, then sent there', async (t) => {
  const cluster = await startReplicatedCluster(t, {}, 2)
  const scene = await Scene.open(t, { redis: { rootNodes: cluster.rootNodes }, prefix: '{moving}', timeouts: { read: '5s', write: '5s' } })
  const observer = createCluster({ rootNodes: cluster.rootNodes })
  await observer.connect()
  t.teardown(() => observer.close())
  scene.takeCounts()
  const key = marksOf(scene)
  const answers = { ASK: 0, MOVED: 0 }
  for (let round = 0; round < 2; round++) {
    const [from, to] = [await cluster.masterOf(key), await cluster.otherMaster(key)]
    const there = await observer.nodeClient(observer.masters.find(({ port }) => port === from.port)!)
    const redirect = async (): Promise<void> => {
      const fault = await there.sendCommand(['ZSCORE', key, 'i']).then(() => '', (error: Error) => error.message)
      for (const word of ['ASK', 'MOVED'] as const) if (fault.startsWith(word)) answers[word]++
    }
    await cluster.moveSlot(key, to, async () => {
      await redirect()
      for (let thing = 0; thing < scene.versions.count; thing++) {
        for (const app of scene.apps) {
          await scene.request(app, thing)
          t.ok(await scene.change(app, thing), `${app.name}: the invalidation of thing ${thing} was acknowledged`)
          for (const other of scene.apps.filter(({ blindMs }) => blindMs === 0)) t.equal((await scene.request(other, thing)).version, scene.versions.read(thing))
        }
      }
    })
    await redirect()
    for (const app of scene.apps) for (let thing = 0; thing < scene.versions.count; thing++) await scene.request(app, thing)
    t.ok((await scene.untilNormal()).isNormal)
  }
  t.same(answers, { ASK: 2, MOVED: 2 }, 'the old master sent clients elsewhere, first for once and then for good')
  const { clientErrors, staleAsFresh, examples, oldestCopyMs } = scene.takeCounts()
  t.same({ clientErrors, staleAsFresh, examples }, { clientErrors: 0, staleAsFresh: 0, examples: [] })
  t.ok(oldestCopyMs <= MAX_BLIND_MS)
  t.same(scene.unhandled, [])
})
