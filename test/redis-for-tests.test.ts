import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { test } from 'tap'
import { createClient } from 'redis'
import { findOnPath } from './helpers/find-on-path.ts'
import { startRedisServer, useRedis } from './helpers/redis.ts'

test('each use gets an own prefix, and its keys are gone afterwards', async (t) => {
  const watcher = await useRedis(t)
  let prefix = ''
  await t.test('a test that writes', async (t) => {
    const redis = await useRedis(t)
    prefix = redis.prefix
    await redis.client.set(`${prefix}:a`, '1')
    await redis.client.set(`{${prefix}}:b`, '1')
  })
  t.not(prefix, watcher.prefix)
  t.equal(await watcher.client.exists([`${prefix}:a`, `{${prefix}}:b`]), 0)
})

test('a private server stops, starts again on its port, and freezes', async (t) => {
  const server = await startRedisServer(t, { args: ['--maxmemory', '3mb'] })
  const client = createClient({ url: server.url, disableOfflineQueue: true, socket: { reconnectStrategy: 10 } })
  client.on('error', () => {})
  await client.connect()
  t.teardown(() => client.destroy())
  t.match(await client.configGet('maxmemory'), { maxmemory: '3145728' })
  await client.set('a', '1')

  const lost = new Promise(resolve => client.once('reconnecting', resolve))
  await server.stop()
  await lost
  const back = new Promise(resolve => client.once('ready', resolve))
  await server.start()
  await back
  t.equal(await client.get('a'), null, 'it comes back empty')

  await server.pause()
  const pong = client.ping()
  t.equal(await Promise.race([pong, setTimeout(100, 'silence')]), 'silence')
  await server.resume()
  t.equal(await pong, 'PONG')
})

const inContainer = findOnPath(['redis-server', 'valkey-server']) === undefined && 'testcontainers removes what is left, some seconds later'

test('a private server dies with the process that started it, however that ends', { skip: inContainer }, async (t) => {
  const program = `
    const { startServer } = await import('./test/helpers/redis-server.ts')
    console.log((await startServer({})).url)
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const [url] = await once(createInterface({ input: child.stdout }), 'line') as [string]
  const client = createClient({ url, socket: { reconnectStrategy: false } })
  client.on('error', () => {})
  await client.connect()
  t.equal(await client.ping(), 'PONG')

  const gone = once(client, 'error')
  child.kill('SIGKILL')
  await gone
  t.notOk(client.isReady)
})
