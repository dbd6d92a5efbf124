import { createClient } from 'redis'
import t, { type Test } from 'tap'
import type { ConnectedRedis } from '../../lib/store/redis-client.ts'
import { isRefusal, listen } from '../../lib/store/redis-subscription.ts'
import { SilenceWatch } from '../../lib/store/silence.ts'
import { startFaultyProxy, type FaultyProxy } from '../helpers/faulty-proxy.ts'
import { startRedisServer } from '../helpers/redis.ts'
import { alive } from './alive.ts'
import { soon, until } from '../helpers/until.ts'

type Client = ReturnType<typeof clientOf>

function clientOf (port: number) {
  return createClient({ socket: { host: '127.0.0.1', port, reconnectStrategy: () => 20 } }).on('error', () => {}) // what tests break
}

interface Scene {
  readonly client: Client
  /** On the way of the client and of what listens. */
  readonly proxy: FaultyProxy
  /** `up`, `down: why`, and messages, as they came. */
  readonly heard: string[]
  readonly closing: AbortController
  /** Begins to listen with this client. */
  listen (client?: ConnectedRedis): Promise<void>
  /** Sends messages until one of them is heard: it may take a moment until who listens is known to. */
  untilHears (): Promise<void>
}

async function scene (t: Test): Promise<Scene> {
  const server = await startRedisServer(t)
  const proxy = await startFaultyProxy({ port: server.port })
  t.teardown(() => proxy.close())
  const [client, admin] = [clientOf(proxy.port), clientOf(server.port)]
  for (const one of [client, admin]) {
    await one.connect()
    t.teardown(() => { one.destroy() })
  }
  const heard: string[] = []
  const closing = new AbortController()
  t.teardown(() => { closing.abort() })
  const listener = {
    onMessage: (text: string) => { heard.push(text) },
    onUp: () => { heard.push('up') },
    onDown: (fault: unknown) => { heard.push(`down: ${(fault as Error).message}`) }
  }
  let sent = 0
  return {
    client,
    proxy,
    heard,
    closing,
    listen: async (one = client) => { await listen(one, 'channel', { listener, closed: closing.signal }) },
    async untilHears () {
      const from = sent
      await until(async () => {
        await admin.publish('channel', `message ${++sent}`)
        return heard.some((text) => text.startsWith('message ') && Number(text.slice(8)) > from)
      })
    }
  }
}

/** The same client, with some of it replaced. */
function withOwn (client: Client, own: Record<string, unknown>): ConnectedRedis {
  return Object.create(client, Object.fromEntries(Object.entries(own).map(([name, value]) => [name, { value }])))
}

function downs (heard: readonly string[]): string[] {
  return heard.filter((text) => text.startsWith('down'))
}

t.test('a single client listens on a connection of its own, says when that is lost, and listens again', async (t) => {
  const { client, proxy, heard, closing, listen, untilHears } = await scene(t)
  await soon('the subscription', listen())
  await until(() => heard.includes('up'))
  t.equal(proxy.connections, 2)
  await untilHears()
  for (let round = 1; round <= 3; round++) {
    heard.length = 0
    proxy.cut()
    await until(() => heard.includes('up'))
    t.match(heard[0], /^down: /, 'first that messages may be missed')
    await untilHears()
  }
  closing.abort()
  await until(() => proxy.connections === 1 && client.isReady)
})

t.test('a connection that has gone silent is found out although nobody asks anything on it, and given up', async (t) => {
  const { proxy, heard, listen, untilHears } = await scene(t)
  await listen()
  await until(() => heard.includes('up'))
  heard.length = 0
  await proxy.set({ kind: 'blackhole', direction: 'replies' })
  await until(() => downs(heard).length > 0)
  t.match(heard, [/^down: nothing, or something wrong, came back/])
  await proxy.set({ kind: 'none' })
  await until(() => heard.includes('up'))
  await untilHears()
})

