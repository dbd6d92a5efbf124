import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient } from 'redis'
import t, { type Test } from 'tap'
import { startRedisCluster } from '../helpers/redis-cluster.ts'
import { startRedisServer } from '../helpers/redis.ts'
import { PATIENT } from './app.ts'
import { useEverything } from './scenario.ts'

const production = await readFile(join(import.meta.dirname, '../../docs/production.md'), 'utf8')
/** The words of `ACL SETUSER …` in the docs. */
const line = /^ACL SETUSER .*$/m.exec(production)![0].split(' ')
const forClusters = /^for a Cluster also: (.*)$/m.exec(production)?.[1]?.split(' ') ?? []
const commands = (words: readonly string[]): string[] => words.filter((word) => word.startsWith('+')).map((word) => word.slice(1))
const user = { username: 'shop', password: 'PASSWORD' }

t.test('a user with the rights that the docs give can do everything, and is refused nothing', async (t) => {
  for (const memory of [false, {}] as const) {
    const { url } = await startRedisServer(t)
    const admin = await adminOf(t, url)
    await admin.sendCommand(line)
    const { lines } = await useEverything(t, { redis: { url: `${url}/3`, ...user, pingInterval: 20, disableClientInfo: true }, prefix: 'shop', memory })
    t.same(await refusals(admin), [])
    t.same(lines.filter(({ level }) => level !== 'info'), [])
  }
})

t.test('without disableClientInfo the only thing refused is that node-redis tells its name and version', async (t) => {
  const { url } = await startRedisServer(t)
  const admin = await adminOf(t, url)
  await admin.sendCommand(line)
  await useEverything(t, { redis: { url, ...user }, prefix: 'shop', memory: {} })
  const others = (await refusals(admin)).filter((name) => name !== 'client|setinfo') // Redis 7.2 and newer
  t.same(others, [])
})

t.test('every command in the line is used', async (t) => {
  const { url } = await startRedisServer(t)
  const admin = await adminOf(t, url)
  await admin.sendCommand(line)
  await admin.configResetStat()
  await useEverything(t, { redis: { url: `${url}/3`, ...user, pingInterval: 20, disableClientInfo: true }, prefix: 'shop', memory: {} })
  const used = await usedCommands(admin)
  t.same(commands(line).filter((name) => !used.has(name)), [])
})

t.test('every channel in the line is used', async (t) => {
  const channels = line.filter((word) => word.startsWith('&'))
  t.same(channels, ['&shop:marks', '&shop:leases'])
  for (const channel of channels) {
    const { url } = await startRedisServer(t)
    const admin = await adminOf(t, url)
    await admin.sendCommand(line.filter((word) => word !== channel))
    const options = { redis: { url, ...user, disableClientInfo: true }, prefix: 'shop', memory: { maxBlindMs: 50 } }
    await useEverything(t, options)
    t.same(new Set(await refusals(admin)), new Set([channel.slice(1)]), `${channel}: refused, and all works nevertheless`)
  }
})

t.test('a user may not reach what belongs to another prefix', async (t) => {
  const { url } = await startRedisServer(t)
  const admin = await adminOf(t, url)
  await admin.sendCommand(line)
  const shop = await adminOf(t, url, user)
  for (const command of [['GET', 'bank:user:1'], ['FLUSHALL'], ['KEYS', '*'], ['CONFIG', 'GET', '*'], ['PUBLISH', 'bank:marks', 'x'], ['EVAL', "return redis.call('GET', 'bank:x')", '0']]) {
    await t.rejects(shop.sendCommand(command), /NOPERM|can't|access|permission/i, command.join(' '))
  }
})

t.test('on a Cluster the same, with the commands by which a client finds the nodes', async (t) => {
  const { rootNodes } = await startRedisCluster(t)
  const admins = await Promise.all(rootNodes.map(({ url }) => adminOf(t, url)))
  for (const admin of admins) {
    await admin.sendCommand([...line, ...forClusters])
    await admin.configResetStat()
  }
  const redis = { rootNodes, defaults: { ...user, pingInterval: 20, disableClientInfo: true } }
  await useEverything(t, { redis, prefix: 'shop', memory: { maxBlindMs: 200 }, timeouts: PATIENT })
  t.same((await Promise.all(admins.map(refusals))).flat(), [])
  const used = new Set((await Promise.all(admins.map(usedCommands))).flatMap((names) => [...names]))
  // ASK redirections come while slots move only. Redis 6.2 counts no subcommands.
  t.same(commands(forClusters).filter((name) => name !== 'asking' && !used.has(name) && !used.has(name.split('|')[0]!)), [])
})

async function adminOf (t: Test, url: string, as: { username?: string, password?: string } = {}) {
  const client = createClient({ url, ...as })
  client.on('error', () => {}) // what it is used for rejects
  await client.connect()
  t.teardown(() => { client.destroy() })
  return client
}

type Admin = Awaited<ReturnType<typeof adminOf>>

/** What Redis has refused: names of commands, channels and keys. */
async function refusals (admin: Admin): Promise<string[]> {
  const log = await admin.sendCommand(['ACL', 'LOG']) as unknown as Array<{ object: string }>
  return log.map(({ object }) => object)
}

/** Every command that ran since the start, in scripts too. */
async function usedCommands (admin: Admin): Promise<Set<string>> {
  const text = await admin.info('commandstats')
  return new Set([...text.matchAll(/^cmdstat_([\w|-]+):/gm)].map(([, name]) => name!))
}
