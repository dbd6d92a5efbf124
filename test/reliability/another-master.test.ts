import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { asked, untilReplicating } from '../helpers/redis-admin.ts'
import { openCache } from '../helpers/open-cache.ts'
import { startRedisServers } from '../helpers/redis.ts'
import { ask, buildApp } from '../servers/app.ts'
import { until } from '../helpers/until.ts'

/*
 * A name or an address that leads to the master, whichever server that is: new connections come to it, those that are open stay where they
 * are, and the server that was the master takes no writes any more.
 */

t.test('when an address leads to another master, and the one before is its replica, all is as before within seconds', async (t) => {
  for (const memory of [false, {}] as const) {
    const [first, second] = await startRedisServers(t, 2)
    const [oldMaster, newMaster] = [first!, second!]
    await asked(newMaster, async (client) => {
      await client.sendCommand(['REPLICAOF', '127.0.0.1', String(oldMaster.port)])
      await untilReplicating(client)
    })
    const door = await doorTo(t, oldMaster.port)
    const source = { version: 1 }
    const apps = await Promise.all([1, 2].map(() => buildApp(t, { redis: `redis://127.0.0.1:${door.port}`, memory }, source)))
    await Promise.all(apps.map(({ app }) => app.ready()))
    for (const app of apps) await until(async () => (await ask(app, '/plain/1')).cache === 'HIT')

    await asked(newMaster, (client) => client.sendCommand(['REPLICAOF', 'NO', 'ONE']))
    door.leadTo(newMaster.port)
    await asked(oldMaster, (client) => client.sendCommand(['REPLICAOF', '127.0.0.1', String(newMaster.port)]))
    const changedAt = performance.now()
    for (const [at, app] of apps.entries()) await until(async () => (await ask(app, `/plain/new-${at}`)).cache === 'HIT')
    source.version++
    await until(() => apps[0]!.app.cache.invalidateTags('id:1').then(() => true, () => false))
    for (const app of apps) await until(async () => (await ask(app, '/plain/1')).body === 'version 2')
    const ms = performance.now() - changedAt
    t.comment(`as before after ${Math.round(ms)} ms`)
    t.ok(ms < 4000, `as before after ${ms} ms`)
    t.ok(await asked(newMaster, (client) => client.exists('cache:marks')))
  }
})

t.test('an address that leads to a replica for good is not connected to again and again without a rest', async (t) => {
  const [first, second] = await startRedisServers(t, 2)
  const [master, replica] = [first!, second!]
  await asked(replica, async (client) => {
    await client.sendCommand(['REPLICAOF', '127.0.0.1', String(master.port)])
    await untilReplicating(client)
  })
  await (await openCache(t, { redis: master.url, defaults: { ttl: '1m' } })).invalidateAll() // the marks are there
  const door = await doorTo(t, replica.port)
  const app = await buildApp(t, { redis: `redis://127.0.0.1:${door.port}`, memory: {} })
  await app.app.ready()
  await app.app.cache.connect()
  const beganAt = performance.now()
  for (let i = 0; performance.now() - beganAt < 3000; i++) {
    if ((await ask(app, `/plain/${i}`)).status !== 200) t.fail('the route has failed')
    await nextTurn()
  }
  t.comment(`${door.passed} connections in 3 s`)
  t.ok(door.passed > 1 && door.passed < 10, `${door.passed} connections`)
  t.comment(app.lines.map(({ level, message, reason }) => `${level} ${message} ${reason}`).join('\n'))
})

interface Door {
  readonly port: number
  /** Connections so far. */
  readonly passed: number
  /** Of those who come from now on. */
  leadTo (port: number): void
}

async function doorTo (t: Test, to: number): Promise<Door> {
  let target = to
  let passed = 0
  const sockets = new Set<Socket>()
  const server = createServer((from) => {
    passed++
    const to = connect(target, '127.0.0.1')
    for (const socket of [from, to]) {
      sockets.add(socket)
      socket.on('error', () => {}).on('close', () => {
        sockets.delete(socket)
        from.destroy()
        to.destroy()
      })
    }
    from.pipe(to).pipe(from)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    port: (server.address() as AddressInfo).port,
    get passed () { return passed },
    leadTo (port) { target = port }
  }
}