t.test('a subscription that fails is tried again on another connection', async (t) => {
  const { client, heard, listen, untilHears } = await scene(t)
  let [tries, opened] = [0, 0]
  const duplicate = (): unknown => {
    const own = client.duplicate().on('connect', () => { opened++ })
    const subscribe = own.subscribe.bind(own)
    return Object.assign(own, {
      subscribe: async (...args: Parameters<typeof subscribe>) => {
        if (++tries < 3) throw new Error('lost on its way')
        await subscribe(...args)
      }
    })
  }
  await listen(withOwn(client, { duplicate }))
  await until(() => heard.includes('up'))
  await untilHears()
  t.strictSame([tries, opened], [3, 3])
  t.equal(downs(heard).filter((text) => text.includes('lost on its way')).length, 2)
})

t.test('a subscription that Redis refuses is not tried again while the connection lasts', async (t) => {
  const { client, heard, listen } = await scene(t)
  await client.sendCommand(['ACL', 'SETUSER', 'default', 'resetchannels'])
  let opened = 0
  await listen(withOwn(client, { duplicate: () => client.duplicate().on('connect', () => { opened++ }) }))
  await until(() => downs(heard).length > 0)
  t.match(heard, [/^down: NOPERM/])
  const since = performance.now()
  await until(async () => { await client.ping(); return performance.now() - since > 1000 })
  t.strictSame([opened, heard.length], [1, 1])
})

t.test('what is no answer of Redis is no refusal', async (t) => {
  for (const text of ['NOPERM this user has no permissions', 'ERR unknown command']) t.equal(isRefusal(new Error(text)), true)
  for (const fault of [new Error('Socket closed'), new Error('LOADING Redis is loading'), new Error('NOPERMISSION'), 'ERR text', undefined]) t.equal(isRefusal(fault), false)
})

t.test('when it is closed the connection is gone and nobody watches it any more, at whatever moment', async (t) => {
  for (const isUpFirst of [true, false]) {
    const { client, proxy, heard, closing, listen } = await scene(t)
    const listening = listen()
    if (isUpFirst) await until(() => heard.includes('up'))
    heard.length = 0
    closing.abort()
    await soon('the end', listening)
    await until(() => proxy.connections === 1)
    await until(() => alive(SilenceWatch) === 0)
    t.strictSame([heard, client.isReady], [[], true], 'that it is closed is no fault')
  }
})

t.test('clients that listen themselves are asked again until they do, and not to any more when it is closed', async (t) => {
  const { client, heard, closing, listen, untilHears } = await scene(t)
  const own = await client.duplicate().on('error', () => {}).connect()
  t.teardown(() => { own.destroy() })
  const [subscribe, unsubscribe] = [own.subscribe.bind(own), own.unsubscribe.bind(own)]
  let [tries, ends] = [0, 0]
  const cluster = withOwn(own, {
    nodeClient: () => {},
    subscribe: async (...args: Parameters<typeof subscribe>) => {
      if (++tries < 3) throw new Error('no server')
      await subscribe(...args)
    },
    unsubscribe: async (...args: Parameters<typeof unsubscribe>) => {
      await unsubscribe(...args)
      ends++
    }
  })
  await soon('the subscription', listen(cluster))
  await untilHears()
  t.strictSame([tries, heard.slice(0, 3)], [3, ['down: no server', 'down: no server', 'up']])
  closing.abort()
  await until(() => ends === 1)
  t.strictSame(await client.pubSubNumSub(['channel']), { channel: 0 })
  await own.ping()
})

t.test('a pool that lends nothing yet is asked again', async (t) => {
  const { client, heard, listen, untilHears } = await scene(t)
  let asked = 0
  const execute = async (task: (one: unknown) => unknown): Promise<unknown> => {
    if (++asked < 3) throw new Error('not connected')
    return await task(client)
  }
  await soon('the subscription', listen(withOwn(client, { execute })))
  await untilHears()
  t.strictSame(heard.slice(0, 2), ['down: not connected', 'down: not connected'])
})
