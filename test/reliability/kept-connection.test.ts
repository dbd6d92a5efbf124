import { getEventListeners } from 'node:events'
import { connect, createServer, Socket, type AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { createClient } from 'redis'
import t, { type Test } from 'tap'
import { destroy, KeptConnection, type OwnedRedis } from '../../lib/store/kept-connection.ts'
import { startFaultyProxy, type FaultyProxy, type ProxyFault } from '../helpers/faulty-proxy.ts'
import { startRedisServer } from '../helpers/redis.ts'
import { timersAlive, usersAlive } from './alive.ts'
import { soon, until } from '../helpers/until.ts'

/** How long a server may say nothing after it has accepted a connection, in milliseconds. */
const HANDSHAKE_MS = 500
const SAID_NOTHING = /said nothing for 500 ms/
const MADE_ANEW = /^nothing, or something wrong, came back/

/** Tests that mostly wait, and have nothing in common, run side by side; those that measure run alone. */
t.jobs = 5
const ALONE = { buffered: false }

interface Scene {
  readonly proxy: FaultyProxy
  readonly client: OwnedRedis
  readonly kept: KeptConnection
  readonly closing: AbortController
  /** What was told of, and what the client said of itself. */
  readonly faults: string[]
  readonly errors: string[]
  /** How often the client has reached a server, and could send commands to it. */
  readonly counts: { opened: number, ready: number }
  /** As the owner of a connection closes it. */
  close (): Promise<void>
}

interface SceneOptions {
  readonly fault?: ProxyFault
  readonly retryMs?: number
  readonly askFor?: () => Promise<{ password: string }>
  readonly password?: string
}

async function scene (t: Test, { fault = { kind: 'none' }, retryMs = 20, askFor, password }: SceneOptions = {}): Promise<Scene> {
  const server = await startRedisServer(t)
  const proxy = await startFaultyProxy({ port: server.port })
  t.teardown(() => proxy.close())
  await proxy.set(fault)
  const client: OwnedRedis = createClient({
    socket: { host: '127.0.0.1', port: proxy.port, reconnectStrategy: () => retryMs },
    disableOfflineQueue: true,
    ...password === undefined ? {} : { password },
    ...askFor === undefined ? {} : { credentialsProvider: { type: 'async-credentials-provider', credentials: askFor } }
  })
  const [faults, errors]: [string[], string[]] = [[], []]
  const counts = { opened: 0, ready: 0 }
  client.on('error', ({ message }) => { errors.push(message) })
  client.on('connect', () => { counts.opened++ })
  client.on('ready', () => { counts.ready++ })
  const closing = new AbortController()
  const kept = new KeptConnection(client, { closed: closing.signal, onFault: (fault) => { faults.push((fault as Error).message) } })
  const close = async (): Promise<void> => {
    closing.abort()
    await destroy(client)
  }
  t.teardown(close)
  return { proxy, client, kept, closing, faults, errors, counts, close }
}

t.test('a connection that is being made is not made anew, however often that is asked for', async (t) => {
  const { proxy, client, kept, faults, errors, counts } = await scene(t, { fault: { kind: 'delay', ms: 100 } })
  const connected = kept.connect()
  await kept.renew()
  await until(() => counts.opened === 1)
  await Promise.all([kept.renew(), kept.renew()])
  await connected
  t.strictSame({ faults, errors, ...counts }, { faults: [], errors: [], opened: 1, ready: 1 })
  t.equal(await client.ping!('here'), 'here')
  t.equal(proxy.connections, 1)
})

t.test('a connection that is being made anew is not made anew once more', async (t) => {
  const { proxy, client, kept, faults, counts } = await scene(t)
  await kept.connect()
  await Promise.all([kept.renew(), kept.renew(), kept.renew()])
  t.equal(await client.ping!('here'), 'here')
  t.match(faults, [MADE_ANEW])
  t.strictSame({ faults: faults.length, ...counts }, { faults: 1, opened: 2, ready: 2 })
  await until(() => proxy.connections === 1)
})

t.test('a connection on which something came that cannot be read is made anew at once', async (t) => {
  for (const unreadable of ['?\r\n', '+an answer to nothing\r\n']) {
    const { proxy, client, kept, faults, counts } = await scene(t)
    await kept.connect()
    proxy.say(unreadable)
    await until(() => counts.ready === 2)
    t.match(faults, [MADE_ANEW])
    t.equal(await client.ping!('here'), 'here')
  }
})

t.test('what is asked on a connection that is given up fails at once', async (t) => {
  const { proxy, client, kept } = await scene(t)
  await kept.connect()
  await proxy.set({ kind: 'silence', direction: 'replies' })
  const asked = client.ping!('lost').then(() => 'answered', () => 'failed')
  const renewed = kept.renew()
  t.equal(await soon('an answer, or none', asked), 'failed')
  await proxy.set({ kind: 'none' })
  await renewed
  t.equal(await client.ping!('here'), 'here')
})

t.test('a server that accepts a connection and says nothing is left and asked again, until it says something', ALONE, async (t) => {
  const { proxy, client, kept, faults, counts } = await scene(t, { fault: { kind: 'blackhole', direction: 'replies' } })
  const startedAt = performance.now()
  const connected = kept.connect()
  await until(() => faults.filter((message) => SAID_NOTHING.test(message)).length === 2)
  const ms = performance.now() - startedAt
  t.ok(ms >= 2 * HANDSHAKE_MS - 10 && ms < 10_000, `left twice after ${ms} ms`)
  await proxy.set({ kind: 'none' })
  const healedAt = performance.now()
  await until(() => client.isReady)
  await connected
  t.ok(performance.now() - healedAt < 3000, `connected ${performance.now() - healedAt} ms after it spoke`)
  t.equal(await client.ping!('here'), 'here')
  const { opened } = counts
  await setTimeout(HANDSHAKE_MS + 100)
  t.strictSame([counts.opened, counts.ready, proxy.connections], [opened, 1, 1], 'and then it is left alone')
})

t.test('who is asked for the password may take longer than a server', async (t) => {
  const { kept, faults, counts } = await scene(t, { askFor: async () => await setTimeout(2 * HANDSHAKE_MS, { password: '' }) })
  await soon('the connection', kept.connect())
  t.strictSame({ faults, ...counts }, { faults: [], opened: 1, ready: 1 })
})

t.test('a password that is given has to be asked for of nobody', async (t) => {
  const { kept, faults, close } = await scene(t, { password: 'secret', fault: { kind: 'blackhole', direction: 'replies' } })
  const connected = kept.connect()
  await until(() => faults.some((message) => SAID_NOTHING.test(message)))
  await close()
  await soon('who waits for it hears of the end', connected)
})

t.test('a connection that is lost soon after it was made was none on which nothing was said', async (t) => {
  const { proxy, client, kept, faults, counts } = await scene(t, { retryMs: 3 * HANDSHAKE_MS })
  await kept.connect()
  await proxy.set({ kind: 'refuse' })
  await until(() => !client.isReady)
  await proxy.set({ kind: 'none' })
  await until(() => client.isReady)
  t.strictSame({ faults, ...counts }, { faults: [], opened: 2, ready: 2 }, 'the client has made another one, when it wanted to')
})

t.test('each connection has its time to begin, whatever became of the one before', ALONE, async (t) => {
  const { proxy, client, kept, faults } = await scene(t, { fault: { kind: 'blackhole', direction: 'replies' } })
  const connected = kept.connect()
  await until(() => proxy.connections === 1)
  await setTimeout(HANDSHAKE_MS / 2)
  proxy.cut() // the next one begins when the time of this one is half over
  await proxy.set({ kind: 'delay', ms: 0.65 * HANDSHAKE_MS, direction: 'replies' })
  await connected
  t.strictSame([client.isReady, faults], [true, []])
})

const MOMENTS: Record<string, (scene: Scene) => Promise<unknown>> = {
  'in the turn in which it begins to connect': async () => {},
  'while its socket is being opened': async () => { await Promise.resolve() },
  'while the server says nothing yet': async ({ counts }) => { await until(() => counts.opened === 1) },
  'when the server has been left once': async ({ faults }) => { await until(() => faults.length > 0) },
  'between two tries': async ({ proxy, errors }) => {
    await proxy.set({ kind: 'refuse' })
    await until(() => errors.some((message) => message.includes('ECONNREFUSED')))
  }
}

for (const [moment, reach] of Object.entries(MOMENTS)) {
  t.test(`a connection that is closed ${moment} is gone, and nobody tries again`, async (t) => {
    const all = await scene(t, { fault: { kind: 'blackhole', direction: 'replies' } })
    const { proxy, kept, faults, counts, close } = all
    const connected = kept.connect()
    await reach(all)
    const told = faults.length
    await close()
    await proxy.set({ kind: 'none' })
    await soon('who waits for it hears of the end', connected)
    await until(() => proxy.connections === 0)
    const { opened } = counts
    await setTimeout(HANDSHAKE_MS + 200)
    t.strictSame([proxy.connections, counts.opened, counts.ready, faults.length], [0, opened, 0, told])
  })
}

const RENEWAL: Record<string, (scene: Scene) => Promise<unknown>> = {
  'in the turn in which it gives up the old one': async () => {},
  'before it opens the new one': async ({ client }) => { await until(() => !client.isReady) },
  'while the server says nothing yet': async ({ counts }) => { await until(() => counts.opened === 2) },
  'when the server has been left once': async ({ faults }) => { await until(() => faults.length > 1) }
}

for (const [moment, reach] of Object.entries(RENEWAL)) {
  t.test(`a connection that is closed while it is made anew, ${moment}, is gone, and nobody tries again`, async (t) => {
    const all = await scene(t)
    const { proxy, kept, counts, close } = all
    await kept.connect()
    await proxy.set({ kind: 'blackhole', direction: 'replies' })
    const renewed = kept.renew()
    await reach(all)
    await close()
    await proxy.set({ kind: 'none' })
    await soon('who waits for it hears of the end', renewed)
    await until(() => proxy.connections === 0)
    const { opened } = counts
    await setTimeout(HANDSHAKE_MS + 200)
    t.strictSame([proxy.connections, counts.opened, counts.ready], [0, opened, 1])
  })
}

t.test('a connection that is closed is not made anew', async (t) => {
  const { proxy, kept, counts, faults, close } = await scene(t)
  await kept.connect()
  await close()
  await kept.renew()
  await kept.connect()
  await until(() => proxy.connections === 0)
  t.strictSame({ faults, ...counts }, { faults: [], opened: 1, ready: 1 })
})

t.test('a client that gives up is made to try again, and each failure is told', async (t) => {
  const { proxy, client, kept, faults } = await scene(t, { fault: { kind: 'hang-up' } })
  let gaveUp = 0
  const stubborn = client.connect.bind(client)
  client.connect = async () => {
    if (gaveUp++ < 2) throw new Error('no server answers')
    return await stubborn()
  }
  await proxy.set({ kind: 'none' })
  await kept.connect()
  t.strictSame(faults, ['no server answers', 'no server answers'])
  t.equal(await client.ping!('here'), 'here')
})

t.test('many connections one after another leave no listeners, timers or sockets behind', ALONE, async (t) => {
  const socketsAlive = usersAlive(Socket, 'connect')
  const { proxy, client, kept, closing, counts } = await scene(t)
  const emitter = client as unknown as NodeJS.EventEmitter // which clients are, and the store does not need
  const left = (): Record<string, number> => ({
    listeners: emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0),
    ends: getEventListeners(closing.signal, 'abort').length,
    connections: proxy.connections
  })
  const again = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      const { ready } = counts
      if (i % 5 === 0) proxy.cut()
      else await kept.renew()
      await until(() => counts.ready > ready && client.isReady && proxy.connections === 1)
    }
  }
  await kept.connect()
  await again(5)
  const [before, timers, sockets] = [left(), timersAlive(), socketsAlive()]
  await again(60)
  t.strictSame(left(), before)
  // What was closed this moment is not forgotten yet.
  await until(() => socketsAlive() <= sockets + 4)
  await until(() => timersAlive() <= timers + 10)
})

t.test('a socket that opens after its client was ended is closed', async (t) => {
  const accepted: Socket[] = []
  const server = createServer((socket) => { accepted.push(socket.on('error', () => {})) }).listen(0, '127.0.0.1')
  await new Promise((resolve) => { server.once('listening', resolve) })
  t.teardown(() => {
    for (const socket of accepted) socket.destroy()
    server.close()
  })
  const client = createClient({ socket: { host: '127.0.0.1', port: (server.address() as AddressInfo).port } }).on('error', () => {})
  const connected = client.connect().catch(() => {}) // it is destroyed before
  await destroy(client)
  await connected
  // Whoever comes later is accepted later.
  const probe = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => { probe.destroy() })
  await until(() => accepted.some(({ remotePort }) => remotePort === probe.localPort))
  await until(() => accepted.every((socket) => socket.destroyed || socket.readableEnded || socket.remotePort === probe.localPort))
  t.equal(client.isOpen, false)
})
