import t from 'tap'
import { createCluster } from 'redis'
import { startRedisCluster } from '../helpers/redis-cluster.ts'
import { granted, leasesOf, waiting } from './leases-scene.ts'

t.test('on a Cluster the end of a lease is heard whatever nodes it is on and they listen to', async (t) => {
  const options = await startRedisCluster(t)
  const scenes = await Promise.all(Array.from({ length: 3 }, async () => {
    const cluster = createCluster(options)
    await cluster.connect()
    const scene = leasesOf(cluster, { prefix: 'p' })
    t.teardown(async () => {
      scene.close()
      await cluster.close()
    })
    return { ...scene, cluster }
  }))
  const [first, ...others] = scenes
  for (let i = 0; i < 20; i++) {
    const name = `user:GET:/${i}:hash`
    const lease = await granted(first!.leases, name, { leaseMs: 60_000 })
    const waits = await Promise.all(others.map((scene) => waiting(scene, name, { leaseMs: 60_000 })))
    await lease.release('stored')
    t.same(await Promise.all(waits.map(({ answer }) => answer)), others.map(() => ({ outcome: 'ended', how: 'stored' })), name)
  }
  const before = others.map(({ asked }) => asked())
  const lease = await granted(first!.leases, 'page', { leaseMs: 60_000 })
  const waits = await Promise.all(others.map((scene) => waiting(scene, 'page', { leaseMs: 60_000 })))
  // Time for twenty polls, if somebody did: the longer it takes, the stronger the test.
  await new Promise((resolve) => { setTimeout(resolve, 100) })
  await lease.release('failed')
  t.same(await Promise.all(waits.map(({ answer }) => answer)), others.map(() => ({ outcome: 'ended', how: 'failed' })))
  for (const [at, { asked }] of others.entries()) t.ok(asked() - before[at]! < 6, 'they have heard of it and not polled')
})
