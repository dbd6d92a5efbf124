import t from 'tap'
import { createCluster } from 'redis'
import type { WalkedRedis } from '../../lib/store/redis-nodes.ts'
import { RedisSweep, type RedisSweepOptions } from '../../lib/store/redis-sweep.ts'
import { encodeEntry } from '../../lib/stored-entry.ts'
import { startRedisCluster } from '../helpers/redis-cluster.ts'

const MANY = 20_000

const frame = (label: string): Buffer => encodeEntry({
  kind: 'value', key: 'key', storedAt: 0, filled: { incarnation: '-1', stamp: 1 }, labels: [label], encoding: 'bytes', origin: 'set', body: Buffer.from('body')
})
const isDead = ({ labels }: { labels: readonly string[] }): boolean => labels.includes('t:dead')

function sweepOf (client: unknown, prefix: string, own: Partial<RedisSweepOptions> = {}): RedisSweep {
  return new RedisSweep({ open: () => client as WalkedRedis, prefix, pause: async () => {}, ...own })
}

t.test('on a Redis Cluster', async (t) => {
  const { rootNodes } = await startRedisCluster(t)
  const cluster = await createCluster({ rootNodes }).connect()
  t.teardown(() => cluster.close())

  async function fill (prefix: string, count: number): Promise<void> {
    const names = Array.from({ length: count }, (_, i) => `${prefix}:user:${i}`)
    const frames = [frame('t:dead'), frame('t:live')]
    for (let at = 0; at < count; at += 1000) await Promise.all(names.slice(at, at + 1000).map((name, i) => cluster.set(name, frames[i % 2]!)))
  }

  await t.test(`each of ${MANY} keys is met, on every master`, async (t) => {
    await fill('cache', MANY)
    t.same(await sweepOf(cluster, 'cache').sweep(isDead), { scanned: MANY, removed: MANY / 2 })
    const announced: string[] = []
    t.equal(await sweepOf(cluster, 'cache').deleteValues('user:*5', { onRemoved: async (ids) => { announced.push(...ids) } }), MANY / 10)
    t.equal(new Set(announced).size, MANY / 10)
    t.equal(await sweepOf(cluster, 'cache').deleteValues('*'), MANY / 2 - MANY / 10)
  })

  await t.test('one master is walked at a time', async (t) => {
    await fill('cache', 2000)
    const asked: string[] = []
    const watched = Object.assign(Object.create(cluster) as typeof cluster, {
      nodeClient: async (master: { address: string }) => {
        asked.push(master.address)
        return await cluster.nodeClient(master as never)
      }
    })
    await sweepOf(watched, 'cache').sweep(isDead)
    t.equal(new Set(asked).size, 3)
    t.equal(asked.filter((address, at) => address !== asked[at - 1]).length, 3)
  })

  await t.test('a client with a prefix of its own', async (t) => {
    const prefixed = await createCluster({ rootNodes, keyPrefix: 'app:' }).connect()
    t.teardown(() => prefixed.close())
    await fill('app:cache', 200)
    await cluster.set('cache:apart', frame('t:dead'))
    t.same(await sweepOf(prefixed, 'cache').sweep(isDead), { scanned: 200, removed: 100 })
    t.equal(await sweepOf(prefixed, 'cache').deleteValues('*'), 100)
    t.equal(await cluster.exists('cache:apart'), 1)
  })

  await t.test('a master that fails is walked again after the others, and only when it goes on failing the walk rejects', async (t) => {
    await fill('again', 2000)
    const lost = new Error('connection lost')
    const failing = cluster.masters[0]!.address
    let asked: string[] = []
    const flaky = (failures: number): typeof cluster => Object.assign(Object.create(cluster) as typeof cluster, {
      nodeClient: async (master: { address: string }) => {
        asked.push(master.address)
        if (master.address === failing && failures-- > 0) throw lost
        return await cluster.nodeClient(master as never)
      }
    })
    const swept = await sweepOf(flaky(2), 'again').sweep(isDead)
    t.equal(swept.removed, 1000)
    t.equal(asked[0], failing)
    t.equal(asked.at(-1), failing)

    asked = []
    const rests: number[] = []
    await t.rejects(sweepOf(flaky(Infinity), 'again', { pause: async (ms) => { rests.push(ms) } }).deleteValues('*'), lost)
    t.equal(asked.filter((address) => address === failing).length, 4)
    t.same(rests.filter((ms) => ms >= 1000).length, 2)
    t.ok(await sweepOf(cluster, 'again').deleteValues('*') < 1000, 'the others were walked')
  })
})
